"""A station that goes away while it speaks of its keys."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response

from ingest.enrolment_routes import _answering


def test_who_goes_away_in_the_middle_is_no_error_of_the_server() -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(messages)

    async def ask() -> Response:
        route: Any = _answering(lambda *_: Response(), "Liuhen-Code-Signature")
        return cast(Response, await route(Request({"type": "http", "headers": [], "client": None}, receive)))

    assert asyncio.run(ask()).status_code == 408
