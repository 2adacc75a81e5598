"""A station that runs for days: cards come and go, each is docked once per insertion."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ingest import enrolling, mounts, station
from ingest.agent import PARALLEL
from ingest.card_task import CardTask, Desk
from ingest.client import ServerClient
from ingest.heartbeat import Heartbeat
from ingest.journal import Journal
from ingest.mounts import MountWatch
from ingest.progress import CardProgress, words
from ingest.results import Outcome
from ingest.station import StationKey
from ingest.station_clock import StationClock
from ingest.station_settings import StationSettings
from ingest.station_state import CardState, Code, Problem
from ingest.wipes import make_reports
from storage.clock import Clock
from storage.errors import LiuhenError, Refused

REMEMBERED = timedelta(hours=24)  # a card that was pulled out too early is shown for so long
GRAVEST: tuple[Code, ...] = ("journal", "config", "server")
OVER = frozenset({"safe", "wiped", "quarantined"})

Insertion = tuple[str, ...]
"""What tells one insertion of a card from the next: kind, card, number, file system (st_dev or major:minor), place."""

Told = Callable[[CardState, Outcome | None], None]


@dataclass
class _Gone:
    progress: CardProgress
    since: datetime


class ConfigFile:
    """The station's settings, read again when the file changes. A file that is wrong leaves them as they were."""

    def __init__(self, read: Callable[[], StationSettings], path: Path | None) -> None:
        self._read, self._path = read, path
        self._lock = threading.Lock()
        self._look = self._stamp()
        self._settings = read()
        self.error: LiuhenError | None = None

    def __call__(self) -> StationSettings:
        with self._lock:
            return self._settings

    def refresh(self) -> bool:
        """Look at the file. Says whether the settings are new, or newly wrong."""
        look = self._stamp()
        if look == self._look:
            return False
        self._look = look
        try:
            settings = self._read()
        except LiuhenError as error:
            self.error = error
            return True
        with self._lock:
            self._settings, self.error = settings, None
        return True

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat() if self._path else None
        except OSError:
            return None
        return (found.st_mtime_ns, found.st_ino, found.st_size) if found else None


