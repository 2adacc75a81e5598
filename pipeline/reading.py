"""Reads one file for a check: its SHA-256 over every byte, its picture, and whether it changed meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from pipeline.continuity.model import Picture
from pipeline.media import pool
from pipeline.media.picture import picture_of, unread
from pipeline.media.pool import Pool
from storage.errors import NotFound

if TYPE_CHECKING:
    from pipeline.continuity.content import Content

Progress = Callable[[float], None]
Begun = Callable[[str], None]

_PIECE = 1 << 20
_DECODING = 20  # times as long as hashing, by which it counts in the progress
_MANY = 4  # short files from which on resident readers are worth their start
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Readers:
    """Reads the files of one check, several at once. A context, which ends its resident readers.

    `sizes`: of all the files, in bytes. `progress` gets the share of the work done, 0 to 1, `begun` the name of each
    file that is begun: from several threads, one at a time. `deep`: decode pictures and sound too, of each file for
    `deep_seconds` of processor time at most.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        progress: Progress | None = None,
        begun: Begun | None = None,
        *,
        deep: bool = False,
        deep_seconds: int | None = None,
    ) -> None:
        self._pool = Pool() if sum(size <= pool.LARGEST for size in sizes) >= _MANY else None
        self._deep, self._deep_seconds = deep, deep_seconds
        self._total, self._done = sum(sizes) * (1 + _DECODING * deep), 0.0
        self._progress, self._begun = progress, begun
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pool:
            self._pool.close()

    def look(self, path: Path, name: str) -> tuple[Picture, str]:
        """The picture of the file at `path`, called `name`, and its SHA-256 in hex: "" when not all of it can be read.

        What is in the file never makes this fail, nor does a disk that can't read it: the picture says so.
        """
        self._tell_begun(name)
        try:
            with path.open("rb") as file:
                before = os.fstat(file.fileno())
                picture, sha256 = self._short(file, path, name) or self._long(file, path, name)
                if self._deep and not picture.problem and not picture.photo:
                    picture = dataclasses.replace(picture, content=self._decode(path, before.st_size))
                after = path.stat()
        except OSError as error:
            return unread(name, error), ""
        except NotFound:  # it went away before a child was given it
            return unread(name, FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))), ""
        if _mark(before) != _mark(after):
            was, now = (before.st_size, before.st_mtime_ns), (after.st_size, after.st_mtime_ns)
            picture = dataclasses.replace(picture, changed=(was, now))
        return picture, sha256

    def _short(self, file: BinaryIO, path: Path, name: str) -> tuple[Picture, str] | None:
        """By way of a sealed copy and a resident reader; None for a long file."""
        if self._pool is None or os.fstat(file.fileno()).st_size > pool.LARGEST:
            return None
        with _memory() as copy:
            sha256 = self._hash(file, copy)
            size = os.fstat(copy).st_size
            fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
            picture = self._pool.picture_of(copy, name=name, size=size)
        return picture or picture_of(path, name=name), sha256

    def _long(self, file: BinaryIO, path: Path, name: str) -> tuple[Picture, str]:
        """Hashed and read at the same time: one waits for the disk, the other for a child."""
        with ThreadPoolExecutor(1) as beside:
            digest = beside.submit(self._hash, file)
            return picture_of(path, name=name), digest.result()

    def _decode(self, path: Path, size: int) -> Content:
        from pipeline.media.content import content_of  # brings numpy: only where it is asked for

        told = 0.0

        def tell(share: float) -> None:
            nonlocal told
            self._tell_done(max(0.0, share - told) * size * _DECODING)
            told = max(told, share)

        content = content_of(path, progress=tell, seconds=self._deep_seconds)
        tell(1.0)
        return content

    def _hash(self, file: BinaryIO, copy: int | None = None) -> str:
        digest = hashlib.sha256()
        while piece := file.read(_PIECE):
            digest.update(piece)
            if copy is not None:
                _add(copy, piece)
            self._tell_done(len(piece))
        return digest.hexdigest()

    def _tell_begun(self, name: str) -> None:
        if self._begun:
            with self._lock:
                self._begun(name)

    def _tell_done(self, count: float) -> None:
        if self._progress:
            with self._lock:
                self._done += count
                self._progress(min(1.0, self._done / max(1, self._total)))


@contextlib.contextmanager
def _memory() -> Iterator[int]:
    copy = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        yield copy
    finally:
        os.close(copy)


def _add(copy: int, piece: bytes) -> None:
    """Append to the memory file. Raises OSError where the file grew far beyond what it was when it was opened."""
    if os.fstat(copy).st_size + len(piece) > 2 * pool.LARGEST:
        raise OSError(errno.EFBIG, "the file grows while it is read")
    rest = memoryview(piece)
    while rest:
        rest = rest[os.write(copy, rest) :]


def _mark(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
