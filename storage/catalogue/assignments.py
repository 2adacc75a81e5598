"""设备配发: who wore which camera when. Rows are only ever added; of two for one moment the later made one counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session, defer

from storage.catalogue.tables import Assignment, Device, DockedFile, Original, Recording, Utc


def valid_at(session: Session, serial: str, moment: datetime) -> Assignment | None:
    """The row that says who wore the device at `moment`; None before the first one."""
    return session.scalars(_newest(select(Assignment), serial).where(Assignment.since <= moment).limit(1)).first()


class Wearers:
    """Who wore which of these devices when: read once, for many questions."""

    def __init__(self, session: Session, serials: Collection[str]) -> None:
        self._rows = history(session, serials)
        unknown = [serial for serial in serials if serial not in self._rows]  # only the present wearer is kept
        query = select(Device.serial, Device.officer_id).where(Device.serial.in_(unknown))
        self._present = {row.serial: row.officer_id for row in session.execute(query)} if unknown else {}

    def at(self, serial: str, moment: datetime) -> str | None:
        """Identifier of the officer who wore the device at `moment`; None: nobody, or not known."""
        for row in self._rows.get(serial, ()):
            if row.since <= moment:
                return row.officer_id
        return self._present.get(serial)


def officer_at(session: Session, serial: str, moment: datetime) -> str | None:
    """See `Wearers.at`."""
    return Wearers(session, [serial]).at(serial, moment)


def is_kept(session: Session, serial: str) -> bool:
    """Whether anything is known of who wore the device."""
    return session.scalar(select(Assignment.id).where(Assignment.device_serial == serial).limit(1)) is not None


def history(session: Session, serials: Collection[str]) -> Mapping[str, Sequence[Assignment]]:
    """Every row of these devices, newest first."""
    found: dict[str, list[Assignment]] = {}
    query = select(Assignment).where(Assignment.device_serial.in_(list(serials)))
    for row in session.scalars(query.order_by(*_ORDER)):
        found.setdefault(row.device_serial, []).append(row)
    return found


def worn_by(session: Session, officer_id: str) -> Sequence[str]:
    """Serials of the devices that the officer wears now."""
    query = select(Device.serial).where(Device.officer_id == officer_id)
    return session.scalars(query.order_by(Device.serial)).all()


def moment_of(session: Session, recording: Recording) -> datetime:
    """When the recording was made, as well as is known: its own start, else the card's earliest date of its files, else
    when it was received.
    """
    if recording.started is not None:
        return recording.started
    listed = (
        select(func.min(DockedFile.modified, type_=Utc()))
        .join(Original, (Original.docking_id == DockedFile.docking_id) & (Original.sha256 == DockedFile.sha256))
        .where(Original.recording_id == recording.id)
    )
    return session.scalar(listed) or recording.received


def recordings_since(session: Session, serial: str, since: datetime) -> Sequence[Recording]:
    """Recordings of the device that may be of `since` or later, without their reports."""
    late = or_(Recording.started >= since, Recording.started.is_(None) & (Recording.received >= since))
    query = select(Recording).where(Recording.device_serial == serial, late)
    return session.scalars(query.options(defer(Recording.report, raiseload=True))).all()


_ORDER = (Assignment.since.desc(), Assignment.made.desc(), Assignment.id.desc())


def _newest(query: Select[Any], serial: str) -> Select[Any]:
    return query.where(Assignment.device_serial == serial).order_by(*_ORDER)
