"""Who wears which camera: assignments with their history, the recordings' officers, naming an unknown card."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from pipeline.devices import assign, identify
from pipeline.originals import Arrival
from storage.catalogue import assignments
from storage.catalogue.tables import Device, Recording
from storage.clock import iso
from storage.errors import NotFound, Refused
from storage.records import Actor, Digest
from tests.support.web import START, Bureau, bureau, keep

ADMIN = Actor("user", "admin")
DAY = timedelta(days=1)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Bureau]:
    with bureau(tmp_path / "data") as made:
        yield made


def give(office: Bureau, login: str | None, since: datetime | None = None, serial: str = "LH00012") -> None:
    officer = office.users[login] if login else None
    assign(office.services.catalogue, office.clock, serial, officer, by=ADMIN, since=since)


def worn(office: Bureau, moment: datetime, serial: str = "LH00012") -> str | None:
    """The login of who wore it then."""
    with office.services.catalogue.read() as session:
        officer = assignments.officer_at(session, serial, moment)
    return next((login for login, user_id in office.users.items() if user_id == officer), None)


def arrive(office: Bureau, name: str, modified: datetime | None, serial: str = "LH00012") -> Recording:
    """A file of this date on the card."""
    digest = Digest(name.encode().hex().ljust(64, "0")[:64], "0" * 64, 1)
    arrival = Arrival(path=name, device=serial, actor=Actor("station", "ST-01"), modified=modified)
    with office.services.catalogue.write() as session:
        office.services.intake.register(session, [(arrival, digest)])
        found = session.query(Recording).order_by(Recording.id.desc()).first()
    assert found
    return found


def test_a_device_has_its_officer_of_each_time(office: Bureau) -> None:
    give(office, "officer", START - 30 * DAY)
    give(office, "colleague", START - 10 * DAY)
    give(office, None, START - 2 * DAY)
    days = {40: None, 30: "officer", 11: "officer", 10: "colleague", 3: "colleague", 2: None, 0: None}
    assert {ago: worn(office, START - ago * DAY) for ago in days} == days
    with office.services.catalogue.read() as session:
        assert session.get_one(Device, "LH00012").officer_id is None
        rows = assignments.history(session, ["LH00012"])["LH00012"]
    assert [row.since for row in rows] == [START - 2 * DAY, START - 10 * DAY, START - 30 * DAY]


def test_a_correction_is_a_new_row_with_the_same_date(office: Bureau) -> None:
    give(office, "officer", START - 5 * DAY)
    office.clock.forward(hours=1)
    give(office, "colleague", START - 5 * DAY)
    assert worn(office, START - DAY) == "colleague"
    told = [payload for event, _, payload in office.events("device:LH00012") if event == "device.assigned"]
    assert told == [
        {"device": "LH00012", "officer": "officer", "since": iso(START - 5 * DAY)},
        {"device": "LH00012", "officer": "colleague", "since": iso(START - 5 * DAY)},
    ]


def test_an_earlier_assignment_leaves_the_present_wearer(office: Bureau) -> None:
    give(office, "officer", START - DAY)
    give(office, "colleague", START - 9 * DAY)
    with office.services.catalogue.read() as session:
        assert session.get_one(Device, "LH00012").officer_id == office.users["officer"]


@pytest.mark.parametrize("since", [START + timedelta(seconds=1), START.replace(year=1999)])
def test_dates_to_come_and_impossible_ones_are_refused(office: Bureau, since: datetime) -> None:
    with pytest.raises(Refused):
        give(office, "officer", since)
    assert worn(office, START) is None


@pytest.mark.parametrize("serial", ["", "  ", "x" * 65, "a\nb"])
def test_a_serial_is_short_and_printable(office: Bureau, serial: str) -> None:
    with pytest.raises(Refused):
        give(office, "officer", serial=serial)


def test_only_officers_wear_cameras(office: Bureau) -> None:
    with pytest.raises(Refused):
        give(office, "auditor")
    with pytest.raises(NotFound):
        assign(office.services.catalogue, office.clock, "LH00012", "nobody", by=ADMIN)


def test_a_recording_gets_the_officer_of_its_files_date(office: Bureau) -> None:
    give(office, "officer", START - 30 * DAY)
    give(office, "colleague", START - DAY)
    assert arrive(office, "LH00012_20261110_080000_0001.MP4", START - 10 * DAY).officer_id == office.users["officer"]
    assert arrive(office, "LH00012_20261120_080000_0001.MP4", START).officer_id == office.users["colleague"]
    assert arrive(office, "LH00012_20260101_080000_0001.MP4", START - 300 * DAY).officer_id is None
    assert arrive(office, "LH00012_20261120_090000_0001.MP4", None).officer_id == office.users["colleague"]


def test_a_later_correction_reaches_the_recordings_that_are_here(office: Bureau) -> None:
    give(office, "officer", START - 30 * DAY)
    kept = keep(office, officer="officer")  # it began three hours ago
    older = arrive(office, "LH00012_20261101_080000_0001.MP4", START - 20 * DAY)
    with office.services.catalogue.write() as session:
        session.get_one(Recording, older.id).started = START - 20 * DAY
    give(office, "colleague", START - DAY)
    with office.services.catalogue.read() as session:
        assert session.get_one(Recording, kept.recording).officer_id == office.users["colleague"]
        assert session.get_one(Recording, older.id).officer_id == office.users["officer"]
    event, actor, payload = office.events(f"recording:{kept.recording}")[-1]
    assert (event, actor) == ("recording.officer-set", "user:admin")
    assert (payload["officer"], payload["before"], payload["device"]) == ("colleague", "officer", "LH00012")
    assert not [event for event, _, _ in office.events(f"recording:{older.id}") if event == "recording.officer-set"]


def test_an_unknown_card_is_named(office: Bureau) -> None:
    give(office, "officer", START - 30 * DAY)
    kept = keep(office, device="UNKNOWN-1a2b", officer=None)
    with office.services.catalogue.write() as session:
        session.add(Device(serial="UNKNOWN-1a2b", created=START))
    moved = identify(office.services.catalogue, office.clock, "UNKNOWN-1a2b", "LH00012", by=ADMIN)
    assert moved == 1
    with office.services.catalogue.read() as session:
        recording = session.get_one(Recording, kept.recording)
    assert (recording.device_serial, recording.officer_id) == ("LH00012", office.users["officer"])
    told = ("device.identified", "user:admin", {"device": "UNKNOWN-1a2b", "serial": "LH00012", "recordings": 1})
    assert office.events("device:UNKNOWN-1a2b")[-1] == told
    assert office.events("device:LH00012")[-1] == told
    events = [event for event, _, _ in office.events(f"recording:{kept.recording}")]
    assert events[-2:] == ["device.identified", "recording.officer-set"]


def test_a_name_that_the_device_has_already_stays_a_recording_of_its_own(office: Bureau) -> None:
    mine = keep(office, name="DCIM/20261120_090000_0001.MP4")
    other = keep(office, device="UNKNOWN-1a2b", name="DCIM/20261120_090000_0001.MP4")
    with office.services.catalogue.write() as session:
        session.add(Device(serial="UNKNOWN-1a2b", created=START))
    identify(office.services.catalogue, office.clock, "UNKNOWN-1a2b", "LH00012", by=ADMIN)
    with office.services.catalogue.read() as session:
        rows = session.query(Recording).filter(Recording.device_serial == "LH00012").all()
    assert {row.id for row in rows} == {mine.recording, other.recording}
    assert len({row.series for row in rows}) == 2


def test_only_unknown_cards_are_named_and_only_as_real_devices(office: Bureau) -> None:
    catalogue = office.services.catalogue
    for unknown, serial in (("LH00012", "LH00013"), ("UNKNOWN-1", "UNKNOWN-2"), ("UNKNOWN-1", " ")):
        with pytest.raises(Refused):
            identify(catalogue, office.clock, unknown, serial, by=ADMIN)
    with pytest.raises(NotFound):
        identify(catalogue, office.clock, "UNKNOWN-1", "LH00012", by=ADMIN)
