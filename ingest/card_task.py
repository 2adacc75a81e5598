"""One card in a watching station, from insertion to pulling out: docked, tried again, wiped where that is wanted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.agent import Agent
from ingest.client import ServerClient
from ingest.device import escaped
from ingest.journal import Journal
from ingest.progress import CardGone, CardProgress
from ingest.results import Outcome
from ingest.station import StationKey
from ingest.station_clock import StationClock
from ingest.station_settings import StationSettings
from ingest.wipes import Wiper
from storage.clock import Clock
from storage.errors import LiuhenError, Transient

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0  # seconds until a card that could not be docked is tried again


@dataclass(frozen=True)
class Desk:
    """What the cards of one station share. `settings` are those of the moment, `key` is read anew each time."""

    settings: Callable[[], StationSettings]
    key: Callable[[], StationKey]
    journal: Journal
    clock: Clock
    station_clock: StationClock
    turns: threading.Semaphore
    """Cards at once."""
    sending: threading.Semaphore
    """Files at once, over all cards."""
    trouble: Callable[[LiuhenError | None], None]
    """Hears of a journal that can't be written, and when it can again (None)."""


class CardTask(threading.Thread):
    """Docks the card at `place`; ends when it is pulled out, or nothing is left to do.

    `volume`: st_dev of its file system; where another one lies at `place`, such as the empty folder that a card leaves
    behind, the card is gone.
    """

    def __init__(
        self,
        desk: Desk,
        place: Path,
        progress: CardProgress,
        *,
        volume: int | None = None,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        super().__init__(name=f"card {place}", daemon=True)
        self._desk, self._place, self.progress = desk, place, progress
        self._volume = volume
        self._first_pause = first_pause
        self._woken = threading.Event()
        self.outcome: Outcome | None = None

    def wake(self) -> None:
        """The settings changed, or the card is out: look again now."""
        self._woken.set()

    def run(self) -> None:
        pause = self._first_pause
        while not self.progress.gone:
            self._woken.clear()
            again = self._try()
            if not again and self.outcome and self.outcome.safe:
                return
            self._woken.wait(pause if again else None)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _try(self) -> bool:
        """Dock once. Says whether to try again by itself."""
        try:
            with self._desk.turns:
                self._check_in()
                self.outcome = outcome = self._dock()
        except CardGone:
            return False
        except LiuhenError as error:
            self._failed(error)
            return True
        except Exception as error:  # a station runs for days: one card's trouble is not the others'
            self._failed(_unforeseen(error))
            return True
        self._desk.trouble(None)
        return outcome.passing

    def _dock(self) -> Outcome:
        desk, settings, key = self._desk, self._desk.settings(), self._desk.key()
        gone = self.progress
        client = ServerClient(
            lambda: desk.settings().server, patience=settings.patience, given_up=lambda: gone.gone, ca=settings.ca
        )
        try:
            agent = Agent(
                client,
                key,
                desk.journal,
                desk.clock,
                cameras=settings.cameras,
                station_clock=desk.station_clock,
                sending=desk.sending,
            )
            outcome = agent.dock(self._place, None, lambda *_: None, lambda _: self._check_in(), self.progress)
            wiper = Wiper(key, desk.journal, agent.trust, desk.clock)
            wiper.recover(self._place, outcome)
            self.progress.finished(outcome)
            if settings.wipe == "safe" and outcome.safe:
                self._wipe(wiper, outcome)
            return outcome
        finally:
            client.close()

    def _check_in(self) -> None:
        """Raises CardGone."""
        self.progress.check()
        try:
            found = self._place.stat().st_dev
        except OSError as error:
            raise CardGone from error
        if self._volume is not None and found != self._volume:
            raise CardGone

    def _wipe(self, wiper: Wiper, outcome: Outcome) -> None:
        self.progress.enter("wiping")
        try:
            done = wiper.wipe(self._place, outcome, lambda *_: self.progress.check())
        except LiuhenError as error:
            self.progress.enter("safe", f"可清除，但未自动清除：{error.zh}", f"safe to wipe, not wiped: {error.en}")
            return
        left = {path: why for path, why in done.left.items() if why[1] != "a note about the camera"}
        zh, en = f"已清除 {len(done.wiped)} 个文件", f"wiped {len(done.wiped)} file(s)"
        if left:
            path, (why_zh, why_en) = next(iter(left.items()))
            zh, en = f"{zh}，留下 {len(left)} 个（{path}：{why_zh}）", f"{en}, left {len(left)} ({path}: {why_en})"
        self.progress.enter("wiped", zh, en)

    def _failed(self, error: LiuhenError) -> None:
        if isinstance(error, Transient) and self._desk.journal.broken:
            self._desk.trouble(error)
        self.progress.enter("failed", error.zh, error.en)


def _unforeseen(error: Exception) -> LiuhenError:
    what = escaped(f"{type(error).__name__}: {error}")[:200]
    return LiuhenError(
        f"采集出错（{what}）；请勿清除设备，稍后自动重试。", f"docking failed ({what}): do not wipe, it is tried again"
    )
