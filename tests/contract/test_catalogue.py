"""The catalogue's contract, on SQLite and on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select

from storage.catalogue import custody, jobs
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Base, Entry, Job, Station
from storage.errors import Transient
from storage.records import Actor, CustodyEvent, JobKind, JobState

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'liuhen.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def catalogue(url: str) -> Iterator[Catalogue]:
    opened = Catalogue(url)
    opened.migrate()
    yield opened
    opened.close()


def add_station(catalogue: Catalogue, name: str) -> None:
    with catalogue.write() as session:
        session.add(Station(id=name, public_key="", created=NOON))


def stations(catalogue: Catalogue) -> set[str]:
    with catalogue.read() as session:
        return set(session.scalars(select(Station.id)))


def event(event_id: str, subject: str = "recording:r") -> CustodyEvent:
    return CustodyEvent(event_id, "view.opened", NOON, Actor("user", "li"), subject, {"n": 1, "名": "值"})


def test_the_migrations_make_the_schema_of_the_tables(catalogue: Catalogue) -> None:
    with catalogue.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert differences == []


def test_migrating_again_changes_nothing(catalogue: Catalogue) -> None:
    add_station(catalogue, "ST-01")
    catalogue.migrate()
    assert stations(catalogue) == {"ST-01"}


def test_a_transaction_is_kept_whole_or_not_at_all(catalogue: Catalogue) -> None:
    with pytest.raises(RuntimeError), catalogue.write() as session:
        session.add(Station(id="ST-01", public_key="", created=NOON))
        session.flush()
        raise RuntimeError
    assert stations(catalogue) == set()


def test_what_a_reader_changes_is_not_kept(catalogue: Catalogue) -> None:
    with catalogue.read() as session:
        session.add(Station(id="ST-01", public_key="", created=NOON))
        session.flush()
    assert stations(catalogue) == set()


def test_times_come_back_in_utc(catalogue: Catalogue) -> None:
    add_station(catalogue, "ST-01")
    with catalogue.read() as session:
        assert session.get_one(Station, "ST-01").created == NOON


def test_a_time_without_a_zone_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(Exception, match="without a zone"), catalogue.write() as session:
        session.add(Station(id="ST-01", public_key="", created=NOON.replace(tzinfo=None)))


def test_writers_of_many_threads_all_get_through(catalogue: Catalogue) -> None:
    names = {f"ST-{number}" for number in range(40)}
    threads = [threading.Thread(target=add_station, args=(catalogue, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stations(catalogue) == names


def test_writers_of_many_processes_all_get_through(catalogue: Catalogue, url: str) -> None:
    program = (
        "import sys; from datetime import datetime, UTC\n"
        "from storage.catalogue.catalogue import Catalogue; from storage.catalogue.tables import Station\n"
        "catalogue = Catalogue(sys.argv[1])\n"
        "for n in range(25):\n"
        "  with catalogue.write() as s:\n"
        "    s.add(Station(id=f'{sys.argv[2]}-{n}', public_key='', created=datetime.now(UTC)))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, url, name]) for name in ("A", "B", "C")]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert len(stations(catalogue)) == 75


def test_an_event_is_recorded_once(catalogue: Catalogue) -> None:
    for _ in range(2):
        with catalogue.write() as session:
            custody.record(session, event("e1"))
    with catalogue.read() as session:
        drafts = session.scalars(select(Entry.draft)).all()
    assert len(drafts) == 1
    assert drafts[0].decode() == (
        '{"id":"e1","event":"view.opened","time":"2026-11-20T04:00:00.000Z",'
        '"actor":{"kind":"user","id":"li"},"subject":"recording:r","payload":{"n":1,"名":"值"}}'
    )


def test_a_chain_is_only_its_subjects_events(catalogue: Catalogue) -> None:
    with catalogue.write() as session:
        for number, subject in enumerate(["recording:a", "recording:b", "recording:a"]):
            custody.record(session, event(f"e{number}", subject))
    with catalogue.read() as session:
        assert [entry.event_id for entry in custody.chain(session, "recording:a")] == ["e0", "e2"]


def queue(catalogue: Catalogue, key: str = "analyse:x", **more: datetime) -> str:
    with catalogue.write() as session:
        jobs.enqueue(session, JobKind.ANALYSE, "x", key=key, now=NOON, **more)
    with catalogue.read() as session:
        return str(session.scalar(select(Job.id).where(Job.key == key)))


def claim(catalogue: Catalogue, job_id: str, now: datetime = NOON) -> Job | None:
    with catalogue.write() as session:
        return jobs.claim(session, job_id, "w1", now)


def test_a_job_is_queued_once_per_key(catalogue: Catalogue) -> None:
    assert queue(catalogue) == queue(catalogue)


def test_a_job_is_claimed_by_one_worker(catalogue: Catalogue) -> None:
    job_id = queue(catalogue)
    assert claim(catalogue, job_id) is not None
    assert claim(catalogue, job_id) is None


def test_a_job_waits_for_its_time(catalogue: Catalogue) -> None:
    job_id = queue(catalogue, run_at=NOON + timedelta(hours=1))
    with catalogue.read() as session:
        assert jobs.due(session, NOON) == []
        assert jobs.due(session, NOON + timedelta(hours=2)) == [(job_id, 0)]


def test_a_job_whose_lease_ran_out_goes_to_the_next_and_the_first_can_no_longer_finish(catalogue: Catalogue) -> None:
    job_id = queue(catalogue)
    first = claim(catalogue, job_id)
    later = NOON + jobs.LEASE + timedelta(seconds=1)
    second = claim(catalogue, job_id, later)
    assert first is not None and second is not None and second.attempt == 2
    with catalogue.write() as session:
        assert not jobs.complete(session, first, later)
        assert not jobs.renew(session, first, later, 0.5)
        assert jobs.complete(session, second, later)
    assert claim(catalogue, job_id, later + timedelta(days=1)) is None


def test_a_renewed_lease_keeps_the_job(catalogue: Catalogue) -> None:
    job_id = queue(catalogue)
    job = claim(catalogue, job_id)
    assert job is not None
    with catalogue.write() as session:
        assert jobs.renew(session, job, NOON + jobs.LEASE, 0.5)
    assert claim(catalogue, job_id, NOON + jobs.LEASE + timedelta(seconds=1)) is None


def test_a_failed_job_waits_longer_each_time_and_then_stays_failed(catalogue: Catalogue) -> None:
    job_id, now, pauses = queue(catalogue), NOON, []
    for _ in range(jobs.MAX_ATTEMPTS):
        job = claim(catalogue, job_id, now)
        assert job is not None
        with catalogue.write() as session:
            assert jobs.fail(session, job, now, "store down", retry=True)
        with catalogue.read() as session:
            row = session.get_one(Job, job_id)
        if row.state == JobState.QUEUED:
            pauses.append(row.run_at - now)
            now = row.run_at
    assert row.state == JobState.FAILED and row.error == "store down"
    assert pauses == sorted(pauses) and pauses[0] < pauses[-1]


def test_a_job_that_can_never_succeed_is_not_tried_again(catalogue: Catalogue) -> None:
    job = claim(catalogue, queue(catalogue))
    assert job is not None
    with catalogue.write() as session:
        jobs.fail(session, job, NOON, "unreadable", retry=False)
    with catalogue.read() as session:
        assert session.get_one(Job, job.id).state == JobState.FAILED


def test_a_database_that_is_down_is_one_clear_error() -> None:
    down = Catalogue("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Transient, match="database is unavailable"):
        down.check()
    down.close()
