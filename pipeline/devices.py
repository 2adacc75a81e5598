"""设备登记: which officer wears which camera (REC-PER-OFFICER), so that a recording knows its officer at intake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.history import vanished
from pipeline.officers import conclude_anew
from pipeline.wearers import set_officer
from storage.catalogue import assignments, custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.recordings import WITHOUT_REPORT
from storage.catalogue.tables import Assignment, Device, DeviceProfile, Docking, Recording, User
from storage.clock import Clock, iso, new_id
from storage.errors import NotFound, Refused
from storage.records import Actor, CustodyEvent, Role

QUARANTINE = "UNKNOWN-"  # begins the serial of a card of which the station could not tell the camera (docs/docking.md)
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Overview:
    """One device: whose it is (login), how many files its profile has learned, how many dockings it had, and how many
    files a station listed that never arrived.
    """

    serial: str
    model: str
    officer: str | None
    learned: int
    dockings: int
    vanished: int

    def as_json(self) -> Mapping[str, Any]:
        return asdict(self)


def overview(catalogue: Catalogue, clock: Clock, *, hours: int) -> list[Overview]:
    """Every device that is registered or was docked. `hours`: how long the hand-over may take (UP-24H)."""
    now, allowed = clock(), timedelta(hours=hours)
    with catalogue.read() as session:
        devices = {each.serial: each for each in session.scalars(select(Device))}
        profiles = {each.serial: each for each in session.scalars(select(DeviceProfile))}
        logins = {user.id: user.login for user in session.scalars(select(User))}
        count = select(Docking.device_serial, func.count()).group_by(Docking.device_serial)
        dockings = {row[0]: row[1] for row in session.execute(count)}
        return [
            Overview(
                serial=serial,
                model=(devices[serial].model if serial in devices else "")
                or (profiles[serial].model if serial in profiles else ""),
                officer=logins.get(devices[serial].officer_id or "") if serial in devices else None,
                learned=profiles[serial].files if serial in profiles else 0,
                dockings=dockings.get(serial, 0),
                vanished=len(vanished(session, serial, now, allowed)) if serial in dockings else 0,
            )
            for serial in sorted(devices.keys() | dockings.keys())
        ]


def assign(
    catalogue: Catalogue,
    clock: Clock,
    serial: str,
    officer_id: str | None,
    *,
    by: Actor,
    since: datetime | None = None,
) -> None:
    """From `since` (None: now) on the officer (None: nobody) wears the device, until a later assignment says otherwise.

    A correction is a new assignment with the date of the one it corrects. Recordings that are here already get their
    officer anew. Raises Refused (no serial, the user is no officer, a date to come) or NotFound.
    """
    serial, now = check_serial(serial), clock()
    since = since or now
    if not _EARLIEST <= since <= now:
        raise Refused("配发时间不能晚于现在，也不能早于2000年。", "the date lies in the future, or before 2000")
    with catalogue.write() as session:
        officer = _officer(session, officer_id)
        device = _device(session, serial, now)
        row = Assignment(
            id=new_id(), device_serial=serial, officer_id=officer_id or None, since=since, made=now, made_by=by.id
        )
        session.add(row)
        session.flush()
        device.officer_id = assignments.officer_at(session, serial, now)
        payload = {"device": serial, "officer": officer.login if officer else None, "since": iso(since)}
        custody.record(session, CustodyEvent(new_id(), "device.assigned", now, by, f"device:{serial}", payload))
        for recording in assignments.recordings_since(session, serial, since):
            if set_officer(session, recording, now, by) and recording.verdict is not None:
                conclude_anew(session, recording, clock)


def identify(catalogue: Catalogue, clock: Clock, unknown: str, serial: str, *, by: Actor) -> int:
    """Say which device a quarantined card (UNKNOWN-…) belongs to: its recordings become that device's. How many.

    The signed manifests stay as they are. Cards change cameras: what is docked later is named anew. Raises Refused or
    NotFound.
    """
    serial, now = check_serial(serial), clock()
    if not unknown.startswith(QUARANTINE) or serial.startswith(QUARANTINE):
        raise Refused(
            "只有未识别的设备（UNKNOWN-…）可以指认，且须指认为真实设备编号。",
            "only an unknown card (UNKNOWN-…) is identified, and as a real device",
        )
    with catalogue.write() as session:
        if session.get(Device, unknown) is None:
            raise NotFound(f"没有设备 {unknown}。", f"there is no device {unknown}")
        _device(session, serial, now)
        query = select(Recording).where(Recording.device_serial == unknown).options(WITHOUT_REPORT)
        moved = session.scalars(query.order_by(Recording.id)).all()
        for recording in moved:
            _move(session, recording, serial, now, by)
        payload = {"device": unknown, "serial": serial, "recordings": len(moved)}
        for subject in (unknown, serial):
            custody.record(session, CustodyEvent(new_id(), "device.identified", now, by, f"device:{subject}", payload))
        return len(moved)


def check_serial(serial: str) -> str:
    """The serial without blanks around it. Raises Refused."""
    serial = serial.strip()
    if not 1 <= len(serial) <= 64 or not serial.isprintable():
        raise Refused("请填写设备编号（64字以内）。", "a device needs a serial of up to 64 characters")
    return serial


def _officer(session: Session, officer_id: str | None) -> User | None:
    officer = session.get(User, officer_id) if officer_id else None
    if officer_id and officer is None:
        raise NotFound("没有这个用户。", "there is no such user")
    if officer is not None and Role.OFFICER not in officer.roles:
        raise Refused("设备只能登记给执法人员。", "a device is registered to an officer only")
    return officer


def _device(session: Session, serial: str, now: datetime) -> Device:
    device = session.get(Device, serial, with_for_update=True)
    if device is None:
        device = Device(serial=serial, created=now)
        session.add(device)
        session.flush()
    return device


def _move(session: Session, recording: Recording, serial: str, now: datetime, by: Actor) -> None:
    """To another device; where that one has a recording of this name already, both stay, each on its own."""
    before = recording.device_serial
    series = select(Recording.id).where(Recording.device_serial == serial, Recording.series == recording.series)
    if session.scalar(series) is not None:
        recording.series = f"{recording.series} {recording.id}"[-255:]
    recording.device_serial = serial
    session.flush()
    payload = {"device": before, "serial": serial}
    subject = f"recording:{recording.id}"
    custody.record(session, CustodyEvent(new_id(), "device.identified", now, by, subject, payload))
    set_officer(session, recording, now, by)
    if recording.verdict is not None:
        conclude_anew(session, recording, lambda: now)
