"""Carrying out jobs: dramatiq brings an identifier, the jobs table says what is to be done and whether it still is.

Retries and schedules are the table's, time limits are the sandbox's kill: so the Retries and TimeLimit middleware stay
out, and a broker that loses every message loses nothing (the dispatcher sends due jobs again).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta

import dramatiq
import structlog
from dramatiq.brokers.stub import StubBroker
from sqlalchemy.orm import Session

from storage.catalogue import jobs as table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Job
from storage.clock import Clock, new_id
from storage.errors import LiuhenError, Transient
from storage.records import JobKind

Progress = Callable[[float], None]
Finish = Callable[[Session], None]
Handler = Callable[[Job, Progress], Finish]
"""Does the work and returns what is to be written; that runs in the transaction that also marks the job done."""

Ended = Callable[[Session, Job], None]
"""Told of every job that is done, failed or queued again, in the transaction that says so."""

QUEUE = "liuhen"
POLL = 0.25  # seconds between looks for due jobs
RESEND = timedelta(seconds=30)  # a message may be lost; the row is not
log = structlog.get_logger()


def _nothing(session: Session, job: Job) -> None:
    """Nobody waits for the end of a job."""


class Lost(Exception):
    """Another worker holds the job now: what was done here must not be written."""


class JobRunner:
    """Runs one job at a time per calling thread, with its lease kept alive while it works."""

    def __init__(
        self, catalogue: Catalogue, handlers: Mapping[JobKind, Handler], clock: Clock, ended: Ended = _nothing
    ) -> None:
        self._catalogue = catalogue
        self._handlers = handlers
        self._clock = clock
        self._ended = ended
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-6:]}"
        self._background = threading.Lock()

    @property
    def in_background(self) -> bool:
        """Whether a job of the background is worked on here."""
        return self._background.locked()

    def run(self, job_id: str) -> bool:
        """Claim, work, finish. False when there was nothing to claim. Errors end in the job's row, never here.

        One job of the background at a time: the other threads are for what somebody waits for.
        """
        if not self._is_background(job_id):
            return self._run(job_id)
        if not self._background.acquire(blocking=False):
            return False
        try:
            return self._run(job_id)
        finally:
            self._background.release()

    def _is_background(self, job_id: str) -> bool:
        with self._catalogue.read() as session:
            job = session.get(Job, job_id)
        return job is not None and job.kind in table.BACKGROUND

    def _run(self, job_id: str) -> bool:
        with self._catalogue.write() as session:
            job = table.claim(session, job_id, self._owner, self._clock())
        if job is None:
            return False
        log.info("job started", job=job.id, kind=job.kind, subject=job.subject, attempt=job.attempt)
        try:
            with _Lease(self._catalogue, job, self._clock) as lease:
                finish = self._handlers[JobKind(job.kind)](job, lease.progress)
            self._complete(job, finish)
        except Lost:
            log.warning("job lost to another worker", job=job.id, kind=job.kind)
        except Exception as error:
            self._fail(job, error)
        return True

    def _complete(self, job: Job, finish: Finish) -> None:
        with self._catalogue.write() as session:
            if not table.complete(session, job, self._clock()):
                raise Lost
            finish(session)
            self._ended(session, job)
        log.info("job done", job=job.id, kind=job.kind, subject=job.subject)

    def _fail(self, job: Job, error: Exception) -> None:
        retry = isinstance(error, Transient) or not isinstance(error, LiuhenError)
        words = f"{error.zh} / {error.en}" if isinstance(error, LiuhenError) else f"{type(error).__name__}: {error}"
        log.error("job failed", job=job.id, kind=job.kind, subject=job.subject, error=words, retry=retry)
        with self._catalogue.write() as session:
            if table.fail(session, job, self._clock(), words, retry=retry):
                self._ended(session, job)


class _Lease:
    """Renews the lease from a thread of its own, so that a handler deep in C code doesn't lose its job."""

    def __init__(self, catalogue: Catalogue, job: Job, clock: Clock) -> None:
        self._catalogue, self._job, self._clock = catalogue, job, clock
        self._fraction = 0.0
        self._lost = False
        self._told = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{job.id}", daemon=True)

    def __enter__(self) -> _Lease:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def progress(self, fraction: float) -> None:
        """Tell how far the work is (0…1). Raises Lost when it no longer counts."""
        if self._lost:
            raise Lost
        self._fraction = fraction

    def _keep(self) -> None:
        renewed = time.monotonic()
        while not self._stop.wait(1.0):
            if self._fraction != self._told or time.monotonic() - renewed > table.LEASE.total_seconds() / 3:
                self._renew()
                renewed = time.monotonic()

    def _renew(self) -> None:
        try:
            with self._catalogue.write() as session:
                self._lost = not table.renew(session, self._job, self._clock(), self._fraction)
            self._told = self._fraction
        except Transient:
            log.warning("lease not renewed, database down", job=self._job.id)


