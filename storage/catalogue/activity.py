"""What the database knows of an activity's time: recordings near it, accepted explanations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from storage.catalogue.tables import Excuse, Recording, Utc


def recordings(
    session: Session,
    since: datetime,
    until: datetime,
    devices: Collection[str],
    *,
    case: str = "",
    limit: int = 1000,
) -> Sequence[Recording]:
    """Those of the devices that begin from `since` to `until`, and all of the case (its identifier), oldest first."""
    near = Recording.started.between(since, until) & Recording.device_serial.in_(list(devices))
    chosen = or_(near, Recording.case_id == case) if case else near
    return session.scalars(select(Recording).where(chosen).order_by(Recording.started, Recording.id).limit(limit)).all()


def devices(session: Session, since: datetime, until: datetime, case: str = "") -> list[str]:
    """Serial numbers of the devices that recorded then, and of those in the case."""
    near = Recording.started.between(since, until)
    chosen = or_(near, Recording.case_id == case) if case else near
    return sorted(session.scalars(select(Recording.device_serial).where(chosen).distinct()).all())


def extent(session: Session, case: str) -> tuple[datetime | None, datetime | None]:
    """When the first recording of the case begins and its last one does."""
    query = select(func.min(Recording.started, type_=Utc()), func.max(Recording.started, type_=Utc()))
    row = session.execute(query.where(Recording.case_id == case)).one()
    return row[0], row[1]


def accepted(session: Session, recordings: Collection[str]) -> Sequence[Excuse]:
    """Accepted explanations (REC-FORBIDDEN) of these recordings."""
    query = select(Excuse).where(Excuse.recording_id.in_(list(recordings)), Excuse.accepted.is_(True))
    return session.scalars(query.order_by(Excuse.id)).all()
