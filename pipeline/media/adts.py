"""Heads of AAC frames in ADTS (ISO/IEC 13818-7 6.2.1, 14496-3 1.A.3): a length, no number.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.media.frames import Head, Walk

_RATES = (96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350)
_PROFILES = ("Main", "LC", "SSR", "LTP")
_ENCODER, _EVERY = (
    b"Lavc",
    256,
)  # FFmpeg's encoder writes its name into its first frame, and into every 256th (aacenc.c)


@dataclass
class Adts:
    name: str = "aac"
    need: int = 28
    sure: int = 3
    sync: bytes = b"\xff"
    _named: int = -1  # the last frame with the encoder's name
    _fixed: dict[int, tuple[str, float] | None] = field(default_factory=dict)

    def head(self, piece: bytes) -> Head | None:
        if len(piece) < 7 or piece[0] != 0xFF or piece[1] & 0xF6 != 0xF0:
            return None
        size = (piece[3] & 3) << 11 | piece[4] << 3 | piece[5] >> 5
        if size < 7 or (size < 9 and not piece[1] & 1):
            return None
        key = piece[1] << 16 | piece[2] << 8 | piece[3] & 0xC0
        known = self._fixed[key] if key in self._fixed else self._fixed.setdefault(key, _fixed(piece))
        if known is None:
            return None
        text, seconds = known
        return Head(size, seconds * ((piece[6] & 3) + 1), text)

    def take(self, walk: Walk, head: Head, piece: bytes) -> bool:
        if _ENCODER in piece:
            if self._named >= 0 and (walk.frames - self._named) % _EVERY:
                walk.spot("restart", expected=_EVERY, found=walk.frames - self._named, text="Lavc")
            self._named = walk.frames
        return True


def _fixed(piece: bytes) -> tuple[str, float] | None:
    """(what doesn't change within a recording, seconds of 1024 samples)."""
    index = piece[2] >> 2 & 15
    if index >= len(_RATES):
        return None
    rate, channels = _RATES[index], (piece[2] & 1) << 2 | piece[3] >> 6
    version = "2" if piece[1] & 8 else "4"
    return f"MPEG-{version} AAC {_PROFILES[piece[2] >> 6]}, {rate} Hz, {channels} ch", 1024 / rate
