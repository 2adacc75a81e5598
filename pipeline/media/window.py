"""Looks into a file of untrusted bytes: any place, never more than is asked for or than is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import BinaryIO

_LOOKS = 6_000_000  # seconds; ten hours of AVI or MXF, with a chunk for each picture and sound, take four million
_MOST = 1 << 26  # bytes of one look; no reader needs more at once


class Window:
    """Random access without a buffer that would read ahead. `size`: bytes of the file when it was opened.

    After `looks` it shows nothing more, as if the file ended, and is `exhausted`: so no file can keep a reader busy.
    """

    def __init__(self, file: BinaryIO, looks: int = _LOOKS) -> None:
        self.size = file.seek(0, os.SEEK_END)
        self._read = _reader(file)
        self._left = looks

    @property
    def exhausted(self) -> bool:
        return self._left < 0

    def read(self, at: int, count: int) -> bytes:
        """Up to `count` bytes from `at`; fewer where the file ends, none outside of it."""
        self._left -= 1
        count = min(count, self.size - at, _MOST)
        return self._read(at, count) if at >= 0 and count > 0 and self._left >= 0 else b""

    def number(self, at: int, count: int) -> int:
        """`count` bytes at `at` as a big-endian number; missing ones count as zero at the end."""
        return int.from_bytes(self.read(at, count).ljust(count, b"\0"), "big")


def _reader(file: BinaryIO) -> Callable[[int, int], bytes]:
    try:
        number = file.fileno()
    except OSError:  # io.UnsupportedOperation: bytes in memory
        return lambda at, count: _seek_and_read(file, at, count)
    return lambda at, count: os.pread(number, count, at)


def _seek_and_read(file: BinaryIO, at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)
