"""The jobs table: leases, fencing and retries. The broker only says "look at job X"; the truth is here.

A job is claimed with an owner, a lease and the next attempt number. Whoever finishes must still hold that attempt:
a worker that was thought dead and comes back finds its work refused, never written over a newer run's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, and_, or_, select, update
from sqlalchemy.orm import Session

from storage.catalogue.tables import Job
from storage.clock import new_id
from storage.records import JobKind, JobState

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 6
BACKOFF = timedelta(seconds=5)
BACKGROUND = frozenset({JobKind.DEEP.value, JobKind.FIXITY.value})
"""Kinds that take long and wait until nothing else is to be done."""
SCHEDULED = "schedule:"
"""How the subject of a job begins that comes again and again (pipeline.schedule)."""


def enqueue(
    session: Session,
    kind: JobKind,
    subject: str,
    *,
    key: str,
    now: datetime,
    run_at: datetime | None = None,
    args: Mapping[str, Any] | None = None,
) -> None:
    """Write the job in its cause's transaction, to run at once or at `run_at`. A known `key` changes nothing."""
    if session.scalar(select(Job.id).where(Job.key == key)) is None:
        session.add(_job(kind, subject, key=key, now=now, run_at=run_at, args=args))


def enqueue_all(session: Session, kind: JobKind, subjects: Mapping[str, str], *, now: datetime) -> None:
    """Jobs to run at once, as `enqueue` writes them. `subjects`: the subject of each by its key."""
    known = set(session.scalars(select(Job.key).where(Job.key.in_(subjects))))
    session.add_all(_job(kind, subject, key=key, now=now) for key, subject in subjects.items() if key not in known)


def _job(
    kind: JobKind,
    subject: str,
    *,
    key: str,
    now: datetime,
    run_at: datetime | None = None,
    args: Mapping[str, Any] | None = None,
) -> Job:
    return Job(
        id=new_id(),
        kind=kind.value,
        subject=subject,
        key=key,
        args=dict(args or {}),
        run_at=run_at or now,
        created=now,
    )


def due(session: Session, now: datetime, limit: int = 64, *, background: bool = False) -> Sequence[tuple[str, int]]:
    """(identifier, attempts so far) of jobs that may run: queued and due, or running with a lease that ran out.

    Those of the kinds in BACKGROUND, or the others.
    """
    kind = Job.kind.in_(BACKGROUND) if background else Job.kind.not_in(BACKGROUND)
    query = select(Job.id, Job.attempt).where(_ready(now), kind).order_by(Job.run_at, Job.id).limit(limit)
    return [(job_id, attempt) for job_id, attempt in session.execute(query)]


def claim(session: Session, job_id: str, owner: str, now: datetime) -> Job | None:
    """Take the job for one lease, or None when another has it or it is finished."""
    taken = session.execute(
        update(Job)
        .where(Job.id == job_id, _ready(now))
        .values(state=JobState.RUNNING, owner=owner, lease_until=now + LEASE, attempt=Job.attempt + 1, progress=0.0)
    )
    return session.get(Job, job_id, populate_existing=True) if _changed(taken) else None


def renew(session: Session, job: Job, now: datetime, progress: float) -> bool:
    """Extend the lease and tell the progress (0…1). False: the job was lost to another worker; stop working."""
    return _changed(session.execute(_mine(job).values(lease_until=now + LEASE, progress=progress)))


def complete(session: Session, job: Job, now: datetime) -> bool:
    """Mark done in the transaction that holds the result. False: a newer attempt owns it; roll back."""
    return _changed(
        session.execute(_mine(job).values(state=JobState.DONE, finished=now, progress=1.0, lease_until=None, error=""))
    )


def fail(session: Session, job: Job, now: datetime, error: str, *, retry: bool) -> bool:
    """Queue again after a growing pause, or give up (not retryable, or too often)."""
    again = retry and job.attempt < MAX_ATTEMPTS
    values: dict[str, Any] = (
        {"state": JobState.QUEUED, "run_at": now + BACKOFF * 2 ** (job.attempt - 1)}
        if again
        else {"state": JobState.FAILED, "finished": now}
    )
    return _changed(session.execute(_mine(job).values(error=error, lease_until=None, **values)))


def _ready(now: datetime) -> Any:
    return or_(
        and_(Job.state == JobState.QUEUED, Job.run_at <= now),
        and_(Job.state == JobState.RUNNING, Job.lease_until < now),
    )


def _mine(job: Job) -> Any:
    return update(Job).where(Job.id == job.id, Job.attempt == job.attempt, Job.state == JobState.RUNNING)


def _changed(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount == 1
