"""The counter in MPEG-1 and MPEG-2 video (ISO/IEC 13818-2 6.2.2.6, 6.2.3): temporal_reference counts each group's
pictures in order of display, and a group's header says whether an editor cut what was before it.
"""

from __future__ import annotations

from array import array

from pipeline.continuity.coding import INTRA, REFERENCE, RESET, SLICE, SPLICE, UNCOUNTED, UNSCALED, Change, Coding
from pipeline.media.mpeg4 import sections

_SHORT, _LONG = 256, 8192  # bytes in which a picture begins, nearly always and at last
_PICTURE, _SEQUENCE, _GROUP = 0, 0xB3, 0xB8  # start codes (table 6-1)
_I, _B = 1, 3  # picture_coding_type
_MOST_CHANGES = 100


class Reader:
    """Follows one stream of MPEG-1 or MPEG-2 video packet by packet. `extradata`: its sequence header, or empty."""

    def __init__(self, extradata: bytes) -> None:
        self._columns = array("i"), array("i"), array("i"), array("b"), array("H")
        self._sequence = b""
        self._changes: list[Change] = []
        self._headers(extradata)

    def arrays(self) -> list[array[int]]:
        """As in `coding.Slices`."""
        return list(self._columns)

    def coding(self) -> Coding:
        return Coding("mpeg2", order_modulus=1024, changes=tuple(self._changes))

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        for much in (_SHORT, _LONG):
            head = bytes(payload[:much])
            at = head.find(b"\0\0\1\0")
            if at >= 0:
                break
        order, flags = UNCOUNTED, 0
        if 0 <= at < len(head) - 5:
            flags = SLICE | (self._headers(head[:at]) if at else 0)
            order = head[at + 4] << 2 | head[at + 5] >> 6
            kind = head[at + 5] >> 3 & 7
            flags |= (INTRA if kind == _I else 0) | (REFERENCE if kind != _B else 0)
        for column, value in zip(self._columns, (-1, -1, order, UNSCALED, flags), strict=True):
            column.append(value)

    def _headers(self, headers: bytes) -> int:
        """RESET where a group begins, SPLICE where its header says broken_link."""
        flags = 0
        for code, body in sections(headers):
            if code == _SEQUENCE:
                self._take_sequence(body[:8])
            elif code == _GROUP and len(body) > 3:
                flags |= RESET | (SPLICE if body[3] & 0x20 else 0)
        return flags

    def _take_sequence(self, sequence: bytes) -> None:
        """Size, shape, rates and buffer; tables of quantisers behind them may change."""
        if self._sequence and sequence != self._sequence and self._columns[0] and len(self._changes) < _MOST_CHANGES:
            self._changes.append(Change(len(self._columns[0]), "sequence"))
        self._sequence = sequence
