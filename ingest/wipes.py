"""Wiping a card (清除): only files whose receipt is verified, each read again right before, each step written down.

For each file: the receipt from the station's disk is verified again, the bytes on the card are read again and compared
with it → journal "wiping", durable → the name is removed, from within its folder, if it is still that very file →
journal "wiped", durable. After a crash, the next docking of the card finds the "wiping" without a "wiped", looks
whether the file is there, and writes down which. At the end, a signed report goes to the server and into the ledger;
it waits in `wipes/pending` until the server has it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ingest import signed
from ingest.agent import check_subject
from ingest.card import CardFile, Changed, check_same, folder_of, list_card, open_file
from ingest.client import ServerClient
from ingest.device import LISTING, NOTES
from ingest.digest import PIECE, FileHasher
from ingest.journal import Journal
from ingest.manifest import DeviceLine
from ingest.results import Outcome, Result
from ingest.station import StationKey
from ingest.trust import LogTrust
from ingest.wipe_report import SCHEMA
from storage import durable
from storage.clock import Clock, iso, new_id
from storage.errors import LiuhenError, Refused
from storage.records import Digest


@dataclass(frozen=True, slots=True)
class Wiped:
    """What became of a card that was to be wiped. `left`: path → why, in both languages."""

    wiped: tuple[str, ...]
    left: dict[str, tuple[str, str]]

    def as_json(self) -> dict[str, Any]:
        return {
            "wiped": list(self.wiped),
            "left": [{"path": path, "zh": zh, "en": en} for path, (zh, en) in self.left.items()],
        }


class Wiper:
    """Wipes cards of one station. Raises from all methods: Transient when the journal can't be written."""

    def __init__(self, key: StationKey, journal: Journal, trust: LogTrust, clock: Clock) -> None:
        self._key, self._journal, self._trust, self._clock = key, journal, trust, clock

    def wipe(self, root: Path, outcome: Outcome, told: Callable[[str, int], None] = lambda *_: None) -> Wiped:
        """Remove from the card what this docking has proven to be kept. `told`: path, bytes read again.

        Raises Refused when nothing of it may be wiped: camera not named for certain, or a card that can't be written.
        """
        _check_named(outcome)
        _check_writable(root)
        with self._alone():
            return self._wipe(root, outcome, told)

    def recover(self, root: Path, outcome: Outcome) -> int:
        """Finish what a crash cut short on this card: write down which files are gone. Says how many."""
        lines = [line for line in unfinished(self._journal) if _same_card(line, outcome)]
        if not lines:
            return 0
        card = list_card(root)
        there = {file.path for file in card.files}
        found = 0
        for line in lines:
            if card.unreadable and line["path"] not in there:
                continue
            self._journal.note("left" if line["path"] in there else "wiped", run=line["run"], path=line["path"])
            found += 1
        if found:
            make_reports(self._key, self._journal, self._clock)
        return found

    def _wipe(self, root: Path, outcome: Outcome, told: Callable[[str, int], None]) -> Wiped:
        run = new_id()
        done: list[str] = []
        left: dict[str, tuple[str, str]] = {}
        listed = {file.path: file for file in list_card(root).files}
        for path in sorted(listed.keys() - {result.path for result in outcome.results}):
            left[path] = ("采集之后出现的文件", "it came after the docking")
        for result in outcome.results:
            try:
                self._remove(run, outcome, result, listed.get(result.path), told)
                done.append(result.path)
            except LiuhenError as error:
                left[result.path] = (error.zh, error.en)
        make_reports(self._key, self._journal, self._clock)
        return Wiped(tuple(done), left)

    def _remove(
        self,
        run: str,
        outcome: Outcome,
        result: Result,
        file: CardFile | None,
        told: Callable[[str, int], None],
    ) -> None:
        """One file. Raises LiuhenError with the reason why it was left."""
        if result.note or result.path in NOTES:
            raise Refused("设备说明文件", "a note about the camera")
        if not result.safe or result.sha256 is None:
            raise Refused("没有已核验的回执", "it has no verified receipt")
        if file is None:
            raise Refused("已不在存储卡上", "it is not on the card any more")
        try:
            with folder_of(file.root, file.path) as folder:
                handle = open_file(file, folder)
                try:
                    digest = _read_again(handle, lambda count: told(result.path, count))
                    check_same(file, os.fstat(handle))
                    self._check_receipt(result, digest)
                    self._journal.note("wiping", run=run, **_about(outcome, file, digest))
                    self._unlink(run, folder, file, handle)
                finally:
                    os.close(handle)
        except Changed as error:
            raise _changed() from error
        except OSError as error:
            raise _not_removed(error) from error
        self._journal.note("wiped", run=run, path=file.path)

    def _unlink(self, run: str, folder: int, file: CardFile, handle: int) -> None:
        try:
            unlink(folder, file, handle)
        except (Changed, OSError):
            self._journal.note("left", run=run, path=file.path)
            raise

    def _check_receipt(self, result: Result, digest: Digest) -> None:
        """The receipt as it lies on the disk, against the bytes as they lie on the card. Raises LiuhenError."""
        if digest.sha256 != result.sha256:
            raise _changed()
        try:
            receipt = self._journal.receipt_path(digest.sha256).read_bytes()
        except OSError as error:
            raise Refused("找不到回执文件", "its receipt is not on the station's disk") from error
        check_subject(self._trust.verify(receipt), digest)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One wipe at a time on this station, over all processes."""
        durable.make_directory(self._journal.folder)
        with (self._journal.folder / "wipe.lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _same_card(line: dict[str, Any], outcome: Outcome) -> bool:
    if not outcome.card.startswith(LISTING):
        return bool(line["card"] == outcome.card)
    # without a volume's UUID it was another listing before files were wiped
    return str(line["card"]).startswith(LISTING) and bool(line["device"]["serial"] == outcome.device.serial)


def unfinished(journal: Journal) -> list[dict[str, Any]]:
    """The journal's "wiping" lines of which it is not known whether the file was removed."""
    begun: dict[tuple[str, str], dict[str, Any]] = {}
    for line in journal.lines("wiping", "wiped", "left"):
        place = (line.get("run", ""), line.get("path", ""))
        if line["kind"] == "wiping":
            begun[place] = line
        else:
            begun.pop(place, None)
    return list(begun.values())


