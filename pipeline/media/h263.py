"""The clock in H.263 (ITU-T H.263 5.1.2): temporal_reference, in 1001/30000 s, modulo 256 (8.5 s)."""

from __future__ import annotations

from array import array

from pipeline.continuity.coding import INTRA, REFERENCE, SLICE, UNCOUNTED, UNSCALED, Coding

_MODULUS, _TICK = 256, 1001 / 30_000
_EXTENDED = 7  # source format that announces PLUSPTYPE, with the kind of picture elsewhere
_FAR = 1 << 30


class Reader:
    """Follows one stream of H.263 packet by packet."""

    def __init__(self) -> None:
        self._columns = array("i"), array("i"), array("i"), array("b"), array("H")
        self._last = 0

    def arrays(self) -> list[array[int]]:
        """As in `coding.Slices`: order is a time, in ticks."""
        return list(self._columns)

    def coding(self) -> Coding:
        return Coding("h263", order_modulus=_MODULUS, order_tick=_TICK)

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        order, flags = UNCOUNTED, 0
        head = bytes(payload[:5])
        if len(head) == 5 and head[:2] == b"\0\0" and head[2] & 0xFC == 0x80:  # picture start code, 22 bits
            value = int.from_bytes(head, "big")
            self._last = (self._last + ((value >> 10 & 255) - self._last) % _MODULUS) % _FAR
            plain = value >> 2 & 7 != _EXTENDED
            order, flags = self._last, SLICE | REFERENCE | (INTRA if plain and not value & 2 else 0)
        for column, value in zip(self._columns, (-1, -1, order, UNSCALED, flags), strict=True):
            column.append(value)
