"""A file system that is made durable as a whole, with one wait for the disk (syncfs(2))."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from types import TracebackType

TELLS_ERRORS = (5, 8)
"""The first Linux whose syncfs(2) tells of failed writes: see its manual page, "Versions"."""


class FileSystem:
    """The one that holds `folder`. To be used with `with`."""

    def __init__(self, folder: Path) -> None:
        self._handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def sync(self) -> None:
        """Make everything on it durable, names and bytes. Raises OSError for any write that failed since this object
        was made; of an older one it may say nothing.
        """
        if self._libc.syncfs(self._handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def __enter__(self) -> FileSystem:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)


def tells_errors() -> bool:
    """Whether this kernel's syncfs can be relied on."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return version is not None and (int(version[1]), int(version[2])) >= TELLS_ERRORS
