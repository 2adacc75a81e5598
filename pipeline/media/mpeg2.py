"""The counters in MPEG-1 and MPEG-2 video (ISO/IEC 13818-2 6.2.2.6, 6.2.3): temporal_reference counts each group's
pictures in order of display, vbv_delay says how full the decoder's buffer is, and a group's header tells the time and
whether an editor cut what was before it.
"""

from __future__ import annotations

from array import array

from pipeline.continuity.coding import (
    INTRA,
    REFERENCE,
    RESET,
    SLICE,
    SPLICE,
    UNCOUNTED,
    UNSCALED,
    Change,
    Coding,
    Level,
)
from pipeline.media.mpeg4 import MOST_STAMPS, sections

_SHORT, _LONG = 256, 8192  # bytes in which a picture begins, nearly always and at last
_PICTURE, _SEQUENCE, _GROUP = 0, 0xB3, 0xB8  # start codes (table 6-1)
_I, _B = 1, 3  # picture_coding_type
_MOST_CHANGES = 100
_VARIABLE = 0xFFFF  # vbv_delay of streams without a constant rate
_RATES = {1: 23.976, 2: 24.0, 3: 25.0, 4: 29.97, 5: 30.0, 6: 50.0, 7: 59.94, 8: 60.0}  # frame_rate_code (table 6-4)


class Reader:
    """Follows one stream of MPEG-1 or MPEG-2 video packet by packet. `extradata`: its sequence header, or empty."""

    def __init__(self, extradata: bytes) -> None:
        self._columns = array("i"), array("i"), array("i"), array("b"), array("H")
        self._sequence = b""
        self._changes: list[Change] = []
        self._stamps: list[tuple[int, float]] = []
        self._rate, self._bit_rate = 25.0, 0
        self._levels: list[Level] = []
        self._since = 0  # pictures since the last level
        self._headers(extradata)

    def arrays(self) -> list[array[int]]:
        """As in `coding.Slices`."""
        return list(self._columns)

    def coding(self) -> Coding:
        return Coding(
            "mpeg2", order_modulus=1024, changes=tuple(self._changes), stamps=tuple(self._stamps),
            bit_rate=self._bit_rate, levels=tuple(self._levels),
        )  # fmt: skip

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        for much in (_SHORT, _LONG):
            head = bytes(payload[:much])
            at = head.find(b"\0\0\1\0")
            if at >= 0:
                break
        order, flags = UNCOUNTED, 0
        if 0 <= at < len(head) - 7:
            value = int.from_bytes(head[at + 4 : at + 8], "big")
            order, kind = value >> 22, value >> 19 & 7
            flags = SLICE | (self._headers(head[:at]) if at else 0)
            flags |= (INTRA if kind == _I else 0) | (REFERENCE if kind != _B else 0)
            self._level(kind, value >> 3 & 0xFFFF)
        for column, value in zip(self._columns, (-1, -1, order, UNSCALED, flags), strict=True):
            column.append(value)

    def _headers(self, headers: bytes) -> int:
        """RESET where a group begins, SPLICE where its header says broken_link."""
        flags = 0
        for code, body in sections(headers):
            if code == _SEQUENCE:
                self._take_sequence(body[:7])
            elif code == _GROUP and len(body) > 3:
                flags |= RESET | (SPLICE if body[3] & 0x20 else 0)
                self._stamp(int.from_bytes(body[:4], "big") >> 7)
        return flags

    def _stamp(self, code: int) -> None:
        """time_code (table 6-11): drop_frame_flag, hours, minutes, a marker, seconds, pictures."""
        seconds = 3600 * (code >> 19 & 31) + 60 * (code >> 13 & 63) + (code >> 6 & 63) + (code & 63) / self._rate
        if len(self._stamps) < MOST_STAMPS:
            self._stamps.append((len(self._columns[0]), round(seconds, 3)))

    def _level(self, kind: int, delay: int) -> None:
        if kind == _I and 0 < delay < _VARIABLE and len(self._levels) < MOST_STAMPS:
            self._levels.append(Level(len(self._columns[0]), delay / 90_000, self._since / self._rate))
            self._since = 0
        self._since += 1

    def _take_sequence(self, sequence: bytes) -> None:
        """Size, shape, rates and buffer; tables of quantisers behind them may change."""
        if self._sequence and sequence != self._sequence and self._columns[0] and len(self._changes) < _MOST_CHANGES:
            self._changes.append(Change(len(self._columns[0]), "sequence"))
        self._sequence = sequence
        if len(sequence) > 6:
            self._rate = _RATES.get(sequence[3] & 15, 25.0)
            self._bit_rate = 400 * (int.from_bytes(sequence[4:7], "big") >> 6)
