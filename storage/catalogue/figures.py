"""Counts for the statistics page (rule STAT)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.catalogue.tables import AccessRequest, Case, Original, Recording, User

Count = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Totals:
    """`size` in bytes, `duration` in seconds, over all originals and recordings."""

    recordings: int
    originals: int
    size: int
    duration: float
    cases: int


def totals(session: Session) -> Totals:
    return Totals(
        recordings=session.scalar(select(func.count(Recording.id))) or 0,
        originals=session.scalar(select(func.count(Original.sha256))) or 0,
        size=int(session.scalar(select(func.sum(Original.size))) or 0),
        duration=float(session.scalar(select(func.sum(Recording.duration))) or 0),
        cases=session.scalar(select(func.count(Case.id))) or 0,
    )


def by_verdict(session: Session) -> Sequence[Count]:
    """ "none" for what has not been analysed yet."""
    query = select(Recording.verdict, func.count(Recording.id)).group_by(Recording.verdict)
    return _largest([(row[0] or "none", row[1]) for row in session.execute(query)])


def by_month(session: Session, zone: tzinfo, months: int = 12) -> Sequence[Count]:
    """Recordings by the local month they were made in (received in, where the start is unknown), newest first."""
    moments = session.execute(select(Recording.started, Recording.received)).all()
    counted = Counter((row[0] or row[1]).astimezone(zone).strftime("%Y-%m") for row in moments)
    return sorted(counted.items(), reverse=True)[:months]


def by_station(session: Session) -> Sequence[Count]:
    query = select(Recording.station_id, func.count(Recording.id)).group_by(Recording.station_id)
    return _largest([(row[0] or "", row[1]) for row in session.execute(query)])


def by_officer(session: Session) -> Sequence[Count]:
    query = (
        select(User.name, func.count(Recording.id))
        .select_from(Recording)
        .outerjoin(User, User.id == Recording.officer_id)
        .group_by(Recording.officer_id, User.name)
    )
    return _largest([(row[0] or "", row[1]) for row in session.execute(query)])[:30]


def by_request(session: Session) -> dict[tuple[str, str], int]:
    """Requests by kind and state."""
    query = select(AccessRequest.kind, AccessRequest.state, func.count(AccessRequest.id))
    grouped = query.group_by(AccessRequest.kind, AccessRequest.state)
    return {(row[0], row[1]): row[2] for row in session.execute(grouped)}


def _largest(counts: list[Count]) -> list[Count]:
    return sorted(counts, key=lambda count: (-count[1], count[0]))
