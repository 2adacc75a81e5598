"""拒收: looking up what came in and was not accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from storage.catalogue.tables import Rejection


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which; empty fields don't narrow. `seen`: "no" or "yes"."""

    text: str = ""
    """Part of the path, the device or a digest."""
    station: str = ""
    door: str = ""
    code: str = ""
    seen: str = ""
    descending: bool = True


def find(session: Session, wanted: Wanted, *, offset: int = 0, limit: int = 50) -> tuple[Sequence[Rejection], int]:
    """One page, and how many there are."""
    conditions = _conditions(wanted)
    total = session.scalar(select(func.count()).select_from(Rejection).where(*conditions)) or 0
    order = (Rejection.made.desc(), Rejection.id.desc()) if wanted.descending else (Rejection.made, Rejection.id)
    query = select(Rejection).where(*conditions).order_by(*order)
    return session.scalars(query.offset(offset).limit(limit)).all(), total


def unseen(session: Session) -> int:
    return session.scalar(select(func.count()).select_from(Rejection).where(Rejection.seen.is_(None))) or 0


def by_station(session: Session) -> dict[str, tuple[int, int]]:
    """For each station: how many of its files were refused, and how many of them nobody has looked into."""
    query = select(Rejection.station_id, func.count(), func.count(Rejection.seen)).group_by(Rejection.station_id)
    return {row[0]: (row[1], row[1] - row[2]) for row in session.execute(query) if row[0] is not None}


def choices(session: Session) -> tuple[list[str], list[str]]:
    """The doors and the codes that occur, for a filter."""
    doors, codes = (session.scalars(select(column).distinct()) for column in (Rejection.door, Rejection.code))
    return sorted(doors), sorted(codes)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    said = or_(
        Rejection.path.icontains(wanted.text, autoescape=True),
        Rejection.device_serial.icontains(wanted.text, autoescape=True),
        Rejection.expected.startswith(wanted.text.lower(), autoescape=True),
        Rejection.received.startswith(wanted.text.lower(), autoescape=True),
    )
    seen = Rejection.seen.is_not(None) if wanted.seen == "yes" else Rejection.seen.is_(None)
    return [
        condition
        for given, condition in (
            (wanted.text, said),
            (wanted.station, Rejection.station_id == wanted.station),
            (wanted.door, Rejection.door == wanted.door),
            (wanted.code, Rejection.code == wanted.code),
            (wanted.seen, seen),
        )
        if given
    ]
