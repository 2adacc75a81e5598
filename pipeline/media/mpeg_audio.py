"""Heads of MPEG audio frames (ISO/IEC 11172-3 2.4.2.3, 13818-3, and the "2.5" extension), and the frame without sound
that tells of the whole file (Xing, Info with LAME's extension, VBRI).

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.continuity.framed import Count, Spot
from pipeline.media.crc import Reflected
from pipeline.media.frames import Head, Walk
from pipeline.media.rhythm import Padding

_KBPS = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
_VERSIONS = {3: ("1", 1, 1), 2: ("2", 2, 2), 0: ("2.5", 2, 4)}  # name, table, divisor of the rates
_MOST_SUMMED = 512 << 20


@dataclass
class Told:
    """What the first frame tells. `encoder`: who wrote the extension; `sum`, `length`: of the sound as it wrote it."""

    name: str
    offset: int
    size: int
    frames: int = 0
    bytes: int = 0
    encoder: str = ""
    length: int = 0
    sum: int = 0
    trusted: bool = False  # the extension has the sum of its own that it was written with


@dataclass
class Mpeg:
    name: str = "mp3"
    need: int = 44
    sure: int = 3
    sync: bytes = b"\xff"
    told: Told | None = None
    padding: Padding = field(default_factory=Padding)
    _heads: dict[bytes, Head | None] = field(default_factory=dict)

    def head(self, piece: bytes) -> Head | None:
        key = piece[:4]
        try:
            return self._heads[key]
        except KeyError:
            pass
        if len(self._heads) > 20_000:
            self._heads.clear()
        made = self._heads[key] = _head(key)
        return made

    def take(self, walk: Walk, head: Head, piece: bytes) -> bool:
        at = _tag_at(piece)
        mark = piece[at : at + 4]
        if mark in (b"Xing", b"Info") or piece[36:40] == b"VBRI":
            told = _told(walk, head, at)
            if walk.frames or self.told:
                walk.spot("begin", text=told.name)
            else:
                self.told = told
            return False
        self.padding.take(piece[2] >> 1 & 1, head.mode, walk.frames)
        return True


def _head(key: bytes) -> Head | None:
    if len(key) < 4 or key[0] != 0xFF or key[1] & 0xE0 != 0xE0:
        return None
    version, layer = _VERSIONS.get(key[1] >> 3 & 3), 4 - (key[1] >> 1 & 3)
    rate_index, bits_index = key[2] >> 2 & 3, key[2] >> 4
    if version is None or layer == 4 or rate_index == 3 or bits_index in (0, 15) or key[3] & 3 == 2:
        return None
    name, table, divisor = version
    rate, kbps = _RATES[rate_index] // divisor, _KBPS[table, layer][bits_index - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and table == 2 else 1152
    slots = samples // 8 * kbps * 1000 // rate if layer > 1 else 12 * kbps * 1000 // rate
    pad = key[2] >> 1 & 1
    size = slots + pad if layer > 1 else 4 * (slots + pad)
    channels = 1 if key[3] >> 6 == 3 else 2
    return Head(size, samples / rate, f"MPEG-{name} layer {layer}, {rate} Hz, {channels} ch", f"{kbps} kbit/s")


def _tag_at(piece: bytes) -> int:
    """Where Xing or Info would stand: behind the side information of layer III."""
    if len(piece) < 44 or piece[1] >> 1 & 3 != 1:
        return 0
    full, mono = piece[1] >> 3 & 1, piece[3] >> 6 == 3
    side = (17 if mono else 32) if full else (9 if mono else 17)
    return 4 + side if piece[4 + side : 8 + side] in (b"Xing", b"Info") else 6 + side


def _told(walk: Walk, head: Head, at: int) -> Told:
    """Xing: flags, then for each bit set frames, bytes, 100 bytes of places, quality; LAME's extension behind."""
    frame = walk.scroll.piece(walk.at, head.size)
    if frame[36:40] == b"VBRI":
        return Told("VBRI", walk.at, head.size, frames=_number(frame, 50, 4), bytes=_number(frame, 46, 4))
    told = Told(frame[at : at + 4].decode("latin-1"), walk.at, head.size)
    flags, here = _number(frame, at + 4, 4), at + 8
    if flags & 1:
        told.frames, here = _number(frame, here, 4), here + 4
    if flags & 2:
        told.bytes, here = _number(frame, here, 4), here + 4
    here += (100 if flags & 4 else 0) + (4 if flags & 8 else 0)
    text = frame[here : here + 9]
    if len(frame) >= here + 36 and all(32 <= byte < 127 for byte in text.rstrip(b"\0")):
        told.encoder = text.rstrip(b"\0 ").decode("latin-1")
        told.length, told.sum = _number(frame, here + 28, 4), _number(frame, here + 32, 2)
        told.trusted = bool(told.length) and _number(frame, here + 34, 2) in _own_sums(frame, here + 34)
    return told


def _number(frame: bytes, at: int, count: int) -> int:
    return int.from_bytes(frame[at : at + count], "big")


def _own_sums(frame: bytes, end: int) -> set[int]:
    """The sum of the extension itself: LAME takes all before it, FFmpeg always 190 bytes, its own place left empty."""
    padded = frame[:end] + b"\0\0" + frame[end + 2 :].ljust(190, b"\0")
    found = set()
    for covered in (frame[:end], padded[:190]):
        own = Reflected()
        own.take(covered)
        found.add(own.value)
    return found


def counts(walk: Walk, told: Told | None) -> tuple[Count, ...]:
    """What the first frame declares of the file, where it was filled in."""
    if not told:
        return ()
    there = walk.last + _size_of(walk) - told.offset if walk.last >= 0 else 0
    found = []
    if told.frames:
        found.append(Count("frames", told.frames, walk.frames))
    if told.length and told.trusted:
        found.append(Count("bytes", told.length, there))
    elif told.bytes:
        found.append(Count("bytes", told.bytes, there))
    return tuple(found)


def _size_of(walk: Walk) -> int:
    head = walk.format.head(walk.scroll.piece(walk.last, walk.format.need))
    return head.size if head else 0


def sound_sum(walk: Walk, told: Told | None) -> None:
    """LAME's sum over all the sound against the bytes that are there, where their number is the one it wrote."""
    if not told or not told.trusted or not told.sum or told.length <= told.size:
        return
    start, end = told.offset + told.size, told.offset + told.length
    if end > walk.end or walk.trailing or walk.spots.count:
        return
    if end - start > _MOST_SUMMED:
        walk.sums.left += 1
        return
    total, at = Reflected(), start
    while at < end:
        piece = walk.scroll.piece(at, min(1 << 20, end - at))
        if not piece:
            return
        total.take(piece)
        at += len(piece)
    walk.sums.done += 1
    if total.value != told.sum:
        walk.sums.wrong(Spot("checksum", told.offset, 0, 0.0, text="sound"))
