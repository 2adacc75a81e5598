"""Hashing a file as it goes by: whole-file SHA-256 and the RFC 6962 root over 1 MiB chunks, in one read.

Two hashes over the same bytes take twice the time of one. So the chunk hashes are made in a second thread while the
caller's thread makes the whole-file hash: `hashlib` releases the interpreter for both. Memory stays small: at most
`BACKLOG` pieces wait for the second thread, and 32 bytes are kept for each MiB.
"""

from __future__ import annotations

import hashlib
import os
import queue
import threading
from pathlib import Path
from typing import Protocol

from storage.ledger.merkle import ChunkHasher
from storage.records import Digest

PIECE = 1 << 20  # bytes read at a time
BACKLOG = 2  # pieces that may wait for the chunk thread
SMALL = 1 << 18  # bytes; below, handing a piece to another thread costs more than hashing it

Piece = bytes | bytearray | memoryview


class FileHasher:
    """Feed a file's bytes in order with `update`, then `finish`. Not for use from two threads at once.

    A piece given to `update` must not be changed afterwards. `rest` ends the other threads until more bytes come. With
    `sm3` the SM3 of the whole file is made too, in a third thread.
    """

    def __init__(self, *, sm3: bool = False) -> None:
        self.size = 0
        self._whole = hashlib.sha256()
        self._chunks = ChunkHasher()
        self._sm3 = hashlib.new("sm3") if sm3 else None
        self._beside = [_Beside(each) for each in (self._chunks, self._sm3) if each is not None]

    def update(self, data: Piece) -> None:
        for each in self._beside:
            each.update(data)
        self._whole.update(data)
        self.size += len(data)

    def rest(self) -> None:
        """Wait for the hashes of everything fed, and let go of the threads."""
        for each in self._beside:
            each.rest()

    def finish(self) -> tuple[Digest, bytes]:
        """The digest, and the chunk hashes one after the other (32 bytes each). Nothing may be fed afterwards."""
        self.rest()
        root = self._chunks.finish()
        sm3 = self._sm3.hexdigest() if self._sm3 else None
        return Digest(self._whole.hexdigest(), root.hex(), self.size, sm3), bytes(self._chunks.leaves)


class _Hash(Protocol):
    def update(self, data: Piece, /) -> None: ...


class _Beside:
    """A hash that is made in a thread of its own while large pieces come."""

    def __init__(self, made: _Hash) -> None:
        self._made = made
        self._waiting: queue.Queue[Piece | None] = queue.Queue(BACKLOG)
        self._thread: threading.Thread | None = None

    def update(self, data: Piece) -> None:
        if len(data) < SMALL:
            self.rest()
            self._made.update(data)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hasher", daemon=True)
            self._thread.start()
        self._waiting.put(data)

    def rest(self) -> None:
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            self._made.update(data)


def hash_file(path: Path, length: int | None = None, into: FileHasher | None = None) -> FileHasher:
    """Feed the file's first `length` bytes (None: all) to a hasher, which the caller finishes. Raises OSError."""
    hasher = into or FileHasher()
    left = length if length is not None else -1
    try:
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
            while left and (piece := file.read(PIECE if left < 0 else min(PIECE, left))):
                hasher.update(piece)
                left -= len(piece) if left > 0 else 0
    finally:
        hasher.rest()
    return hasher
