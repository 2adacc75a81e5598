"""固化检查 Fixity: stored files are read again, oldest check first, and held against their ledger entries.

A run ends after some minutes and leaves everything it learned in the table `fixity`; the next one goes on there, also
after a crash. A file that is not as its entry says is an event on its recording's chain, once for each state it comes
into, and is repaired from a good copy where there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from pipeline.fixity.expected import Altered, Expectations, Expected
from pipeline.fixity.look import Outcome, look
from pipeline.fixity.pace import Pace
from pipeline.fixity.repair import Mender, Repaired
from pipeline.jobs import Finish, Progress
from pipeline.policy import FixityPolicy
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import fixity as rows
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.fixity import BAD, State
from storage.catalogue.tables import Fixity, Job
from storage.clock import Clock, iso, new_id
from storage.errors import IntegrityError, LiuhenError, Transient
from storage.records import Actor, CustodyEvent

SERVICE = Actor("service", "fixity")
SUBJECT = "ledger:fixity"
AGAIN = timedelta(days=1)  # when a file that is not in order is looked at (and its repair tried) again
SAVED = 64 << 20  # bytes of a large original between two notes of where its check stands
LEDGER_ERRORS = 5  # so many entries that can't be proven mean that the ledger is damaged, not the files
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Means:
    """What the sweep works with. `pace` is made anew for each run."""

    catalogue: Catalogue
    tiers: Mapping[str, BlobStore]
    expectations: Expectations
    mender: Mender
    policy: FixityPolicy
    clock: Clock
    pace: Callable[[], Pace]
    monotonic: Callable[[], float] = time.monotonic


class Sweep:
    """The handler of the job `fixity`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def run(self, job: Job, progress: Progress) -> Finish:
        """Check what is due, for so many minutes. Raises Transient when a store or the database is down."""
        _Run(self._means, progress).go()
        return self._finish

    def when(self, session: Session, now: datetime) -> datetime:
        """In a minute while something is due, else in an hour."""
        return now + timedelta(minutes=1 if rows.due(session, now)[0] else 60)

    def _finish(self, session: Session) -> None:
        now = self._means.clock()
        last = rows.last_event(session, SUBJECT, "fixity.passed")
        files, size, oldest = rows.passed(session)
        if not files or (last is not None and now - last < timedelta(days=1)):
            return
        payload = {
            "files": files,
            "bytes": size,
            "oldest": iso(oldest) if oldest else None,
            "bad": rows.alarms(session),
        }
        custody.record(session, CustodyEvent(new_id(), "fixity.passed", now, SERVICE, SUBJECT, payload))