class CardWatch:
    """`told` hears of each card whenever its state changes, and of its outcome at the end."""

    def __init__(self, config: ConfigFile, clock: Clock, told: Told, problem: Callable[[Problem | None], None]) -> None:
        self._config, self._clock, self._told, self._tell_problem = config, clock, told, problem
        settings = config()
        self._key_file = settings.station_key
        self._key = station.load(settings.station_key)
        self._journal = Journal(settings.state, self._key.station)
        self._tasks: dict[Insertion, CardTask] = {}
        self._gone: dict[str, _Gone] = {}
        self._problems: dict[Code, Problem] = {}
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._watch = MountWatch()
        station_clock = StationClock()
        self._desk = Desk(
            config,
            self._present_key,
            self._journal,
            clock,
            station_clock,
            threading.Semaphore(settings.at_once),
            threading.Semaphore(PARALLEL),
            lambda error: self._trouble("journal", error),
        )
        self._client = ServerClient(lambda: config().server, patience=0, ca=settings.ca)
        self._heartbeat = Heartbeat(
            self._client,
            self._present_key,
            self._journal,
            clock,
            station_clock=station_clock,
            cards=self.states,
            every=lambda: config().heartbeat,
            lost=lambda error: self._trouble("server", error),
        )

    def run(self) -> None:
        """Until `stop` is called."""
        make_reports(self._key, self._journal, self._clock)
        self._heartbeat.start()
        try:
            while not self._stop.is_set():
                self._look()
                self._watch.wait(self._config().rescan)
        finally:
            for task in self._tasks.values():
                task.progress.pull()
                task.wake()
            for task in self._tasks.values():
                task.join(5)
            self._heartbeat.stop()
            self._client.close()
            with self._lock:
                self._stop.set()
                self._watch.close()

    def stop(self) -> None:
        with self._lock:
            if not self._stop.is_set():
                self._stop.set()
                self._watch.wake()

    def states(self) -> list[CardState]:
        """Of all cards that are in, and of those pulled out too early."""
        with self._lock:
            inside = [task.progress for task in self._tasks.values()]
            away = [each.progress for each in self._gone.values()]
        return [progress.state() for progress in (*inside, *away)]

    def _look(self) -> None:
        before = self._config()
        if self._config.refresh():
            self._settings_changed(before)
        present = dict(present_cards(self._config()))
        for insertion in list(self._tasks):
            if insertion not in present:
                self._pulled(self._tasks[insertion])
                with self._lock:
                    del self._tasks[insertion]
        for insertion, place in present.items():
            if insertion not in self._tasks:
                self._inserted(insertion, place)
        self._forget()

    def _inserted(self, insertion: Insertion, place: Path) -> None:
        task: CardTask
        major, _, minor = insertion[3].partition(":")
        volume = os.makedev(int(major), int(minor)) if minor else int(major)

        def changed() -> None:
            self._changed(task)

        progress = CardProgress(insertion[1], str(place), changed)
        task = CardTask(self._desk, place, progress, volume=volume)
        with self._lock:
            self._tasks[insertion] = task
        task.start()

    def _pulled(self, task: CardTask) -> None:
        task.progress.pull()
        task.wake()
        if task.progress.phase not in OVER:
            task.progress.enter("gone")
            with self._lock:
                self._gone[task.progress.card] = _Gone(task.progress, self._clock())
        self._heartbeat.poke()

    def _changed(self, task: CardTask) -> None:
        state = task.progress.state()
        with self._lock:
            if not task.progress.gone:
                self._gone.pop(task.progress.card, None)
        self._told(state, task.outcome)
        self._heartbeat.poke()

    def _forget(self) -> None:
        with self._lock:
            for card, each in list(self._gone.items()):
                if self._clock() - each.since > REMEMBERED:
                    del self._gone[card]

    def _settings_changed(self, before: StationSettings) -> None:
        self._trouble("config", self._config.error)
        if self._config() != before:
            for task in self._tasks.values():
                task.wake()

    def _trouble(self, code: Code, error: LiuhenError | None) -> None:
        """Something of the whole station is wrong, or no longer (None). Of several, the gravest is told."""
        with self._lock:
            if error is None:
                self._problems.pop(code, None)
            else:
                self._problems[code] = Problem(code=code, zh=words(error.zh), en=words(error.en))
            gravest = next((self._problems[each] for each in GRAVEST if each in self._problems), None)
            if gravest == self._heartbeat.problem:
                return
            self._heartbeat.problem = gravest
        self._tell_problem(gravest)
        if code != "server":
            self._heartbeat.poke()

    def _present_key(self) -> StationKey:
        """The key file may have been replaced; of another station it may not be."""
        settings = self._config()
        key = enrolling.present(settings.server, settings.station_key, settings.ca)
        if key.station != self._key.station:
            raise Refused(
                f"密钥文件已换成采集站“{key.station}”的；更换采集站须重新启动 liuhen dock。",
                f"the key file is now that of station “{key.station}”: to change the station start liuhen dock anew",
            )
        return key


def present_cards(settings: StationSettings) -> Iterator[tuple[Insertion, Path]]:
    """The cards that are in now. An empty folder is no card; a folder that is a mount point is taken as such."""
    try:
        table = mounts.read_mounts()
    except OSError:
        table = []
    for mount in mounts.below(table, settings.mounts):
        volume = mounts.volume_of(mount)
        yield ("mount", volume.uuid or mount.source, str(mount.id), mount.device, str(mount.point)), mount.point
    points = {mount.point for mount in table}
    for folder in settings.folders:
        for place in sorted(folder.iterdir()) if folder.is_dir() else ():
            if place not in points and not place.name.startswith(".") and (found := _folder(place)):
                yield ("folder", place.name, *found, str(place)), place


def _folder(place: Path) -> tuple[str, str] | None:
    """Its inode and file system."""
    try:
        if place.is_symlink() or not place.is_dir() or not any(place.iterdir()):
            return None
        found = place.stat()
    except OSError:
        return None
    return str(found.st_ino), str(found.st_dev)
