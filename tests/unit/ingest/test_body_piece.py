"""Pieces of a body: whole ones, the rest, and senders that leave or are too slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest
from starlette.types import Message

from ingest.body import Interrupted, Pace, piece


def sender(*parts: bytes | float, last: bool = True) -> Callable[[], Awaitable[Message]]:
    """Sends the parts, waits where a number of seconds stands; then leaves, unless the last part ended the body."""
    left: list[bytes | float] = list(parts)

    async def receive() -> Message:
        while left and isinstance(left[0], float):
            await asyncio.sleep(float(left.pop(0)))
        if not left:
            return {"type": "http.disconnect"}
        part = left.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(left) or not last}

    return receive


def take(receive: Callable[[], Awaitable[Message]], size: int, pace: Pace | None = None) -> list[tuple[bytes, bool]]:
    async def run() -> list[tuple[bytes, bool]]:
        found: list[tuple[bytes, bool]] = []
        while not found or found[-1][1]:
            found.append(await piece(receive, pace or Pace(), size))
        return found

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("parts", "pieces"),
    [
        ([b""], [(b"", False)]),
        ([b"abc"], [(b"abc", False)]),
        ([b"ab", b"cd", b"ef"], [(b"abcd", True), (b"ef", False)]),
        ([b"ab", b"cd"], [(b"abcd", False)]),
        ([b"abcdefgh", b"i"], [(b"abcdefgh", True), (b"i", False)]),
    ],
)
def test_pieces_are_whole_but_the_last(parts: Sequence[bytes], pieces: Sequence[tuple[bytes, bool]]) -> None:
    assert take(sender(*parts), 4) == pieces


def test_a_sender_that_leaves_is_noticed() -> None:
    with pytest.raises(Interrupted):
        take(sender(b"ab", last=False), 4)


def test_a_sender_that_falls_silent_is_given_up() -> None:
    with pytest.raises(Interrupted):
        take(sender(b"ab", 30.0, b"cd"), 4, Pace(rate=1000, window=0.05))


def test_a_slow_sender_is_waited_for_while_it_sends_enough() -> None:
    pace = Pace(rate=10, window=0.1)  # one byte each tenth of a second
    assert take(sender(b"ab", 0.08, b"cd", 0.08, b"e"), 5, pace) == [(b"abcde", False)]
