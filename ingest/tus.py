"""The tus 1.0 protocol over `ingest.uploads`, as one ASGI application (https://tus.io/protocols/resumable-upload).

Core, creation, creation-with-upload, termination, checksum (sha256, sha1) and expiration. Every request but OPTIONS
says who sends: a station with the token of a docking, a browser with its session. Others' uploads don't exist for it.
"""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from email.utils import format_datetime
from functools import partial
from typing import ParamSpec, TypeVar

import structlog
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ingest import refusals, tus_headers
from ingest.answers import HttpError, busy, from_error
from ingest.body import Interrupted, Pace
from ingest.callers import Person, Sender
from ingest.digest import FileHasher
from ingest.landing import CHECKSUMS, Checksum, Landing
from ingest.spool import SpoolFile
from ingest.turns import Turns
from ingest.tus_headers import BODY, VERSION
from ingest.uploads import COMPLETE, OPEN, Unlisted, Uploads
from storage.catalogue.tables import Upload
from storage.durable import disk_error
from storage.errors import LiuhenError

EXTENSIONS = "creation,creation-with-upload,termination,checksum,expiration"
THREADS = 32
KEPT_HASHERS = 256  # running hashes of paused uploads; an older one is made anew from the spool
_P = ParamSpec("_P")
_T = TypeVar("_T")
log = structlog.get_logger()


