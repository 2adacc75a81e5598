"""Jobs that make derivatives (衍生件): access copies and archival masters. The original is only ever read."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.casework.retention import lock_until
from pipeline.intake import original_key
from pipeline.jobs import Finish, Progress
from pipeline.policy import RetentionPolicy
from pipeline.tier import derivative_key
from pipeline.transcode import Made, make_access, make_master
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Derivative, Job, Original, Recording
from storage.clock import Clock, new_id
from storage.records import Actor, CustodyEvent, JobKind, MediaKind, RetentionClass

SERVICE = Actor("service", "transcode")
Make = Callable[[Path, Path, Original, Recording, Progress], list[Made]]


class Derive:
    """Handlers of the jobs ACCESS and MASTER. Their subject is the original's SHA-256."""

    def __init__(
        self,
        catalogue: Catalogue,
        tiers: Mapping[str, BlobStore],
        policy: RetentionPolicy,
        spool: Path,
        clock: Clock,
    ) -> None:
        self._catalogue, self._tiers, self._policy, self._spool, self._clock = catalogue, tiers, policy, spool, clock

    def access(self, job: Job, progress: Progress) -> Finish:
        """Access copy and poster, for viewing under a grant."""

        def make(path: Path, out: Path, original: Original, recording: Recording, progress: Progress) -> list[Made]:
            kind = MediaKind(recording.kind)
            return make_access(path, out, kind=kind, duration=_duration(recording, original), progress=progress)

        return self._derive(job, RetentionClass.FIVE_YEARS, make, progress)

    def master(self, job: Job, progress: Progress) -> Finish:
        """The archival master of the class in `job.args`, proven identical before it counts."""
        retention = RetentionClass(job.args["retention"])

        def make(path: Path, out: Path, original: Original, recording: Recording, progress: Progress) -> list[Made]:
            kind = MediaKind(recording.kind)
            return [make_master(path, out, retention=retention, kind=kind, progress=progress)]

        return self._derive(job, retention, make, progress)

    def _derive(self, job: Job, retention: RetentionClass, make: Make, progress: Progress) -> Finish:
        with self._catalogue.read() as session:
            original = session.get_one(Original, job.subject)
            recording = session.get_one(Recording, original.recording_id)
        with (
            tempfile.TemporaryDirectory(prefix="derive-", dir=self._spool) as out,
            self._tiers[original.tier].local_path(original_key(original.sha256)) as path,
        ):
            rows = [
                self._keep(made, original, retention) for made in make(path, Path(out), original, recording, progress)
            ]
        return lambda session: self._register(session, rows)

    def _keep(self, made: Made, original: Original, retention: RetentionClass) -> Derivative:
        """Store the file beside its original; the row is written when the job completes."""
        with made.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        until = lock_until(retention, self._clock(), self._policy)
        self._tiers[original.tier].put(derivative_key(sha256), made.path, sha256=sha256, retain_until=until)
        return Derivative(
            id=new_id(),
            original_sha256=original.sha256,
            kind=made.kind,
            retention=retention,
            sha256=sha256,
            size=made.path.stat().st_size,
            media_type=made.media_type,
            tier=original.tier,
            proof=made.proof,
            made=self._clock(),
        )

    def _register(self, session: Session, rows: list[Derivative]) -> None:
        for row in rows:
            if _known(session, row):
                continue
            recording = _recording_of(session, row)
            session.add(row)
            custody.record(session, _made_event(row, recording.id))
            if row.tier != recording.retention:  # the original moved while this was made: follow it
                key = f"tier:{row.original_sha256}:{recording.retention}:{row.id}"
                job_table.enqueue(session, JobKind.TIER, row.original_sha256, key=key, now=self._clock())


def _recording_of(session: Session, row: Derivative) -> Recording:
    return session.get_one(Recording, session.get_one(Original, row.original_sha256).recording_id)


def _known(session: Session, row: Derivative) -> bool:
    """The job is idempotent: a second run's result is not registered again."""
    query = select(Derivative.id).where(
        Derivative.original_sha256 == row.original_sha256,
        Derivative.kind == row.kind,
        Derivative.retention == row.retention,
    )
    return session.scalar(query) is not None


def _made_event(row: Derivative, recording: str) -> CustodyEvent:
    return CustodyEvent(
        id=new_id(),
        event="derivative.made",
        time=row.made,
        actor=SERVICE,
        subject=f"recording:{recording}",
        payload={
            "original": row.original_sha256,
            "kind": row.kind,
            "retention": row.retention,
            "sha256": row.sha256,
            "size": row.size,
            "media_type": row.media_type,
            "proof_sha256": json_digest(row.proof),
        },
    )


def json_digest(value: Mapping[str, Any]) -> str:
    """SHA-256 over the value's one JSON form: UTF-8, keys sorted, no spaces."""
    return hashlib.sha256(
        json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def _duration(recording: Recording, original: Original) -> float | None:
    """Seconds of this original by the newest report, for progress."""
    for file in (recording.report or {}).get("files", []):
        if file.get("sha256") == original.sha256:
            found = file.get("media", {}).get("duration")
            return float(found) if found is not None else None
    return None
