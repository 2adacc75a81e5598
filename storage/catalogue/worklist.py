"""What needs somebody today (工作台), and the lists behind the other pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from storage.catalogue.jobs import SCHEDULED
from storage.catalogue.recordings import WITHOUT_REPORT
from storage.catalogue.tables import (
    AccessRequest,
    Case,
    Device,
    DockedFile,
    Docking,
    Entry,
    Excuse,
    Export,
    Grant,
    Job,
    Original,
    Recording,
    Station,
    User,
)
from storage.records import JobState, RequestState


@dataclass(frozen=True, slots=True)
class Asked:
    """A request with its recording, and its grant and export where it has come so far."""

    request: AccessRequest
    recording: Recording
    grant: Grant | None
    export: Export | None


def requests(
    session: Session,
    *,
    requester: str = "",
    state: str = "",
    not_requester: str = "",
    recording: str = "",
    offset: int = 0,
    limit: int = 50,
) -> tuple[list[Asked], int]:
    """Requests, newest first, and how many there are. Arguments are identifiers; empty ones don't narrow."""
    narrowed = [
        condition
        for given, condition in (
            (requester, AccessRequest.requester_id == requester),
            (state, AccessRequest.state == state),
            (not_requester, AccessRequest.requester_id != not_requester),
            (recording, AccessRequest.recording_id == recording),
        )
        if given
    ]
    total = session.scalar(select(func.count(AccessRequest.id)).where(*narrowed)) or 0
    query = _asked().where(*narrowed).order_by(AccessRequest.id.desc()).offset(offset).limit(limit)
    return [Asked(*row) for row in session.execute(query)], total


def request(session: Session, request_id: str) -> Asked | None:
    row = session.execute(_asked().where(AccessRequest.id == request_id)).first()
    return Asked(*row) if row else None


def _asked() -> Any:
    return (
        select(AccessRequest, Recording, Grant, Export)
        .join(Recording, Recording.id == AccessRequest.recording_id)
        .outerjoin(Grant, Grant.request_id == AccessRequest.id)
        .outerjoin(Export, Export.request_id == AccessRequest.id)
        .options(WITHOUT_REPORT)
    )


def pending_excuses(session: Session, not_by: str) -> Sequence[tuple[Excuse, Recording]]:
    """Explanations that wait for a decision by anybody but `not_by` (who must not decide on their own)."""
    rows = session.execute(
        select(Excuse, Recording)
        .join(Recording, Recording.id == Excuse.recording_id)
        .where(Excuse.accepted.is_(None), Excuse.made_by != not_by)
        .order_by(Excuse.id)
        .limit(50)
        .options(WITHOUT_REPORT)
    )
    return [(row[0], row[1]) for row in rows]


def unexplained(session: Session, officer_id: str) -> Sequence[tuple[Recording, frozenset[str]]]:
    """The officer's recordings (and those of unregistered devices) that checks complained about, newest first, each
    with the finding codes that have an explanation already."""
    recordings = session.scalars(
        select(Recording)
        .where(
            or_(Recording.officer_id == officer_id, Recording.officer_id.is_(None)),
            Recording.verdict.in_(("interrupted", "altered", "review")),
        )
        .order_by(Recording.id.desc())
        .limit(50)
    ).all()
    explained: dict[str, set[str]] = {}
    for recording_id, code in session.execute(
        select(Excuse.recording_id, Excuse.finding_code).where(Excuse.recording_id.in_([row.id for row in recordings]))
    ):
        explained.setdefault(recording_id, set()).add(code)
    return [(row, frozenset(explained.get(row.id, ()))) for row in recordings]


def unfinished_jobs(session: Session, now: datetime, limit: int = 30) -> Sequence[Job]:
    """Running first, then waiting, oldest first; without what is planned for a later day or comes again by itself."""
    running, queued = Job.state == JobState.RUNNING, Job.state == JobState.QUEUED
    soon = and_(queued, Job.run_at <= now + timedelta(days=1), Job.subject.not_like(f"{SCHEDULED}%"))
    query = select(Job).where(or_(running, soon)).order_by(Job.state.desc(), Job.created).limit(limit)
    return session.scalars(query).all()


def jobs(session: Session, state: str = "", offset: int = 0, limit: int = 50) -> tuple[Sequence[Job], int]:
    narrowed = [Job.state == state] if state else []
    total = session.scalar(select(func.count(Job.id)).where(*narrowed)) or 0
    return session.scalars(
        select(Job).where(*narrowed).order_by(Job.id.desc()).offset(offset).limit(limit)
    ).all(), total


