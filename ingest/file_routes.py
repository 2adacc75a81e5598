"""`POST /files` over HTTP: whole small files in, their receipts out. One by its name, or several by their digests."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from ingest import body, tus_headers
from ingest.answers import HttpError, json_response
from ingest.body import Pace
from ingest.callers import Caller
from ingest.digest import PIECE
from ingest.files import MAX_FILES, Batch, Files
from ingest.turns import Turns
from storage.durable import disk_error

THREADS = 16
RECEIPT_TYPE = "text/plain; charset=utf-8"
SEVERAL = "Liuhen-Files"
"""The header that names the files of a request by their SHA-256, in the order of their bytes, with spaces between."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
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
        token = tus_headers.bearer(request.headers)
        length = tus_headers.number(request.headers, "Content-Length")
        if SEVERAL in request.headers:
            digests = _digests(request.headers[SEVERAL])
            answers = await self._bring(request, token, lambda caller: self._files.begin(caller, digests, length))
            return json_response(200, {"files": [_told(sha256, answers[sha256]) for sha256 in digests]})
        path = tus_headers.metadata(request.headers).get("path", "")
        answers = await self._bring(request, token, lambda caller: self._files.begin_one(caller, path, length))
        ((sha256, answer),) = answers.items()
        if isinstance(answer, HttpError):
            raise answer
        headers = {"Liuhen-Receipt": f"/api/receipts/{sha256}", "Cache-Control": "no-store"}
        return Response(answer, 201, headers, RECEIPT_TYPE)

    async def _bring(
        self, request: Request, token: str, begin: Callable[[Caller], Batch]
    ) -> Mapping[str, bytes | HttpError]:
        caller, batch = await self._run(partial(self._begin, token, begin))
        try:
            with self._turns.taken(caller.key):
                return await self._take(request, caller, batch)
        finally:
            batch.close()

    def _begin(self, token: str, begin: Callable[[Caller], Batch]) -> tuple[Caller, Batch]:
        caller = self._authorise(token)
        return caller, begin(caller)

    async def _take(self, request: Request, caller: Caller, batch: Batch) -> Mapping[str, bytes | HttpError]:
        while True:
            content, more = await body.piece(request.receive, self._pace, self._turns.piece(PIECE))
            if not more:
                return await self._run(partial(self._finish, caller, batch, content))
            await self._run(partial(batch.write, content))
            del content  # not held while the next one comes

    def _finish(self, caller: Caller, batch: Batch, rest: bytes) -> Mapping[str, bytes | HttpError]:
        batch.write(rest)
        answers = self._files.finish(caller, batch)
        batch.close()  # here, not where all connections wait for it
        return answers

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


def _digests(given: str) -> list[str]:
    """Raises HttpError 400."""
    digests = given.split(" ")
    if not all(map(_DIGEST.fullmatch, digests)) or len(set(digests)) < len(digests) or len(digests) > MAX_FILES:
        raise HttpError(
            400,
            "bad-header",
            f"请求头 {SEVERAL} 应为至多 {MAX_FILES} 个互不相同的 SHA-256（小写十六进制），以空格分隔。",
            f"the header {SEVERAL} must be at most {MAX_FILES} different SHA-256 in lower-case hex, with single spaces",
        )
    return digests


def _told(sha256: str, answer: bytes | HttpError) -> dict[str, object]:
    if isinstance(answer, HttpError):
        return {"sha256": sha256, "error": answer.as_json()}
    return {"sha256": sha256, "receipt": answer.decode()}