class _Run:
    """One bounded stretch of the sweep."""

    def __init__(self, means: Means, progress: Progress) -> None:
        self._means, self._progress = means, progress
        self._pace = means.pace()
        self._end = means.monotonic() + means.policy.minutes * 60
        self._read = self._total = self._since_saved = self._ledger_errors = 0

    def go(self) -> None:
        self._sync()
        self._refuse_empty()
        while not self._over():
            with self._means.catalogue.read() as session:
                blob = rows.next_due(session, self._means.clock())
            if blob is None:
                return
            self._check(blob)

    def _over(self) -> bool:
        return self._means.monotonic() >= self._end

    def _sync(self) -> None:
        catalogue, now = self._means.catalogue, self._means.clock()
        with catalogue.read() as reading:
            for batch in rows.missing(reading):
                with catalogue.write() as session:
                    rows.add(session, batch, now)
        with catalogue.read() as session:
            moved = rows.moved(session)
        for tier, key in moved:
            with catalogue.write() as session:
                rows.drop(session, tier, key)
        with catalogue.read() as session:
            self._total = rows.due(session, now)[1]

    def _refuse_empty(self) -> None:
        """A store that has nothing at all of what it should have is not mounted, or wholly lost: no matter of single
        files, and nothing must be put into it. Raises Transient."""
        with self._means.catalogue.read() as session:
            expected = [tier.tier for tier in rows.tiers(session)]
        for tier in expected:
            if next(iter(self._means.tiers[tier].keys()), None) is None:
                raise Transient(
                    f"存储层 {tier} 是空的，而数据库中有它的文件；请检查磁盘是否已挂载。",
                    f"the tier {tier} is empty, yet the database has files in it: check that its disk is mounted",
                )

    def _count(self, count: int) -> None:
        self._pace.spend(count)
        self._read += count
        self._since_saved += count
        self._progress(min(self._read / max(self._total, 1), 0.999))

    def _check(self, blob: Fixity) -> None:
        try:
            wanted = self._means.expectations.of(blob)
        except Altered as error:
            found = {"said": dict(error.said), "row": dict(error.row)} if error.said or error.row else {}
            self._write(blob, None, Outcome(State.ALTERED, found, why=(error.zh, error.en)))
            return
        except IntegrityError as error:
            self._ledger_errors += 1
            self._write(blob, None, Outcome(State.ALTERED, why=(error.zh, error.en)))
            if self._ledger_errors >= LEDGER_ERRORS:
                raise
            return
        if wanted is None:
            self._postpone(blob)
            return
        self._since_saved = 0
        store = self._means.tiers[wanted.tier]
        outcome = look(store, wanted, self._count, resume=blob.resume, save=lambda state: self._save(blob, state))
        if outcome is not None:
            self._write(blob, wanted, outcome)
            if outcome.state in BAD:
                self._repair(blob, wanted, outcome)

    def _postpone(self, blob: Fixity) -> None:
        with self._means.catalogue.write() as session:
            if (row := session.get(Fixity, (blob.tier, blob.key))) is not None:
                row.due = self._means.clock() + timedelta(hours=1)

    def _save(self, blob: Fixity, state: Mapping[str, Any]) -> bool:
        """Note where the check stands, now and then and at the end of the run."""
        over = self._over()
        if over or self._since_saved >= SAVED:
            self._since_saved = 0
            with self._means.catalogue.write() as session:
                if (row := session.get(Fixity, (blob.tier, blob.key))) is not None:
                    row.resume = dict(state)
        return not over

    def _write(self, blob: Fixity, wanted: Expected | None, outcome: Outcome) -> None:
        """The state of a file and, if it is new and bad, the event, in one transaction."""
        now = self._means.clock()
        bad = outcome.state in BAD
        with self._means.catalogue.write() as session:
            row = session.get(Fixity, (blob.tier, blob.key), with_for_update=True)
            if row is None:
                return
            detail = outcome.as_json() if bad else {}
            new = (row.state, row.detail) != (outcome.state, detail)
            row.checked, row.resume = now, {}
            row.due = now + (AGAIN if bad else timedelta(days=self._means.policy.every_days))
            was = row.state
            if new:
                row.state, row.detail, row.since = outcome.state.value, detail, now
                if bad:
                    self._alarm(session, blob, wanted, detail)
                elif was in BAD and wanted is not None:
                    self._record_repair(session, blob, wanted, Repaired("elsewhere", ""))

    def _alarm(self, session: Session, blob: Fixity, wanted: Expected | None, detail: Mapping[str, Any]) -> None:
        log.error("fixity failed", tier=blob.tier, key=blob.key, **{k: v for k, v in detail.items() if k != "zh"})
        payload = {"tier": blob.tier, "key": blob.key, "kind": blob.kind, **detail}
        if wanted is not None:
            payload["expected"] = wanted.as_json()
        self._record(session, "fixity.failed", self._subject(session, blob, wanted), payload)

    def _subject(self, session: Session, blob: Fixity, wanted: Expected | None) -> str:
        if wanted is not None:
            return wanted.subject
        recording = rows.owner(session, blob.kind, blob.ref)
        return f"recording:{recording}" if recording else SUBJECT

    def _record(self, session: Session, event: str, subject: str, payload: Mapping[str, Any]) -> None:
        custody.record(session, CustodyEvent(new_id(), event, self._means.clock(), SERVICE, subject, payload))

    def _repair(self, blob: Fixity, wanted: Expected, outcome: Outcome) -> None:
        """Errors are told and tried again another day: the other files come first."""
        try:
            repaired = self._means.mender.repair(wanted, outcome, self._count)
        except (Transient, IntegrityError) as error:
            self._note(blob, error)
            return
        if repaired is None:
            log.error("no good copy", tier=blob.tier, key=blob.key)
            return
        self._repaired(blob, wanted, repaired)

    def _note(self, blob: Fixity, error: LiuhenError) -> None:
        log.error("repair failed", tier=blob.tier, key=blob.key, error=error.en)

    def _repaired(self, blob: Fixity, wanted: Expected, repaired: Repaired) -> None:
        now = self._means.clock()
        log.warning("repaired", tier=blob.tier, key=blob.key, source=repaired.source, kept=repaired.kept)
        with self._means.catalogue.write() as session:
            row = session.get_one(Fixity, (blob.tier, blob.key))
            row.state, row.detail, row.since, row.checked = State.SOUND.value, {}, now, now
            row.due = now + timedelta(days=self._means.policy.every_days)
            self._record_repair(session, blob, wanted, repaired)

    def _record_repair(self, session: Session, blob: Fixity, wanted: Expected, repaired: Repaired) -> None:
        """`repaired.source` "elsewhere": not by us, or by a run that died before it could say so."""
        payload = {
            "tier": blob.tier,
            "key": blob.key,
            "kind": blob.kind,
            "sha256": wanted.sha256,
            "source": repaired.source,
            "kept": repaired.kept,
        }
        self._record(session, "fixity.repaired", wanted.subject, payload)
