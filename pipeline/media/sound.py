"""What the heads of sound frames tell without decoding: AAC's windows, ADTS headers, MP3's bit reservoir.

A frame of AAC or MP3 leans on the one before it. Where frames were taken out, the next one leans on what is not there.
"""

from __future__ import annotations

from typing import Protocol

from pipeline.continuity.coding import Fault, Sound

_MOST_FAULTS = 100
Step = tuple[str, int, int]  # what, expected, found


class _Heads(Protocol):
    samples: int
    declared: int | None
    borrowed: int

    def take(self, payload: memoryview) -> Step | None: ...


class Reader:
    """Follows one stream of sound packet by packet."""

    def __init__(self, codec: str, heads: _Heads) -> None:
        self._codec = codec
        self._heads = heads
        self._packets = 0
        self._faults: list[Fault] = []

    def take(self, payload: memoryview) -> None:
        """One packet, in the order of the file."""
        step = self._heads.take(payload)
        if step and len(self._faults) < _MOST_FAULTS:
            self._faults.append(Fault(self._packets, *step))
        self._packets += 1

    def sound(self) -> Sound:
        heads = self._heads
        return Sound(self._codec, heads.samples, self._packets, heads.declared, heads.borrowed, tuple(self._faults))


class Aac:
    """AAC-LC and its kin (ISO/IEC 14496-3 4.4.2, 13818-7 6.2). `extradata`: AudioSpecificConfig, or empty with ADTS.

    Each frame's window must begin with the slope the one before ended with (4.6.11): long on long, short on short.
    """

    samples = 1024
    declared: int | None = None
    borrowed = 0

    def __init__(self, extradata: bytes) -> None:
        self._readable = not extradata or extradata[0] >> 3 in _PLAIN
        self._header = -1
        self._slope = -1  # at the end of the frame before: 1 short, 0 long, -1 not known

    def take(self, payload: memoryview) -> Step | None:
        head = bytes(payload[:12])
        if len(head) < 3:
            self._slope = -1
            return None
        if head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and len(head) > 9:
            before, self._header = self._header, int.from_bytes(head[:4], "big") >> 6 & ~2  # private_bit left out
            if before not in (-1, self._header):
                self._slope = -1
                return "header", before, self._header
            head = head[7 if head[1] & 1 else 9 :]
        return self._window(int.from_bytes(head[:3].ljust(3, b"\0"), "big"))

    def _window(self, bits: int) -> Step | None:
        """`bits`: the first 24 of the frame."""
        element = bits >> 21
        if not self._readable or element not in (0, 1):
            self._slope = -1
            return None
        common = element == 1 and bits >> 16 & 1  # common_window
        window = bits >> (13 if common else 5 if element else 6) & 3
        before, self._slope = self._slope, _RIGHT[window]
        return ("window", before, _LEFT[window]) if before not in (-1, _LEFT[window]) else None


_PLAIN = (1, 2, 3, 4, 5, 29)  # audioObjectType (table 1.17): with window_sequence where we look for it
_LEFT, _RIGHT = (0, 0, 1, 1), (0, 1, 1, 0)  # window_sequence: only long, long start, eight short, long stop


class Mp3:
    """MPEG audio layer III (ISO/IEC 11172-3 2.4.1.7, 13818-3 2.4.1.7).

    main_data_begin says how many bytes before its own header a frame's data begin; they can't begin where the data of
    the frame before still go on.
    """

    def __init__(self) -> None:
        self.samples = 0
        self.declared: int | None = None
        self.borrowed = 0
        self._free = -1  # bytes before this frame that belong to no frame's data; -1: not known
        self._first = True

    def take(self, payload: memoryview) -> Step | None:
        head = bytes(payload[:200])
        side = _side_information(head)
        if side is None:
            self._free = -1
            return None
        begin, size, data = side
        self.samples = 1152 if head[1] >> 3 & 1 else 576
        free, first, self._first = self._free, self._first, False
        if _tagged(head, self):
            self._free, self._first = 0, first
            return None
        if first:
            self.borrowed = begin
        room = len(payload) - size
        self._free = begin + room - data if begin + room - data >= 0 else -1
        return ("reservoir", free, begin) if 0 <= free < begin and not first else None


def _side_information(head: bytes) -> tuple[int, int, int] | None:
    """(main_data_begin, bytes of header and side information, bytes of main data); None where this is no frame."""
    if len(head) < 40 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return None
    full, mono = head[1] >> 3 & 1, head[3] >> 6 == 3
    size = (17 if mono else 32) if full else (9 if mono else 17)
    start = 4 if head[1] & 1 else 6  # with CRC
    bits = int.from_bytes(head[start : start + size], "big")
    left = 8 * size - (9 if full else 8)
    begin = bits >> left
    channels = 1 if mono else 2
    left -= ((5 if mono else 3) + 4 * channels) if full else channels
    length = 0
    for _ in range(channels * (2 if full else 1)):
        length += bits >> left - 12 & 0xFFF
        left -= 59 if full else 63
    return begin, start + size, -(-length // 8)


def _tagged(head: bytes, into: Mp3) -> bool:
    """A frame without sound that says how many follow: Xing or Info behind the side information, VBRI at 36."""
    for at in (13, 15, 21, 23, 36, 38):
        if head[at : at + 4] in (b"Xing", b"Info"):
            if head[at + 7] & 1:
                into.declared = int.from_bytes(head[at + 8 : at + 12], "big")
            return True
    if head[36:40] == b"VBRI":
        into.declared = int.from_bytes(head[50:54], "big")
        return True
    return False