def make_reports(key: StationKey, journal: Journal, clock: Clock) -> None:
    """A signed report, durable, for each docking of which files were wiped that no report names yet."""
    told = {(run, path) for line in journal.lines("wipe-report") for run, path in line.get("files", [])}
    begun: dict[tuple[str, str], dict[str, Any]] = {}
    done: dict[str, list[tuple[dict[str, Any], str]]] = {}
    for line in journal.lines("wiping", "wiped"):
        place = (line.get("run", ""), line.get("path", ""))
        if line["kind"] == "wiping":
            begun[place] = line
        elif place in begun and place not in told:
            done.setdefault(place[0], []).append((begun[place], line["time"]))
    for run, files in done.items():
        content = signed.encode(_report(key, files, clock))
        name = f"{run}-{secrets.token_hex(4)}.json"
        durable.write(journal.folder / "wipes" / "pending" / name, content)
        journal.note("wipe-report", report=name, files=[[run, line["path"]] for line, _ in files])


def send_reports(client: ServerClient, key: StationKey, journal: Journal) -> None:
    """Hand over the reports that wait. Raises LiuhenError: they wait on."""
    pending = journal.folder / "wipes" / "pending"
    for path in sorted(pending.glob("*.json")) if pending.is_dir() else ():
        content = path.read_bytes()
        client.tell("/api/wipes", content, signed.sign(signed.WIPE, content, key.key))
        durable.write(journal.folder / "wipes" / path.name, content)
        durable.remove(path)


def _report(key: StationKey, files: list[tuple[dict[str, Any], str]], clock: Clock) -> dict[str, Any]:
    first = files[0][0]
    return {
        "schema": SCHEMA,
        "station": key.station,
        "device": DeviceLine.model_validate(first["device"]).model_dump(exclude_defaults=True),
        "docking": first["docking"],
        "time": iso(clock()),
        "nonce": secrets.token_hex(16),
        "wiped": [
            {"path": line["path"], "size": line["size"], "sha256": line["sha256"], "time": time} for line, time in files
        ],
    }


def _about(outcome: Outcome, file: CardFile, digest: Digest) -> dict[str, Any]:
    return {
        "docking": outcome.docking,
        "card": outcome.card,
        "device": outcome.device.model_dump(exclude_defaults=True),
        "path": file.path,
        "size": digest.size,
        "sha256": digest.sha256,
    }


def _read_again(handle: int, told: Callable[[int], None]) -> Digest:
    """From the medium, not from memory: what the kernel keeps of the file is dropped first."""
    os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    hasher = FileHasher()
    try:
        while piece := os.read(handle, PIECE):
            hasher.update(piece)
            told(len(piece))
    finally:
        hasher.rest()
    return hasher.finish()[0]


def unlink(folder: int, file: CardFile, handle: int) -> None:
    """Remove the name, if it still is that of the open file, and that one as it was read. Raises Changed or OSError."""
    name = PurePosixPath(file.path).name
    there, read = os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(handle)
    if (there.st_dev, there.st_ino) != (read.st_dev, read.st_ino):
        raise Changed(file.path)
    check_same(file, there)
    os.unlink(name, dir_fd=folder)
    os.fsync(folder)


def _check_named(outcome: Outcome) -> None:
    if not outcome.identity.certain:
        serial = outcome.device.serial
        raise Refused(
            f"设备编号不确定（{serial}），未清除任何文件；请用 --device 指定编号后重新采集。",
            f"it is not certain which camera this is ({serial}), nothing was wiped: dock it with --device SERIAL",
        )


def _check_writable(root: Path) -> None:
    try:
        read_only = os.statvfs(root).f_flag & os.ST_RDONLY
    except OSError as error:
        raise _not_removed(error) from error
    if read_only:
        raise _not_removed(OSError(errno.EROFS, os.strerror(errno.EROFS)))


def _changed() -> Refused:
    return Refused(
        "与回执不符：采集之后发生变化，请重新采集", "it is not what the receipt speaks of: it changed, dock again"
    )


def _not_removed(error: OSError) -> Refused:
    if error.errno == errno.EROFS:
        return Refused(
            "存储卡为只读（写保护或只读挂载），未清除；请解除写保护或以读写方式挂载。",
            "the card is read-only (its lock, or how it is mounted), nothing was wiped: unlock it or mount it writable",
        )
    why = error.strerror or str(error)
    return Refused(f"无法读取或删除（{why}）", f"it could not be read or removed ({why})")
