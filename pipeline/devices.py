"""设备登记: which officer wears which camera (REC-PER-OFFICER), so that a recording knows its officer at intake."""

from __future__ import annotations

from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, User
from storage.clock import Clock, new_id
from storage.errors import NotFound, Refused
from storage.records import Actor, CustodyEvent, Role


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