class Tus:
    """`authorise` turns a request's headers into its sender, or raises HttpError 401 or 403.

    `Route` it at `place` and `place/{id}`. `receipts`: under which address the sender finds its receipts.
    """

    def __init__(
        self,
        uploads: Uploads,
        authorise: Callable[[Headers], Sender],
        turns: Turns,
        pace: Pace,
        *,
        place: str = "/uploads",
        receipts: str = "/api/receipts",
    ) -> None:
        self._uploads = uploads
        self._authorise = authorise
        self._turns = turns
        self._pace = pace
        self._place = place
        self._receipts = receipts
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")
        self._hashers: OrderedDict[str, FileHasher] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._answer(Request(scope, receive), receive)
        except Interrupted:
            response = Response(status_code=408)  # nobody may be there to read it
        except HttpError as error:
            response = error.response()
        except LiuhenError as error:
            response = from_error(error).response()
        except OSError as error:
            response = _disk_failed(error).response()
        response.headers["Tus-Resumable"] = VERSION
        await response(scope, receive, send)

    async def _answer(self, request: Request, receive: Receive) -> Response:
        tus_headers.check(request.headers)
        method = tus_headers.method(request)
        if method == "OPTIONS":
            return self._options()
        if request.headers.get("Tus-Resumable") != VERSION:
            raise HttpError(
                412,
                "tus-version",
                "不支持的上传协议版本，请升级采集站程序。",
                "this version of the upload protocol is not spoken here: update the station's program",
                {"Tus-Version": VERSION},
            )
        sender = await self._run(self._authorise, request.headers)
        upload_id = request.path_params.get("id")
        if upload_id is None:
            return await self._create(request, receive, sender) if method == "POST" else _not_allowed()
        upload = await self._run(self._uploads.find, sender, upload_id)
        return await self._answer_upload(method, request, receive, sender, upload)

    async def _answer_upload(
        self, method: str, request: Request, receive: Receive, sender: Sender, upload: Upload
    ) -> Response:
        if method == "HEAD":
            return self._state(upload)
        if method == "PATCH":
            return await self._patch(request, receive, sender, upload)
        if method == "DELETE":
            await self._run(self._uploads.terminate, upload)
            self._hashers.pop(upload.id, None)
            return Response(status_code=204)
        return _not_allowed()

    def _options(self) -> Response:
        headers = {
            "Tus-Version": VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(self._uploads.limits.max_upload),
            "Tus-Checksum-Algorithm": ",".join(CHECKSUMS),
        }
        return Response(status_code=204, headers=headers)

    async def _create(self, request: Request, receive: Receive, sender: Sender) -> Response:
        length = tus_headers.number(request.headers, "Upload-Length")
        upload = await self._run(self._register, sender, tus_headers.metadata(request.headers), length)
        headers = {
            "Location": f"{request.scope.get('root_path', '')}{self._place}/{upload.id}",
            **_progress(upload),
        }
        if request.headers.get("Content-Type") == BODY or length == 0:
            try:
                headers |= await self._take(request, receive, sender, upload)
            except (OSError, Interrupted) as error:  # the upload exists; the station asks for its offset and goes on
                log.warning("body of a creation cut off", upload=upload.id, error=str(error))
                headers |= _progress(upload)
        return Response(status_code=201, headers=headers)

    def _register(self, sender: Sender, metadata: dict[str, str], length: int) -> Upload:
        if isinstance(sender, Person):
            return self._uploads.create_unlisted(sender, Unlisted.told(metadata), length)
        return self._uploads.create(sender, metadata.get("path", ""), length)

    async def _patch(self, request: Request, receive: Receive, sender: Sender, upload: Upload) -> Response:
        if request.headers.get("Content-Type") != BODY:
            raise HttpError(415, "content-type", f"请求类型应为 {BODY}。", f"the content type must be {BODY}")
        offset = tus_headers.number(request.headers, "Upload-Offset")
        headers = await self._take(request, receive, sender, upload, offset)
        return Response(status_code=204, headers=headers)

    async def _take(
        self, request: Request, receive: Receive, sender: Sender, upload: Upload, offset: int = 0
    ) -> dict[str, str]:
        """Take a body at `offset`; at the last byte, finish. The headers of the answer."""
        checksum = tus_headers.checksum(request.headers)
        if upload.state == COMPLETE:
            return self._finished(upload, offset)
        with self._turns.taken(sender.key):
            file = await self._run(self._uploads.lock, upload)
            try:
                upload = await self._run(self._uploads.again, upload, file)
                _check_offset(upload, offset, request.headers)
                return await self._land(receive, upload, file, checksum)
            finally:
                file.close()

    async def _land(
        self, receive: Receive, upload: Upload, file: SpoolFile, checksum: Checksum | None
    ) -> dict[str, str]:
        if upload.state == COMPLETE:
            return self._finished(upload, upload.length)
        await self._run(self._uploads.room.check_disk)
        hasher = await self._hasher(upload)
        landing = Landing(
            self._uploads,
            upload,
            file,
            hasher,
            pool=self._pool,
            pace=self._pace,
            checksum=checksum,
            piece=self._turns.piece,
        )
        try:
            await landing.receive(receive)
            if upload.offset < upload.length:
                return _progress(upload)
            await self._run(self._uploads.finish, upload, file, hasher)
            return self._finished(upload, upload.length)
        finally:
            self._keep(upload, hasher)

    def _finished(self, upload: Upload, offset: int) -> dict[str, str]:
        """The headers of a finished upload, for the request that finished it and for one that asks again at the end."""
        if offset != upload.length:
            raise refusals.wrong_offset(upload, offset, _progress(upload))
        return {**_progress(upload), **self._receipt(upload)}

    def _state(self, upload: Upload) -> Response:
        if upload.state not in (OPEN, COMPLETE):
            raise refusals.rejected(upload)
        path = base64.b64encode(upload.path.encode()).decode()
        headers = {"Upload-Length": str(upload.length), "Upload-Metadata": f"path {path}", "Cache-Control": "no-store"}
        receipt = self._receipt(upload) if upload.state == COMPLETE else {}
        return Response(status_code=200, headers={**headers, **_progress(upload), **receipt})

    def _receipt(self, upload: Upload) -> dict[str, str]:
        return {"Liuhen-Receipt": f"{self._receipts}/{upload.sha256}"}

    async def _hasher(self, upload: Upload) -> FileHasher:
        hasher = self._hashers.pop(upload.id, None)
        if hasher is not None and hasher.size == upload.offset:
            return hasher
        return await self._run(self._uploads.rebuild, upload)

    def _keep(self, upload: Upload, hasher: FileHasher) -> None:
        if upload.state == OPEN and hasher.size == upload.offset:
            self._hashers[upload.id] = hasher
        while len(self._hashers) > KEPT_HASHERS:
            self._hashers.popitem(last=False)

    async def _run(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Blocking work in a thread. A cancelled request waits for it: its file must not be closed under it."""
        task = asyncio.get_running_loop().run_in_executor(self._pool, partial(work, *args, **kwargs))
        return await _unbroken(task)


async def _unbroken(task: Awaitable[_T]) -> _T:
    future = asyncio.ensure_future(task)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


def _check_offset(upload: Upload, offset: int, headers: Headers) -> None:
    if upload.state not in (OPEN, COMPLETE):
        raise refusals.rejected(upload)
    if upload.offset != offset:
        raise refusals.wrong_offset(upload, offset, _progress(upload))
    if "Content-Length" in headers and offset + tus_headers.number(headers, "Content-Length") > upload.length:
        raise refusals.over_long()


def _progress(upload: Upload) -> dict[str, str]:
    return {"Upload-Offset": str(upload.offset), "Upload-Expires": format_datetime(upload.expires, usegmt=True)}


def _not_allowed() -> Response:
    return Response(status_code=405, headers={"Allow": "OPTIONS, POST, HEAD, PATCH, DELETE"})


def _disk_failed(error: OSError) -> HttpError:
    words = disk_error(error)
    log.error("spool failed", error=str(error))
    return busy(507, "disk-failed", words.zh, words.en)
