"""Reads how a JPEG file was coded, without decoding it (ITU-T T.81 annex B): who writes one leaves a pattern.

Runs inside the sandbox on untrusted bytes: at most the first `_HEAD` of them are read; what can't be made sense
of is left out, never guessed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import BinaryIO

from pipeline.continuity.model import Jpeg

_HEAD = 2 << 20  # EXIF is at most 64 KiB; extended XMP and ICC profiles may repeat segments
_MOST_SEGMENTS = 200
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, every process
_SOS, _DQT, _DHT, _DRI, _COM = 0xDA, 0xDB, 0xC4, 0xDD, 0xFE
_NAMES = {_SOS: "SOS", _DQT: "DQT", _DHT: "DHT", _DRI: "DRI", _COM: "COM"}
# Table K.1 of T.81 in zig-zag order: libjpeg scales it by its quality, cameras mostly have tables of their own.
_LUMINANCE = (
    16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61,
    60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103, 62, 77, 113,
    121, 112, 100, 120, 92, 101, 103, 99,
)  # fmt: skip
# The four tables K.3 to K.6, as SHA-256 over class, number, lengths and symbols of each, sorted.
_STANDARD_HUFFMAN = "75d1adce"


def read(file: BinaryIO, *, thumbnail_at: int | None = None) -> Jpeg | None:
    """The coding of `file`; None when it is no JPEG. `thumbnail_at`: offset of the EXIF thumbnail, if it has one."""
    file.seek(0)
    head = file.read(_HEAD)
    segments = list(_segments(head))
    frame = next((body for kind, body in segments if kind in _SOF), b"")
    if not segments or len(frame) < 6:
        return None
    tables = [body for kind, body in segments if kind == _DQT]
    huffman = [body for kind, body in segments if kind == _DHT]
    return Jpeg(
        segments=tuple(_name(kind, body) for kind, body in segments),
        width=int.from_bytes(frame[3:5], "big"),
        height=int.from_bytes(frame[1:3], "big"),
        sampling=_sampling(frame),
        quality=_quality(tables),
        quantisation=_digest(tables),
        standard_huffman=_digest(_huffman_tables(huffman)) == _STANDARD_HUFFMAN,
        thumbnail=_size_at(file, thumbnail_at),
    )


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of each segment up to the start of the scan."""
    if data[:2] != b"\xff\xd8":
        return
    at = 2
    for _ in range(_MOST_SEGMENTS):
        while data[at : at + 2] == b"\xff\xff":  # B.1.1.2: fill bytes
            at += 1
        if len(data) < at + 4 or data[at] != 0xFF:
            return
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + max(2, length)]
        if data[at + 1] == _SOS:
            return
        at += 2 + max(2, length)


def _name(kind: int, body: bytes) -> str:
    if 0xE0 <= kind <= 0xEF:
        word = body[:28].split(b"\0")[0]
        text = "".join(chr(byte) for byte in word if 33 <= byte < 127)
        return f"APP{kind - 0xE0}/{text[:24]}"
    return f"SOF{kind - 0xC0}" if kind in _SOF else _NAMES.get(kind, f"{kind:02X}")


def _sampling(frame: bytes) -> str:
    """Horizontal × vertical sampling factors of each component, such as 2x1,1x1,1x1 (B.2.2)."""
    count = frame[5]
    factors = [frame[7 + 3 * n] for n in range(count) if 7 + 3 * n < len(frame)]
    return ",".join(f"{each >> 4}x{each & 15}" for each in factors[:4])


def _digest(parts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"\0".join(sorted(parts))).hexdigest()[:8]


def _quality(bodies: Sequence[bytes]) -> int | None:
    """The libjpeg quality of which the luminance table is exactly table K.1 scaled; None when there is none."""
    if not bodies or len(bodies[0]) < 65 or bodies[0][0] != 0:
        return None
    own = tuple(bodies[0][1:65])
    return next((quality for quality in range(1, 101) if own == _scaled(quality)), None)


def _scaled(quality: int) -> tuple[int, ...]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return tuple(min(255, max(1, (value * scale + 50) // 100)) for value in _LUMINANCE)


def _huffman_tables(bodies: Sequence[bytes]) -> list[bytes]:
    """Each table by itself, whether they share a segment or not (B.2.4.2)."""
    tables: list[bytes] = []
    for body in bodies:
        at = 0
        while at + 17 <= len(body) and len(tables) < 32:
            size = 17 + sum(body[at + 1 : at + 17])
            tables.append(body[at : at + size])
            at += size
    return tables


def _size_at(file: BinaryIO, offset: int | None) -> tuple[int, int] | None:
    """Width and height of the JPEG that begins at `offset`."""
    if offset is None or not 0 < offset < 1 << 40:
        return None
    file.seek(offset)
    frame = next((body for kind, body in _segments(file.read(1 << 16)) if kind in _SOF), b"")
    return (int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")) if len(frame) >= 6 else None
