"""Work that costs about as much for many as for one: a sync of the disk, a transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LIMIT = 256  # items in one run


class _Asked(Generic[Item, Answer]):
    """Somebody who waits. `turn` is held until he is served, or told to lead the next run."""

    __slots__ = ("answers", "error", "item", "turn")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.answers: Sequence[Answer] = ()
        self.error: BaseException | None = None
        self.turn = threading.Lock()
        self.turn.acquire()

    @property
    def served(self) -> bool:
        return bool(self.answers) or self.error is not None


class Together(Generic[Item, Answer]):
    """Lets threads share runs of `work`: who asks while it runs is served by the next one, with all who did the same.

    `work` gets the items of a run, at most `LIMIT`, and gives the answers in their order. It never runs twice at once.
    At the end of a run only those are woken whom it served, and one who leads the next.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Sequence[Answer]]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._waiting: list[_Asked[Item, Answer]] = []
        self._running = False

    def do(self, item: Item) -> Answer:
        """The answer for `item`, of a run that began after this call. Raises what `work` raises for `item` alone.

        A run that fails counts for nobody: each who waited for it is then served by a run of his own.
        """
        asked: _Asked[Item, Answer] = _Asked(item)
        with self._lock:
            self._waiting.append(asked)
            first, self._running = not self._running, True
        if not first:
            asked.turn.acquire()
        if not asked.served:
            self._lead()
        if asked.error is not None:
            raise asked.error
        return asked.answers[0]

    def _lead(self) -> None:
        """One run for all who wait, of whom the caller is the first; then somebody else leads."""
        with self._lock:
            batch, self._waiting = self._waiting[:LIMIT], self._waiting[LIMIT:]
        try:
            self._serve(batch)
        finally:
            with self._lock:
                following = self._waiting[:1]
                self._running = bool(following)
            for each in (*batch, *following):
                each.turn.release()

    def _serve(self, batch: Sequence[_Asked[Item, Answer]]) -> None:
        try:
            answers = self._work([each.item for each in batch])
            for each, answer in zip(batch, answers, strict=True):
                each.answers = (answer,)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for each in batch:
                each.answers = ()
                self._serve([each])
        except BaseException as error:  # the process ends: nobody is left waiting
            for each in batch:
                each.error = error
            raise
