"""设备登记: which officer wears which camera (REC-PER-OFFICER), so that a recording knows its officer at intake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from pipeline.history import vanished
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, DeviceProfile, Docking, User
from storage.clock import Clock, new_id
from storage.errors import NotFound, Refused
from storage.records import Actor, CustodyEvent, Role


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


def assign(catalogue: Catalogue, clock: Clock, serial: str, officer_id: str | None, *, by: Actor) -> None:
    """Register the device to an officer (None: to nobody). It holds for what arrives from now on.

    Raises Refused (no serial, the user is no officer) or NotFound.
    """
    serial = serial.strip()
    if not 1 <= len(serial) <= 64 or not serial.isprintable():
        raise Refused("请填写设备编号（64字以内）。", "a device needs a serial of up to 64 characters")
    with catalogue.write() as session:
        officer = session.get(User, officer_id) if officer_id else None
        if officer_id and officer is None:
            raise NotFound("没有这个用户。", "there is no such user")
        if officer is not None and Role.OFFICER not in officer.roles:
            raise Refused("设备只能登记给执法人员。", "a device is registered to an officer only")
        device = session.get(Device, serial)
        if device is None:
            device = Device(serial=serial, created=clock())
            session.add(device)
        device.officer_id = officer.id if officer else None
        custody.record(
            session,
            CustodyEvent(
                id=new_id(),
                event="device.assigned",
                time=clock(),
                actor=by,
                subject=f"device:{serial}",
                payload={"device": serial, "officer": officer.login if officer else None},
            ),
        )
