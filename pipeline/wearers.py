"""Who wore the camera: a recording's officer, by the device's assignments and the recording's own time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from storage.catalogue import assignments, custody
from storage.catalogue.tables import Recording, User
from storage.clock import iso, new_id
from storage.records import Actor, CustodyEvent


def set_officer(session: Session, recording: Recording, now: datetime, by: Actor) -> bool:
    """Give the recording the officer who wore its device when it was made; True when that is another than before.

    Nothing changes where nothing is known of who wore the device. The custody event names logins, as all do.
    """
    if not assignments.is_kept(session, recording.device_serial):
        return False
    moment = assignments.moment_of(session, recording)
    officer = assignments.officer_at(session, recording.device_serial, moment)
    if officer == recording.officer_id:
        return False
    before, recording.officer_id = recording.officer_id, officer
    payload = {
        "officer": _login(session, officer),
        "before": _login(session, before),
        "device": recording.device_serial,
        "moment": iso(moment),
    }
    subject = f"recording:{recording.id}"
    custody.record(session, CustodyEvent(new_id(), "recording.officer-set", now, by, subject, payload))
    return True


def _login(session: Session, user_id: str | None) -> str | None:
    user = session.get(User, user_id) if user_id else None
    return user.login if user else None
