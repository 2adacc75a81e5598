"""Reads a file of untrusted bytes from front to back through one block, for readers of small frames."""

from __future__ import annotations

from pipeline.media.window import Window

_BLOCK = 1 << 20


class Scroll:
    """`size`: bytes of the file."""

    def __init__(self, window: Window) -> None:
        self.size = window.size
        self._window = window
        self._start, self._block = 0, b""

    def piece(self, at: int, count: int) -> bytes:
        """`count` bytes from `at`, fewer where the file ends."""
        inside = at - self._start
        if inside < 0 or inside + count > len(self._block):
            if at < 0 or at >= self.size:
                return b""
            self._start, self._block = at, self._window.read(at, max(count, _BLOCK))
            inside = 0
        return self._block[inside : inside + count]

    def find(self, word: bytes, at: int, end: int) -> int:
        """Where `word` next begins, from `at` on and before `end`; -1 where it doesn't."""
        while at < end and self.piece(at, len(word)):
            found = self._block.find(word, at - self._start)
            if found >= 0:
                return self._start + found if self._start + found < end else -1
            following = self._start + len(self._block) - len(word) + 1
            if following <= at:
                return -1
            at = following
        return -1

    def zeros(self, at: int, end: int) -> int:
        """Where the zeros from `at` on end, at most at `end`."""
        while at < end:
            block = self.piece(at, min(_BLOCK, end - at))
            left = len(block.lstrip(b"\0"))
            if left or not block:
                return at + len(block) - left
            at += len(block)
        return end
