"""The clock in MPEG-4 visual (ISO/IEC 14496-2 6.2.3 to 6.2.5): each picture says at which fraction of a second it is.

Which second, only a group's header says, where there is one; pictures count seconds from the one before.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from pipeline.continuity.coding import INTRA, REFERENCE, SLICE, SPLICE, UNCOUNTED, UNSCALED, Change, Coding
from pipeline.media.bits import Bits

_SHORT, _LONG = 64, 4096  # bytes in which a picture begins, nearly always and at last
_VOP = b"\0\0\1\xb6"
_GROUP, _LAYERS = 0xB3, range(0x20, 0x30)  # start codes (table 6-3)
_I, _B = 0, 2  # vop_coding_type
_MOST_CHANGES = 100
MOST_STAMPS = 20_000
_FAR = 1 << 30


class Reader:
    """Follows one stream of MPEG-4 visual packet by packet. `extradata`: its headers, or empty."""

    def __init__(self, extradata: bytes) -> None:
        self._columns = array("i"), array("i"), array("i"), array("b"), array("H")
        self._resolution = self._width = 0  # ticks of a second, bits of a time within it
        self._layer = b""
        self._changes: list[Change] = []
        self._last = self._before = 0  # time of the last reference picture and of the one before it, in ticks
        self._stamps: list[tuple[int, float]] = []
        self._take_headers(extradata)
        self._stamps.clear()

    def arrays(self) -> list[array[int]]:
        """As in `coding.Slices`: order is a time, in ticks."""
        return list(self._columns)

    def coding(self) -> Coding:
        tick = 1 / self._resolution if self._resolution else 0.0
        changes, stamps = tuple(self._changes), tuple(self._stamps)
        return Coding("mpeg4", order_modulus=self._resolution, order_tick=tick, changes=changes, stamps=stamps)

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        head = bytes(payload[:_SHORT])
        at = head.find(_VOP)
        if at < 0:
            head = bytes(payload[:_LONG])
            at = head.find(_VOP)
        order, flags = UNCOUNTED, 0
        if at >= 0:
            marks = self._take_headers(head[:at]) if at else 0
            order, flags = self._picture(head[at + 4 : at + 12])
            flags |= marks
        for column, value in zip(self._columns, (-1, -1, order, UNSCALED, flags), strict=True):
            column.append(value)

    def _take_headers(self, headers: bytes) -> int:
        """SPLICE where a group's header says broken_link: an editor's word that the pictures before are gone."""
        flags = 0
        for code, body in sections(headers):
            if code in _LAYERS:
                self._set_layer(body.rstrip(b"\0"))
            elif code == _GROUP and len(body) > 2:
                flags |= SPLICE if body[2] & 0x10 else 0
                self._stamp(int.from_bytes(body[:3], "big") >> 6)
        return flags

    def _stamp(self, code: int) -> None:
        """time_code (table 6-11): hours, minutes, a marker, seconds."""
        seconds = 3600 * (code >> 13) + 60 * (code >> 7 & 63) + (code & 63)
        if len(self._stamps) < MOST_STAMPS:
            self._stamps.append((len(self._columns[0]), float(seconds)))

    def _set_layer(self, layer: bytes) -> None:
        if layer == self._layer:
            return
        try:
            resolution = _resolution(layer)
        except EOFError:
            return
        if self._layer and self._columns[0] and len(self._changes) < _MOST_CHANGES:
            self._changes.append(Change(len(self._columns[0]), "vol", ()))
        self._layer, self._resolution = layer, resolution
        self._width = max(1, (resolution - 1).bit_length())

    def _picture(self, head: bytes) -> tuple[int, int]:
        """(time, flags). The time runs on from a reference picture before; whole seconds are not believed."""
        bits = Bits(head)
        try:
            kind = bits.u(2)
            while bits.u(1):  # modulo_time_base
                pass
            bits.u(1)
            ticks = bits.u(self._width) if self._resolution else -1
        except EOFError:
            return UNCOUNTED, SLICE
        flags = SLICE | (INTRA if kind == _I else 0) | (REFERENCE if kind != _B else 0)
        if ticks < 0:
            return UNCOUNTED, flags
        since = self._before if kind == _B else self._last
        time = (since + (ticks - since) % self._resolution) % _FAR
        if kind != _B:
            self._before, self._last = self._last, time
        return time, flags


def sections(headers: bytes) -> Iterator[tuple[int, bytes]]:
    """(start code, what follows it up to the next) for MPEG's start codes 00 00 01 xx."""
    at = headers.find(b"\0\0\1")
    while 0 <= at < len(headers) - 3:
        following = headers.find(b"\0\0\1", at + 3)
        yield headers[at + 3], headers[at + 4 : following if following >= 0 else len(headers)]
        at = following


def _resolution(layer: bytes) -> int:
    """vop_time_increment_resolution of a video object layer (6.2.3)."""
    bits = Bits(layer[:64])
    bits.u(9)
    version = 1
    if bits.flag():
        version = bits.u(4)
        bits.u(3)
    if bits.u(4) == 15:
        bits.u(16)
    if bits.flag():
        bits.u(3)
        if bits.flag():
            bits.u(79)
    if bits.u(2) == 3 and version != 1:
        bits.u(4)
    bits.u(1)
    resolution = bits.u(16)
    if not resolution:
        raise EOFError
    return resolution
