"""Sound files taken apart and put together again: frames of MP3, AAC, AC-3, AMR and FLAC, pages of Ogg."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

from pipeline.continuity.framed import Framed, Spot
from pipeline.continuity.structure import Structure
from pipeline.media import soundfile
from pipeline.media.window import Window

_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)


def structure(data: bytes) -> Structure:
    found = soundfile.read(Window(io.BytesIO(data)))
    assert found is not None
    return found


def read(data: bytes) -> Framed:
    found = structure(data).framed
    assert found is not None
    return found


def spots(data: bytes) -> list[tuple[str, str]]:
    return [(spot.what, spot.text) for spot in read(data).spots]


def only(data: bytes) -> Spot:
    (spot,) = read(data).spots
    return spot


def mp3_frames(data: bytes) -> list[bytes]:
    """Of MPEG-1 layer III, behind an ID3v2 tag of 7-bit sizes if there is one."""
    at = 10 + int.from_bytes(data[8:10], "big") if data[:3] == b"ID3" else 0
    frames = []
    while data[at : at + 2] in (b"\xff\xfb", b"\xff\xfa"):
        kbps, pad = _KBPS[(data[at + 2] >> 4) - 1], data[at + 2] >> 1 & 1
        size = 144 * kbps * 1000 // (44_100, 48_000, 32_000)[data[at + 2] >> 2 & 3] + pad
        frames.append(data[at : at + size])
        at += size
    return frames


def adts_frames(data: bytes) -> list[bytes]:
    frames, at = [], 0
    while at < len(data):
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        frames.append(data[at : at + size])
        at += size
    return frames


def amr_frame(kind: int = 7, fill: int = 0x55) -> bytes:
    sizes = (12, 13, 15, 17, 19, 20, 26, 31, 5)
    return bytes([kind << 3 | 4]) + bytes([fill]) * sizes[kind] if kind < 9 else bytes([kind << 3 | 4])


def slow_sum(data: bytes, polynomial: int, width: int) -> int:
    """A cyclic sum bit by bit, most significant first, begun with 0: what ours are compared with."""
    rest, top, mask = 0, 1 << width - 1, (1 << width) - 1
    for byte in data:
        rest ^= byte << width - 8
        for _ in range(8):
            rest = (rest << 1 ^ polynomial if rest & top else rest << 1) & mask
    return rest


def flac_frames(data: bytes) -> tuple[bytes, list[bytes]]:
    """(head, frames) of a file whose frames are numbered one byte long and at their default sizes."""
    start = 4
    while True:
        last, size = data[start] & 0x80, int.from_bytes(data[start + 1 : start + 4], "big")
        start += 4 + size
        if last:
            break
    frames, at = [], start
    while at < len(data):
        following = data[at + 4] + 1
        end = data.find(data[at : at + 2], at + 10)
        while end >= 0 and not (data[end + 4] == following and not slow_sum(data[at:end], 0x8005, 16)):
            end = data.find(data[at : at + 2], end + 1)
        end = end if end >= 0 else len(data)
        frames.append(data[at:end])
        at = end
    return data[:start], frames


def renumbered(frame: bytes, number: int) -> bytes:
    """A FLAC frame of a one-byte number under another one, its sums made right."""
    head = 5 + {6: 1, 7: 2}.get(frame[2] >> 4, 0) + {12: 1, 13: 2, 14: 2}.get(frame[2] & 15, 0)
    lead = frame[:4] + bytes([number]) + frame[5:head]
    body = lead + bytes([slow_sum(lead, 0x07, 8)]) + frame[head + 1 : -2]
    return body + slow_sum(body, 0x8005, 16).to_bytes(2, "big")


def pages(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        size = 27 + data[at + 26] + sum(data[at + 27 : at + 27 + data[at + 26]])
        found.append(data[at : at + size])
        at += size
    return found


def page(source: bytes, *, number: int | None = None, position: int | None = None, flags: int | None = None) -> bytes:
    """The page with other figures in its head and the right sum."""
    head = bytearray(source)
    if number is not None:
        head[18:22] = struct.pack("<I", number)
    if position is not None:
        head[6:14] = struct.pack("<Q", position)
    if flags is not None:
        head[5] = flags
    head[22:26] = bytes(4)
    head[22:26] = struct.pack("<I", slow_sum(bytes(head), 0x04C11DB7, 32))
    return bytes(head)


def position(source: bytes) -> int:
    return int(struct.unpack("<Q", source[6:14])[0])


def shifted(source: Sequence[bytes], by: int, pages_back: int) -> bytes:
    """The pages numbered and counted as if what stood before them had never been."""
    return b"".join(
        page(each, number=struct.unpack("<I", each[18:22])[0] - pages_back, position=position(each) - by)
        for each in source
    )


def id3v1() -> bytes:
    return b"TAG" + bytes(125)


def id3v2(body: bytes = b"") -> bytes:
    size = len(body)
    return b"ID3\4\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + body
