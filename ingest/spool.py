"""The spool: where an upload's bytes wait until the file is whole. One file per upload, one writer at a time.

Bytes are written with `pwrite` at the offset the database has committed, never by appending: after a crash the file may
hold more than was committed, and the next write goes over it. A name is durable before its first byte is acknowledged.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from storage import durable


class Locked(Exception):
    """Somebody else writes this upload now."""


class Gone(Exception):
    """The file was removed while we reached for it."""


class SpoolFile:
    """One open, locked spool file. The lock (flock) ends with `close` or with the process, whichever comes first."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises Locked at once, Gone, or OSError."""
        self.path = path
        made = not path.exists()
        self._handle = _open(path)
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if made:
                durable.sync_directory(path.parent)
        except OSError as error:
            os.close(self._handle)
            if isinstance(error, BlockingIOError):
                raise Locked from error
            raise
        if os.fstat(self._handle).st_nlink == 0:
            os.close(self._handle)
            raise Gone

    def size(self) -> int:
        return os.fstat(self._handle).st_size

    def write(self, data: bytes, offset: int) -> None:
        """Put all of `data` at `offset`. Raises OSError, with some of it written or none."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._handle, view, offset)
            view = view[written:]
            offset += written

    def flush(self) -> None:
        """When this returns, everything written before is on the disk."""
        os.fdatasync(self._handle)

    def forget(self, length: int) -> None:
        """Let the kernel drop its copy of the first `length` bytes, once they are durable.

        A card of 64 GB must not push the database out of an old server's memory (nor pay for memory it reads once).
        """
        os.posix_fadvise(self._handle, 0, length, os.POSIX_FADV_DONTNEED)

    def close(self) -> None:
        os.close(self._handle)

    def __enter__(self) -> SpoolFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except PermissionError:
        # The blob store has made it read-only as its own second name, and a crash came before the upload was marked
        # complete. Nothing will be written to it any more, only read and removed.
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
