"""Looking recordings up: the filtered list, and everything the database knows about one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, exists, func, or_, select
from sqlalchemy.orm import Session, defer

from storage.catalogue import assignments, custody
from storage.catalogue.tables import Assignment, Case, Derivative, Entry, Excuse, Job, Original, Recording, User, Utc
from storage.records import JobState


@dataclass(frozen=True, slots=True)
class Filter:
    """What to look for; empty fields don't narrow. `verdict` "none" means not analysed yet. Times are UTC."""

    text: str = ""
    device: str = ""
    officer: str = ""
    case: str = ""
    """Part of a case's number or title."""
    case_id: str = ""
    station: str = ""
    verdict: str = ""
    since: datetime | None = None
    until: datetime | None = None
    sort: str = "received"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. `size`: bytes over all segments."""

    recording: Recording
    officer: str
    case: str
    segments: int
    size: int


@dataclass(frozen=True, slots=True)
class Segment:
    """分段: one original with its place in the newest report and what was made of it."""

    original: Original
    report: Mapping[str, Any]
    derivatives: Sequence[Derivative]

    def derivative(self, kind: str) -> Derivative | None:
        return next((made for made in self.derivatives if made.kind == kind), None)


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything a recording's page tells. `names`: login and name of every user who appears, by identifier."""

    recording: Recording
    officer: User | None
    case: Case | None
    segments: Sequence[Segment]
    chain: Sequence[Entry]
    excuses: Sequence[Excuse]
    jobs: Sequence[Job]
    worn: Assignment | None = None
    """The assignment by which the officer wore the camera."""
    names: Mapping[str, str] = field(default_factory=dict)


WITHOUT_REPORT = defer(Recording.report, raiseload=True)
"""A report may be large: lists leave it in the database."""

_HAPPENED = func.coalesce(Recording.started, Recording.received, type_=Utc())
_SORTS: Mapping[str, Any] = {
    "received": Recording.received,
    "started": _HAPPENED,
    "duration": Recording.duration,
    "device": Recording.device_serial,
    "officer": User.name,
    "verdict": Recording.verdict,
}
SORTS = frozenset(_SORTS)


def find(session: Session, wanted: Filter, *, offset: int = 0, limit: int = 50) -> tuple[list[Row], int]:
    """One page of the list and how many there are in all."""
    conditions = list(_conditions(wanted))
    total = session.scalar(_joined(select(func.count(Recording.id))).where(*conditions)) or 0
    count = select(func.count(Original.sha256)).where(Original.recording_id == Recording.id).scalar_subquery()
    size = select(func.sum(Original.size)).where(Original.recording_id == Recording.id).scalar_subquery()
    column = _SORTS.get(wanted.sort, Recording.received)
    order = column.desc() if wanted.descending else column.asc()
    query = _joined(select(Recording, User.name, Case.number, count, size)).where(*conditions).options(WITHOUT_REPORT)
    rows = session.execute(query.order_by(order, Recording.id.desc()).offset(offset).limit(limit))
    return [Row(row[0], row[1] or "", row[2] or "", row[3], int(row[4] or 0)) for row in rows], total


def dossier(session: Session, recording_id: str) -> Dossier | None:
    recording = session.get(Recording, recording_id)
    if recording is None:
        return None
    segments = _segments(session, recording)
    excuses = session.scalars(select(Excuse).where(Excuse.recording_id == recording_id).order_by(Excuse.id)).all()
    return Dossier(
        recording=recording,
        officer=session.get(User, recording.officer_id) if recording.officer_id else None,
        case=session.get(Case, recording.case_id) if recording.case_id else None,
        segments=segments,
        chain=custody.chain(session, f"recording:{recording_id}"),
        excuses=excuses,
        worn=_worn(session, recording),
        jobs=_running(session, [recording_id, *(segment.original.sha256 for segment in segments)]),
        names=user_names(session),
    )


def _worn(session: Session, recording: Recording) -> Assignment | None:
    """The assignment that gave the recording its officer; None where another did, or none is known."""
    row = assignments.valid_at(session, recording.device_serial, assignments.moment_of(session, recording))
    return row if row is not None and row.officer_id == recording.officer_id else None


def user_names(session: Session) -> dict[str, str]:
    """Names by user identifier and by login, for showing who did something. A bureau has hundreds, not millions."""
    names: dict[str, str] = {}
    for user_id, login, name in session.execute(select(User.id, User.login, User.name)):
        names[user_id] = names[login] = name
    return names


def _segments(session: Session, recording: Recording) -> list[Segment]:
    originals = session.scalars(select(Original).where(Original.recording_id == recording.id)).all()
    digests = [original.sha256 for original in originals]
    made = session.scalars(select(Derivative).where(Derivative.original_sha256.in_(digests)).order_by(Derivative.id))
    by_original: dict[str, list[Derivative]] = {}
    for derivative in made:
        by_original.setdefault(derivative.original_sha256, []).append(derivative)
    reports = {file.get("sha256"): file for file in (recording.report or {}).get("files", ())}
    ordered = sorted(originals, key=lambda row: (row.sequence is None, row.sequence or 0, row.name, row.sha256))
    return [Segment(row, reports.get(row.sha256, {}), by_original.get(row.sha256, [])) for row in ordered]


def _running(session: Session, subjects: Sequence[str]) -> Sequence[Job]:
    unfinished = Job.state != JobState.DONE.value
    return session.scalars(select(Job).where(Job.subject.in_(subjects), unfinished).order_by(Job.created)).all()


def _joined(query: Select[Any]) -> Select[Any]:
    return (
        query.select_from(Recording)
        .outerjoin(User, User.id == Recording.officer_id)
        .outerjoin(Case, Case.id == Recording.case_id)
    )


def _conditions(wanted: Filter) -> Sequence[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.text:
        found.append(_mentions(wanted.text))
    if wanted.device:
        found.append(Recording.device_serial.icontains(wanted.device, autoescape=True))
    if wanted.officer:
        found.append(
            or_(User.name.icontains(wanted.officer, autoescape=True), User.login == wanted.officer.strip().lower())
        )
    if wanted.case:
        found.append(
            or_(Case.number.icontains(wanted.case, autoescape=True), Case.title.icontains(wanted.case, autoescape=True))
        )
    if wanted.case_id:
        found.append(Recording.case_id == wanted.case_id)
    if wanted.station:
        found.append(Recording.station_id == wanted.station)
    if wanted.verdict:
        found.append(Recording.verdict.is_(None) if wanted.verdict == "none" else Recording.verdict == wanted.verdict)
    return found + _between(wanted)


def _between(wanted: Filter) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        found.append(wanted.since <= _HAPPENED)
    if wanted.until is not None:
        found.append(wanted.until > _HAPPENED)
    return found


def _mentions(text: str) -> ColumnElement[bool]:
    """The recording, one of its files, its device, officer or case says `text`; a digest or identifier begins so."""
    text = text.strip()
    in_file = exists().where(
        Original.recording_id == Recording.id,
        or_(Original.name.icontains(text, autoescape=True), Original.sha256.startswith(text.lower(), autoescape=True)),
    )
    columns = (Recording.device_serial, Recording.series, User.name, Case.number, Case.title)
    return or_(
        in_file,
        Recording.id.startswith(text.lower(), autoescape=True),
        *(column.icontains(text, autoescape=True) for column in columns),
    )
