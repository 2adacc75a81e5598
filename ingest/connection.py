"""A connection whose request heads have an end: so many bytes, so many seconds.

uvicorn with httptools reads headers for as long as they come and gives a silent connection all the time it likes; both
cost a socket, and the first also memory, before any of our code is asked.
"""

from __future__ import annotations

import asyncio

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 << 10
HEAD_SECONDS = 30.0  # from the connection, or from the first byte of a later request, to the end of its headers
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
)
log = structlog.get_logger()


class _HeadTooLarge(Exception):
    """Stops the parser."""


class Connection(HttpToolsProtocol):
    """For uvicorn's `http` setting."""

    head_seconds = HEAD_SECONDS
    _in_body = False
    _head = 0
    _fields = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._head += 0 if self._in_body else len(data)
        super().data_received(data)
        if not self._in_body and self._head > HEAD_BYTES and not self.transport.is_closing():
            self._refuse_head()

    def send_400_response(self, msg: str) -> None:
        if self._fields > HEAD_BYTES:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        log.warning("request head too large", client=self.client)
        self.transport.write(_TOO_LARGE)
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields = 0
        if self._deadline is None:
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += len(name) + len(value)
        if self._fields > HEAD_BYTES:
            raise _HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._forget_deadline()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body, self._head = False, 0
        super().on_message_complete()
        if self.cycle.response_complete:  # its answer is long gone: a next request, or the end
            self._expect_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:  # refused before it was read: nobody waits long for the rest
            self._expect_head()

    def _expect_head(self) -> None:
        self._forget_deadline()
        self._deadline = self.loop.call_later(self.head_seconds, self._give_up)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            log.info("no request head in time", client=self.client)
            self.transport.close()
