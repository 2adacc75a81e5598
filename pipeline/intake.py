"""Intake: a file that arrived whole becomes an original, provably. Every door ends here.

The order is the product's first promise: bytes durable in the spool (the door) → chunk list and original durable in
the blob store → original, custody event and analysis job in ONE transaction → entry published → receipt. A crash
between any two leaves nothing acknowledged, and running it again ends in the same place (DESIGN "The way").
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from itertools import chain
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.casework.retention import lock_until
from pipeline.originals import Arrival, Originals
from pipeline.policy import RetentionPolicy
from storage import durable
from storage.blobs.contract import Blob, BlobStore
from storage.catalogue import receipts
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Original
from storage.clock import Clock
from storage.ledger.sequencer import Sequencer
from storage.records import CustodyEvent, Digest, RetentionClass
from storage.together import Together

RECEIPT_WAIT = 30.0  # seconds; publishing takes a fraction of one


@dataclass(frozen=True, slots=True)
class Spooled:
    """A whole file with the digest of the bytes that were written. `leaves`: its chunk hashes, 32 B each."""

    path: Path
    digest: Digest
    leaves: bytes


class Intake:
    """Accepts files. Thread-safe; the same bytes arriving twice at once still become one original.

    Files that arrive at the same time share what each would wait for: the disk's syncs, the transaction that registers
    them, the one that keeps their receipts. Threads that work side by side on small steps would hinder each other.
    """

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
        self._originals = Originals(retention, zone=zone)
        self._storing = Together(self._store)
        self._registering = Together(self._register)
        self._receipting = Together(self._make_receipts)

    def accept(self, arrival: Arrival, file: Spooled) -> bytes:
        """Keep the file and return its receipt (a C2SP tlog-proof, docs/ledger.md).

        `file.path` is not consumed: the door removes it afterwards. Raises Transient (try again, nothing was
        acknowledged) or IntegrityError.
        """
        return self.accept_all([(arrival, file)])[0]

    def accept_all(self, files: Sequence[tuple[Arrival, Spooled]]) -> list[bytes]:
        """As `accept`, several that came together: their receipts, or an error that counts for all of them."""
        if not files:
            return []
        known = self._known([file.digest.sha256 for _, file in files])
        new = [(arrival, file) for arrival, file in files if file.digest.sha256 not in known]
        events = {sha256: event_id for sha256, (event_id, receipt) in known.items() if receipt is None}
        if new:
            self.keep([file for _, file in new])
            events |= self._registering.do([(arrival, file.digest) for arrival, file in new])
        made = {sha256: receipt for sha256, (_, receipt) in known.items() if receipt is not None}
        if events:
            made |= self._make(events)
        return [made[file.digest.sha256] for _, file in files]

    def keep(self, files: Sequence[Spooled]) -> None:
        """The bytes alone, durably in the store: nothing is known of them yet. Raises as `accept` does."""
        if self._tiers[RetentionClass.FIVE_YEARS].shares_waits:
            self._storing.do(files)
        else:
            self._store([files])

    def register(self, session: Session, files: Sequence[tuple[Arrival, Digest]]) -> Mapping[str, str]:
        """See `Originals.register`: the rows alone, for files that are stored."""
        return self._originals.register(session, files, self._clock())

    def readopt(self, session: Session, event: CustodyEvent, tier: str) -> None:
        """See `Originals.readopt`."""
        self._originals.readopt(session, event, tier, self._clock())

    def find(self, sha256: str) -> Original | None:
        with self._catalogue.read() as session:
            return session.get(Original, sha256)

    def receipt(self, sha256: str) -> bytes:
        """The original's receipt: the one first given, or, when no one got it yet, the one made now."""
        if (known := self._known([sha256]).get(sha256)) is None:
            raise LookupError(sha256)
        event_id, receipt = known
        return receipt or self._make({sha256: event_id})[sha256]

    def _known(self, digests: Sequence[str]) -> dict[str, tuple[str, bytes | None]]:
        """Of those that are originals: the event, and the receipt if one was given."""
        query = select(Original.sha256, Original.event_id, Original.receipt).where(Original.sha256.in_(digests))
        with self._catalogue.read() as session:
            found = {row.sha256: (row.event_id, row.receipt) for row in session.execute(query)}
        if any(receipt is not None for _, receipt in found.values()):
            self._catalogue.settle()  # who made it may still wait for the disk
        return found

    def _make(self, events: Mapping[str, str]) -> Mapping[str, bytes]:
        """Receipts by SHA-256, of originals with these events."""
        for event_id in events.values():
            self._sequencer.wait(event_id, timeout=RECEIPT_WAIT)
        return self._receipting.do(events)

    def _register(self, asked: Sequence[Sequence[tuple[Arrival, Digest]]]) -> Sequence[Mapping[str, str]]:
        """The events of all files that are asked for, to each who asks."""
        with self._catalogue.write() as session:
            events = self.register(session, list(chain.from_iterable(asked)))
        self._sequencer.notify()
        return [events] * len(asked)

    def _make_receipts(self, asked: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, bytes]]:
        events = {sha256: event_id for each in asked for sha256, event_id in each.items()}
        made = self._sequencer.receipts(list(events.values()))
        with self._catalogue.write() as session:
            kept = receipts.keep(session, {sha256: made[event_id] for sha256, event_id in events.items()})
        return [kept] * len(asked)

    def _store(self, asked: Sequence[Sequence[Spooled]]) -> Sequence[None]:
        until = lock_until(RetentionClass.FIVE_YEARS, self._clock(), self._retention)
        files = list(chain.from_iterable(asked))
        blobs: list[Blob] = []
        for file in files:
            leaves, sha256 = _leaves(file), file.digest.sha256
            try:
                leaves.write_bytes(file.leaves)  # durable in the store; what a crash leaves goes with the spool file
            except OSError as error:
                raise durable.disk_error(error) from error
            blobs.append(Blob(chunks_key(sha256), leaves, hashlib.sha256(file.leaves).hexdigest()))
            blobs.append(Blob(original_key(sha256), file.path, sha256, hashed=True))
        self._tiers[RetentionClass.FIVE_YEARS].put_all(blobs, retain_until=until)
        for file in files:
            _leaves(file).unlink()
        return [None] * len(asked)


def _leaves(file: Spooled) -> Path:
    return file.path.with_name(f"{file.path.name}.leaves")


def original_key(sha256: str) -> str:
    return f"originals/{sha256[:2]}/{sha256}"


def chunks_key(sha256: str) -> str:
    """Where the file's 1 MiB chunk hashes are kept, beside the original."""
    return f"chunks/{sha256[:2]}/{sha256}"
