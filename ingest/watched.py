"""Taking one settled file of the watched folder, with its sidecars (随附说明).

Order: copy into the spool (hashing) → intake → what the sidecars say → receipt beside the place it moves to → sidecars,
then the file moved into `received/` → spool removed. A crash between any two steps takes the same file again and gets
the same receipt. What can't be kept goes to `rejected/` with the reason beside it, a row and a custody event.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import structlog

from ingest import rejections, sidecar
from ingest.device import serial_of_name
from ingest.digest import PIECE, FileHasher
from ingest.manifest import check_path
from ingest.settling import State
from pipeline import descriptions
from pipeline.descriptions import Described
from pipeline.intake import Spooled
from pipeline.originals import Arrival
from storage import durable
from storage.catalogue.tables import Rejection
from storage.clock import new_id
from storage.errors import LiuhenError, Refused
from storage.records import Actor

if TYPE_CHECKING:
    from pipeline.bootstrap import Services

RECEIVED, REJECTED = "received", "rejected"
RECEIPT = ".tlog-proof"
REASON = ".error.txt"
DOOR = Actor("service", "watch")
log = structlog.get_logger()


class TooLarge(Refused):
    """Over the limit of one file."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """A sidecar that lies beside a recording, as it was read."""

    place: Path
    state: State
    described: Described


class Taking:
    """Takes files of one folder. `services`: wired. `remember`: for how many seconds a sidecar may come late."""

    def __init__(self, services: Services, folder: Path, remember: float) -> None:
        self._catalogue, self._clock = services.catalogue, services.clock
        self._intake = services.intake
        self._notify = services.sequencer.notify
        self._limit = services.settings.max_upload
        self._sm3 = services.settings.sm3
        self._spool = services.settings.spool / "watch"
        self._folder = folder
        self._remember = remember
        self._lately: dict[str, tuple[str, float]] = {}  # name, also without suffix → digest, when

    def prepare(self) -> None:
        for place in (self._folder, self._folder / RECEIVED, self._folder / REJECTED, self._spool):
            durable.make_directory(place.absolute())
        for left in self._spool.iterdir():
            left.unlink()

    def take(self, path: Path, state: State, sidecars: Sequence[tuple[Path, State]]) -> None:
        """Receive the file, unless it changes meanwhile. Raises OSError or LiuhenError."""
        name = self._name(path, state)
        beside = [self._read(*each) for each in sidecars]
        spooled = self._copy(path)
        try:
            if _changed(path, state) or any(_changed(each.place, each.state) for each in beside):
                return  # it grew while it was read; it settles anew
            receipt = self._intake.accept(Arrival(name, _device(name, beside), DOOR), spooled)
            self._describe(spooled.digest.sha256, beside)
            self._note_received(name, spooled.digest.sha256)
            if not _changed(path, state):
                self._receive(path, self._folder / RECEIVED / name, receipt, beside)
        finally:
            durable.remove(spooled.path)
        log.info("watched file received", path=name, sha256=spooled.digest.sha256)

    def attach(self, path: Path, state: State) -> bool:
        """Whether the sidecar `path` belongs to a recording that was received just now; then it is kept as such.

        Raises OSError or LiuhenError.
        """
        base = path.with_suffix("").relative_to(self._folder).as_posix().casefold()
        if base not in self._lately:
            return False
        late = self._read(path, state)
        self._describe(self._lately[base][0], [late])
        if not _changed(path, state):
            _move_sidecar(late, _free(self._folder / RECEIVED / path.relative_to(self._folder)))
        return True

    def _note_received(self, name: str, sha256: str) -> None:
        at = time.monotonic()
        self._lately = {each: seen for each, seen in self._lately.items() if at - seen[1] <= self._remember}
        for each in (name, str(PurePosixPath(name).with_suffix(""))):
            self._lately[each.casefold()] = (sha256, at)

    def set_apart(self, path: Path, state: State, sidecars: Sequence[Path], error: LiuhenError) -> None:
        """Move it to `rejected/` with the reason, a row and a custody event. Raises OSError or Transient."""
        shown = os.fsencode(path.relative_to(self._folder)).decode("utf-8", errors="backslashreplace")
        target = _free(self._folder / REJECTED / shown)
        self._record_rejection(path, state, target, error)
        durable.write(target.with_name(target.name + REASON), f"{error.zh}\n{error.en}\n".encode())
        for each in sidecars:
            _move(each, _free(target.with_name(each.name)))
        _move(path, target)

    def _record_rejection(self, path: Path, state: State, target: Path, error: LiuhenError) -> None:
        """Once for this very file, however often a crash makes us come here."""
        own = hashlib.sha256(os.fsencode(path) + repr(state).encode()).hexdigest()[:26]
        name = _printable(os.fsencode(path.relative_to(self._folder)).decode("utf-8", errors="backslashreplace"))
        row = Rejection(
            id=f"watch-{own}",
            door="watch",
            device_serial=serial_of_name(_printable(path.name)) or "",
            path=name[:1024],
            size=state[0],
            code="too-large" if isinstance(error, TooLarge) else "rejected",
            zh=error.zh,
            en=error.en,
            place=_printable(str(target))[:1024],
            made=self._clock(),
        )
        with self._catalogue.write() as session:
            rejections.record(session, row, DOOR)
        self._notify()

    def _name(self, path: Path, state: State) -> str:
        """The file's path in the folder. Raises Refused when it can't be kept under it, or is too large."""
        name = path.relative_to(self._folder).as_posix()
        try:
            check_path(name)
        except ValueError as error:
            raise Refused(f"文件名不合法（{error}），请改名后重新放入。", f"its name can't be kept: {error}") from error
        if state[0] > self._limit:
            raise TooLarge(
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

    def _read(self, place: Path, state: State) -> _Beside:
        """The sidecar, read whole if it is small enough to be one."""
        name = _printable(os.fsencode(place.relative_to(self._folder)).decode("utf-8", errors="backslashreplace"))
        with _open_plain(place) as source:
            if state[0] > sidecar.MAX_BYTES:
                digest = hashlib.file_digest(source, "sha256").hexdigest()
                return _Beside(place, state, Described(name, state[0], digest, None, fault=sidecar.TOO_LARGE))
            content = source.readall()[: sidecar.MAX_BYTES + 1]
        said = sidecar.read(place.name, content)
        return _Beside(place, state, descriptions.of_bytes(name, content, said.says, said.fault))

    def _describe(self, sha256: str, beside: Sequence[_Beside]) -> None:
        for each in beside:
            descriptions.record(self._catalogue, sha256, each.described, by=DOOR, now=self._clock())
        if beside:
            self._notify()

    def _receive(self, source: Path, target: Path, receipt: bytes, beside: Sequence[_Beside]) -> None:
        """The receipt first, then the sidecars, then the file: a file in `received/` always has all that is its."""
        free = _free(target)
        durable.write(free.with_name(free.name + RECEIPT), receipt)
        for each in beside:
            if not _changed(each.place, each.state):
                _move_sidecar(each, _free(free.with_name(_beside_name(each.place.name, source, free))))
        _move(source, free)


def _beside_name(name: str, recording: Path, moved: Path) -> str:
    """A sidecar's name beside a recording that may have had to take another name."""
    if moved.name == recording.name:
        return name
    if name.casefold().startswith(recording.name.casefold()):
        return moved.name + name[len(recording.name) :]
    return moved.stem + name[len(recording.stem) :]


