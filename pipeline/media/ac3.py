"""Heads and sums of AC-3 and E-AC-3 frames (ETSI TS 102 366 4.3, 4.4, E.1.2): a length and a sum, no number.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.media.frames import Head, Walk

_RATES = (48_000, 44_100, 32_000)
_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
_BLOCKS = (1, 2, 3, 6)
_CHANNELS = (2, 1, 2, 3, 3, 4, 4, 5)


@dataclass
class Ac3:
    name: str = "ac3"
    need: int = 8
    sure: int = 2
    sync: bytes = b"\x0b\x77"
    _heads: dict[bytes, Head | None] = field(default_factory=dict)

    def head(self, piece: bytes) -> Head | None:
        if piece[:2] != self.sync or len(piece) < 7:
            return None
        key = piece[2:7] if piece[5] >> 3 > 10 else piece[4:7]  # the first sum stands in bytes 2 and 3 of AC-3
        if key not in self._heads:
            if len(self._heads) > 20_000:
                self._heads.clear()
            self._heads[key] = _enhanced(piece) if piece[5] >> 3 > 10 else _plain(piece)
        return self._heads[key]

    def take(self, walk: Walk, head: Head, piece: bytes) -> bool:
        """The second sum covers the frame behind its sync word; what the first one covers leaves no rest."""
        walk.sum_up(walk.scroll.piece(walk.at + 2, head.size - 2))
        return True


def _plain(piece: bytes) -> Head | None:
    """fscod and frmsizecod; bsid, bsmod; acmod (5.3, 5.4.1, 5.4.2). bsid 9 and 10 halve and quarter the rate."""
    code, index, version = piece[4] & 63, piece[4] >> 6, piece[5] >> 3
    if index == 3 or code >= 2 * len(_KBPS):
        return None
    rate, kbps = _RATES[index], _KBPS[code >> 1]
    words = (kbps * 96_000 // rate + (code & 1 if index == 1 else 0)) if index != 0 else kbps * 2
    slower = max(0, version - 8)
    channels = _CHANNELS[piece[6] >> 5]
    text = f"AC-3, {rate >> slower} Hz, {channels} ch"
    return Head(2 * words, 1536 / (rate >> slower), text, f"{kbps >> slower} kbit/s")


def _enhanced(piece: bytes) -> Head | None:
    """strmtyp, substreamid, frmsiz; fscod, numblkscod (or fscod2), acmod, lfeon, bsid (E.1.3.1)."""
    kind, stream = piece[2] >> 6, piece[2] >> 3 & 7
    size = 2 * (((piece[2] & 7) << 8 | piece[3]) + 1)
    index, blocks = piece[4] >> 6, piece[4] >> 4 & 3
    if kind == 3 or piece[5] >> 3 > 16 or size < 8 or (index == 3 and blocks == 3):
        return None
    rate = _RATES[blocks] // 2 if index == 3 else _RATES[index]
    count = 6 if index == 3 else _BLOCKS[blocks]
    program = kind << 3 | stream
    channels = _CHANNELS[piece[4] >> 1 & 7] + (piece[4] & 1)
    return Head(size, 0.0 if program else 256 * count / rate, f"E-AC-3, {rate} Hz, {channels} ch", "", program)
