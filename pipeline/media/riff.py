"""Chunks of RIFF files (AVI, WAV): a name of four characters, a length, the content, to an even length.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.media.window import Window


@dataclass(frozen=True, slots=True)
class Chunk:
    """`name`: with the type of a list after it, such as "LIST hdrl". `start`: of its header; `body`, `end`: of its
    content as it claims, not bounded by the file."""

    name: str
    start: int
    body: int
    end: int

    @property
    def following(self) -> int:
        return self.end + (self.end - self.body & 1)


def chunk(window: Window, at: int) -> Chunk | None:
    """The chunk at `at`, or None where the file ends or no such name stands."""
    head = window.read(at, 12)
    if len(head) < 8 or not plausible(head[:4]):
        return None
    name, size = head[:4].decode("latin-1"), int.from_bytes(head[4:8], "little")
    if name in ("RIFF", "LIST", "RF64", "BW64") and len(head) == 12:
        return Chunk(f"{name} {head[8:12].decode('latin-1')}", at, at + 12, at + 8 + size)
    return Chunk(name, at, at + 8, at + 8 + size)


def chunks(window: Window, at: int, end: int, most: int) -> Iterator[Chunk]:
    """The chunks from `at` to `end`, no more than `most`; stops where none stands."""
    for _ in range(most):
        if at + 8 > min(end, window.size):
            return
        found = chunk(window, at)
        if found is None:
            return
        yield found
        at = max(found.following, at + 8)


def plausible(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def text(body: bytes) -> str:
    """A text of a chunk up to its end mark, one line, for display."""
    return " ".join(body.split(b"\0")[0].decode("utf-8", "replace").split())[:200]
