"""Jobs that come again: exactly one run waits, whatever fails, dies or starts twice."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from pipeline.jobs import Finish, JobRunner, Progress
from pipeline.schedule import Recurring, Schedule, every
from storage.catalogue import jobs as table
from storage.catalogue import worklist
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, Job
from storage.errors import Refused, Transient
from storage.records import JobKind

PAUSE = timedelta(hours=1)
START = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def catalogue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalogue]:
    url = f"sqlite:///{tmp_path / 'liuhen.db'}"
    opened = Catalogue(url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url")))
    opened.migrate()
    yield opened
    opened.close()


class Desk:
    """A schedule of one kind, and a way to carry out its next run."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.now = START
        self.schedule = Schedule(catalogue, [Recurring(JobKind.TIMESTAMP, every(PAUSE))], lambda: self.now)

    def rows(self) -> list[Job]:
        with self.catalogue.read() as session:
            return list(session.scalars(select(Job).order_by(Job.key)))

    def waiting(self) -> Job:
        (job,) = [job for job in self.rows() if job.state in ("queued", "running")]
        return job

    def run(self, handler: Callable[[Job, Progress], Finish]) -> bool:
        """At the next run's own time."""
        job = self.waiting()
        self.now = max(self.now, job.run_at)
        runner = JobRunner(self.catalogue, {JobKind.TIMESTAMP: handler}, lambda: self.now, self.schedule.ended)
        return runner.run(job.id)


@pytest.fixture
def desk(catalogue: Catalogue) -> Desk:
    return Desk(catalogue)


def well(job: Job, progress: Progress) -> Finish:
    return lambda session: None


def test_the_first_run_is_queued_at_the_first_start_and_only_then(desk: Desk) -> None:
    desk.schedule.start()
    first = desk.waiting()
    desk.now += PAUSE / 2
    desk.schedule.start()
    assert desk.waiting().id == first.id
    assert first.run_at == START + PAUSE


def test_the_end_of_a_run_queues_the_next(desk: Desk) -> None:
    desk.schedule.start()
    assert desk.run(well)
    assert desk.waiting().run_at == START + 2 * PAUSE


def test_finished_runs_do_not_pile_up(desk: Desk) -> None:
    desk.schedule.start()
    for _ in range(12):
        assert desk.run(well)
    assert [job.state for job in desk.rows()] == ["done", "queued"]


def test_a_run_that_failed_for_good_does_not_end_the_schedule(desk: Desk) -> None:
    def refused(job: Job, progress: Progress) -> Finish:
        raise Refused("不行", "no")

    desk.schedule.start()
    assert desk.run(refused)
    assert [job.state for job in desk.rows()] == ["failed", "queued"]
    assert desk.waiting().run_at == desk.now + PAUSE


def test_a_run_that_is_retried_is_still_the_one_that_waits(desk: Desk) -> None:
    def busy(job: Job, progress: Progress) -> Finish:
        raise Transient("忙", "busy")

    desk.schedule.start()
    first = desk.waiting()
    for _ in range(table.MAX_ATTEMPTS - 1):
        assert desk.run(busy)
        assert desk.waiting().id == first.id
    assert desk.run(busy)
    assert desk.waiting().id != first.id


def test_what_a_run_writes_and_its_next_run_are_one_transaction(desk: Desk) -> None:
    def torn(job: Job, progress: Progress) -> Finish:
        def finish(session: Session) -> None:
            raise Refused("不行", "no")

        return finish

    desk.schedule.start()
    assert desk.run(torn)
    assert [job.state for job in desk.rows()] == ["failed", "queued"]


def test_other_jobs_leave_the_schedule_alone(desk: Desk) -> None:
    with desk.catalogue.write() as session:
        table.enqueue(session, JobKind.ANALYSE, "r", key="k", now=START)
    (job,) = desk.rows()
    runner = JobRunner(desk.catalogue, {JobKind.ANALYSE: well}, lambda: desk.now, desk.schedule.ended)
    assert runner.run(job.id)
    assert len(desk.rows()) == 1


