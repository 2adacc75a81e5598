"""Reminders of deadlines: each told once, whatever dies or runs twice; and nothing of long ago."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, func, select

from pipeline import handover
from pipeline import reminders as module
from pipeline.handover import deadlines_of
from pipeline.policy import Policy
from pipeline.reminders import MOST, Reminders
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.handover import Narrowed
from storage.catalogue.tables import (
    Assignment,
    Case,
    Delay,
    Device,
    DockedFile,
    Docking,
    Entry,
    Job,
    Original,
    Recording,
    Reminder,
    Station,
    User,
)
from storage.clock import new_id

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
"""A Friday, 12:00 in Shanghai."""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    url = f"sqlite:///{tmp_path / 'liuhen.db'}"
    opened = Catalogue(url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url")))
    opened.migrate()
    yield opened
    opened.close()


class Office:
    """A catalogue with recordings and dockings put straight into it, and its reminders at a moment."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue, self.now = catalogue, NOON
        with catalogue.write() as session:
            session.add(Station(id="ST-01", public_key="", created=NOON))
            session.add(User(id="u", login="li", name="李", roles=["officer"], password="", created=NOON))
        self.reminders = Reminders(catalogue, deadlines_of(Policy(), ZoneInfo("Asia/Shanghai")), lambda: self.now)

    def record(self, started: datetime | None, received: datetime, **given: Any) -> str:
        row = Recording(
            id=new_id(), series=new_id(), device_serial="LH00012", started=started, duration=600.0, received=received,
            **given,
        )  # fmt: skip
        with self.catalogue.write() as session:
            session.add(row)
        return row.id

    def dock(self, listed: datetime, *files: str, device: str = "LH00012") -> str:
        docking = new_id()
        with self.catalogue.write() as session:
            session.add(
                Docking(
                    id=docking, station_id="ST-01", device_serial=device, manifest=b"", manifest_sha256=docking,
                    signature="", station_time=listed, received=listed, token="",
                )
            )  # fmt: skip
            session.flush()
            for name in files:
                session.add(
                    DockedFile(
                        docking_id=docking, path=name, device_serial=device, size=1, sha256=name, modified=listed
                    )
                )
        return docking

    def arrive(self, sha256: str, recording: str, tier: str = "five_years") -> None:
        with self.catalogue.write() as session:
            session.add(
                Original(
                    sha256=sha256, root="", size=1, recording_id=recording, name=sha256, tier=tier, event_id=new_id(),
                    received=self.now,
                )
            )  # fmt: skip

    def delay(self, day: date) -> None:
        with self.catalogue.write() as session:
            session.add(
                Delay(id=new_id(), device_serial="LH00012", day=day, reason="-", salt="", made_by="u", made=self.now)
            )

    def run(self, forward: timedelta = timedelta()) -> None:
        self.now += forward
        self.reminders.run(Job(), lambda share: None)

    def told(self) -> list[tuple[str, str, str]]:
        """(event, subject, rule) in the outbox, oldest first."""
        with self.catalogue.read() as session:
            rows = session.scalars(select(Entry).order_by(Entry.id)).all()
        return [(row.event, row.subject, json.loads(row.draft)["payload"]["rule"]) for row in rows]

    def payloads(self) -> list[dict[str, Any]]:
        with self.catalogue.read() as session:
            rows = session.scalars(select(Entry).order_by(Entry.id)).all()
        return [json.loads(row.draft)["payload"] for row in rows]


@pytest.fixture
def office(catalogue: Catalogue) -> Office:
    return Office(catalogue)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def test_a_listed_file_that_does_not_come_is_told_before_and_after_and_then_no_more(office: Office) -> None:
    docking = office.dock(NOON, "a", "b")
    office.run(HOUR * 19)
    assert office.told() == []
    office.run(HOUR * 2)
    office.run(HOUR * 2)
    office.run(HOUR)
    office.run(HOUR)
    office.run(DAY * 5)
    assert office.told() == [
        ("deadline.due", "device:LH00012", "UP-24H"),
        ("deadline.overdue", "device:LH00012", "UP-24H"),
    ]
    told = office.payloads()[0]
    assert (told["docking"], told["files"], told["basis"]) == (docking, 2, "docking")
    assert told["due"] == "2026-11-21T04:00:00.000Z"


