"""What comes again and again: timestamps, fixity. One row of the jobs table for each run.

The next run is queued in the transaction that ends the last, whether that went well or failed for good, and at each
start: so neither a crash nor a failure ends a schedule. A run's row is numbered by its key, so two processes that queue
the next one at once write one row. Rows of earlier runs go, except for the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Select, delete, select, update
from sqlalchemy.exc import IntegrityError as TakenKey
from sqlalchemy.orm import Session

from storage.catalogue import jobs as table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Job
from storage.clock import Clock
from storage.records import JobKind, JobState

When = Callable[[Session, datetime], datetime]
"""When the next run is due, asked with the present time in the transaction that queues it."""

_WAITING = (JobState.QUEUED.value, JobState.RUNNING.value)


@dataclass(frozen=True, slots=True)
class Recurring:
    """A kind of job that comes again. Its handler finds what there is to do by itself: `Job.subject` says nothing."""

    kind: JobKind
    when: When


def every(pause: timedelta) -> When:
    """So long after the end of the last run, or after the first start."""
    return lambda session, now: now + pause


def subject_of(kind: JobKind) -> str:
    """The subject of all runs of one kind."""
    return f"{table.SCHEDULED}{kind.value}"


class Schedule:
    """Keeps exactly one run of each recurring kind waiting or running."""

    def __init__(self, catalogue: Catalogue, recurring: Iterable[Recurring], clock: Clock) -> None:
        self._catalogue, self._clock = catalogue, clock
        self._recurring = {each.kind: each for each in recurring}

    def start(self) -> None:
        """Queue what is not queued; bring forward what waits longer than it would now (the pause was shortened, or
        the clock was ahead); forget what is no longer wanted."""
        with self._catalogue.write() as session:
            for each in self._recurring.values():
                self._ensure(session, each)
                _bring_forward(session, each.kind, each.when(session, self._clock()))
            _forget(session, set(JobKind) - set(self._recurring))

    def ended(self, session: Session, job: Job) -> None:
        """To be called in the transaction that ends `job` (any job), or queues it again: queues its next run."""
        each = self._recurring.get(JobKind(job.kind))
        if each is not None:
            self._ensure(session, each)

    def hasten(self, kind: JobKind) -> str:
        """Make the next run of `kind` due now; its job's identifier, or that of the run that is going on."""
        with self._catalogue.write() as session:
            self._ensure(session, self._recurring[kind])
            _bring_forward(session, kind, self._clock())
            return session.scalars(_runs(kind, _WAITING)).one().id

    def _ensure(self, session: Session, each: Recurring) -> None:
        # One question: between two, another process may queue a run, which the second would take for a past one.
        last = session.scalars(_runs(each.kind)).first()
        if last is not None and last.state in _WAITING:
            return
        number = int(last.key.rpartition(":")[2]) + 1 if last else 1
        subject, now = subject_of(each.kind), self._clock()
        try:
            with session.begin_nested():
                run_at = each.when(session, now)
                table.enqueue(session, each.kind, subject, key=f"{subject}:{number:012d}", now=now, run_at=run_at)
        except TakenKey:
            return  # another process was quicker
        if last is not None:
            session.execute(delete(Job).where(Job.subject == subject, Job.key < last.key, Job.state.not_in(_WAITING)))


def _runs(kind: JobKind, states: Iterable[str] = tuple(JobState)) -> Select[Job]:
    """Rows of the kind's runs, the newest first."""
    return select(Job).where(Job.subject == subject_of(kind), Job.state.in_(states)).order_by(Job.key.desc())


def _bring_forward(session: Session, kind: JobKind, moment: datetime) -> None:
    late = (Job.subject == subject_of(kind), Job.state == JobState.QUEUED, Job.run_at > moment)
    session.execute(update(Job).where(*late).values(run_at=moment))


def _forget(session: Session, kinds: Iterable[JobKind]) -> None:
    subjects = [subject_of(kind) for kind in kinds]
    session.execute(delete(Job).where(Job.subject.in_(subjects), Job.state == JobState.QUEUED))
