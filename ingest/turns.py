"""Who may send a body now: so many at once in all, and so many of one sender, so that nobody crowds the others out."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from ingest import refusals

IN_ALL = 64  # bodies taken at once by one server process
CROWD = 20  # bodies at once from which on each is taken in smaller pieces, so that all fit into memory


class Turns:
    """Counts in the event loop's thread. `each`: bodies of one sender (its `key`) at once, `in_all`: of everybody."""

    def __init__(self, each: int, in_all: int = IN_ALL) -> None:
        self._each = each
        self._in_all = in_all
        self._taken: Counter[str] = Counter()

    def piece(self, usual: int) -> int:
        """How many bytes of one body are held at a time: the usual, an eighth in a crowd."""
        return usual if self._taken.total() <= CROWD else usual // 8

    @contextlib.contextmanager
    def taken(self, key: str) -> Iterator[None]:
        """Hold a turn. Raises HttpError 503 with Retry-After at once when there is none."""
        if self._taken[key] >= self._each:
            raise refusals.no_turn(own=True)
        if self._taken.total() >= self._in_all:
            raise refusals.no_turn(own=False)
        self._taken[key] += 1
        try:
            yield
        finally:
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]
