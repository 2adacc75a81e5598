"""Reading slowly on purpose, so that checking never takes the disk or the line from those who work."""

from __future__ import annotations

import time
from collections.abc import Callable


class Pace:
    """Lets `rate` bytes a second through on average since it was made; what was not used is not saved up."""

    def __init__(
        self,
        rate: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate, self._monotonic, self._sleep = rate, monotonic, sleep
        self._free = monotonic()  # when everything let through so far is paid for

    def spend(self, count: int) -> None:
        """`count` bytes were read: wait until so many may have been."""
        now = self._monotonic()
        self._free = max(self._free, now) + count / self._rate
        if self._free > now:
            self._sleep(self._free - now)
