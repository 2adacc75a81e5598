"""Heads of AMR and AMR-WB frames as they stand in files (RFC 4867 5): one byte each, no sync word, no number.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.media.frames import Head, Walk

# Bytes of a frame behind its head, by frame type; None: not in use. Table 1 of 3GPP TS 26.101 and TS 26.201.
_NARROW = (12, 13, 15, 17, 19, 20, 26, 31, 5, 6, 5, 5, None, None, None, 0)
_WIDE = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, None, None, None, None, 0, 0)
_NARROW_KBPS = ("4.75", "5.15", "5.9", "6.7", "7.4", "7.95", "10.2", "12.2")
_WIDE_KBPS = ("6.6", "8.85", "12.65", "14.25", "15.85", "18.25", "19.85", "23.05", "23.85")
MAGICS = (b"#!AMR-WB\n", b"#!AMR\n")
_SECONDS = 0.02


@dataclass
class Amr:
    name: str
    need: int = 1
    sure: int = 12
    sync: bytes = b""
    _heads: list[Head | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        sizes, kbps = (_WIDE, _WIDE_KBPS) if self.name == "amr-wb" else (_NARROW, _NARROW_KBPS)
        fixed = "AMR-WB" if self.name == "amr-wb" else "AMR"
        for byte in range(256):
            kind, size = byte >> 3 & 15, sizes[byte >> 3 & 15]
            mode = f"{kbps[kind]} kbit/s" if kind < len(kbps) else ""
            self._heads.append(None if byte & 0x83 or size is None else Head(1 + size, _SECONDS, fixed, mode))

    def head(self, piece: bytes) -> Head | None:
        return self._heads[piece[0]] if piece else None

    def take(self, walk: Walk, head: Head, piece: bytes) -> bool:
        return True


def of_magic(start: bytes) -> tuple[Amr, int] | None:
    """The format and the length of the line with which a file begins; one channel only."""
    for magic, name in zip(MAGICS, ("amr-wb", "amr"), strict=True):
        if start.startswith(magic):
            return Amr(name), len(magic)
    return None
