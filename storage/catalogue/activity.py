"""What the database knows of an activity's time: recordings near it, accepted explanations, files not received."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from storage.catalogue.tables import DockedFile, Docking, Excuse, Original, Recording, Utc


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


def unreceived(
    session: Session, *, device: str = "", station: str = "", offset: int = 0, limit: int = 50
) -> tuple[list[tuple[DockedFile, Docking]], int]:
    """Files on docking manifests of which no original is here, each once, by its last listing, oldest first.

    A station lists a card again each time it is docked: the newest manifest counts. Also how many there are.
    """
    newest = (
        select(
            DockedFile.docking_id,
            DockedFile.path,
            func.row_number()
            .over(partition_by=DockedFile.sha256, order_by=(Docking.station_time.desc(), DockedFile.path))
            .label("place"),
        )
        .join(Docking, Docking.id == DockedFile.docking_id)
        .outerjoin(Original, Original.sha256 == DockedFile.sha256)
        .where(Original.sha256.is_(None))
    )
    if device:
        newest = newest.where(DockedFile.device_serial == device)
    if station:
        newest = newest.where(Docking.station_id == station)
    last = newest.subquery()
    total = session.scalar(select(func.count()).select_from(last).where(last.c.place == 1)) or 0
    query = (
        select(DockedFile, Docking)
        .join(last, (last.c.docking_id == DockedFile.docking_id) & (last.c.path == DockedFile.path))
        .join(Docking, Docking.id == DockedFile.docking_id)
        .where(last.c.place == 1)
        .order_by(Docking.station_time, DockedFile.path)
    )
    return [(row[0], row[1]) for row in session.execute(query.offset(offset).limit(limit))], total


def overdue(session: Session, listed_before: datetime) -> int:
    """How many files were listed for the last time before this moment and are not here."""
    last = (
        select(DockedFile.sha256, func.max(Docking.station_time).label("listed"))
        .join(Docking, Docking.id == DockedFile.docking_id)
        .outerjoin(Original, Original.sha256 == DockedFile.sha256)
        .where(Original.sha256.is_(None))
        .group_by(DockedFile.sha256)
        .having(func.max(Docking.station_time, type_=Utc()) < listed_before)
        .subquery()
    )
    return session.scalar(select(func.count()).select_from(last)) or 0
