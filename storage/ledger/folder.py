"""The log's folder on disk: a whole C2SP log of static files that anybody can copy, serve and verify."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from storage import durable
from storage.errors import Busy
from storage.ledger import rotation
from storage.ledger.tiles import Tile

CHECKPOINT = "checkpoint"


class LedgerFolder:
    """Reads and durably writes the files of a log. Names that begin with a dot are no part of the log."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes:
        """The bytes of `path`, such as `tile/0/000`. Raises FileNotFoundError."""
        return (self.root / path).read_bytes()

    def names(self) -> Iterator[str]:
        """The paths of all files of the log, as `read` takes them."""
        for directory, folders, files in os.walk(self.root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith("."):
                    yield (Path(directory) / name).relative_to(self.root).as_posix()

    def checkpoint(self) -> bytes | None:
        """The published checkpoint, None before the first start."""
        try:
            return self.read(CHECKPOINT)
        except FileNotFoundError:
            return None

    def rotations(self) -> bytes:
        """The proofs of the key's rotations, empty when there was none."""
        try:
            return self.read(rotation.FILE)
        except FileNotFoundError:
            return b""

    def write(self, path: str, content: bytes) -> None:
        """Write a file durably. Raises Transient when the disk is full."""
        durable.write(self.root / path, content)

    def write_all(self, contents: Iterable[tuple[str, bytes]]) -> None:
        """Write several files durably. Raises Transient when the disk is full."""
        durable.write_all({self.root / path: content for path, content in contents})

    def drop_partials(self, tile: Tile) -> None:
        """Remove the partial forms of a tile that is full and published; the format allows it from then on."""
        with contextlib.suppress(OSError):  # only space is lost
            shutil.rmtree(self.root / f"{tile.full.path}.p")

    def lock(self) -> IO[bytes]:
        """Become the only writer until the file given back is closed. Raises Busy when another process is."""
        durable.make_directory(self.root)
        handle = (self.root / ".lock").open("ab")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            handle.close()
            raise Busy(
                f"另一个进程正在写存证链 {self.root}。一条存证链只能有一个写入进程，请使用已在运行的服务，或先停掉它。",
                f"another process writes the ledger {self.root}; a ledger has one writer: use the service that "
                "is running, or stop it first",
            ) from error
        return handle