def test_what_came_is_not_told(office: Office) -> None:
    office.dock(NOON, "a")
    office.arrive("a", office.record(NOON - HOUR, NOON))
    office.run(DAY * 3)
    assert office.told() == []


def test_docking_the_camera_again_does_not_begin_the_time_anew(office: Office) -> None:
    office.dock(NOON, "a")
    office.dock(NOON + 20 * HOUR, "a")
    office.run(HOUR * 25)
    office.run(DAY)
    assert [event for event, _, _ in office.told()] == ["deadline.overdue"]


def test_a_recorded_reason_gives_three_working_days(office: Office) -> None:
    office.dock(NOON, "a")
    office.delay(date(2026, 11, 20))
    office.run(DAY * 5)  # Wednesday noon, the last of the three days
    assert office.told() == []
    office.run(HOUR * 9)
    office.run(HOUR * 4)
    assert [event for event, _, _ in office.told()] == ["deadline.due", "deadline.overdue"]
    assert all(payload["special"] for payload in office.payloads())


def test_a_recording_that_came_late_is_told_on_its_own_chain(office: Office) -> None:
    late = office.record(NOON - DAY - HOUR, NOON)
    office.record(NOON - DAY, NOON)  # its 600 seconds save it
    office.record(None, NOON)
    office.run()
    assert office.told() == [("deadline.overdue", f"recording:{late}", "UP-24H")]
    assert office.payloads()[0]["received"] == "2026-11-20T04:00:00.000Z"


def test_a_late_recording_with_a_reason_is_not_late_within_three_working_days(office: Office) -> None:
    office.record(NOON - DAY * 2, NOON)
    office.record(NOON - DAY * 20, NOON)
    office.delay(date(2026, 11, 18))
    office.run()
    assert len(office.told()) == 1


def test_what_is_in_no_case_is_told_of_filing(office: Office) -> None:
    loose, nameless = office.record(NOON - HOUR, NOON), office.record(None, NOON)
    office.run(DAY * 34)  # five working days before the thirtieth
    assert office.told() == []
    office.run(DAY * 2)
    assert sorted(office.told()) == sorted(
        ("deadline.due", f"recording:{each}", "FILE-30WD") for each in (loose, nameless)
    )
    assert {payload["basis"] for payload in office.payloads()} == {"recording", "received"}
    assert all(payload["estimated"] for payload in office.payloads())  # into 2027, which nobody announced yet
    office.run(DAY * 10)
    assert Counter(event for event, _, _ in office.told()) == {"deadline.due": 2, "deadline.overdue": 2}


def test_filing_is_counted_from_the_closing_of_the_case(office: Office) -> None:
    with office.catalogue.write() as session:
        for name, closed in (("open", None), ("closed", NOON)):
            session.add(Case(id=name, number=name, title="", flags=[], opened=NOON, closed=closed, created_by="u"))
    office.record(NOON - HOUR, NOON, case_id="open")
    kept = office.record(NOON - HOUR, NOON, case_id="closed")
    moved = office.record(NOON - HOUR, NOON, case_id="closed")
    office.arrive("k", kept)
    office.arrive("m", moved, tier="elsewhere")
    office.run(DAY * 44)
    assert office.told() == [("deadline.overdue", f"recording:{moved}", "FILE-30WD")]


def test_an_old_archive_stays_quiet(office: Office) -> None:
    office.dock(NOON - DAY * 40, "a")
    office.record(NOON - DAY * 400, NOON - DAY * 300)
    office.record(NOON - DAY * 90, NOON - DAY * 80)
    filed_soon = office.record(NOON - DAY * 36, NOON - DAY * 31)  # late, but so long ago; its filing is yet to come
    office.run()
    assert office.told() == [("deadline.due", f"recording:{filed_soon}", "FILE-30WD")]


def test_a_restored_database_that_forgot_the_reminders_tells_nothing_again(office: Office) -> None:
    office.record(NOON - DAY * 3, NOON)
    office.dock(NOON - DAY * 2, "a")
    office.run()
    before = office.told()
    with office.catalogue.write() as session:
        session.execute(delete(Reminder))
    office.run(timedelta(minutes=15))
    assert office.told() == before and len(before) == 2


