"""The watched folder: for cameras that can only copy files. Settled files go through the same intake as all others.

A file is taken when its size and time have stood still for a while and nobody has it open for writing; a recording
whose sidecar (随附说明) is not there waits a little for it. Names that say "not whole yet" (`.part`, …) and dot names
are left alone; when such a file gets its final name, it is taken at once. How a file is taken: `ingest.watched`.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from watchfiles import watch

from ingest.settling import Settling, State, open_for_writing
from ingest.sidecar import is_sidecar
from ingest.watched import RECEIVED, REJECTED, Taking
from storage.errors import LiuhenError, Transient

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

SETTLE = 5.0  # seconds without a change
ALONE = 600.0  # seconds: so long a sidecar waits for its recording, then it is a file like any other
RESCAN = 30.0  # seconds; shared folders don't always tell of changes
UNFINISHED = (".part", ".filepart", ".partial", ".tmp", ".upload", ".crdownload")
"""How programs that send files name them until they are whole."""
log = structlog.get_logger()


class Watcher:
    """Watches `folder` in a thread of its own. `settle`: seconds a file must stand still, and as long again it waits
    for a sidecar. `alone`: seconds that a sidecar waits for its recording.
    """

    def __init__(self, services: Services, folder: Path, *, settle: float = SETTLE, alone: float = ALONE) -> None:
        self._folder = folder.absolute()
        self._taking = Taking(services, self._folder, alone)
        self._settling = Settling(settle)
        self._sidecar_wait, self._alone = 2 * settle, alone
        self._coming: set[int] = set()  # inodes that were there under a name that says "not whole yet"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watched-folder", daemon=True)

    def start(self) -> None:
        self.prepare()
        self._thread.start()

    def prepare(self) -> None:
        """Make the folders, and remove what a crash left in the spool: its sources are still in the folder."""
        self._taking.prepare()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        scanned = 0.0
        while not self._stop.is_set():
            try:
                for changes in watch(
                    self._folder,
                    stop_event=self._stop,
                    rust_timeout=500,
                    yield_on_timeout=True,
                    raise_interrupt=False,
                ):
                    if changes or self._settling.waiting or time.monotonic() - scanned > RESCAN or not scanned:
                        self.scan()
                        scanned = time.monotonic()
            except (OSError, RuntimeError) as error:  # the share is gone: wait for it
                log.warning("watched folder unavailable", folder=str(self._folder), error=str(error))
                self._stop.wait(RESCAN)

    def scan(self) -> None:
        """Look at every file once and take those that have settled."""
        found = dict(self._files())
        renamed = [path for path, state in found.items() if state[2] in self._coming and not _unfinished(path.name)]
        self._coming = {state[2] for path, state in found.items() if _unfinished(path.name)}
        whole = {path: state for path, state in found.items() if not _unfinished(path.name)}
        settled = dict.fromkeys(self._settling.settled(whole, renamed))
        beside, named = _sidecars(whole), _names(found)
        for path in settled:
            if self._stop.is_set():
                return
            if not is_sidecar(path.name):
                sidecars = list(dict.fromkeys(beside[path.parent, path.name.casefold()] + beside[_base(path)]))
                if self._complete(path, sidecars, settled, at_once=path in renamed):
                    self._guarded(path, found[path], [(each, found[each]) for each in sidecars])
            elif _base(path) not in named:  # else it goes along with its recording
                self._guarded(path, found[path], None)

    def _complete(self, path: Path, sidecars: Sequence[Path], settled: Mapping[Path, None], *, at_once: bool) -> bool:
        """Whether the recording has its sidecars, or has waited long enough for one."""
        if sidecars:
            return all(each in settled for each in sidecars)
        return at_once or self._settling.stood(path) >= self._sidecar_wait

    def _guarded(self, path: Path, state: State, sidecars: Sequence[tuple[Path, State]] | None) -> None:
        """Take a recording with its sidecars (None: `path` is a sidecar alone), or set it apart."""
        try:
            if any(open_for_writing(each) for each in (path, *(each for each, _ in sidecars or ()))):
                return
            if sidecars is not None:
                self._taking.take(path, state, sidecars)
            elif not self._taking.attach(path, state) and self._settling.stood(path) >= self._alone:
                self._taking.take(path, state, ())
        except (Transient, OSError) as error:  # it stays where it is and is tried again
            log.warning("watched file not taken yet", path=str(path), error=str(error))
            self._settling.put_off(path)
        except LiuhenError as error:
            self._set_apart(path, state, [each for each, _ in sidecars or ()], error)

    def _set_apart(self, path: Path, state: State, sidecars: Sequence[Path], error: LiuhenError) -> None:
        log.warning("watched file rejected", path=str(path), error=str(error))
        try:
            self._taking.set_apart(path, state, sidecars, error)
        except (Transient, OSError) as failed:
            log.warning("rejected file could not be moved", path=str(path), error=str(failed))
            self._settling.put_off(path)

    def _files(self) -> Iterator[tuple[Path, State]]:
        for folder, folders, names in os.walk(self._folder, followlinks=False):
            if Path(folder) == self._folder:
                folders[:] = [name for name in folders if name not in (RECEIVED, REJECTED)]
            for name in names:
                path = Path(folder, name)
                try:
                    found = path.lstat()
                except FileNotFoundError:  # renamed or removed meanwhile
                    continue
                if stat.S_ISREG(found.st_mode) and not name.startswith("."):
                    yield path, (found.st_size, found.st_mtime_ns, found.st_ino)


def _unfinished(name: str) -> bool:
    return name.lower().endswith(UNFINISHED)


def _base(path: Path) -> tuple[Path, str]:
    return path.parent, path.stem.casefold()


def _sidecars(files: Mapping[Path, State]) -> defaultdict[tuple[Path, str], list[Path]]:
    """The sidecars among the files, by folder and by the name before their suffix."""
    found: defaultdict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path in files:
        if is_sidecar(path.name):
            found[_base(path)].append(path)
    return found


def _names(files: Mapping[Path, State]) -> set[tuple[Path, str]]:
    """By folder: all names of recordings, whole or on their way, and what stands before each of their dots."""
    found: set[tuple[Path, str]] = set()
    for path in files:
        if not is_sidecar(path.name):
            parts = path.name.casefold().split(".")
            found.update((path.parent, ".".join(parts[:count])) for count in range(1, len(parts) + 1))
    return found
