"""`POST /files` over HTTP: one whole small file in, its receipt out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ingest import body, refusals, tus_headers
from ingest.body import Pace
from ingest.callers import Caller
from ingest.digest import PIECE
from ingest.files import Files, Part
from ingest.turns import Turns
from storage.catalogue.tables import DockedFile
from storage.durable import disk_error

THREADS = 16
RECEIPT_TYPE = "text/plain; charset=utf-8"
_T = TypeVar("_T")


class FileRoute:
    """`authorise` turns a token into its caller, or raises HttpError 401."""

    def __init__(self, files: Files, authorise: Callable[[str], Caller], turns: Turns, pace: Pace) -> None:
        self._files = files
        self._authorise = authorise
        self._turns = turns
        self._pace = pace
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="file")

    async def post(self, request: Request) -> Response:
        """Raises HttpError, LiuhenError or Interrupted."""
        tus_headers.check(request.headers)
        token, path = tus_headers.bearer(request.headers), tus_headers.metadata(request.headers).get("path", "")
        length = tus_headers.number(request.headers, "Content-Length")
        caller, listed, part = await self._run(partial(self._begin, token, path, length))
        try:
            with self._turns.taken(caller.key):
                receipt = await self._take(request, caller, listed, part)
        finally:
            part.close()
        headers = {"Liuhen-Receipt": f"/api/receipts/{listed.sha256}", "Cache-Control": "no-store"}
        return Response(receipt, 201, headers, RECEIPT_TYPE)

    def _begin(self, token: str, path: str, length: int) -> tuple[Caller, DockedFile, Part]:
        caller = self._authorise(token)
        return caller, *self._files.begin(caller, path, length)

    async def _take(self, request: Request, caller: Caller, listed: DockedFile, part: Part) -> bytes:
        came = 0
        while True:
            content, more = await body.piece(request.receive, self._pace, self._turns.piece(PIECE))
            came += len(content)
            if came > listed.size:
                raise refusals.over_long()
            if not more:
                return await self._run(partial(self._finish, caller, listed, part, content))
            await self._run(partial(part.write, content))
            del content  # not held while the next one comes

    def _finish(self, caller: Caller, listed: DockedFile, part: Part, rest: bytes) -> bytes:
        part.write(rest)
        return self._files.finish(caller, listed, part)

    async def _run(self, work: Callable[[], _T]) -> _T:
        """Blocking work in a thread. A cancelled request waits for it: its file must not be closed under it."""
        task = asyncio.get_running_loop().run_in_executor(self._pool, work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise
        except OSError as error:
            raise disk_error(error) from error
