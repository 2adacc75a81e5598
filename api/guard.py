"""The outermost layer: security headers, body limits, foreign origins, a brake on changing requests, and figures.

Plain ASGI, so that a long upload or stream passes through piece by piece. What is under `STATIONS` comes from stations,
not browsers: it has its own limits and signatures. The uploads of browsers have those limits too, and are as
careful about where they come from as any form.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from api.metrics import Metrics

CSP = "; ".join(
    (
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
STATIONS = ("/api/uploads", "/api/files", "/api/dockings", "/api/wipes", "/api/stations/state")
BROWSERS = "/api/browser/uploads"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True)
class Limits:
    """`body`: bytes of a form or JSON object, `seconds` until it is there whole.

    `changes`: changing requests from one address in a minute.
    """

    body: int = 256 << 10
    seconds: float = 60.0
    changes: int = 240


class Guard:
    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics) -> None:
        self._app = app
        self._limits = limits
        self._metrics = metrics
        self._recent: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = self._answering(scope, send)
        if refusal := self._refusal(scope):
            await _refuse(answered, *refusal)
        else:
            await self._app(scope, self._limited(scope, receive), answered)

    def _answering(self, scope: Scope, send: Send) -> Send:
        """`send` that adds the headers and counts the answer."""
        begun = time.monotonic()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self._metrics.answered(scope["method"], message["status"], time.monotonic() - begun)
            await send(message)

        return sending

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        if scope["method"] in _SAFE or scope["path"].startswith(STATIONS):
            return None
        headers = Headers(scope=scope)
        if not _same_origin(headers):
            return 403, "请求来自其他网站，未执行。", "the request comes from another site and was not carried out"
        if scope["path"].startswith(BROWSERS):
            return None
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._limits.body:
            return 413, "提交的内容过大，未被接收。", "what was sent is too large and was not taken"
        if self._too_many(scope):
            return 429, "操作过于频繁，请一分钟后再试。", "too many requests: try again in a minute"
        return None

    def _too_many(self, scope: Scope) -> bool:
        address = scope["client"][0] if scope.get("client") else "unknown"
        now = time.monotonic()
        with self._lock:
            if len(self._recent) > 10_000:
                self._recent = {key: times for key, times in self._recent.items() if times and now - times[-1] < 60}
            times = self._recent.setdefault(address, deque())
            while times and now - times[0] >= 60:
                times.popleft()
            times.append(now)
            return len(times) > self._limits.changes

    def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """`receive` that ends a body which is over-long and told no length, or comes too slowly."""
        if scope["path"].startswith((*STATIONS, BROWSERS)):
            return receive
        taken, until, more = 0, time.monotonic() + self._limits.seconds, True

        async def receiving() -> Message:
            nonlocal taken, more
            try:
                async with asyncio.timeout(until - time.monotonic() if more else None):
                    message = await receive()
            except TimeoutError:
                return {"type": "http.disconnect"}
            taken += len(message.get("body", b""))
            more = message.get("more_body", False)
            return {"type": "http.disconnect"} if taken > self._limits.body else message

        return receiving


def _same_origin(headers: Headers) -> bool:
    """Browsers say where a changing request comes from; what doesn't say is no browser acting unasked."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


async def _refuse(send: Send, status: int, zh: str, en: str) -> None:
    body = json.dumps({"error": {"zh": zh, "en": en}}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
