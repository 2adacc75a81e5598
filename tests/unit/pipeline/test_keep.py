"""Keeping: classes are only raised, moves are copy → verify → release, nothing goes before its time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from pipeline.intake import chunks_key, original_key
from pipeline.jobs import JobRunner
from pipeline.tier import Tier, derivative_key, set_retention
from storage.catalogue.tables import Derivative, Job, Original, Recording
from storage.errors import IntegrityError, Refused
from storage.records import Actor, JobKind, JobState, RetentionClass

if TYPE_CHECKING:
    from tests.support.web import Bureau, Kept

LONG, FIVE = RetentionClass.LONG_TERM, RetentionClass.FIVE_YEARS
WHO = Actor("user", "officer")


def raise_class(office: Bureau, kept: Kept, to: RetentionClass = LONG) -> None:
    policy = office.services.policy.retention
    with office.services.catalogue.write() as session:
        recording = session.get_one(Recording, kept.recording)
        set_retention(session, recording, to, grounds=["objection"], actor=WHO, now=office.clock.now, policy=policy)


def jobs(office: Bureau, kind: JobKind) -> list[Job]:
    with office.services.catalogue.read() as session:
        return list(session.scalars(select(Job).where(Job.kind == kind)))


def run(office: Bureau, kind: JobKind) -> list[Job]:
    for job in jobs(office, kind):
        office.services.runner.run(job.id)
    return jobs(office, kind)


def row(office: Bureau, sha256: str) -> Original:
    with office.services.catalogue.read() as session:
        return session.get_one(Original, sha256)


def test_raising_a_class_is_logged_and_queues_the_move_and_a_master(office: Bureau, kept: Kept) -> None:
    raise_class(office, kept)
    event, actor, payload = office.events(f"recording:{kept.recording}")[-1]
    assert (event, actor) == ("retention.set", "user:officer")
    assert payload == {"from": "five_years", "to": "long_term", "grounds": ["objection"], "keep_until": None}
    assert kept.original in [job.subject for job in jobs(office, JobKind.TIER)]
    assert [job.args for job in jobs(office, JobKind.MASTER) if job.subject == kept.original] == [
        {"retention": "long_term"}
    ]


def test_a_class_is_never_lowered(office: Bureau, kept: Kept) -> None:
    raise_class(office, kept)
    with pytest.raises(Refused, match="can't be made short-term"):
        raise_class(office, kept, FIVE)


def test_raising_twice_changes_nothing(office: Bureau, kept: Kept) -> None:
    raise_class(office, kept)
    before = office.events(f"recording:{kept.recording}")
    raise_class(office, kept)
    assert office.events(f"recording:{kept.recording}") == before


def test_a_move_takes_everything_along_and_locks_it(office: Bureau, kept: Kept) -> None:
    raise_class(office, kept)
    assert {job.state for job in run(office, JobKind.TIER)} == {JobState.DONE}
    long_term = office.services.tiers[LONG]
    with office.services.catalogue.read() as session:
        made = session.scalars(select(Derivative).where(Derivative.original_sha256 == kept.original)).all()
    keys = [original_key(kept.original), chunks_key(kept.original), *(derivative_key(each.sha256) for each in made)]
    assert len(keys) > 2
    for key in keys:
        stat = long_term.stat(key)
        assert stat is not None and stat.retain_until is not None
        assert stat.retain_until > office.clock.now + timedelta(days=365 * 90)
    assert row(office, kept.original).tier == LONG
    assert {each.tier for each in made} == {LONG}
    assert "tier.moved" in [event for event, _, _ in office.events(f"recording:{kept.recording}")]


def test_the_copy_left_behind_goes_only_when_its_lock_ends(office: Bureau, kept: Kept) -> None:
    raise_class(office, kept)
    run(office, JobKind.TIER)
    releases = jobs(office, JobKind.RELEASE)
    assert releases and all(job.run_at > office.clock.now + timedelta(days=365 * 4) for job in releases)
    assert all(not office.services.runner.run(job.id) for job in releases)
    key = original_key(kept.original)
    with pytest.raises(Refused):
        office.services.tiers[FIVE].delete(key)
    assert office.services.tiers[FIVE].stat(key) is not None


class Rotten:
    """A long-term store that gives back one other byte."""

    def __init__(self, inner: object) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        content = b"".join(self._inner.open(key))  # type: ignore[attr-defined]
        yield bytes([content[0] ^ 1]) + content[1:]


def test_a_copy_that_reads_back_differently_is_not_pointed_to(office: Bureau, kept: Kept) -> None:
    services = office.services
    raise_class(office, kept)
    tiers = {FIVE.value: services.tiers[FIVE], LONG.value: Rotten(services.tiers[LONG])}
    tier = Tier(services.catalogue, tiers, services.policy.retention, office.clock)  # type: ignore[arg-type]
    (job,) = [job for job in jobs(office, JobKind.TIER) if job.subject == kept.original]
    with pytest.raises(IntegrityError, match="reads back differently"):
        tier.run(job, lambda _: None)
    JobRunner(services.catalogue, {JobKind.TIER: tier.run}, office.clock).run(job.id)
    assert row(office, kept.original).tier == FIVE
    assert jobs(office, JobKind.TIER)[0].state == JobState.FAILED
    content = b"".join(services.tiers[FIVE].open(original_key(kept.original)))
    assert hashlib.sha256(content).hexdigest() == kept.original
