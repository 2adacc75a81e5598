"""特殊情况说明 (UP-24H): why one day's recordings of a device come in within three working days, not 24 hours.

The ledger gets a commitment to the reason. What was recorded stays: one reason for a device and a day.
"""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import exists, select
from sqlalchemy.exc import IntegrityError as TakenDay
from sqlalchemy.orm import Session

from pipeline.access import NoRight, active_user
from pipeline.casework.workdays import Calendar
from storage.catalogue import custody
from storage.catalogue.assignments import officer_at
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Delay, Device, Docking, Recording, User
from storage.clock import Clock, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, CustodyEvent, Role

MAX_WORDS = 2000
BACK = timedelta(days=366)  # older days are history: a reason now would explain nothing


class Delays:
    def __init__(self, catalogue: Catalogue, calendar: Calendar, clock: Clock) -> None:
        self._catalogue, self._calendar, self._clock = catalogue, calendar, clock

    def record(self, user_id: str, device: str, day: date, reason: str) -> str:
        """Record why what `device` recorded (or brought) on the local `day` comes later; returns its identifier.

        The officer who wore it that day does so, or who wears it now, and an archivist for any. Raises Refused (no
        reason, a day to come or long past, no right), NotFound (nothing is known of the device), Conflict (the day has
        a reason already).
        """
        reason, device = reason.strip(), device.strip()
        if not 4 <= len(reason) <= MAX_WORDS:
            raise Refused("请写明特殊情况的原因（4至2000字）。", "give the reason in 4 to 2000 characters")
        today = self._calendar.local_day(self._clock())
        if not today - BACK <= day <= today:
            raise Refused("日期应为今天或过去一年内。", "the day is today or lies within the past year")
        made = commitment.make(reason)
        with self._catalogue.write() as session:
            user = active_user(session, user_id)
            _refuse_unknown(session, device)
            self._refuse_stranger(session, user, device, day)
            row = Delay(
                id=new_id(),
                device_serial=device,
                day=day,
                reason=reason,
                salt=made.salt.hex(),
                made_by=user.id,
                made=self._clock(),
            )
            _add(session, row)
            payload = {"delay": row.id, "rule": "UP-24H", "day": day.isoformat(), "reason": made.as_json()}
            actor, subject = Actor("user", user.login), f"device:{device}"
            custody.record(session, CustodyEvent(new_id(), "delay.recorded", row.made, actor, subject, payload))
            return row.id

    def may_record(self, session: Session, user: User, device: str, day: date) -> bool:
        """Whether `user` may give a reason for the device and the local day."""
        if Role.ARCHIVIST in user.roles:
            return True
        return Role.OFFICER in user.roles and user.id in self._wearers(session, device, day)

    def _wearers(self, session: Session, device: str, day: date) -> set[str | None]:
        """Who wore the device when the day began and when it ended, and who wears it now."""
        first, last = self._calendar.end_of(day - timedelta(days=1)), self._calendar.end_of(day)
        moments = (first, last - timedelta(milliseconds=1), self._clock())
        return {officer_at(session, device, moment) for moment in moments}

    def _refuse_stranger(self, session: Session, user: User, device: str, day: date) -> None:
        if not self.may_record(session, user, device, day):
            raise NoRight(
                "原因由该设备的执法人员或档案管理员登记。", "the device's officer or an archivist records the reason"
            )


def _add(session: Session, row: Delay) -> None:
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
    except TakenDay as error:  # by an earlier request, or by one at the same moment
        raise Conflict(
            "该设备当日的原因已经登记，不能更改。", "the device has a reason for that day already"
        ) from error


def _refuse_unknown(session: Session, device: str) -> None:
    seen = (
        exists().where(Device.serial == device),
        exists().where(Docking.device_serial == device),
        exists().where(Recording.device_serial == device),
    )
    if not device or not any(session.scalar(select(each)) for each in seen):
        raise NotFound("没有这台设备的记录。", "nothing is known of this device")
