"""After an old backup of the database was restored: what the ledger's folder still has is taken back from it.

The folder is believed only when all of it verifies and it reaches the last signed checkpoint; then nothing that was
signed is lost, and the log goes on without a fork. Originals that the ledger says were received and whose bytes are in
the store get their rows again and are checked anew. What else the database has forgotten (cases, requests, accounts) is
named by `liuhen verify`, for people to enter again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from pipeline.intake import Intake, original_key
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry, Original
from storage.clock import Clock, new_id
from storage.errors import Refused
from storage.ledger import entry, guard, outbox, tiles
from storage.ledger.auditing import verify
from storage.ledger.folder import LedgerFolder
from storage.ledger.guard import CheckpointGuard
from storage.records import Actor, CustodyEvent

SUBJECT = "ledger:log"
EVENT = "ledger.restored"
BATCH = 1000  # entries a transaction
Told = Callable[[int, int], None]
"""Hears of progress: done, total (entries)."""


@dataclass(frozen=True, slots=True)
class Restored:
    """`had`: entries the database had; `has`: the ledger's. `originals`: how many got their rows again; `missing`:
    digests of originals whose bytes are in no store."""

    had: int
    has: int
    originals: int
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restore:
    """The use case. Nothing may publish meanwhile: it holds the ledger's lock."""

    catalogue: Catalogue
    folder: LedgerFolder
    guard: CheckpointGuard
    tiers: Mapping[str, BlobStore]
    intake: Intake
    clock: Clock

    def run(self, vkey: str, actor: Actor, told: Told) -> Restored:
        """Raises Busy (a service runs), IntegrityError (folder and database are two histories, or the folder does not
        verify, or is older itself than what was signed), Refused (the database lacks nothing)."""
        with self.folder.lock():
            audited = verify.check(self.folder.read, vkey, names=self.folder.names(), since=self.guard.load())
            had, has = outbox.count(self.catalogue), audited.checkpoint.size
            if had > has:
                raise Refused(
                    f"数据库有 {had} 条存证条目，比存证链目录的 {has} 条新：请直接启动服务。",
                    f"the database has {had} entries, more than the ledger's folder ({has}): just start the service",
                )
            self._compare(had, has)
            for first in range(had, has, BATCH):
                bodies = list(self._bodies(first, min(first + BATCH, has), has))
                with self.catalogue.write() as session:
                    outbox.adopt(session, first, bodies)
                told(first + len(bodies), has)
            originals, missing = self._originals()
            if had == has and not originals:
                raise Refused("数据库不缺任何存证条目和原件。", "the database lacks no entry and no original")
            restored = Restored(had, has, originals, missing)
            with self.catalogue.write() as session:
                custody.record(session, self._event(restored, actor))
            return restored

    def _compare(self, count: int, size: int) -> None:
        """What the database has must be the beginning of the folder's log."""
        published = self._bodies(0, count, size)
        for first in range(0, count, BATCH):
            rows = outbox.from_index(self.catalogue, first, min(BATCH, count - first))
            if any(next(published) != each.body for each in rows):
                raise guard.another_history(count)

    def _bodies(self, first: int, end: int, size: int) -> Iterator[bytes]:
        """The entries `first` up to `end` of the published tree of `size`."""
        for number in range(first // tiles.WIDTH, -(-end // tiles.WIDTH)):
            begin = number * tiles.WIDTH
            bundle = tiles.covering(tiles.ENTRIES, begin, size)
            bodies = tiles.decode_bundle(tiles.read_tile(bundle, self.folder.read), bundle)
            yield from bodies[max(first - begin, 0) : end - begin]

    def _originals(self) -> tuple[int, tuple[str, ...]]:
        """Rows for originals that the ledger has and the tables have not: how many, and whose bytes are nowhere."""
        with self.catalogue.read() as session:
            known = select(Original.event_id)
            query = select(Entry.body).where(Entry.event == "original.received", Entry.event_id.not_in(known))
            events = [entry.parse(body).event for body in session.scalars(query.order_by(Entry.index)) if body]
        missing = []
        for event in events:
            sha256 = str(event.payload["sha256"])
            tier = next((name for name, store in self.tiers.items() if store.stat(original_key(sha256))), None)
            if tier is None:
                missing.append(sha256)
                continue
            with self.catalogue.write() as session:
                self.intake.readopt(session, event, tier)
        return len(events) - len(missing), tuple(missing)

    def _event(self, restored: Restored, actor: Actor) -> CustodyEvent:
        payload = {
            "from": restored.had,
            "to": restored.has,
            "originals": restored.originals,
            "missing": list(restored.missing),
        }
        return CustodyEvent(new_id(), EVENT, self.clock(), actor, SUBJECT, payload)