def test_the_lists_of_an_officer_on_every_database(office: Office) -> None:
    mine = office.dock(NOON - DAY * 2, "DCIM/a_1", "DCIM/b_1")
    office.dock(NOON - DAY * 2, "c", device="LH00099")
    late = office.record(NOON - DAY * 50, NOON - DAY, officer_id="u")
    office.record(NOON - DAY * 50, NOON - DAY * 5)
    since = NOON - DAY * 9
    with office.catalogue.write() as session:
        session.add(Device(serial="LH00012", officer_id=None, created=since))
        session.flush()
        session.add(
            Assignment(id="a", device_serial="LH00012", officer_id="u", since=since, made=since, made_by="admin")
        )
    counting = deadlines_of(Policy(), ZoneInfo("Asia/Shanghai"))
    with office.catalogue.read() as session:
        found = handover.waiting(session, counting, NOON, Narrowed(officer="u"))
        assert [(each.of.docking, each.of.files) for each in found] == [(mine, 2)]
        narrowed = Narrowed(device="LH00012", station="ST-01", text="B_", officer="u")
        lines = handover.files_of(session, narrowed, handover.waiting(session, counting, NOON, narrowed), 0, 9)
        assert [file.path for _, file in lines] == ["DCIM/b_1"]
        for look in (handover.late, handover.unfiled):
            rows, count = look(session, counting, NOON, officer="u")
            assert ([row.of.id for row in rows], count) == ([late], 1)
            assert look(session, counting, NOON)[1] == 2


def test_a_flood_is_told_in_portions(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PORTION", 20)
    monkeypatch.setattr(module, "MOST", 60)
    with office.catalogue.write() as session:
        session.add_all(
            Recording(
                id=new_id(), series=str(each), device_serial="LH00012", started=NOON - DAY * 3, duration=1.0,
                received=NOON, case_id=None,
            )
            for each in range(130)
        )  # fmt: skip
    counts = []
    for _ in range(4):
        office.run()
        counts.append(len(office.told()))
        with office.catalogue.read() as session:
            again = office.reminders.when(session, office.now) - office.now
        assert again == timedelta(minutes=15 if len(counts) > 2 else 1)
    assert counts == [60, 120, 130, 130]
    assert MOST >= 1000  # as shipped


def test_two_that_tell_at_once_tell_it_once(office: Office) -> None:
    for _ in range(60):
        office.record(NOON - DAY * 3, NOON)
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait()
        office.run()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(office.told()) == len(set(office.told())) == 60


TELLER = """
import sys
from datetime import datetime
from zoneinfo import ZoneInfo
from pipeline import reminders
from pipeline.handover import deadlines_of
from pipeline.policy import Policy
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Job

reminders.PORTION = 2
catalogue, now = Catalogue(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
teller = reminders.Reminders(catalogue, deadlines_of(Policy(), ZoneInfo("Asia/Shanghai")), lambda: now)
while True:
    teller.run(Job(), lambda share: None)
"""


def test_tellers_that_are_killed_tell_each_deadline_once(office: Office) -> None:
    """Two processes at once, killed without warning again and again."""
    for _ in range(40):
        office.record(NOON - DAY * 3, NOON)
    url = office.catalogue.engine.url.render_as_string(hide_password=False)
    for goal in (6, 20):
        with contextlib.ExitStack() as stack:
            command = [sys.executable, "-c", TELLER, url, NOON.isoformat()]
            tellers = [stack.enter_context(subprocess.Popen(command)) for _ in range(2)]
            limit = time.monotonic() + 60
            try:
                while len(office.told()) < goal:
                    assert time.monotonic() < limit, "nobody tells"
                    time.sleep(0.01)
            finally:
                for teller in tellers:
                    os.kill(teller.pid, signal.SIGKILL)
    office.run()
    assert len(office.told()) == len(set(office.told())) == 40
    with office.catalogue.read() as session:
        assert session.scalar(select(func.count()).select_from(Reminder)) == 40
        events = set(session.scalars(select(Entry.event_id)))
        assert set(session.scalars(select(Reminder.event_id))) == events