def subjects_of(session: Session, found: Sequence[Job]) -> dict[str, str]:
    """Which recording each job's subject (a recording, an original or a request) belongs to."""
    subjects = {job.subject for job in found}
    of: dict[str, str] = {}
    for query in (
        select(Recording.id, Recording.id).where(Recording.id.in_(subjects)),
        select(Original.sha256, Original.recording_id).where(Original.sha256.in_(subjects)),
        select(AccessRequest.id, AccessRequest.recording_id).where(AccessRequest.id.in_(subjects)),
    ):
        of.update((row[0], row[1]) for row in session.execute(query))
    return of


def job_states(session: Session) -> Mapping[str, int]:
    """How many jobs are in each state."""
    return {row[0]: row[1] for row in session.execute(select(Job.state, func.count(Job.id)).group_by(Job.state))}


def pending_requests(session: Session) -> int:
    pending = AccessRequest.state == RequestState.PENDING.value
    return session.scalar(select(func.count(AccessRequest.id)).where(pending)) or 0


def cases(session: Session, text: str = "", offset: int = 0, limit: int = 50) -> tuple[list[tuple[Case, int]], int]:
    """Cases, newest first, each with the number of its recordings."""
    said = or_(Case.number.icontains(text, autoescape=True), Case.title.icontains(text, autoescape=True))
    narrowed = [said] if text else []
    total = session.scalar(select(func.count(Case.id)).where(*narrowed)) or 0
    count = select(func.count(Recording.id)).where(Recording.case_id == Case.id).scalar_subquery()
    query = select(Case, count).where(*narrowed).order_by(Case.id.desc()).offset(offset).limit(limit)
    return [(row[0], row[1]) for row in session.execute(query)], total


def stations(session: Session) -> list[tuple[Station, int, datetime | None]]:
    """Each station with the number of its dockings and when it last reported."""
    query = (
        select(Station, func.count(Docking.id), func.max(Docking.received, type_=Docking.received.type))
        .outerjoin(Docking, Docking.station_id == Station.id)
        .group_by(Station.id)
        .order_by(Station.id)
    )
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def dockings_by_day(session: Session, station: str, since: datetime) -> Sequence[datetime]:
    """When the station's dockings since then were received, oldest first."""
    query = select(Docking.received).where(Docking.station_id == station, Docking.received >= since)
    return session.scalars(query.order_by(Docking.received)).all()


def dockings(
    session: Session, station: str = "", offset: int = 0, limit: int = 50, *, device: str = ""
) -> tuple[Sequence[Docking], int]:
    """Dockings, newest first, and how many there are. `device`: part of its serial number."""
    narrowed = [Docking.station_id == station] if station else []
    narrowed += [Docking.device_serial.icontains(device, autoescape=True)] if device else []
    total = session.scalar(select(func.count(Docking.id)).where(*narrowed)) or 0
    query = select(Docking).where(*narrowed).order_by(Docking.id.desc()).offset(offset).limit(limit)
    return session.scalars(query).all(), total


def officers_of(session: Session, serials: Collection[str]) -> dict[str, str]:
    """Names of the officers that these devices are registered for."""
    query = select(Device.serial, User.name).join(User, User.id == Device.officer_id)
    return {row[0]: row[1] for row in session.execute(query.where(Device.serial.in_(list(serials))))}


def docked_counts(session: Session, dockings: Sequence[str]) -> dict[str, tuple[int, int]]:
    """For each docking: how many files its manifest lists, and how many of them are kept as originals."""
    query = (
        select(DockedFile.docking_id, func.count(), func.count(Original.sha256))
        .outerjoin(Original, Original.sha256 == DockedFile.sha256)
        .where(DockedFile.docking_id.in_(dockings))
        .group_by(DockedFile.docking_id)
    )
    return {row[0]: (row[1], row[2]) for row in session.execute(query)}


def entries(session: Session, *, offset: int = 0, limit: int = 50, event: str = "") -> tuple[Sequence[Entry], int]:
    """Published ledger entries, newest first."""
    narrowed = [Entry.index.is_not(None)] + ([Entry.event == event] if event else [])
    total = session.scalar(select(func.count(Entry.id)).where(*narrowed)) or 0
    query = select(Entry).where(*narrowed).order_by(Entry.index.desc()).offset(offset).limit(limit)
    return session.scalars(query).all(), total


def entry(session: Session, index: int) -> Entry | None:
    return session.scalar(select(Entry).where(Entry.index == index))
