"""The watched folder: for cameras that can only copy files. Settled files go through the same intake as all others.

A file is taken when its size and time have stood still for a while and nobody has it open for writing. Order: copy into
the spool (hashing) → intake → receipt beside the place it moves to → source moved into `received/` → spool removed.
A crash between any two steps takes the same file again and gets the same receipt.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from watchfiles import watch

from ingest.device import serial_of_name
from ingest.digest import PIECE, FileHasher
from ingest.manifest import check_path
from ingest.settling import Settling, State, open_for_writing
from pipeline.intake import Arrival, Spooled
from storage import durable
from storage.clock import new_id
from storage.errors import LiuhenError, Refused, Transient
from storage.records import Actor

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

RECEIVED, REJECTED = "received", "rejected"
RECEIPT = ".tlog-proof"
REASON = ".error.txt"
SETTLE = 5.0  # seconds without a change
RESCAN = 30.0  # seconds; shared folders don't always tell of changes
log = structlog.get_logger()


class Watcher:
    """Watches `folder` in a thread of its own. `settle`: seconds a file must stand still."""

    def __init__(self, services: Services, folder: Path, *, settle: float = SETTLE) -> None:
        self._intake = services.intake
        self._limit = services.settings.max_upload
        self._sm3 = services.settings.sm3
        self._spool = services.settings.spool / "watch"
        self._folder = folder.absolute()
        self._settling = Settling(settle)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watched-folder", daemon=True)

    def start(self) -> None:
        self.prepare()
        self._thread.start()

    def prepare(self) -> None:
        """Make the folders, and remove what a crash left in the spool: its sources are still in the folder."""
        for place in (self._folder, self._folder / RECEIVED, self._folder / REJECTED, self._spool):
            durable.make_directory(place.absolute())
        for left in self._spool.iterdir():
            left.unlink()

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
        for path in self._settling.settled(found):
            if self._stop.is_set():
                return
            self._take_or_set_apart(path, found[path])

    def _files(self) -> Iterator[tuple[Path, State]]:
        for folder, folders, names in os.walk(self._folder, followlinks=False):
            if Path(folder) == self._folder:
                folders[:] = [name for name in folders if name not in (RECEIVED, REJECTED)]
            for name in names:
                path = Path(folder, name)
                found = path.lstat() if path.is_symlink() or path.exists() else None
                if found is not None and stat.S_ISREG(found.st_mode) and not name.startswith("."):
                    yield path, (found.st_size, found.st_mtime_ns, found.st_ino)

    def _take_or_set_apart(self, path: Path, state: State) -> None:
        try:
            if not open_for_writing(path):
                self._take(path, state)
        except (Transient, OSError) as error:  # it stays where it is and is tried again
            log.warning("watched file not taken yet", path=str(path), error=str(error))
            self._settling.put_off(path)
        except LiuhenError as error:
            self._set_apart(path, error)

    def _take(self, path: Path, state: State) -> None:
        name = self._name(path, state)
        spooled = self._copy(path)
        try:
            if _state(path) != state:
                return  # it grew while it was read; it settles anew
            receipt = self._intake.accept(Arrival(name, _device(name), Actor("service", "watch")), spooled)
            if _state(path) == state:
                self._move(path, self._folder / RECEIVED / name, RECEIPT, receipt)
        finally:
            durable.remove(spooled.path)
        log.info("watched file received", path=name, sha256=spooled.digest.sha256)

    def _name(self, path: Path, state: State) -> str:
        """The file's path in the folder. Raises Refused when it can't be kept under it, or is too large."""
        name = path.relative_to(self._folder).as_posix()
        try:
            check_path(name)
        except ValueError as error:
            raise Refused(f"文件名不合法（{error}），请改名后重新放入。", f"its name can't be kept: {error}") from error
        if state[0] > self._limit:
            raise Refused(
                f"文件过大（{state[0]} 字节，上限 {self._limit} 字节），未接收。",
                f"the file is too large ({state[0]} bytes, the limit is {self._limit})",
            )
        return name

    def _copy(self, path: Path) -> Spooled:
        target = self._spool / new_id()
        hasher = FileHasher(sm3=self._sm3)
        try:
            with _open_plain(path) as source, target.open("xb", buffering=0) as copy:
                while piece := source.read(PIECE):
                    copy.write(piece)
                    hasher.update(piece)
                os.fdatasync(copy.fileno())
        except OSError:
            target.unlink(missing_ok=True)
            raise
        finally:
            hasher.rest()
        durable.sync_directory(self._spool)
        return Spooled(target, *hasher.finish())

    def _set_apart(self, path: Path, error: LiuhenError) -> None:
        log.warning("watched file rejected", path=str(path), error=str(error))
        name = os.fsencode(path.relative_to(self._folder)).decode("utf-8", errors="backslashreplace")
        try:
            self._move(path, self._folder / REJECTED / name, REASON, f"{error.zh}\n{error.en}\n".encode())
        except OSError as failed:
            log.warning("rejected file could not be moved", path=str(path), error=str(failed))
            self._settling.put_off(path)

    def _move(self, source: Path, target: Path, suffix: str, note: bytes) -> None:
        """The note first, then the file: a file in `received/` always has its receipt."""
        target = _free(target)
        durable.write(target.with_name(target.name + suffix), note)
        source.rename(target)
        durable.sync_directory(target.parent)
        durable.sync_directory(source.parent)


def _device(name: str) -> str:
    """The serial before the file's name, else the folder it was copied into, else unknown."""
    parts = name.split("/")
    return serial_of_name(parts[-1]) or (parts[0] if len(parts) > 1 else "")


def _state(path: Path) -> State:
    found = path.lstat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _open_plain(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _free(target: Path) -> Path:
    """`target`, or with a number before its suffix when another file has the name: nothing is overwritten."""
    number, free = 2, target
    while free.exists():
        free = target.with_name(f"{target.stem}~{number}{target.suffix}")
        number += 1
    return free
