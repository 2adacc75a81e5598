"""One PATCH's bytes on their way into the spool: written, hashed, made durable, committed.

The event loop only collects the body into pieces; a worker thread writes and hashes a piece while the next arrives.
Every 16 MiB, and on a slow line every ten seconds, the file is made durable and the offset committed in the background,
so that a long PATCH that is cut off loses little and the disk is busy from the start. A PATCH with a checksum commits
nothing before the checksum is right.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from starlette.types import Receive

from ingest import body, refusals
from ingest.answers import HttpError
from ingest.body import Interrupted, Pace
from ingest.digest import FileHasher
from ingest.spool import SpoolFile
from ingest.uploads import Uploads
from storage.catalogue.tables import Upload

PIECE = 2 << 20  # bytes handed to the worker thread at a time
COMMIT_EVERY = 16 << 20
CHECKSUMS = {"sha256": 32, "sha1": 20}
"""Algorithms and digest sizes in bytes. tus asks for SHA-1; it only guards the way, the file has its own SHA-256."""


@dataclass(frozen=True, slots=True)
class Checksum:
    """The digest of one PATCH's body, as the sender says. `algorithm`: one of `CHECKSUMS`."""

    algorithm: str
    expected: bytes


class Landing:
    """Receives one body. `piece`: how many bytes to hold at a time, of the usual many.

    `position` is the offset up to which bytes are written; the upload's row, what is durable.
    """

    commit_seconds = 10.0

    def __init__(
        self,
        uploads: Uploads,
        upload: Upload,
        file: SpoolFile,
        hasher: FileHasher,
        *,
        pool: Executor,
        pace: Pace,
        checksum: Checksum | None = None,
        piece: Callable[[int], int] = int,
    ) -> None:
        self.position = upload.offset
        self._uploads, self._upload, self._file = uploads, upload, file
        self._hasher, self._pool, self._pace = hasher, pool, pace
        self._checksum, self._piece = checksum, piece
        self._sum = hashlib.new(checksum.algorithm if checksum else "sha256", usedforsecurity=False)
        self._coming = upload.offset
        self._writing: asyncio.Future[None] | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._flushed = upload.offset
        self._flushed_at = self._handed_at = time.monotonic()

    async def receive(self, receive: Receive) -> None:
        """Take the body. Raises HttpError, OSError or Interrupted, the last two after committing what is safe of it."""
        try:
            await self._collect(receive)
        except (Interrupted, OSError):
            await self._settle()
            if self._checksum is None:
                await self._commit_all()
            raise
        finally:
            await self._settle()
        self._verify()
        await self._commit_all()

    async def _collect(self, receive: Receive) -> None:
        pending: list[bytes] = []
        size = 0
        try:
            async for part in body.parts(receive, self._pace):
                self._coming += len(part)
                if self._coming > self._upload.length:
                    raise refusals.over_long()
                pending.append(part)
                size += len(part)
                if size >= self._piece(PIECE) or time.monotonic() - self._handed_at >= self.commit_seconds:
                    await self._hand_over(pending)
                    pending, size = [], 0
        except Interrupted:  # the little that came counts: a slow line may never bring a whole piece
            await self._hand_over(pending)
            raise
        await self._hand_over(pending)
        await _done(self._writing)

    async def _hand_over(self, parts: list[bytes]) -> None:
        await _done(self._writing)
        self._handed_at = time.monotonic()
        if self._is_flush_due():
            await _done(self._flushing)
            self._flushed, self._flushed_at = self.position, time.monotonic()
            self._flushing = self._run(partial(self._flush, self.position))
        self._writing = self._run(partial(self._write, parts))

    def _is_flush_due(self) -> bool:
        unsafe = self.position - self._flushed
        late = unsafe > 0 and time.monotonic() - self._flushed_at >= self.commit_seconds
        return self._checksum is None and (unsafe >= COMMIT_EVERY or late)

    def _write(self, parts: list[bytes]) -> None:
        piece = b"".join(parts)
        parts.clear()  # else the bytes would be held twice
        self._file.write(piece, self.position)
        if self._checksum is not None:
            self._sum.update(piece)
        self._hasher.update(piece)
        self.position += len(piece)

    def _flush(self, position: int) -> None:
        self._file.flush()
        self._uploads.commit(self._upload, position)
        if position >= COMMIT_EVERY:
            self._file.forget(position)

    async def _commit_all(self) -> None:
        await _done(self._flushing)
        if self.position > self._upload.offset:
            await self._run(partial(self._flush, self.position))

    async def _settle(self) -> None:
        """Let no thread of this request outlive it: the file is closed next."""
        for task in (self._writing, self._flushing):
            if task is not None:
                await asyncio.wait([task])
                task.exception()  # whoever needed it has seen it
        await self._run(self._hasher.rest)

    def _verify(self) -> None:
        if self._checksum is not None and not hmac.compare_digest(self._sum.digest(), self._checksum.expected):
            raise HttpError(
                460,
                "checksum-mismatch",
                "这段数据在传输中损坏，未写入；请重新发送这一段。",
                "this piece was damaged on its way and was not taken: send it again",
            )

    def _run(self, work: Callable[[], None]) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._pool, work)


async def _done(task: asyncio.Future[None] | None) -> None:
    if task is not None:
        await asyncio.shield(task)  # a cancelled request must not leave a thread writing behind its back
