"""What the database knows of handing over in time (UP-24H) and of filing (FILE-30WD): files that stations listed and
that are not here, recordings that came in late, recordings in no case, recorded reasons for a delay.

A listed file belongs to the docking that listed it first: its time does not begin anew when the camera is docked again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Float, Row, Select, and_, exists, func, literal, or_, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from storage.catalogue.tables import (
    Assignment,
    Case,
    Delay,
    Device,
    DockedFile,
    Docking,
    Original,
    Recording,
    Reminder,
    Utc,
)


class SecondsBetween(GenericFunction[float]):
    """Seconds from the first moment to the second, fractions included."""

    type = Float()
    inherit_cache = True


@compiles(SecondsBetween, "sqlite")
def _sqlite(element: SecondsBetween, compiler: SQLCompiler, **given: Any) -> str:
    first, second = [compiler.process(each, **given) for each in element.clauses]
    return f"((julianday({second}) - julianday({first})) * 86400.0)"


@compiles(SecondsBetween, "postgresql")
def _postgresql(element: SecondsBetween, compiler: SQLCompiler, **given: Any) -> str:
    first, second = [compiler.process(each, **given) for each in element.clauses]
    return f"extract(epoch from ({second} - {first}))"


@dataclass(frozen=True, slots=True)
class Listed:
    """`files` files that one docking listed first and that are not here."""

    docking: str
    device: str
    station: str
    station_time: datetime
    received: datetime
    files: int

    @property
    def listed(self) -> datetime:
        """When the camera was docked: by the station's clock, but never after the server heard of it."""
        return min(self.station_time, self.received)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """Which listed files; empty fields don't narrow. `officer`: identifier of a user who wears their device now, or
    wore it when it was docked.
    """

    device: str = ""
    station: str = ""
    text: str = ""
    """Part of the path."""
    officer: str = ""


def _first_listed(narrowed: Narrowed) -> Select[DockedFile, Docking]:
    """(docking, path) of each file that is not here, at its first listing."""
    place = func.row_number().over(
        partition_by=DockedFile.sha256, order_by=(Docking.received, Docking.id, DockedFile.path)
    )
    every = (
        select(DockedFile.docking_id, DockedFile.path, place.label("place"))
        .join(Docking, Docking.id == DockedFile.docking_id)
        .outerjoin(Original, Original.sha256 == DockedFile.sha256)
        .where(Original.sha256.is_(None))
    ).subquery()
    query = (
        select(DockedFile, Docking)
        .join(every, (every.c.docking_id == DockedFile.docking_id) & (every.c.path == DockedFile.path))
        .join(Docking, Docking.id == DockedFile.docking_id)
        .where(every.c.place == 1)
    )
    return query.where(*_conditions(narrowed))


def _conditions(narrowed: Narrowed) -> list[ColumnElement[bool]]:
    mine = select(Device.serial).where(Device.officer_id == narrowed.officer)
    then = (
        select(Assignment.officer_id)
        .where(Assignment.device_serial == Docking.device_serial, Assignment.since <= Docking.received)
        .order_by(Assignment.since.desc(), Assignment.made.desc(), Assignment.id.desc())
        .limit(1)
        .correlate(Docking)
        .scalar_subquery()
    )
    return [
        condition
        for given, condition in (
            (narrowed.device, Docking.device_serial == narrowed.device),
            (narrowed.station, Docking.station_id == narrowed.station),
            (narrowed.text, DockedFile.path.icontains(narrowed.text, autoescape=True)),
            (narrowed.officer, or_(Docking.device_serial.in_(mine), then == narrowed.officer)),
        )
        if given
    ]


def listed(session: Session, narrowed: Narrowed) -> list[Listed]:
    """The dockings with files that are not here, oldest first."""
    columns = (Docking.id, Docking.device_serial, Docking.station_id, Docking.station_time, Docking.received)
    query = _first_listed(narrowed).with_only_columns(*columns, func.count()).group_by(*columns)
    return [Listed(*row) for row in session.execute(query.order_by(Docking.received, Docking.id))]


