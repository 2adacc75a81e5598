"""A station's keys as rows: the one in use, and the history by which older manifests are verified."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.catalogue.tables import Docking, EnrolmentCode, Station, StationKey


def use_key(session: Session, station: Station, public_key: str, now: datetime) -> None:
    """From `now` on the station signs with this key; the one before is closed."""
    close_keys(session, station.id, now)
    station.public_key = public_key
    session.add(StationKey(public_key=public_key, station_id=station.id, since=now))


def close_keys(session: Session, station: str, now: datetime) -> None:
    open_keys = update(StationKey).where(StationKey.station_id == station, StationKey.until.is_(None))
    session.execute(open_keys.values(until=now))


def keys(session: Session, station: str) -> Sequence[StationKey]:
    """Every key the station has had, oldest first."""
    query = select(StationKey).where(StationKey.station_id == station)
    return session.scalars(query.order_by(StationKey.since, StationKey.public_key)).all()


def key_at(session: Session, station: str, moment: datetime) -> str | None:
    """The key that the station signed with at `moment`, by the server's clock; None when it had none."""
    held = [each for each in keys(session, station) if each.since <= moment]
    return held[-1].public_key if held and (held[-1].until is None or moment < held[-1].until) else None


def end_tokens(session: Session, station: str) -> None:
    """No upload token of the station is good any more."""
    session.execute(update(Docking).where(Docking.station_id == station).values(token=""))


def end_codes(session: Session, station: str, now: datetime) -> None:
    """Codes for this name that were not used yet run out now."""
    unused = update(EnrolmentCode).where(EnrolmentCode.station_id == station, EnrolmentCode.used.is_(None))
    session.execute(unused.where(EnrolmentCode.expires > now).values(expires=now))


def open_codes(session: Session, now: datetime) -> Sequence[EnrolmentCode]:
    """Codes that may still be used, newest first."""
    query = select(EnrolmentCode).where(EnrolmentCode.used.is_(None), EnrolmentCode.expires > now)
    return session.scalars(query.order_by(EnrolmentCode.made.desc())).all()
