"""The station's state goes to the server every while and at every change, and what it has to report goes along."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from importlib.metadata import version

from ingest import signed
from ingest.client import OldState, ServerClient
from ingest.journal import Journal
from ingest.station import StationKey
from ingest.station_clock import StationClock
from ingest.station_state import LAST_SEQUENCE, MAX_CARDS, SCHEMA, CardState, Problem
from ingest.wipes import send_reports
from storage.clock import Clock, iso
from storage.errors import LiuhenError

SHORTEST = 1.0  # seconds between two states, however much changes


class Heartbeat:
    """A thread that posts. What can't be posted is not worth an error: the next one says all. `lost` hears each time
    why it did not arrive, or None.
    """

    def __init__(
        self,
        client: ServerClient,
        key: Callable[[], StationKey],
        journal: Journal,
        clock: Clock,
        *,
        station_clock: StationClock,
        cards: Callable[[], Sequence[CardState]],
        every: Callable[[], float],
        lost: Callable[[LiuhenError | None], None] = lambda _: None,
    ) -> None:
        self._client, self._key, self._journal, self._clock = client, key, journal, clock
        self._station_clock, self._cards, self._every, self._lost = station_clock, cards, every, lost
        self._sequence = 0
        self._poked = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.problem: Problem | None = None

    def start(self) -> None:
        self._thread.start()

    def poke(self) -> None:
        """Something changed."""
        self._poked.set()

    def stop(self) -> None:
        """After a last word."""
        self._stop.set()
        self._poked.set()
        self._thread.join(10)

    def beat(self) -> bool:
        """Post once. Says whether it arrived."""
        try:
            self._post()
            send_reports(self._client, self._key(), self._journal)
        except LiuhenError as error:
            self._lost(error)
            return False
        self._lost(None)
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self.beat()
            self._stop.wait(SHORTEST)
            self._poked.wait(self._every())
            self._poked.clear()
        self.beat()

    def _post(self) -> None:
        try:
            self._post_next()
        except OldState as error:
            self._sequence = min(error.last, LAST_SEQUENCE - 1)
            self._post_next()

    def _post_next(self) -> None:
        self._sequence += 1
        key = self._key()
        fields = {
            "schema": SCHEMA,
            "station": key.station,
            "time": iso(self._clock()),
            "sequence": self._sequence,
            "agent": version("liuhen"),
            "watching": True,
            "clock": self._station_clock.line().model_dump(),
            "free": self._journal.free(),
            "problem": self.problem.model_dump() if self.problem else None,
            "cards": [card.model_dump() for card in self._cards()[:MAX_CARDS]],
        }
        content = signed.encode(fields)
        self._client.tell("/api/stations/state", content, signed.sign(signed.STATE, content, key.key))
