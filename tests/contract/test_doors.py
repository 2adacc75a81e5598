"""Whatever door and whatever order: the segments of one shot are one recording, the same bytes one original."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ingest import station
from ingest.enrolment import Enrolment
from ingest.watch import Watcher
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage.catalogue.tables import Device, Docking, Entry, Job, Original, Recording
from storage.clock import now
from storage.ledger.proof import verify_receipt
from tests.support.inside import serving
from tests.support.kept import check_kept, digest, dock, receipts

ORDERS = list(itertools.permutations(("watched", "card one", "card two")))


class Doors:
    """One server with its watched folder, and one camera with two cards."""

    def __init__(self, services: Services, url: str, folder: Path) -> None:
        self.services, self.url, self.folder = services, url, folder
        self.key = folder / "key.json"
        Enrolment(services.catalogue, now).add("ST-01", "", self.key, services.log_key.vkey)
        self.watcher = Watcher(services, folder / "watched", settle=0)
        self.watcher.prepare()
        self.brought: dict[str, bytes] = {}

    def bring(self, door: str, name: str, content: bytes) -> None:
        self.brought[digest(content)] = content
        if door == "watched":
            (self.folder / "watched" / name).write_bytes(content)
            self.watcher.scan()
            return
        card = self.folder / door
        card.mkdir(exist_ok=True)
        (card / name).write_bytes(content)
        assert dock(self.url, self.key, self.folder / "state", card).safe

    def given(self) -> dict[str, bytes]:
        """The receipts that stations hold, and those beside the files of the watched folder."""
        found = receipts(self.folder / "state")
        for path in (self.folder / "watched" / "received").rglob("*.tlog-proof"):
            said = verify_receipt(path.read_bytes(), self.services.log_key.vkey)
            sha256 = said.entry.event.payload["sha256"]
            assert found.setdefault(sha256, path.read_bytes()) == path.read_bytes(), "two receipts for one file"
        return found

    def recordings(self, start: str) -> list[tuple[str, list[int | None]]]:
        """Of the recordings with that start in their name: the device, the numbers of their segments."""
        with self.services.catalogue.read() as session:
            rows = session.scalars(select(Recording).where(Recording.series.contains(start))).all()
            query = select(Original.sequence).order_by(Original.sequence)
            return [
                (row.device_serial, list(session.scalars(query.where(Original.recording_id == row.id)))) for row in rows
            ]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    services = wire(Settings(data=tmp_path_factory.mktemp("data"), min_free=0))
    services.start(threads=0)
    with serving(services) as url:
        yield Doors(services, url, tmp_path_factory.mktemp("doors"))
    services.stop()


@pytest.mark.parametrize("number", range(len(ORDERS)))
def test_segments_in_any_order_from_two_cards_and_two_doors_are_one_recording(doors: Doors, number: int) -> None:
    start = f"2026111809{number:02}00"
    segments = {"card two": 3, "watched": 1, "card one": 2}
    for door in ORDERS[number]:
        doors.bring(door, f"LH00012_{start}_{segments[door]:04}.MP4", os.urandom(2000))
    assert doors.recordings(start) == [("LH00012", [1, 2, 3])]


def test_another_camera_of_the_same_minute_is_another_recording(doors: Doors) -> None:
    start = "20261119100000"
    doors.bring("watched", f"LH00012_{start}_0001.MP4", os.urandom(2000))
    doors.bring("watched", f"LH00077_{start}_0001.MP4", os.urandom(2000))
    assert sorted(doors.recordings(start)) == [("LH00012", [1]), ("LH00077", [1])]


def test_a_sidecar_puts_a_nameless_copy_to_its_camera(doors: Doors) -> None:
    start = "20261119110000"
    doors.bring("card one", f"LH00012_{start}_0001.MP4", os.urandom(2000))
    (doors.folder / "watched" / f"{start}_0002.json").write_text('{"serial": "LH00012"}')
    doors.bring("watched", f"{start}_0002.MP4", os.urandom(2000))
    devices = {device for device, _ in doors.recordings(start)}
    assert devices == {"LH00012"}


def test_the_same_bytes_through_two_doors_at_once_are_one_original(doors: Doors) -> None:
    contents = [os.urandom(50_000) for _ in range(6)]
    names = [f"LH00012_20261120{number:02}0000_0001.MP4" for number in range(6)]
    card = doors.folder / "both"
    card.mkdir()
    for name, content in zip(names, contents, strict=True):
        doors.brought[digest(content)] = content
        for place in (card, doors.folder / "watched"):
            (place / name).write_bytes(content)
    threads = [
        threading.Thread(target=doors.watcher.scan),
        threading.Thread(target=lambda: dock(doors.url, doors.key, doors.folder / "state", card)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    given = doors.given()
    assert all(digest(content) in given for content in contents)


def test_what_holds_after_all_that(doors: Doors) -> None:
    check_kept(doors.services.settings.data, doors.brought, doors.given(), station.load(doors.key).log)
    with doors.services.catalogue.read() as session:
        received = session.scalar(select(func.count()).select_from(Entry).where(Entry.event == "original.received"))
        analyses = session.scalar(select(func.count()).select_from(Job).where(Job.kind == "analyse"))
        nonces = session.scalars(select(Docking.nonce)).all()
        assert session.get(Device, "LH00012") is not None
    assert received == len(doors.brought) <= (analyses or 0)
    assert "" not in nonces and len(set(nonces)) == len(nonces)
