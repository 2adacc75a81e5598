"""A witness over HTTP (c2sp.org/tlog-witness): POST add-checkpoint, GET <origin hash>/checkpoint. Plain ASGI.

Anybody may ask: what a request is worth, its signatures say. Bodies are limited in size and in time; every answer that
refuses is one sentence in two languages, except where the protocol wants a size.
"""

from __future__ import annotations

import asyncio
import logging

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from storage.errors import LiuhenError, NotFound, Transient
from storage.ledger.witnesses.witness_desk import WitnessDesk
from storage.ledger.witnesses.witnessing import MAX_REQUEST, SIZE_TYPE, OutOfStep, Rejected

BODY_SECONDS = 20.0
_TEXT = "text/plain; charset=utf-8"
_log = logging.getLogger(__name__)


class WitnessApp:
    """The ASGI application over one witness. `seconds`: how long a request's body may take."""

    def __init__(self, desk: WitnessDesk, seconds: float = BODY_SECONDS) -> None:
        self._desk = desk
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        method, path = scope["method"], scope["path"]
        try:
            content = await self._answer(method, path, receive)
        except OutOfStep as rejected:
            await _send(send, 409, f"{rejected.size}\n".encode(), SIZE_TYPE)
        except LiuhenError as error:
            await _send(send, _status(error), f"{error.zh}\n{error.en}\n".encode(), _TEXT)
        else:
            await _send(send, 200, b"" if method == "HEAD" else content, _TEXT)

    async def _answer(self, method: str, path: str, receive: Receive) -> bytes:
        if path == "/add-checkpoint":
            if method != "POST":
                raise Rejected(405, "此地址只接受 POST。", "this address takes POST only")
            return await run_in_threadpool(self._desk.add_checkpoint, await self._body(receive))
        digest, _, rest = path.removeprefix("/").partition("/")
        if rest != "checkpoint":
            raise NotFound("没有此地址。", "there is no such address")
        if method not in ("GET", "HEAD"):
            raise Rejected(405, "此地址只接受 GET。", "this address takes GET only")
        return await run_in_threadpool(self._desk.checkpoint, digest)

    async def _body(self, receive: Receive) -> bytes:
        """The whole body. Raises Rejected: too large (413), too slow (408), or cut off (400)."""
        content = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Rejected(400, "请求中断。", "the request was cut off")
                    content += message.get("body", b"")
                    if len(content) > MAX_REQUEST:
                        raise Rejected(413, "请求过大。", "the request is too large")
                    if not message.get("more_body"):
                        return bytes(content)
        except TimeoutError:
            raise Rejected(408, "请求过慢。", "the request took too long") from None


def _status(error: LiuhenError) -> int:
    if isinstance(error, Rejected):
        return error.status
    if isinstance(error, NotFound):
        return 404
    _log.error("no cosignature: %s", error)
    return 503 if isinstance(error, Transient) else 500


async def _send(send: Send, status: int, body: bytes, kind: str) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-cache"), (b"x-content-type-options", b"nosniff")]
    if status in (400, 408, 413):  # the rest of the body is not read
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
