"""The ANALYSE job on the sample footage: what it writes, what it queues, what it refuses to conclude from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from pipeline.devices import assign
from pipeline.intake import original_key
from storage.catalogue.tables import Analysis, Job, Original, Recording
from storage.records import Actor, JobKind, JobState
from tests.support.taking import dock, take_in
from tests.support.taking import work as analyse

if TYPE_CHECKING:
    from pipeline.samples import Footage
    from tests.support.web import Bureau

ADMIN = Actor("user", "admin")
SHOT = datetime(2026, 11, 18, 1, 30, 24, tzinfo=UTC)


def only_recording(office: Bureau) -> Recording:
    with office.services.catalogue.read() as session:
        return session.scalars(select(Recording)).one()


def queued(office: Bureau) -> set[str]:
    with office.services.catalogue.read() as session:
        return set(session.scalars(select(Job.kind).where(Job.state == JobState.QUEUED)))


def test_three_segments_become_one_continuous_recording(office: Bureau, footage: Footage) -> None:
    for login, since in (("officer", SHOT - timedelta(days=1)), ("colleague", SHOT + timedelta(days=1))):
        assign(office.services.catalogue, office.clock, "LH00012", office.users[login], by=ADMIN, since=since)
    for segment in footage.segments:
        take_in(office, segment)
    analyse(office)
    recording = only_recording(office)
    assert (recording.verdict, recording.kind, recording.duration) == ("continuous", "video", 36.0)
    assert queued(office) == {JobKind.ACCESS, JobKind.MASTER}
    made = [payload for event, _, payload in office.events(f"recording:{recording.id}") if event == "analysis.made"]
    assert len(made) == 1, "three jobs saw the same files: one conclusion"
    assert made[0]["verdict"] == "continuous"
    assert recording.officer_id == office.users["officer"], "who wore it then, not who wears it now"
    assert recording.report is not None
    assert [found["code"] for found in recording.report["docking"]["findings"]] == ["REC-CERTIFIED/CERT-UNKNOWN"]


def test_a_segment_that_comes_later_is_looked_at_with_the_others(office: Bureau, footage: Footage) -> None:
    take_in(office, footage.segments[0])
    take_in(office, footage.segments[2])
    analyse(office)
    assert only_recording(office).verdict == "interrupted"
    take_in(office, footage.segments[1])
    analyse(office)
    assert only_recording(office).verdict == "continuous"
    with office.services.catalogue.read() as session:
        verdicts = session.scalars(select(Analysis.verdict).order_by(Analysis.id)).all()
    assert verdicts == ["interrupted", "continuous"]


def test_photos_of_a_day_are_one_recording_without_masters(office: Bureau, footage: Footage) -> None:
    for photo in footage.photos_missing:
        take_in(office, photo)
    analyse(office)
    recording = only_recording(office)
    assert (recording.verdict, recording.kind) == ("interrupted", "photos")
    assert queued(office) == {JobKind.ACCESS}


def test_what_cannot_be_read_is_kept_with_its_reason_and_not_transcoded(office: Bureau, footage: Footage) -> None:
    sha256 = take_in(office, footage.hostile / "playlist.mp4")
    analyse(office)
    recording = only_recording(office)
    assert recording.verdict == "unreadable"
    assert recording.report and recording.report["files"][0]["findings"][0]["code"] == "REC-TRUE/UNREADABLE"
    assert queued(office) == set()
    assert office.services.tiers["five_years"].stat(original_key(sha256)) is not None


def test_nothing_is_concluded_from_bytes_that_are_not_the_original(office: Bureau, footage: Footage) -> None:
    sha256 = take_in(office, footage.segments[0])
    blob = office.services.settings.data / "blobs" / "five_years" / original_key(sha256)
    changed = bytearray(blob.read_bytes())
    changed[-1] ^= 1
    blob.unlink()
    blob.write_bytes(changed)
    analyse(office)
    assert only_recording(office).verdict is None
    with office.services.catalogue.read() as session:
        job = session.scalars(select(Job)).one()
    assert job.state == JobState.FAILED and "not what was received" in job.error


@pytest.mark.parametrize("altered", [False, True])
def test_a_card_docked_again_with_other_bytes_is_altered(office: Bureau, footage: Footage, altered: bool) -> None:
    name = f"DCIM/{footage.segments[1].name}"
    first = take_in(office, footage.segments[1])
    before = dock(office, 0, {name: first})
    with office.services.catalogue.write() as session:
        session.get_one(Original, first).docking_id = before
    second = take_in(office, footage.cut_closed) if altered else first
    after = dock(office, 1, {name: second})
    if altered:
        with office.services.catalogue.write() as session:
            session.get_one(Original, second).docking_id = after
    analyse(office)
    report = only_recording(office).report
    assert report is not None
    codes = {finding["code"] for finding in report["docking"]["findings"]}
    assert codes == ({"REC-TRUE/DOCK-CHANGED"} if altered else set())
