"""Durable jobs on every broker: what is queued is done once, whatever dies in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pipeline.jobs import Finish, Handler, JobRunner, Progress, Workers, make_broker
from storage.catalogue import jobs as table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, Job
from storage.clock import now
from storage.errors import Transient, Unreadable
from storage.records import JobKind, JobState


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    opened = Catalogue(f"sqlite:///{tmp_path / 'liuhen.db'}")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture(
    params=["embedded", *(pytest.param(name, marks=pytest.mark.services) for name in ("redis_url", "amqp_url"))]
)
def broker_url(request: pytest.FixtureRequest) -> str:
    return "" if request.param == "embedded" else str(request.getfixturevalue(request.param))


def queue(catalogue: Catalogue, count: int) -> None:
    with catalogue.write() as session:
        for number in range(count):
            table.enqueue(session, JobKind.ANALYSE, f"s{number}", key=f"k{number}", now=now())


def note_done(job: Job) -> Finish:
    """Writes one row whose name tells the job: a job finished twice would break its primary key."""

    def finish(session: Session) -> None:
        session.add(Device(serial=job.id, created=now()))

    return finish


def ordinary(job: Job, progress: Progress) -> Finish:
    progress(0.5)
    return note_done(job)


def until(condition: Callable[[], bool], patience: float = 60.0) -> None:
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.05)


def states(catalogue: Catalogue) -> dict[str, int]:
    with catalogue.read() as session:
        rows = session.execute(select(Job.state, func.count()).group_by(Job.state)).all()
    return {str(state): int(count) for state, count in rows}


def devices(catalogue: Catalogue) -> int:
    with catalogue.read() as session:
        return int(session.scalar(select(func.count()).select_from(Device)) or 0)


def run_with(catalogue: Catalogue, broker_url: str, handler: Handler) -> Workers:
    runner = JobRunner(catalogue, {JobKind.ANALYSE: handler}, now)
    workers = Workers(catalogue, runner, make_broker(broker_url), now)
    workers.start(2)
    return workers


def test_every_job_is_done_exactly_once(catalogue: Catalogue, broker_url: str) -> None:
    queue(catalogue, 25)
    workers = run_with(catalogue, broker_url, ordinary)
    try:
        until(lambda: states(catalogue) == {"done": 25})
    finally:
        workers.stop()
    assert devices(catalogue) == 25


def test_the_background_waits_for_everything_else_and_works_one_by_one(catalogue: Catalogue) -> None:
    order: list[str] = []
    together: list[int] = []
    at_work = 0

    def slow(job: Job, progress: Progress) -> Finish:
        nonlocal at_work
        at_work += 1
        together.append(at_work)
        time.sleep(0.2)
        order.append(job.kind)
        at_work -= 1
        return note_done(job)

    def quick(job: Job, progress: Progress) -> Finish:
        order.append(job.kind)
        return note_done(job)

    with catalogue.write() as session:
        for number in range(3):
            table.enqueue(session, JobKind.DEEP, f"d{number}", key=f"d{number}", now=now())
    queue(catalogue, 6)
    runner = JobRunner(catalogue, {JobKind.ANALYSE: quick, JobKind.DEEP: slow}, now)
    workers = Workers(catalogue, runner, make_broker(""), now)
    workers.start(4)
    try:
        until(lambda: states(catalogue) == {"done": 9})
    finally:
        workers.stop()
    assert order == ["analyse"] * 6 + ["deep"] * 3
    assert together == [1, 1, 1]


def test_a_passing_fault_is_retried_and_a_lasting_one_is_not(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "BACKOFF", table.BACKOFF / 1000)
    seen: list[int] = []

    def flaky(job: Job, progress: Progress) -> Finish:
        seen.append(job.attempt)
        if job.subject == "s1":
            raise Unreadable("坏", "broken for good")
        if job.attempt < 3:
            raise Transient("忙", "busy")
        return note_done(job)

    queue(catalogue, 2)
    workers = run_with(catalogue, "", flaky)
    try:
        until(lambda: states(catalogue) == {"done": 1, "failed": 1})
    finally:
        workers.stop()
    assert sorted(seen) == [1, 1, 2, 3]
    with catalogue.read() as session:
        failed = session.scalars(select(Job).where(Job.state == JobState.FAILED)).one()
    assert failed.error == "坏 / broken for good"


def test_a_result_that_cannot_be_written_leaves_the_job_open(catalogue: Catalogue) -> None:
    def unwritable(job: Job, progress: Progress) -> Finish:
        def finish(session: Session) -> None:
            session.add(Device(serial="half", created=now()))
            session.flush()
            raise Transient("满", "disk full")

        return finish

    queue(catalogue, 1)
    with catalogue.read() as session:
        job_id = session.scalars(select(Job.id)).one()
    assert JobRunner(catalogue, {JobKind.ANALYSE: unwritable}, now).run(job_id)
    assert states(catalogue) == {"queued": 1}
    assert devices(catalogue) == 0


def test_the_lease_is_kept_while_a_handler_works_and_progress_is_seen(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = threading.Event()

    def slow(job: Job, progress: Progress) -> Finish:
        progress(0.25)
        release.wait(30)
        return note_done(job)

    def shown() -> float:
        with catalogue.read() as session:
            return float(session.scalars(select(Job.progress)).one())

    queue(catalogue, 1)
    workers = run_with(catalogue, "", slow)
    try:
        until(lambda: shown() == 0.25)
        release.set()
        until(lambda: states(catalogue) == {"done": 1})
    finally:
        release.set()
        workers.stop()


WORKER = """
import sys, time
from pipeline.jobs import JobRunner, Workers, make_broker
from storage.catalogue import jobs as table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device
from storage.clock import now
from storage.records import JobKind
from datetime import timedelta

table.LEASE = timedelta(seconds=2)
catalogue = Catalogue(sys.argv[1])

def handler(job, progress):
    time.sleep(0.05)
    return lambda session: session.add(Device(serial=job.id, created=now()))

workers = Workers(catalogue, JobRunner(catalogue, {JobKind.ANALYSE: handler}, now), make_broker(sys.argv[2]), now)
workers.start(2)
print("started", flush=True)
time.sleep(120)
"""


def test_jobs_survive_workers_that_are_killed(catalogue: Catalogue, broker_url: str, tmp_path: Path) -> None:
    count = 40
    queue(catalogue, count)
    command = [sys.executable, "-c", textwrap.dedent(WORKER), f"sqlite:///{tmp_path / 'liuhen.db'}", broker_url]
    for quota in (5, 15, 30, count):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as worker:
            try:
                until(lambda quota=quota: devices(catalogue) >= quota)  # type: ignore[misc]
            finally:
                os.kill(worker.pid, signal.SIGKILL)
    until(lambda: states(catalogue) == {"done": count})
    assert devices(catalogue) == count
