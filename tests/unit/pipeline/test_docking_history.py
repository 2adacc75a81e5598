"""What the kept manifests say of a recording beyond its own files, and when it is looked at again."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from pipeline.history import look_again
from pipeline.known import known_of
from storage.catalogue.tables import DockedFile, Docking, Job, Original, Rejection
from storage.clock import new_id
from tests.support.taking import dock, take_in

if TYPE_CHECKING:
    from tests.support.web import Bureau

NAME = "LH00012_20261118093000_0001.MP4"
NEXT = "LH00012_20261118093000_0002.MP4"


def take(office: Bureau, folder: Path, name: str = NAME, *, device: str = "LH00012") -> str:
    """A file in the store (its content is nobody's matter here), not yet of any docking."""
    (folder / name).write_bytes(os.urandom(100))
    return take_in(office, folder / name, device=device)


def docked(office: Bureau, folder: Path, days: float = 0, others: dict[str, str] | None = None) -> tuple[str, str]:
    """A received file and the docking that brought it, with `others` listed beside: name → digest."""
    sha256 = take(office, folder)
    docking = dock(
        office, days, {f"DCIM/{NAME}": sha256, **{f"DCIM/{name}": each for name, each in (others or {}).items()}}
    )
    with office.services.catalogue.write() as session:
        session.get_one(Original, sha256).docking_id = docking
    return sha256, docking


def change(office: Bureau, docking: str, **values: Any) -> None:
    with office.services.catalogue.write() as session:
        row = session.get_one(Docking, docking)
        for name, value in values.items():
            setattr(row, name, value)


def codes(office: Bureau, sha256: str) -> list[str]:
    with office.services.catalogue.read() as session:
        known = known_of(session, session.get_one(Original, sha256).recording_id)
    return [each.code for each in known.docked({"files": []}, office.clock.now, timedelta(hours=24))]


def asked_again(office: Bureau, docking: str) -> list[str]:
    """Recordings that are to be analysed again for this docking."""
    with office.services.catalogue.write() as session:
        look_again(session, docking, office.clock.now)
        return [job.subject for job in session.scalars(select(Job).where(Job.key.endswith(f":docking:{docking}")))]


def recording(office: Bureau, sha256: str) -> str:
    with office.services.catalogue.read() as session:
        return session.get_one(Original, sha256).recording_id


def test_a_quiet_history_says_nothing_and_asks_nothing(office: Bureau, tmp_path: Path) -> None:
    sha256, docking = docked(office, tmp_path)
    again = dock(office, 1, {f"DCIM/{NAME}": sha256})
    assert codes(office, sha256) == []
    assert asked_again(office, docking) == asked_again(office, again) == []


def test_a_card_docked_as_another_camera_is_told_on_the_recording(office: Bureau, tmp_path: Path) -> None:
    sha256, _ = docked(office, tmp_path)
    other = dock(office, 1, {f"DCIM/{NAME}": sha256}, device="LH00077")
    assert codes(office, sha256) == ["REC-TRUE/DOCK-TWO-DEVICES"]
    assert asked_again(office, other) == [recording(office, sha256)]


def test_empty_files_on_every_card_are_no_second_camera(office: Bureau, tmp_path: Path) -> None:
    sha256, _ = docked(office, tmp_path)
    other = dock(office, 1, {f"DCIM/{NAME}": sha256}, device="LH00077")
    with office.services.catalogue.write() as session:
        session.get_one(DockedFile, (other, f"DCIM/{NAME}")).size = 0
    assert codes(office, sha256) == []


def test_other_bytes_under_a_listed_name_are_kept_both_and_told_on_both(office: Bureau, tmp_path: Path) -> None:
    first, _ = docked(office, tmp_path)
    second = take(office, tmp_path)
    docking = dock(office, 1, {f"DCIM/{NAME}": second})
    with office.services.catalogue.write() as session:
        session.get_one(Original, second).docking_id = docking
    assert asked_again(office, docking) == [recording(office, first)]
    assert codes(office, first) == ["REC-TRUE/DOCK-CHANGED", "REC-TRUE/DOCK-CHANGED"]
    with office.services.catalogue.read() as session:
        assert {row.sha256 for row in session.scalars(select(Original))} == {first, second}


def test_a_counter_that_begins_anew_on_a_wiped_card_asks_nothing(office: Bureau, tmp_path: Path) -> None:
    docked(office, tmp_path)
    later = dock(office, 1, {f"DCIM/{NAME}": "d" * 64})
    with office.services.catalogue.write() as session:
        session.get_one(DockedFile, (later, f"DCIM/{NAME}")).modified = office.clock.now + _days(0.9)
    assert asked_again(office, later) == []


def test_the_same_name_through_a_door_without_manifests(office: Bureau, tmp_path: Path) -> None:
    first, second = take(office, tmp_path), take(office, tmp_path)
    assert recording(office, first) == recording(office, second)
    assert codes(office, first) == ["REC-TRUE/SAME-NAME"]


def test_one_nonce_in_two_manifests_of_a_station(office: Bureau, tmp_path: Path) -> None:
    sha256, docking = docked(office, tmp_path)
    other = dock(office, -1, {})
    change(office, docking, nonce="ab" * 16)
    assert codes(office, sha256) == []
    change(office, other, nonce="ab" * 16)
    assert codes(office, sha256) == ["REC-TRUE/DOCK-NONCE"]


def test_what_the_manifest_says_of_the_clocks(office: Bureau, tmp_path: Path) -> None:
    sha256, docking = docked(office, tmp_path)
    said = {"clock": {"jumped": 500.0}, "camera_clock": {"offset": 200.0, "bound": "exact", "source": "device.json"}}
    change(office, docking, manifest=json.dumps(said).encode())
    assert codes(office, sha256) == ["REC-WHEN/DOCK-STATION-CLOCK", "REC-WHEN/DOCK-CAMERA-CLOCK"]


@pytest.mark.parametrize(("signed_days", "expected"), [(1.0, ["REC-WHEN/DOCK-STATION-CLOCK"]), (-1.0, [])])
def test_a_station_may_deliver_late_but_not_sign_ahead(
    office: Bureau, tmp_path: Path, signed_days: float, expected: list[str]
) -> None:
    sha256, docking = docked(office, tmp_path)
    change(office, docking, station_time=office.clock.now + _days(signed_days))
    assert codes(office, sha256) == expected


def test_a_station_that_was_ahead_backdates_nothing(office: Bureau, tmp_path: Path) -> None:
    """Listed on a day that was still to come by its clock; what was shot after it really was docked is no make-up."""
    before = dock(office, -2, {"DCIM/LH00012_20261117080000_0001.MP4": "a" * 64})
    sha256, docking = docked(office, tmp_path)
    with office.services.catalogue.write() as session:
        session.get_one(DockedFile, (docking, f"DCIM/{NAME}")).modified = office.clock.now - _days(1)
    change(office, before, station_time=office.clock.now - _days(0.5))
    assert codes(office, sha256) == []
    change(office, before, station_time=office.clock.now - _days(0.5), received=office.clock.now - _days(0.5))
    assert codes(office, sha256) == ["REC-CONTINUOUS/DOCK-BACKDATED"]


def test_delivered_otherwise_than_listed(office: Bureau, tmp_path: Path) -> None:
    expected = "b" * 64
    sha256, docking = docked(office, tmp_path, others={NEXT: expected})
    assert codes(office, sha256) == []
    with office.services.catalogue.write() as session:
        session.add(
            Rejection(
                id=new_id(), door="upload", station_id="ST-01", docking_id=docking, path=f"DCIM/{NEXT}", size=1,
                expected=expected, received="c" * 64, code="digest-mismatch", zh="", en="", place="",
                made=office.clock.now,
            )
        )  # fmt: skip
    assert codes(office, sha256) == ["REC-TRUE/DOCK-DIFFERS"]


def test_gone_between_two_dockings_unless_it_is_there_and_unreadable(office: Bureau, tmp_path: Path) -> None:
    sha256, _ = docked(office, tmp_path, -0.5, {NEXT: "b" * 64})
    later = dock(office, -0.2, {f"DCIM/{NAME}": sha256})
    assert codes(office, sha256) == ["REC-CONTINUOUS/DOCK-VANISHED"]
    unreadable = {"unreadable": [{"path": f"DCIM/{NEXT}", "why": "Input/output error"}]}
    change(office, later, manifest=json.dumps(unreadable).encode())
    assert codes(office, sha256) == []


def _days(days: float) -> timedelta:
    return timedelta(days=days)