def _move_sidecar(each: _Beside, target: Path) -> None:
    if fault := each.described.fault:
        durable.write(target.with_name(target.name + REASON), f"{fault[0]}\n{fault[1]}\n".encode())
    _move(each.place, target)


def _move(source: Path, target: Path) -> None:
    durable.make_directory(target.parent)
    source.rename(target)
    durable.sync_directory(target.parent)
    durable.sync_directory(source.parent)


def _device(name: str, beside: Sequence[_Beside]) -> str:
    """As a sidecar says, else the serial before the file's name, else the folder it was copied into, else unknown."""
    said = [serial for each in beside if (serial := each.described.says.get("serial"))]
    parts = name.split("/")
    return (said[0] if len(set(said)) == 1 else "") or serial_of_name(parts[-1]) or (parts[0] if len(parts) > 1 else "")


def _changed(path: Path, state: State) -> bool:
    found = path.lstat()
    return (found.st_size, found.st_mtime_ns, found.st_ino) != state


def _open_plain(path: Path) -> FileIO:
    return FileIO(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb")


def _printable(name: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in name)


def _free(target: Path) -> Path:
    """`target`, or with a number before its suffix when another file has the name: nothing is overwritten."""
    number, free = 2, target
    while free.exists():
        free = target.with_name(f"{target.stem}~{number}{target.suffix}")
        number += 1
    return free