def test_a_run_can_be_had_now(desk: Desk) -> None:
    job = desk.schedule.hasten(JobKind.TIMESTAMP)
    assert (desk.waiting().id, desk.waiting().run_at) == (job, START)
    assert desk.schedule.hasten(JobKind.TIMESTAMP) == job


def test_a_clock_that_was_ahead_does_not_hold_the_schedule_up(desk: Desk) -> None:
    desk.now = START + timedelta(days=10_000)
    desk.schedule.start()
    desk.now = START
    desk.schedule.start()
    assert desk.waiting().run_at == START + PAUSE


def test_a_kind_that_is_no_longer_wanted_is_forgotten(desk: Desk) -> None:
    desk.schedule.start()
    Schedule(desk.catalogue, [], lambda: desk.now).start()
    assert desk.rows() == []


def test_what_waits_for_its_hour_is_no_work_that_somebody_waits_for(desk: Desk) -> None:
    desk.schedule.start()
    with desk.catalogue.read() as session:
        assert worklist.unfinished_jobs(session, START) == []


def test_many_that_start_at_once_queue_one_run(desk: Desk) -> None:
    gate = threading.Barrier(8)

    def start() -> None:
        gate.wait()
        desk.schedule.start()

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(desk.rows()) == 1


@pytest.mark.services
def test_one_that_starts_between_two_questions_of_another_queues_no_second_run(postgres_url: str) -> None:
    catalogue = Catalogue(postgres_url)
    catalogue.migrate()
    slow, quick = Desk(catalogue), Desk(catalogue)
    started: list[threading.Thread] = []

    def overtake(*_: object) -> None:
        if not started:
            started.append(threading.Thread(target=quick.schedule.start))
            started[0].start()
            started[0].join()

    event.listen(catalogue.engine, "after_cursor_execute", overtake)
    slow.schedule.start()
    assert started
    assert len(slow.rows()) == 1
    catalogue.close()


WORKER = """
import sys, time
from datetime import timedelta
from pipeline.jobs import JobRunner, Workers, make_broker
from pipeline.schedule import Recurring, Schedule, every
from storage.catalogue import jobs as table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device
from storage.clock import now
from storage.records import JobKind

table.LEASE = timedelta(seconds=1)
catalogue = Catalogue(sys.argv[1])
schedule = Schedule(catalogue, [Recurring(JobKind.TIMESTAMP, every(timedelta(0)))], now)

def handler(job, progress):
    return lambda session: session.add(Device(serial=job.id, created=now()))

runner = JobRunner(catalogue, {JobKind.TIMESTAMP: handler}, now, schedule.ended)
workers = Workers(catalogue, runner, make_broker(""), now)
schedule.start()
workers.start(2)
time.sleep(120)
"""


def runs(catalogue: Catalogue) -> int:
    with catalogue.read() as session:
        return len(session.scalars(select(Device.serial)).all())


def test_the_schedule_survives_workers_that_are_killed(desk: Desk) -> None:
    """Two processes at once, killed without warning again and again: the runs go on and never double."""
    desk.schedule.start()
    url = desk.catalogue.engine.url.render_as_string(hide_password=False)
    for _ in range(5):
        goal = runs(desk.catalogue) + 6
        with contextlib.ExitStack() as stack:
            workers = [stack.enter_context(subprocess.Popen([sys.executable, "-c", WORKER, url])) for _ in range(2)]
            limit = time.monotonic() + 60
            try:
                while runs(desk.catalogue) < goal:
                    assert time.monotonic() < limit, "the schedule stopped"
                    assert sum(job.state in ("queued", "running") for job in desk.rows()) == 1
                    time.sleep(0.02)
            finally:
                for worker in workers:
                    os.kill(worker.pid, signal.SIGKILL)
    assert len(desk.rows()) <= 2
