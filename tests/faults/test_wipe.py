"""Wiping a card: what must never go, and what a power cut leaves behind."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from ingest import station, wipes
from ingest.agent import Agent
from ingest.client import ServerClient
from ingest.journal import Journal
from ingest.results import Outcome
from ingest.wipe_report import parse
from ingest.wipes import Wiper, make_reports, send_reports, unfinished
from pipeline.bootstrap import open_catalogue
from pipeline.settings import Settings
from storage import durable
from storage.catalogue.tables import Entry
from storage.clock import now
from storage.errors import Refused
from tests.support.docking import sha256
from tests.support.server import Server, enrol, run_server

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def key(server: Server, tmp_path_factory: pytest.TempPathFactory) -> station.StationKey:
    return station.load(enrol(server.data, tmp_path_factory.mktemp("keys")))


class Counter:
    """A card that was docked, and the station that is to wipe it."""

    def __init__(self, server: Server, key: station.StationKey, folder: Path, serial: str | None = "LH00012") -> None:
        self.folder, self.key = folder, key
        self.card = folder / "card"
        for name in ("DCIM/a.MP4", "DCIM/b.MP4", "c.MP4"):
            (self.card / name).parent.mkdir(parents=True, exist_ok=True)
            (self.card / name).write_bytes(os.urandom(100_000))
        (self.card / "device.json").write_text("{}")
        self.client = ServerClient(server.url, patience=5)
        self.journal = Journal(folder / "state", key.station)
        agent = Agent(self.client, key, self.journal, now)
        self.trust = agent.trust
        self.outcome = agent.dock(self.card, serial, lambda *_: None, lambda _: None)
        self.wiper = Wiper(key, self.journal, self.trust, now)

    def wipe(self, outcome: Outcome | None = None) -> wipes.Wiped:
        return self.wiper.wipe(self.card, outcome or self.outcome)

    def there(self) -> list[str]:
        return sorted(path.relative_to(self.card).as_posix() for path in self.card.rglob("*") if not path.is_dir())


@pytest.fixture
def counter(server: Server, key: station.StationKey, tmp_path: Path) -> Iterator[Counter]:
    made = Counter(server, key, tmp_path)
    yield made
    made.client.close()


def test_what_is_kept_goes_and_notes_stay_and_the_ledger_knows(server: Server, counter: Counter) -> None:
    digests = {sha256((counter.card / name).read_bytes()) for name in ("DCIM/a.MP4", "DCIM/b.MP4", "c.MP4")}
    done = counter.wipe()
    assert done.wiped == ("DCIM/a.MP4", "DCIM/b.MP4", "c.MP4")
    assert counter.there() == ["device.json"]
    report = parse(next((counter.journal.folder / "wipes" / "pending").iterdir()).read_bytes())
    assert {line.sha256 for line in report.wiped} == digests
    send_reports(counter.client, counter.key, counter.journal)
    assert not list((counter.journal.folder / "wipes" / "pending").iterdir())
    catalogue = open_catalogue(Settings(data=server.data))
    with catalogue.read() as session:
        payload = json.loads(session.scalars(select(Entry.draft).where(Entry.event == "card.wiped")).one())["payload"]
    catalogue.close()
    assert (set(payload["sha256"]), payload["not_kept"]) == (digests, [])


def test_a_byte_that_changed_after_the_receipt_keeps_its_file(counter: Counter) -> None:
    file = counter.card / "c.MP4"
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[50_000] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = counter.wipe()
    assert counter.there() == ["c.MP4", "device.json"]
    assert "发生变化" in done.left["c.MP4"][0]


def test_what_came_after_the_docking_stays(counter: Counter) -> None:
    (counter.card / "new.MP4").write_bytes(b"new")
    assert "new.MP4" in counter.wipe().left
    assert counter.there() == ["device.json", "new.MP4"]


def test_links_lead_nowhere(counter: Counter, tmp_path: Path) -> None:
    """A file, and then a folder, is swapped for a link to a copy with the same bytes off the card."""
    shutil.copytree(counter.card / "DCIM", tmp_path / "away")
    shutil.copy(counter.card / "c.MP4", tmp_path / "away" / "c.MP4")
    (counter.card / "c.MP4").unlink()
    (counter.card / "c.MP4").symlink_to(tmp_path / "away" / "c.MP4")
    shutil.rmtree(counter.card / "DCIM")
    (counter.card / "DCIM").symlink_to(tmp_path / "away")
    assert counter.wipe().wiped == ()
    assert sorted(path.name for path in (tmp_path / "away").iterdir()) == ["a.MP4", "b.MP4", "c.MP4"]


def test_a_folder_that_is_swapped_while_a_file_is_read_leads_nowhere(
    counter: Counter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(counter.card / "DCIM", tmp_path / "away")
    real = wipes.unlink

    def swapped(folder: int, file: wipes.CardFile, handle: int) -> None:
        if not (counter.card / "DCIM").is_symlink():
            (counter.card / "DCIM").rename(counter.card / "MOVED")
            (counter.card / "DCIM").symlink_to(tmp_path / "away")
        real(folder, file, handle)

    monkeypatch.setattr(wipes, "unlink", swapped)
    counter.wipe()
    assert sorted(path.name for path in (tmp_path / "away").iterdir()) == ["a.MP4", "b.MP4"]


def test_a_file_that_is_swapped_after_it_was_read_stays(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    real = wipes.unlink

    def swapped(folder: int, file: wipes.CardFile, handle: int) -> None:
        (counter.card / file.path).rename(counter.folder / "old")
        (counter.card / file.path).write_bytes(b"another")
        real(folder, file, handle)

    monkeypatch.setattr(wipes, "unlink", swapped)
    assert counter.wipe().wiped == ()
    assert len(counter.there()) == 4
    assert unfinished(counter.journal) == []


def test_a_file_that_grows_after_it_was_read_stays(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    note = counter.journal.note

    def grow(kind: str, **fields: Any) -> None:
        if kind == "wiping" and fields["path"] == "c.MP4":
            with (counter.card / "c.MP4").open("ab") as file:
                file.write(b"more")
        note(kind, **fields)

    monkeypatch.setattr(counter.journal, "note", grow)
    done = counter.wipe()
    assert "c.MP4" in done.left
    assert counter.there() == ["c.MP4", "device.json"]
    assert unfinished(counter.journal) == []


def test_a_receipt_of_another_ledger_wipes_nothing(counter: Counter, tmp_path: Path) -> None:
    other = station.load(enrol(tmp_path / "other", tmp_path, "ST-X"))
    mixed = station.StationKey(counter.key.station, counter.key.key, other.log)
    trust = Agent(counter.client, mixed, Journal(tmp_path / "empty", "ST-01"), now).trust
    done = Wiper(mixed, counter.journal, trust, now).wipe(counter.card, counter.outcome)
    assert (done.wiped, len(counter.there())) == ((), 4)


def test_a_receipt_that_is_lost_wipes_nothing(counter: Counter) -> None:
    shutil.rmtree(counter.journal.folder / "receipts")
    assert counter.wipe().wiped == ()
    assert len(counter.there()) == 4


def test_nothing_is_wiped_of_an_unknown_camera(server: Server, key: station.StationKey, tmp_path: Path) -> None:
    counter = Counter(server, key, tmp_path, serial=None)
    assert counter.outcome.device.quarantine
    with pytest.raises(Refused, match="--device"):
        counter.wipe()
    counter.client.close()
    assert len(counter.there()) == 4


def test_a_camera_named_by_the_label_alone_is_not_wiped(counter: Counter) -> None:
    device = counter.outcome.device.model_copy(update={"named_by": "label"})
    outcome = replace(counter.outcome, identity=replace(counter.outcome.identity, device=device))
    with pytest.raises(Refused):
        counter.wipe(outcome)


def test_a_journal_that_can_not_be_written_stops_the_wipe(counter: Counter, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("storage.durable._append", full)
    done = counter.wipe()
    assert done.wiped == ()
    assert "磁盘" in done.left["c.MP4"][0]
    assert len(counter.there()) == 4


def test_a_read_only_card_is_told_as_such(counter: Counter) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "card"]
    place = counter.folder / "mount"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run([*mount, place], check=False, capture_output=True).returncode:
        pytest.skip("mounting needs root")
    try:
        shutil.copytree(counter.card, place, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        with pytest.raises(Refused, match="read-only"):
            counter.wiper.wipe(place, counter.outcome)
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def _killed(counter: Counter, at: int) -> int:
    """Wipe in a child that is killed at that step, before or after a removal or a durable write: how it ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepping(real: Callable[..., None]) -> Callable[..., None]:
        def stepped(*arguments: Any, **more: Any) -> None:
            step()
            real(*arguments, **more)
            step()

        return stepped

    try:
        wipes.unlink = stepping(wipes.unlink)
        durable.append = stepping(durable.append)
        durable.write = stepping(durable.write)
        counter.wipe()
    finally:
        os._exit(0)


