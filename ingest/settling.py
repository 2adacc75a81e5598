"""When a file that somebody copies into a folder is whole: as far as can be told from outside."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from collections.abc import Collection, Mapping
from pathlib import Path

State = tuple[int, int, int]
"""Size in bytes, modification time in ns, inode."""

PUT_OFF = 30.0  # seconds until a file that failed is tried again


class Settling:
    """Remembers since when each file has stood still."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: dict[Path, tuple[State, float]] = {}

    @property
    def waiting(self) -> bool:
        """Whether any file has yet to settle."""
        return bool(self._since)

    def settled(self, files: Mapping[Path, State], at_once: Collection[Path] = ()) -> list[Path]:
        """Of all files there are now, those that have not changed for long enough. `at_once`: known to be whole."""
        present = time.monotonic()
        before = self._since
        self._since = {
            path: before[path] if path in before and before[path][0] == state else (state, present)
            for path, state in files.items()
        }
        for path in at_once:
            if path not in before:
                self._since[path] = (files[path], present - self._seconds)
        return [path for path, (_, since) in self._since.items() if present - since >= self._seconds]

    def stood(self, path: Path) -> float:
        """For how many seconds the file has stood still."""
        return time.monotonic() - self._since[path][1]

    def put_off(self, path: Path) -> None:
        """Try this one again later, not at the next look."""
        state, _ = self._since[path]
        self._since[path] = (state, time.monotonic() - self._seconds + PUT_OFF)


def open_for_writing(path: Path) -> bool:
    """Whether some process on this machine has the file open for writing.

    A read lease is refused then (fcntl(2), F_SETLEASE). Where leases don't work (network shares, another's file) the
    answer is False: then only its standing still counts.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # Should a writer come while we hold the lease, the kernel tells us by signal: by one that does nothing.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False
