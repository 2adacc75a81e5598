"""FLAC, AC-3 and AMR frames as packets of other containers: numbers, lengths, sums.

The heads are those of `flac_heads`, `ac3` and `amr`, which read whole files of such frames.
"""

from __future__ import annotations

from pipeline.media import ac3, amr, flac_heads
from pipeline.media.crc import remainder

_MOST_SUMMED = 64 << 20  # bytes
Step = tuple[str, int, int]  # what, expected, found


class Flac:
    """Frames are numbered, or count samples (RFC 9639 9.1.5)."""

    samples = 0
    declared: int | None = None
    borrowed = 0

    def __init__(self) -> None:
        self._following = -1

    def take(self, payload: memoryview) -> Step | None:
        head = flac_heads.head(bytes(payload[:16]))
        if head is None:
            self._following = -1
            return None
        before, self._following = self._following, head.number + (head.samples if head.counted else 1)
        self.samples = head.samples
        return ("number", before, head.number) if before not in (-1, head.number) else None


class Ac3:
    """A packet is one frame or several (E-AC-3: those of dependent streams), each with a length and a sum."""

    samples = 1536
    declared: int | None = None
    borrowed = 0

    def __init__(self) -> None:
        self._form = ac3.Ac3()
        self._fixed = ""
        self._summed = 0

    def take(self, payload: memoryview) -> Step | None:
        head = self._form.head(bytes(payload[:8]))
        if head is None or head.size > len(payload):
            return "size", head.size if head else 0, len(payload)
        before, self._fixed = self._fixed, head.fixed
        if before not in ("", head.fixed):
            return "header", 0, 0
        self._summed += head.size
        if self._summed <= _MOST_SUMMED and remainder(bytes(payload[2 : head.size])):
            return "sum", 0, 0
        return None


class Amr:
    """A packet is whole frames: each says its length in its first byte (RFC 4867 4.3.2, 3GPP TS 26.244)."""

    samples = 0
    declared: int | None = None
    borrowed = 0

    def __init__(self, *, wide: bool) -> None:
        self._form = amr.Amr("amr-wb" if wide else "amr")
        self.samples = 320 if wide else 160

    def take(self, payload: memoryview) -> Step | None:
        at, size = 0, len(payload)
        while at < size:
            head = self._form.head(bytes(payload[at : at + 1]))
            if head is None:
                return "size", 0, size - at
            at += head.size
        return ("size", at, size) if at != size else None