def test_a_wipe_that_is_killed_at_every_step_is_finished_by_the_next_docking(counter: Counter) -> None:
    folder = counter.folder
    shutil.copytree(folder / "card", folder / "kept")
    shutil.copytree(folder / "state", folder / "kept-state")
    digests = {path.name: sha256(path.read_bytes()) for path in folder.glob("kept/**/*.MP4")}
    at, ended = 0, -signal.SIGKILL
    while ended == -signal.SIGKILL:
        at += 1
        for name in ("card", "state"):
            shutil.rmtree(folder / name)
            shutil.copytree(folder / f"kept{'-state' * (name == 'state')}", folder / name)
        ended = _killed(counter, at)
        journal = Journal(folder / "state", counter.key.station)
        wiper = Wiper(counter.key, journal, counter.trust, now)
        wiper.recover(folder / "card", counter.outcome)
        make_reports(counter.key, journal, now)
        wiper.wipe(folder / "card", counter.outcome)
        assert unfinished(journal) == []
        reports = [parse(path.read_bytes()) for path in (journal.folder / "wipes" / "pending").iterdir()]
        wiped = {line.path.rpartition("/")[2]: line.sha256 for report in reports for line in report.wiped}
        assert wiped == digests, at
        assert counter.there() == ["device.json"]
    assert ended == 0
    assert at > 20
