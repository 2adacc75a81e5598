"""Splits packets into NAL units: length-prefixed (ISO/IEC 14496-15) or after start codes (Annex B).

Only heads are copied: a packet may hold megabytes of picture, its counters stand in the first bytes.
"""

from __future__ import annotations

from collections.abc import Iterator

_MOST = 512  # units of one packet that are looked at: a picture has a few, hostile bytes have millions
_WINDOW = 4096  # bytes of a packet within which the first slice nearly always begins


def units(payload: memoryview, length: int, slices: bytes) -> Iterator[memoryview]:
    """The NAL units of a packet, `length` bytes before each saying how long it is; 0: start codes.

    `slices`: 256 bytes, non-zero where a unit with that first byte is a slice. A slice after a start code may come with
    what follows it: only its head is of use here.
    """
    if length and payload[:length] != _START[length]:
        return _counted(payload, length)
    return _started(payload, slices)


_START = {1: b"", 2: b"", 3: b"\0\0\1", 4: b"\0\0\0\1"}  # a unit of one byte is none: some writers leave start codes


def _counted(payload: memoryview, length: int) -> Iterator[memoryview]:
    at, end = 0, len(payload)
    for _ in range(_MOST):
        if at + length >= end:
            return
        size = int.from_bytes(payload[at : at + length], "big")
        at += length
        if size:
            yield payload[at : at + size]
        at += size


def _started(payload: memoryview, slices: bytes) -> Iterator[memoryview]:
    """Units after 00 00 01, looked for in the first bytes and only then in all of them."""
    whole, complete = bytes(payload[:_WINDOW]), len(payload) <= _WINDOW
    at = whole.find(b"\0\0\1") + 3
    for _ in range(_MOST):
        if not complete and (at < 3 or at >= len(whole)):
            whole, complete = bytes(payload), True
            at = whole.find(b"\0\0\1", max(0, at - 3)) + 3
        if at < 3 or at >= len(whole):
            return
        end = whole.find(b"\0\0\1", at)
        if end < 0 and not complete and not slices[whole[at]]:
            whole, complete = bytes(payload), True
            end = whole.find(b"\0\0\1", at)
        if end != at:
            yield payload[at : end if end >= 0 else len(payload)]
        if end < 0:
            return
        at = end + 3


def from_avcc(extradata: bytes) -> Iterator[bytes]:
    """The parameter sets of an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1)."""
    at = 5
    for mask in (31, 255):
        if at >= len(extradata):
            return
        count = extradata[at] & mask
        at += 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            if size and at + 2 < len(extradata):
                yield extradata[at + 2 : at + 2 + size]
            at += 2 + size


def from_hvcc(extradata: bytes) -> Iterator[bytes]:
    """The parameter sets of an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 8.3.3.1)."""
    at = 23
    for _ in range(extradata[22] if len(extradata) > 22 else 0):
        count = int.from_bytes(extradata[at + 1 : at + 3], "big")
        at += 3
        for _ in range(min(count, _MOST)):
            size = int.from_bytes(extradata[at : at + 2], "big")
            if not size or at + 2 >= len(extradata):
                break
            yield extradata[at + 2 : at + 2 + size]
            at += 2 + size
