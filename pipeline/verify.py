"""Verification of a whole data directory: ledger, database and stored bytes against each other. Changes nothing.

Nothing is believed but the ledger's public key. The steps, each naming what is wrong:

1 the ledger by itself: every signature, hash, bundle, tile and chain (`storage.ledger.auditing.verify`); where the
  guard's last checkpoint or one that witnesses cosigned is there, the ledger still begins with its tree
2 the entries in the database are the ledger's, byte for byte
3 the facts in the tables are those that the entries say (`pipeline.ledger_rows`)
4 the ledger's timestamps, each way: none is missing, altered, or of another history (`pipeline.timestamp_check`)
5 every stored file is read again: its SHA-256, and of originals the root over 1 MiB chunks
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from pipeline.ledger_facts import LedgerFacts, Wrong
from pipeline.ledger_rows import compare
from pipeline.timestamp_check import StampCheck, check_stamps
from pipeline.verify_entries import Chain, EntryTable
from pipeline.verify_files import FileCheck, Journal, StoredFile, stored_files
from storage.blobs.contract import BlobStore
from storage.catalogue.catalogue import Catalogue
from storage.clock import Clock, now
from storage.errors import IntegrityError, NotFound
from storage.ledger import checkpoint, note, tiles
from storage.ledger.auditing.audit import Plan, audit_folder
from storage.ledger.folder import CHECKPOINT, LedgerFolder
from storage.ledger.tiles import Reader
from storage.ledger.witnesses import witnessed

Tell = Callable[[str, int, int], None]
"""Progress: "ledger" or "files", done, total (entries or bytes). Called from several threads."""


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where everything lies. `vkey`: the ledger's public key, pinned.

    `since`: the guard's last checkpoint. `kept`: a checkpoint that an auditor kept from earlier. `state`: a file that
    remembers which stored files an interrupted verification has read. `roots`: of trusted time-stamping authorities,
    None where none are known.
    """

    catalogue: Catalogue
    tiers: Mapping[str, BlobStore]
    ledger: Path
    vkey: str
    since: bytes | None = None
    kept: bytes | None = None
    state: Path | None = None
    roots: Sequence[x509.Certificate] | None = None


@dataclass(slots=True)
class Counts:
    """What was looked at. `pending`: events not in the signed ledger yet. `resumed`: files read by an earlier run."""

    entries: int = 0
    pending: int = 0
    files: int = 0
    bytes: int = 0
    resumed: int = 0


@dataclass(slots=True)
class DataCheck:
    """One verification. `wrongs` gives what is wrong, in the order of the steps, as it is found."""

    place: DataPlace
    tell: Tell = lambda stage, done, total: None
    counts: Counts = field(default_factory=Counts)
    stamps: StampCheck = field(default_factory=StampCheck)
    clock: Clock = now
    chain: Chain | None = None
    """What was asked for, where one subject was."""
    _sound: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wrongs(self, subject: str | None = None) -> Generator[Wrong, None, None]:
        """Everything that is wrong, or what concerns `subject` (and the ledger as a whole) only.

        Stop iterating after the first where that is enough. Raises Transient when the database or a store is down,
        NotFound when the ledger has no entry of that subject, Refused when the state is no use.
        """
        files: list[StoredFile] = []
        self.chain = Chain(subject) if subject else None
        journal = Journal(self.place.state, self.place.vkey)
        finished = False
        try:
            yield from self._records(files)
            yield from self._timestamps()
            yield from self._files(files, journal)
            finished = True
        finally:
            journal.close(finished=finished)

    def _concerns(self, subject: str) -> bool:
        return self.chain is None or self.chain.subject == subject

    def _records(self, files: list[StoredFile]) -> Iterator[Wrong]:
        """Steps 1 to 3; `files` gets what step 5 has to read."""
        try:
            with self.place.catalogue.read() as session:
                _snapshot(session)
                facts = LedgerFacts()
                found = list(self._ledger(session, facts))
                self._sound = not found
                yield from found
                if not found:
                    yield from (each for each in compare(session, facts) if self._concerns(each.subject))
                files += [stored for stored in stored_files(session) if self._concerns(stored.subject)]
        except (SQLAlchemyError, ValueError, TypeError, LookupError) as error:
            zh, en = "数据库损坏，无法读取", "the database is damaged and can't be read"
            yield Wrong("database", f"{zh}：{error}", f"{en}: {error}")

    def _ledger(self, session: Session, facts: LedgerFacts) -> Iterator[Wrong]:
        """Steps 1 and 2 in one pass over both, in constant memory but for the facts."""
        folder = LedgerFolder(self.place.ledger)
        table = EntryTable(session, facts, self.chain)
        try:
            given = (self.place.since, self.place.kept, witnessed.load(self.place.ledger))
            older = [each for each in given if each is not None]
            plan = Plan(older=older, visit=table.compare, read=_reader(folder, self.place.since))
            for step in audit_folder(folder, self.place.vkey, plan):
                self.counts.entries = step.done
                self.tell("ledger", step.done, step.total)
        except IntegrityError as error:
            yield Wrong("ledger", f"存证链：{error.zh}", f"ledger: {error.en}")
            return
        self.counts.pending = table.finish()
        if self.chain and not self.chain.length + self.chain.waiting:
            name = self.chain.subject
            raise NotFound(f"存证链中没有 {name} 的条目。", f"the ledger has no entry of {name}")
        yield from table.found

    def _timestamps(self) -> Iterator[Wrong]:
        """Step 4. What is wrong with the ledger itself has been said."""
        if self._sound:
            self.stamps = check_stamps(self.place.ledger, self.place.vkey, self.place.roots, self.clock())
            yield from self.stamps.wrong

    def _files(self, files: list[StoredFile], journal: Journal) -> Iterator[Wrong]:
        """Step 5."""
        left = [stored for stored in files if not journal.has(stored)]
        self.counts.resumed = len(files) - len(left)
        total = sum(stored.size for stored in left if isinstance(stored.size, int))  # a row may hold anything

        def count(size: int) -> None:
            with self._lock:
                self.counts.bytes += size
                done = self.counts.bytes
            self.tell("files", done, total)

        def sound(_: StoredFile) -> None:
            self.counts.files += 1

        yield from FileCheck(self.place.tiers, count, journal).wrongs(left, sound)


def _reader(folder: LedgerFolder, since: bytes | None) -> Reader:
    """The ledger's files. After a crash, or in the moment before it is published, the last signed checkpoint stands in
    the guard only, but its tiles are there: then it is the head that counts.
    """
    published = folder.checkpoint()
    if since is None or published is None or _size(since) <= _size(published):
        return folder.read
    last = tiles.covering(0, _size(since) - 1, _size(since))
    if not (folder.root / last.path).exists():
        return folder.read
    return lambda path: since if path == CHECKPOINT else folder.read(path)


def _size(signed: bytes) -> int:
    return checkpoint.parse(note.parse(signed).text).size


def _snapshot(session: Session) -> None:
    """All reading of one moment, so that a service at work beside us is no contradiction. SQLite does so anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
