"""Signed messages as they come in: a small one in memory, a large one on the disk until its turn to be read comes.

Nobody knows who sends before it is whole, so any number of anybody's may be under way; in memory is one large one.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from ingest import body
from ingest.answers import HttpError
from ingest.body import Pace
from ingest.room import Room
from storage.durable import disk_error

IN_MEMORY = 1 << 18  # bytes of one message
_T = TypeVar("_T")


class Messages:
    """`folder`: where large ones lie, without a name. `room`: they, and what they say, are not taken on a full disk."""

    def __init__(self, folder: Path, room: Room, pace: Pace) -> None:
        self._folder, self._room, self._pace = folder, room, pace
        self._large = ThreadPoolExecutor(1, thread_name_prefix="large")  # its memory is used again, not once per thread

    async def read(self, request: Request, limit: int, work: Callable[[bytes], _T]) -> _T:
        """What `work`, in a thread, makes of the body. Raises HttpError 413, 503, 507, Interrupted, Transient."""
        if limit > IN_MEMORY:
            await run_in_threadpool(self._room.check_disk)
        with tempfile.SpooledTemporaryFile(IN_MEMORY, dir=str(self._folder)) as kept:
            try:
                async for part in body.parts(request.receive, self._pace):
                    kept.write(part)
                    if kept.tell() > limit:
                        raise _too_large(limit)
            except OSError as error:
                raise disk_error(error) from error

            def do() -> _T:
                kept.seek(0)
                return work(kept.read())

            if kept.tell() <= IN_MEMORY:
                return await run_in_threadpool(do)
            return await asyncio.get_running_loop().run_in_executor(self._large, do)


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413,
        "manifest-too-large",
        f"采集清单过大（上限 {limit} 字节），未登记；请分次采集。",
        f"the docking manifest is too large (the limit is {limit} bytes): dock the card in parts",
    )
