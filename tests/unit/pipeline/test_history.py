"""What stations listed and nobody received: in the analysis of its recording, and over a device."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from pipeline.devices import overview
from pipeline.history import vanished
from storage.catalogue.tables import Device, Job, Original, Recording
from storage.records import JobKind
from tests.unit.pipeline.test_analyse import analyse, dock, take_in

if TYPE_CHECKING:
    from pipeline.samples import Footage
    from tests.support.web import Bureau

DAY = timedelta(hours=24)


def docked(office: Bureau, footage: Footage, *others: str) -> None:
    """Segment 1 arrived; `others` were listed beside it."""
    first = take_in(office, footage.segments[0])
    listed = {f"DCIM/{footage.segments[0].name}": first} | {
        f"DCIM/{name}": f"{n:064x}" for n, name in enumerate(others)
    }
    docking = dock(office, 0, listed)
    with office.services.catalogue.write() as session:
        session.get_one(Original, first).docking_id = docking


def docking_codes(office: Bureau) -> list[str]:
    with office.services.catalogue.read() as session:
        report = session.scalars(select(Recording)).one().report
    assert report is not None
    return [finding["code"] for finding in report["docking"]["findings"]]


def looks(office: Bureau) -> list[Job]:
    with office.services.catalogue.read() as session:
        query = select(Job).where(Job.kind == JobKind.ANALYSE, Job.state == "queued")
        return list(session.scalars(query))


def test_a_segment_that_was_listed_and_never_came_is_a_violation_after_a_day(office: Bureau, footage: Footage) -> None:
    docked(office, footage, footage.segments[1].name)
    analyse(office)
    assert docking_codes(office) == []
    (later,) = looks(office)
    assert later.run_at > office.clock.now + DAY
    office.clock.forward(hours=25)
    analyse(office)
    assert docking_codes(office) == ["REC-CONTINUOUS/DOCK-VANISHED"] and looks(office) == []
    with office.services.catalogue.read() as session:
        assert session.scalars(select(Recording.verdict)).one() == "altered"


def test_a_segment_that_came_in_time_is_fine(office: Bureau, footage: Footage) -> None:
    first, second = (take_in(office, segment) for segment in footage.segments[:2])
    names = [f"DCIM/{segment.name}" for segment in footage.segments[:2]]
    docking = dock(office, 0, dict(zip(names, (first, second), strict=True)))
    with office.services.catalogue.write() as session:
        for sha256 in (first, second):
            session.get_one(Original, sha256).docking_id = docking
    office.clock.forward(hours=25)
    analyse(office)
    assert docking_codes(office) == [] and looks(office) == []


def test_another_recording_of_the_card_is_not_this_ones_matter(office: Bureau, footage: Footage) -> None:
    docked(office, footage, "LH00012_20261117080000_0001.MP4")
    office.clock.forward(hours=25)
    analyse(office)
    assert docking_codes(office) == []
    with office.services.catalogue.read() as session:
        (finding,) = vanished(session, "LH00012", office.clock.now, DAY)
    assert finding.evidence["path"] == "DCIM/LH00012_20261117080000_0001.MP4"


def test_an_overview_of_the_devices(office: Bureau, footage: Footage) -> None:
    docked(office, footage, "LH00012_20261117080000_0001.MP4")
    with office.services.catalogue.write() as session:
        session.add(Device(serial="LH00001", model="Cam", officer_id=office.users["officer"], created=office.clock.now))
    office.clock.forward(hours=25)
    rows = {row.serial: row for row in overview(office.services.catalogue, office.services.clock, hours=24)}
    assert (rows["LH00001"].officer, rows["LH00001"].model, rows["LH00001"].vanished) == ("officer", "Cam", 0)
    assert (rows["LH00012"].dockings, rows["LH00012"].vanished, rows["LH00012"].learned) == (1, 1, 0)
