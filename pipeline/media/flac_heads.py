"""The heads of a FLAC file and of its frames, and Vorbis comments (RFC 9639 8.2, 8.6, 9.1).

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pipeline.media.crc import crc8
from pipeline.media.riff import text

_RATES = (0, 88_200, 176_400, 192_000, 8_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000)
_DEPTHS = (0, 8, 12, 0, 16, 20, 24, 32)


@dataclass(frozen=True, slots=True)
class Info:
    """STREAMINFO (8.2). 0: not known."""

    least_block: int
    most_block: int
    least_frame: int
    most_frame: int
    rate: int
    channels: int
    depth: int
    samples: int


class Head(NamedTuple):
    """A frame's head (9.1). `number`: of the frame, or of its first sample where `counted` (blocks of varying size)."""

    number: int
    counted: bool
    samples: int
    rate: int
    channels: int
    depth: int
    size: int


def info(body: bytes) -> Info | None:
    if len(body) < 34:
        return None
    packed = int.from_bytes(body[10:18], "big")
    number = int.from_bytes
    return Info(
        number(body[0:2], "big"), number(body[2:4], "big"), number(body[4:7], "big"), number(body[7:10], "big"),
        packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & 0xFFFFFFFFF,
    )  # fmt: skip


def head(piece: bytes) -> Head | None:
    """The head of a frame, with its sum found right; None where none stands. Zeros stand for "as the file's head"."""
    if len(piece) < 6 or piece[0] != 0xFF or piece[1] & 0xFE != 0xF8 or piece[3] & 1:
        return None
    block, rate, layout, depth = piece[2] >> 4, piece[2] & 15, piece[3] >> 4, piece[3] >> 1 & 7
    coded = _coded(piece)
    if block == 0 or rate == 15 or layout > 10 or depth == 3 or coded is None:
        return None
    number, at = coded
    samples, at = _samples(block, piece, at)
    hertz, at = _rate(rate, piece, at)
    if at >= len(piece) or crc8(piece[: at + 1]):
        return None
    return Head(number, bool(piece[1] & 1), samples, hertz, layout + 1 if layout < 8 else 2, _DEPTHS[depth], at + 1)


def _coded(piece: bytes) -> tuple[int, int] | None:
    """(number, where the bytes behind it begin): UTF-8, extended to 36 bits."""
    first = piece[4]
    if first < 0x80:
        return first, 5
    more = 0
    while more < 7 and first << more & 0x40:
        more += 1
    if not 1 <= more <= 6 or len(piece) < 5 + more:
        return None
    value = first & (0x3F >> more)
    for byte in piece[5 : 5 + more]:
        if byte & 0xC0 != 0x80:
            return None
        value = value << 6 | byte & 0x3F
    return value, 5 + more


def _samples(code: int, piece: bytes, at: int) -> tuple[int, int]:
    if code == 6:
        return int.from_bytes(piece[at : at + 1], "big") + 1, at + 1
    if code == 7:
        return int.from_bytes(piece[at : at + 2], "big") + 1, at + 2
    return (192 if code == 1 else 576 << code - 2 if code < 6 else 256 << code - 8), at


def _rate(code: int, piece: bytes, at: int) -> tuple[int, int]:
    if code < 12:
        return _RATES[code], at
    count = 1 if code == 12 else 2
    value = int.from_bytes(piece[at : at + count], "big")
    return value * (1000, 1, 10)[code - 12], at + count


def comments(body: bytes) -> list[tuple[str, str]]:
    """(name in small letters, value) of a Vorbis comment (8.6); the first is the vendor."""
    found, at = [], 4 + int.from_bytes(body[:4], "little")
    found.append(("vendor", text(body[4:at])))
    count, at = int.from_bytes(body[at : at + 4], "little"), at + 4
    for _ in range(min(count, 100)):
        size = int.from_bytes(body[at : at + 4], "little")
        name, _, value = body[at + 4 : at + 4 + min(size, 1000)].partition(b"=")
        if at + 4 > len(body):
            break
        found.append((name.decode("utf-8", "replace").lower()[:40], text(value)))
        at += 4 + size
    return found
