"""The job EXPORT: an approved request becomes a disc image that verifies itself offline (rule EVID-MEDIA)."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.casework.retention import lock_until
from pipeline.export import image
from pipeline.export.chain import ProvenChain, prove
from pipeline.export.dossier import Dossier, read_dossier
from pipeline.export.explanation import Imprint
from pipeline.export.package import Package, Packed
from pipeline.jobs import Finish, Progress
from pipeline.policy import RetentionPolicy
from pipeline.settings import Settings
from storage import durable
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Export, Job
from storage.clock import Clock, new_id
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent, RetentionClass

SERVICE = Actor("service", "export")
SEQUENCED_WAIT = 30.0  # seconds; publishing takes a fraction of one


def export_key(sha256: str) -> str:
    return f"exports/{sha256[:2]}/{sha256}"


@dataclass(frozen=True, slots=True)
class _Made:
    """A finished image in the store."""

    packed: Packed
    sha256: str
    size: int
    tier: str
    made: datetime


class MakeExport:
    """Handler of the job EXPORT. Its subject is the request's identifier."""

    def __init__(  # noqa: PLR0917 - the composition root's call
        self,
        catalogue: Catalogue,
        tiers: Mapping[str, BlobStore],
        sequencer: Sequencer,
        settings: Settings,
        retention: RetentionPolicy,
        clock: Clock,
    ) -> None:
        self._catalogue, self._tiers, self._sequencer = catalogue, tiers, sequencer
        self._settings, self._retention, self._clock = settings, retention, clock

    def run(self, job: Job, progress: Progress) -> Finish:
        """Pack, make the image, check it, store it; the returned step registers it.

        Raises Refused (no approved export request), IntegrityError (a stored file, the database or the image is not
        what the ledger says), Transient (no space, no xorriso, ledger behind).
        """
        dossier = self._sequenced(job.subject)
        first = str(self._sequencer.keys().keys[0])  # the newest one may not have signed anything yet
        chain = prove(dossier.chain, self._settings.ledger, first)
        durable.make_directory(self._settings.spool.absolute())
        with tempfile.TemporaryDirectory(prefix="export-", dir=self._settings.spool) as work:
            made = self._make(Path(work), dossier, chain, progress)
        return lambda session: self._register(session, dossier, made)

    def _sequenced(self, request_id: str) -> Dossier:
        """The dossier of a moment at which all of its chain was in the signed ledger: nothing in it contradicts."""
        deadline = time.monotonic() + SEQUENCED_WAIT
        while True:
            with self._catalogue.read() as session:
                dossier = read_dossier(session, request_id)
            waiting = [row for row in dossier.chain if row.index is None]
            for row in waiting or dossier.chain[-1:]:  # an index is given before it is published
                self._sequencer.wait(row.event_id, timeout=max(0.0, deadline - time.monotonic()))
            if not waiting:
                return dossier

    def _make(self, work: Path, dossier: Dossier, chain: ProvenChain, progress: Progress) -> _Made:
        now = self._clock()
        image.refuse_without_space(work, dossier.size, self._settings.min_free)
        imprint = Imprint(self._settings.unit, self._settings.timezone, now, f"Liuhen {metadata.version('liuhen')}")
        folder, target = work / "bag", work / "disc.iso"
        with ExitStack() as stack:
            package = Package(folder, self._tiers, stack, lambda done: progress(0.4 * done))
            packed = package.fill(dossier, chain, imprint)
            label = f"LIUHEN_{dossier.request.id.upper()[-9:]}"
            image.make_image(folder, target, label=label, moment=now, progress=lambda done: progress(0.4 + 0.3 * done))
        image.check_image(target, moment=now, progress=lambda done: progress(0.7 + 0.2 * done))
        return self._store(target, dossier, packed, now)

    def _store(self, target: Path, dossier: Dossier, packed: Packed, now: datetime) -> _Made:
        with target.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        tier = dossier.recording.retention
        until = lock_until(RetentionClass(tier), now, self._retention)
        self._tiers[tier].put(export_key(sha256), target, sha256=sha256, retain_until=until, hashed=True)
        return _Made(packed, sha256, target.stat().st_size, tier, now)

    def _register(self, session: Session, dossier: Dossier, made: _Made) -> None:
        request, recording = dossier.request, dossier.recording
        if session.scalar(select(Export.id).where(Export.request_id == request.id)) is not None:
            return
        export = Export(
            id=new_id(),
            request_id=request.id,
            recording_id=recording.id,
            sha256=made.sha256,
            size=made.size,
            tier=made.tier,
            made=made.made,
        )
        session.add(export)
        payload = {
            "request": request.id,
            "recording": recording.id,
            "sha256": made.sha256,
            "size": made.size,
            "files": made.packed.files,
            "bag_sha256": made.packed.bag_sha256,
        }
        custody.record(
            session,
            CustodyEvent(
                id=new_id(),
                event="export.made",
                time=made.made,
                actor=SERVICE,
                subject=f"recording:{recording.id}",
                payload=payload,
            ),
        )
