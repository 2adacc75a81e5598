"""Intake: a file that arrived whole becomes an original, provably. Every door ends here.

The order is the product's first promise: bytes durable in the spool (the door) → chunk list and original durable in
the blob store → original, custody event and analysis job in ONE transaction → entry published → receipt. A crash
between any two leaves nothing acknowledged, and running it again ends in the same place (DESIGN "The way").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.casework.retention import keep_until, lock_until
from pipeline.continuity.series import SeriesKey, series_key
from pipeline.policy import RetentionPolicy
from storage import durable
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.assignments import officer_at
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Docking, Original, Recording, Station
from storage.clock import Clock, new_id
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent, Digest, JobKind, RetentionClass

_NAMES_ITS_START = re.compile(r"\d{8}[_-]?\d{6}")
RECEIPT_WAIT = 30.0  # seconds; publishing takes a fraction of one


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a file came from. `path` is its name on the card, `device` the camera's serial ("" if unknown)."""

    path: str
    device: str
    actor: Actor
    station: str | None = None
    docking: str | None = None
    modified: datetime | None = None
    """The file's own date on the card."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """A whole file, fsynced, with the digest of the bytes that were written. `leaves`: its chunk hashes, 32 B each."""

    path: Path
    digest: Digest
    leaves: bytes


class Intake:
    """Accepts files. Thread-safe; the same bytes arriving twice at once still become one original."""

    def __init__(
        self,
        catalogue: Catalogue,
        tiers: Mapping[str, BlobStore],
        sequencer: Sequencer,
        retention: RetentionPolicy,
        clock: Clock,
        *,
        zone: tzinfo = UTC,
    ) -> None:
        self._catalogue = catalogue
        self._tiers = tiers
        self._sequencer = sequencer
        self._retention = retention
        self._clock = clock
        self._zone = zone

    def accept(self, arrival: Arrival, file: Spooled) -> bytes:
        """Keep the file and return its receipt (a C2SP tlog-proof, docs/ledger.md).

        `file.path` is not consumed: the door removes it afterwards. Raises Transient (try again, nothing was
        acknowledged) or IntegrityError.
        """
        if self.find(file.digest.sha256) is None:
            self._store(file)
            with self._catalogue.write() as session:
                self._register(session, arrival, file.digest)
            self._sequencer.notify()
        return self.receipt(file.digest.sha256)

    def readopt(self, session: Session, event: CustodyEvent, tier: str) -> None:
        """Make the rows of an original again that the ledger says was received and a restored database has forgotten.

        `event`: its entry "original.received"; `tier` holds its bytes. It is analysed anew.
        """
        said = event.payload
        docking = said["docking"] if session.get(Docking, said["docking"] or "") else None
        station = said["station"] if session.get(Station, said["station"] or "") else None
        arrival = Arrival(said["name"], said["device"], event.actor, station, docking)
        recording_id, key = event.subject.removeprefix("recording:"), series_key(arrival.path)
        recording = session.get(Recording, recording_id)
        if recording is None:
            series = self._series(arrival, key, event.time)
            taken = select(Recording.id).where(Recording.device_serial == arrival.device, Recording.series == series)
            if session.scalar(taken) is not None:
                series = f"{series} {recording_id}"
            recording = self._new_recording(session, arrival, series, event.time, recording_id)
        session.add(
            Original(
                sha256=said["sha256"],
                root=said["root"],
                size=said["size"],
                recording_id=recording.id,
                sequence=said["sequence"],
                name=said["name"],
                tier=tier,
                event_id=event.id,
                docking_id=docking,
                received=event.time,
            )
        )
        analysis = f"analyse:{said['sha256']}:{event.id}"
        job_table.enqueue(session, JobKind.ANALYSE, recording.id, key=analysis, now=self._clock())

    def find(self, sha256: str) -> Original | None:
        with self._catalogue.read() as session:
            return session.get(Original, sha256)

    def receipt(self, sha256: str) -> bytes:
        """The original's receipt: the one first given, or, when no one got it yet, the one made now."""
        original = self.find(sha256)
        if original is None:
            raise LookupError(sha256)
        if original.receipt is not None:
            self._catalogue.settle()  # who made it may still wait for the disk
            return original.receipt
        self._sequencer.wait(original.event_id, timeout=RECEIPT_WAIT)
        made = self._sequencer.receipt(original.event_id)
        with self._catalogue.write() as session:
            row = session.get_one(Original, sha256)
            row.receipt = row.receipt or made
            return row.receipt

    def _store(self, file: Spooled) -> None:
        store = self._tiers[RetentionClass.FIVE_YEARS]
        sha256 = file.digest.sha256
        until = lock_until(RetentionClass.FIVE_YEARS, self._clock(), self._retention)
        leaves = file.path.with_name(f"{file.path.name}.leaves")
        durable.write(leaves, file.leaves)
        store.put(chunks_key(sha256), leaves, sha256=hashlib.sha256(file.leaves).hexdigest(), retain_until=until)
        store.put(original_key(sha256), file.path, sha256=sha256, retain_until=until, hashed=True)
        durable.remove(leaves)

    def _register(self, session: Session, arrival: Arrival, digest: Digest) -> None:
        if session.get(Original, digest.sha256) is not None:
            return
        now = self._clock()
        key = series_key(arrival.path)
        recording = self._recording(session, arrival, self._series(arrival, key, now), now)
        original = Original(
            sha256=digest.sha256,
            root=digest.root,
            size=digest.size,
            recording_id=recording.id,
            sequence=key.sequence,
            name=arrival.path,
            tier=RetentionClass.FIVE_YEARS.value,
            event_id=new_id(),
            docking_id=arrival.docking,
            received=now,
        )
        session.add(original)
        custody.record(session, _received(original, arrival, digest.sm3))
        job_table.enqueue(session, JobKind.ANALYSE, recording.id, key=f"analyse:{digest.sha256}", now=now)

    def _series(self, arrival: Arrival, key: SeriesKey, now: datetime) -> str:
        """The key, and the local day for cameras whose names only count: IMG_0001 comes again every few months."""
        if _NAMES_ITS_START.search(key.key):
            return key.key
        return f"{key.key} {(arrival.modified or now).astimezone(self._zone):%Y-%m-%d}"

    def _recording(self, session: Session, arrival: Arrival, series: str, now: datetime) -> Recording:
        found = session.scalar(
            select(Recording).where(Recording.device_serial == arrival.device, Recording.series == series)
        )
        return found or self._new_recording(session, arrival, series, now, new_id())

    def _new_recording(
        self, session: Session, arrival: Arrival, series: str, now: datetime, recording_id: str
    ) -> Recording:
        recording = Recording(
            id=recording_id,
            series=series,
            device_serial=arrival.device,
            officer_id=officer_at(session, arrival.device, arrival.modified or now),
            station_id=arrival.station,
            retention=RetentionClass.FIVE_YEARS.value,
            keep_until=keep_until(RetentionClass.FIVE_YEARS, now, self._retention),
            received=now,
        )
        session.add(recording)
        session.flush()
        return recording


def original_key(sha256: str) -> str:
    return f"originals/{sha256[:2]}/{sha256}"


def chunks_key(sha256: str) -> str:
    """Where the file's 1 MiB chunk hashes are kept, beside the original."""
    return f"chunks/{sha256[:2]}/{sha256}"


def _received(original: Original, arrival: Arrival, sm3: str | None) -> CustodyEvent:
    return CustodyEvent(
        id=original.event_id,
        event="original.received",
        time=original.received,
        actor=arrival.actor,
        subject=f"recording:{original.recording_id}",
        payload={
            "sha256": original.sha256,
            "root": original.root,
            "size": original.size,
            "name": original.name,
            "sequence": original.sequence,
            "device": arrival.device,
            "station": arrival.station,
            "docking": arrival.docking,
            **({"sm3": sm3} if sm3 else {}),
        },
    )
