"""A request's body as it arrives, from a sender that may be slow, silent or gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.types import Message, Receive


class Interrupted(Exception):
    """The sender went away, fell silent or sends too slowly."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The least that is waited for: `rate` bytes a second (at least one byte) in any `window` seconds of waiting.

    Only the waiting for the sender counts: a disk that is slow is not the sender's fault.
    """

    rate: int = 4096
    window: float = 60.0

    @property
    def least(self) -> int:
        return max(1, int(self.rate * self.window))


async def parts(receive: Receive, pace: Pace) -> AsyncIterator[bytes]:
    """The body's parts. Raises Interrupted."""
    loop = asyncio.get_running_loop()
    left, came, more = pace.window, 0, True
    while more:
        begun = loop.time()
        message = await _next(receive, left)
        left -= loop.time() - begun
        if message is not None:
            more = message.get("more_body", False)
            came += len(message.get("body", b""))
        if message is None or left <= 0:
            if more and came < pace.least:
                raise Interrupted
            left, came = pace.window, 0
        if message is not None:
            yield message.get("body", b"")


async def piece(receive: Receive, pace: Pace, size: int) -> tuple[bytes, bool]:
    """The next `size` bytes of the body or a little more, less only at its end; and whether more comes.

    For short bodies: one watch for all parts of a piece, not one for each. Raises Interrupted.
    """
    found: list[bytes] = []
    missing, more = size, True
    while more and missing > 0:
        before = missing
        try:
            async with asyncio.timeout(pace.window):
                while more and missing > 0:
                    part, more = _content(await receive())
                    found.append(part)
                    missing -= len(part)
        except TimeoutError:
            if before - missing < pace.least:
                raise Interrupted from None
    return b"".join(found), more


def _content(message: Message) -> tuple[bytes, bool]:
    if message["type"] != "http.request":
        raise Interrupted
    return message.get("body", b""), message.get("more_body", False)


async def _next(receive: Receive, seconds: float) -> Message | None:
    """The next message, or None when none came in time. Raises Interrupted when the sender is gone."""
    try:
        async with asyncio.timeout(seconds):
            message = await receive()
    except TimeoutError:
        return None
    if message["type"] != "http.request":
        raise Interrupted
    return message
