"""Keeping: a recording's class decides its tier; a move is copy → verify → release.

Both tiers lock what they hold (KEEP-SAFE, KEEP-WORM), so the copy left behind by a move can't be removed before its own
lock ends: the move releases it at once in the catalogue, and a RELEASE job removes it on the day it may go
(docs/decisions/0003).
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.casework.retention import keep_until, lock_until
from pipeline.intake import chunks_key, original_key
from pipeline.jobs import Finish, Progress
from pipeline.policy import RetentionPolicy
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Derivative, Job, Original, Recording
from storage.clock import Clock, new_id
from storage.errors import IntegrityError, NotFound, Refused
from storage.records import Actor, CustodyEvent, JobKind, MediaKind, RetentionClass, Verdict

SERVICE = Actor("service", "tier")


def derivative_key(sha256: str) -> str:
    return f"derivatives/{sha256[:2]}/{sha256}"


def set_retention(
    session: Session,
    recording: Recording,
    to: RetentionClass,
    *,
    grounds: Sequence[str],
    actor: Actor,
    now: datetime,
    policy: RetentionPolicy,
) -> None:
    """Raise the recording's class, log why, and queue the move and the master that the class asks for.

    Raises Refused when the class would be lowered: KEEP-LONG is decided once.
    """
    was = RetentionClass(recording.retention)
    if was is to:
        return
    if was is RetentionClass.LONG_TERM:
        raise Refused("长期保存的音像记录不能改为短期。", "a long-term recording can't be made short-term")
    recording.retention = to.value
    recording.keep_until = keep_until(to, now, policy)
    custody.record(
        session,
        CustodyEvent(
            id=new_id(),
            event="retention.set",
            time=now,
            actor=actor,
            subject=f"recording:{recording.id}",
            payload={
                "from": was.value,
                "to": to.value,
                "grounds": list(grounds),
                "keep_until": recording.keep_until.isoformat() if recording.keep_until else None,
            },
        ),
    )
    queue_keeping(session, recording, now)


def queue_keeping(session: Session, recording: Recording, now: datetime) -> None:
    """Queue what the recording's class still lacks: its place in the tier, and a master for each original.

    A photo has no master: the camera's JPEG is its archival form (docs/decisions/0004).
    """
    originals = session.scalars(select(Original).where(Original.recording_id == recording.id)).all()
    for original in originals:
        if recording.verdict not in (None, Verdict.UNREADABLE) and recording.kind != MediaKind.PHOTOS:
            job_table.enqueue(
                session,
                JobKind.MASTER,
                original.sha256,
                key=f"master:{original.sha256}:{recording.retention}",
                now=now,
                args={"retention": recording.retention},
            )
        if original.tier != recording.retention:
            key = f"tier:{original.sha256}:{recording.retention}"
            job_table.enqueue(session, JobKind.TIER, original.sha256, key=key, now=now)


@dataclass(frozen=True, slots=True)
class _Copy:
    """One blob to move: its key in either store and its digest (None: compare with the source's own)."""

    key: str
    sha256: str


class Tier:
    """Moves originals, with what was made of them, to the tier of their recording's class."""

    def __init__(
        self, catalogue: Catalogue, tiers: Mapping[str, BlobStore], policy: RetentionPolicy, clock: Clock
    ) -> None:
        self._catalogue, self._tiers, self._policy, self._clock = catalogue, tiers, policy, clock

    def run(self, job: Job, progress: Progress) -> Finish:
        """Copy and verify; the returned step releases. Raises IntegrityError when a copy reads back differently."""
        with self._catalogue.read() as session:
            original = session.get_one(Original, job.subject)
            target = session.get_one(Recording, original.recording_id).retention
            derivatives = session.scalars(
                select(Derivative).where(Derivative.original_sha256 == original.sha256, Derivative.tier != target)
            ).all()
        until = lock_until(RetentionClass(target), self._clock(), self._policy)
        moves = [(original.tier, copy) for copy in self._of_original(original)]
        moves += [(each.tier, _Copy(derivative_key(each.sha256), each.sha256)) for each in derivatives]
        for number, (source, copy) in enumerate(moves, start=1):
            self._copy(copy, source, target, until)
            progress(number / len(moves))

        def finish(session: Session) -> None:
            row = session.get_one(Original, original.sha256)
            self._log_move(session, row, target)
            row.tier = target
            for each in derivatives:
                session.get_one(Derivative, each.id).tier = target
            for source, copy in moves:
                self._queue_release(session, source, copy.key)

        return finish

    def release(self, job: Job, progress: Progress) -> Finish:
        """Remove a copy that a move left behind. The store refuses while its lock runs; then the job ends refused."""
        with contextlib.suppress(NotFound):  # removed by an attempt that died before it could say so
            self._tiers[job.args["tier"]].delete(job.args["key"])
        progress(1.0)
        return lambda session: None

    def _of_original(self, original: Original) -> Iterator[_Copy]:
        chunks = chunks_key(original.sha256)
        yield _Copy(chunks, _digest_of(self._tiers[original.tier], chunks))
        yield _Copy(original_key(original.sha256), original.sha256)

    def _copy(self, copy: _Copy, source: str, target: str, until: datetime) -> None:
        if source == target:
            return
        with self._tiers[source].local_path(copy.key) as path:
            self._tiers[target].put(copy.key, path, sha256=copy.sha256, retain_until=until)
        if _digest_of(self._tiers[target], copy.key) != copy.sha256:
            raise IntegrityError(
                f"转存后的副本与原件不一致：{copy.key}；原副本保留未动。",
                f"the copy reads back differently after the move: {copy.key}; the first copy was left in place",
            )

    def _queue_release(self, session: Session, tier: str, key: str) -> None:
        stat = self._tiers[tier].stat(key)
        now = self._clock()
        if stat is None or stat.retain_until is None:
            return  # already gone, or locked for good
        job_table.enqueue(
            session,
            JobKind.RELEASE,
            key,
            key=f"release:{tier}:{key}",
            now=now,
            run_at=max(now, stat.retain_until),
            args={"tier": tier, "key": key},
        )

    def _log_move(self, session: Session, original: Original, target: str) -> None:
        custody.record(
            session,
            CustodyEvent(
                id=new_id(),
                event="tier.moved",
                time=self._clock(),
                actor=SERVICE,
                subject=f"recording:{original.recording_id}",
                payload={"sha256": original.sha256, "from": original.tier, "to": target},
            ),
        )


def _digest_of(store: BlobStore, key: str) -> str:
    """SHA-256 of what the store gives back, byte by byte: the proof of the copy, not the store's word for it."""
    digest = hashlib.sha256()
    for piece in store.open(key):
        digest.update(piece)
    return digest.hexdigest()