def files(
    session: Session, narrowed: Narrowed, dockings: Collection[str]
) -> dict[str, list[tuple[DockedFile, Docking]]]:
    """The files that these dockings listed first and that are not here, by docking, ordered by path."""
    query = _first_listed(narrowed).where(Docking.id.in_(list(dockings))).order_by(DockedFile.path)
    found: dict[str, list[tuple[DockedFile, Docking]]] = {}
    for file, docking in session.execute(query):
        found.setdefault(docking.id, []).append((file, docking))
    return found


def delays(session: Session, serials: Collection[str]) -> dict[tuple[str, date], Delay]:
    """Recorded reasons of these devices, by device and day."""
    found: dict[tuple[str, date], Delay] = {}
    several = list(serials)
    for start in range(0, len(several), 500):  # databases limit how many values a statement may name
        query = select(Delay).where(Delay.device_serial.in_(several[start : start + 500]))
        found |= {(row.device_serial, row.day): row for row in session.scalars(query)}
    return found


@dataclass(frozen=True, slots=True)
class Taken:
    """A recording's times, and what it belongs to. `closed`: of its case."""

    id: str
    device: str
    officer: str | None
    started: datetime | None
    duration: float | None
    received: datetime
    closed: datetime | None = None


_TAKEN = (
    Recording.id,
    Recording.device_serial,
    Recording.officer_id,
    Recording.started,
    Recording.duration,
    Recording.received,
)
Place = tuple[datetime, str]
"""Where the next portion begins: after the recording received then, of that identifier."""


def late(
    session: Session,
    hours: float,
    since: datetime,
    *,
    officer: str = "",
    after: Place | None = None,
    newest: bool = False,
    limit: int = 500,
) -> list[Taken]:
    """Recordings received from `since` on, more than `hours` after their own end, oldest (or `newest`) first."""
    over = SecondsBetween(Recording.started, Recording.received) - func.coalesce(Recording.duration, 0.0)
    query = select(*_TAKEN).where(Recording.received >= since, Recording.started.is_not(None), over >= hours * 3600)
    if officer:
        query = query.where(Recording.officer_id == officer)
    return _portion(session, query, after, newest, limit)


def unfiled(
    session: Session,
    since: datetime,
    until: datetime,
    *,
    officer: str = "",
    after: Place | None = None,
    newest: bool = False,
    limit: int = 500,
    untold: str = "",
) -> list[Taken]:
    """Recordings received from `since` on, and made until `until`, that are in no case; and those of a case closed in
    that time whose originals are not yet in the tier of their class.

    `untold`: only those without a reminder of the key "`untold`ID".
    """
    elsewhere = exists().where(Original.recording_id == Recording.id, Original.tier != Recording.retention)
    made = func.coalesce(Recording.started, Recording.received, type_=Utc())
    loose = and_(Recording.case_id.is_(None), Recording.received >= since, made <= until)
    query = select(*_TAKEN, Case.closed).outerjoin(Case, Case.id == Recording.case_id)
    query = query.where(or_(loose, and_(Case.closed >= since, Case.closed <= until, elsewhere)))
    if officer:
        query = query.where(Recording.officer_id == officer)
    if untold:
        query = query.where(~exists().where(Reminder.key == literal(untold) + Recording.id))
    return _portion(session, query, after, newest, limit)


def _portion(session: Session, query: Any, after: Place | None, newest: bool, limit: int) -> list[Taken]:
    if after is not None:
        query = query.where(tuple_(Recording.received, Recording.id) > tuple_(literal(after[0]), literal(after[1])))
    order = (Recording.received.desc(), Recording.id.desc()) if newest else (Recording.received, Recording.id)
    rows: Sequence[Row[Any]] = session.execute(query.order_by(*order).limit(limit)).all()
    return [Taken(*tuple(row)) for row in rows]
