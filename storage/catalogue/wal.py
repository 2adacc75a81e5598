"""SQLite's write-ahead log, synced once for all transactions that were committed meanwhile (ADR 16).

With `synchronous=FULL` SQLite syncs its log inside each commit, while the one writer's lock is held: sixteen callers
wait for sixteen syncs, one after the other. Here it commits without (`synchronous=NORMAL`), and whoever has committed
waits, outside the lock, for a sync that began after his commit; one serves all. Nobody is answered before.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from storage import durable


class WriteAheadLog:
    """The log of one SQLite file.

    `mend`: copies all of the log into the database and syncs that. After a sync that failed, the kernel takes the pages
    for written, and the next sync says nothing of them; so only such a copy makes them durable.
    """

    def __init__(self, database: Path, mend: Callable[[], None]) -> None:
        self._path = Path(f"{database}-wal")
        self._mend = mend
        self._inode = 0
        self._failed = False

    def flush(self) -> None:
        """Make all that is in the log durable. Raises Transient. For one thread at a time.

        By name, each time: after all have closed the database, its log is another file. No log: nothing waits.
        """
        if self._failed:
            self._mend()
            self._failed = False
            return
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            raise durable.disk_error(error) from error
        try:
            os.fdatasync(handle)
            self._keep_name(os.fstat(handle).st_ino)
        except OSError as error:
            self._failed = True
            raise durable.disk_error(error) from error
        finally:
            os.close(handle)

    def _keep_name(self, inode: int) -> None:
        """SQLite leaves the name of a new log to its own first sync, which comes too late for us."""
        if inode != self._inode:
            durable.sync_directory(self._path.parent)
            self._inode = inode