class Workers:
    """A dispatcher that sends due jobs to the broker, and worker threads that take them from it."""

    def __init__(self, catalogue: Catalogue, runner: JobRunner, broker: dramatiq.Broker, clock: Clock) -> None:
        self._catalogue, self._clock, self._broker, self._runner = catalogue, clock, broker, runner
        self._actor = dramatiq.actor(broker=broker, actor_name="run_job", queue_name=QUEUE)(_run_with(runner))
        self._sent: dict[tuple[str, int], float] = {}
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._dispatch, name="dispatcher", daemon=True)
        self._worker: dramatiq.Worker | None = None

    def start(self, threads: int) -> None:
        """Start dispatching; `threads` 0 leaves the work to other processes on the same broker."""
        if threads:
            self._worker = dramatiq.Worker(self._broker, worker_threads=threads, worker_timeout=100)
            self._worker.start()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:  # the start may have been given up before
            self._thread.join()
        if self._worker is not None:
            self._worker.stop(timeout=10_000)
        self._broker.close()

    def wake(self) -> None:
        """Look for due jobs now, not at the next poll."""
        self._wake.set()

    def _dispatch(self) -> None:
        while not self._stop.is_set():
            try:
                self._send_due()
            except Exception as error:
                log.warning("dispatch failed", error=str(error))
                self._stop.wait(1.0)
            self._wake.wait(POLL)
            self._wake.clear()

    def _send_due(self) -> None:
        with self._catalogue.read() as session:
            ready = table.due(session, self._clock())
            if not ready and not self._runner.in_background:
                ready = table.due(session, self._clock(), 1, background=True)
        horizon = time.monotonic() - RESEND.total_seconds()
        self._sent = {run: at for run, at in self._sent.items() if at > horizon and run in ready}
        for run in ready:
            if run not in self._sent:
                self._actor.send(run[0])
                self._sent[run] = time.monotonic()


def _run_with(runner: JobRunner) -> Callable[[str], None]:
    def run_job(job_id: str) -> None:
        runner.run(job_id)

    return run_job


def make_broker(url: str) -> dramatiq.Broker:
    """The broker of a setting: empty → in this process; redis:// or amqp:// → that server."""
    if not url:
        broker: dramatiq.Broker = StubBroker(middleware=[])
        broker.emit_after("process_boot")
    elif url.startswith("redis"):
        from dramatiq.brokers.redis import RedisBroker

        # Defaults leave a killed worker's messages for minutes; these figures hand them on at once.
        broker = RedisBroker(  # type: ignore[no-untyped-call]
            url=url, middleware=[], heartbeat_timeout=5000, maintenance_chance=1_000_000
        )
    else:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker

        broker = RabbitmqBroker(url=url, middleware=[], confirm_delivery=True)
    broker.declare_queue(QUEUE)
    return broker
