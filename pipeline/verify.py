"""Verification of a whole data directory: ledger, database and stored bytes against each other. Changes nothing.

Nothing is believed but the ledger's public key. The steps, each naming what is wrong:

1 the ledger by itself: every signature, hash, bundle, tile and chain (`storage.ledger.verify`); where the guard's last
  checkpoint is there, the ledger still begins with its tree
2 the entries in the database are the ledger's, byte for byte
3 the facts in the tables are those that the entries say (`pipeline.ledger_rows`)
4 every stored file is read again: its SHA-256, and of originals the root over 1 MiB chunks
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from pipeline.export.disc import export_key
from pipeline.intake import chunks_key, original_key
from pipeline.ledger_facts import LedgerFacts, Wrong
from pipeline.ledger_rows import compare
from pipeline.tier import derivative_key
from storage.blobs.contract import BlobStore
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Derivative, Entry, Export, Original
from storage.errors import IntegrityError, NotFound
from storage.ledger import checkpoint, entry, merkle, note, tiles, verify
from storage.ledger.folder import CHECKPOINT, LedgerFolder
from storage.ledger.tiles import Reader

Tell = Callable[[str, int, int], None]
"""Progress: "ledger" or "files", done, total (entries or bytes). Called from several threads."""

THREADS = 2


@dataclass(frozen=True, slots=True)
class DataPlace:
    """Where everything lies. `vkey`: the ledger's public key, pinned. `since`: a checkpoint kept from earlier."""

    catalogue: Catalogue
    tiers: Mapping[str, BlobStore]
    ledger: Path
    vkey: str
    since: bytes | None = None


@dataclass(slots=True)
class Counts:
    """What was looked at. `pending`: events not in the signed ledger yet."""

    entries: int = 0
    pending: int = 0
    files: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Blob:
    """One stored file to read. `root` of originals only; `recording` is its subject in the ledger."""

    zh: str
    en: str
    tier: str
    key: str
    sha256: str
    size: int
    subject: str
    root: str | None = None


@dataclass(slots=True)
class DataCheck:
    """One verification. `wrongs` gives what is wrong, in the order of the steps, as it is found."""

    place: DataPlace
    tell: Tell = lambda stage, done, total: None
    counts: Counts = field(default_factory=Counts)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wrongs(self, recording: str | None = None) -> Generator[Wrong, None, None]:
        """Everything that is wrong, or what concerns `recording` (and the ledger as a whole) only.

        Stop iterating after the first where that is enough. Raises Transient when the database or a store is down.
        """
        subject = f"recording:{recording}" if recording else None
        blobs: list[_Blob] = []
        try:
            yield from self._records(subject, blobs)
        except (SQLAlchemyError, ValueError, TypeError, LookupError) as error:
            zh, en = "数据库损坏，无法读取", "the database is damaged and can't be read"
            yield Wrong("database", f"{zh}：{error}", f"{en}: {error}")
        yield from self._files(blobs)

    def _records(self, subject: str | None, blobs: list[_Blob]) -> Iterator[Wrong]:
        """Steps 1 to 3; `blobs` gets what step 4 has to read."""
        with self.place.catalogue.read() as session:
            _snapshot(session)
            facts = LedgerFacts()
            found = list(self._ledger(session, facts))
            yield from found
            if not found:
                yield from (each for each in compare(session, facts) if subject in (None, each.subject))
            blobs += [blob for blob in _blobs(session) if subject in (None, blob.subject)]

    def _ledger(self, session: Session, facts: LedgerFacts) -> Iterator[Wrong]:
        """Steps 1 and 2 in one pass over both, in constant memory but for the facts."""
        folder = LedgerFolder(self.place.ledger)
        table = _Table(session, facts)
        read = _reader(folder, self.place.since)
        steps = verify.audit(read, self.place.vkey, names=folder.names(), since=self.place.since, visit=table.compare)
        try:
            for step in steps:
                self.counts.entries = step.done
                self.tell("ledger", step.done, step.total)
        except IntegrityError as error:
            yield Wrong("ledger", f"存证链：{error.zh}", f"ledger: {error.en}")
            return
        self.counts.pending = table.finish()
        yield from table.found

    def _files(self, blobs: list[_Blob]) -> Iterator[Wrong]:
        """Step 4, two files at a time, reported in order."""
        total = sum(blob.size for blob in blobs if isinstance(blob.size, int))  # a row may hold anything

        def look(blob: _Blob) -> Wrong | None:
            return self._look(blob, total)

        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verify")
        try:
            for wrong in pool.map(look, blobs):
                if wrong is not None:
                    yield wrong
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _count(self, size: int, total: int) -> None:
        with self._lock:
            self.counts.bytes += size
            done = self.counts.bytes
        self.tell("files", done, total)

    def _look(self, blob: _Blob, total: int) -> Wrong | None:
        """Read one file again. An error of the store about its own records is a finding like any other."""
        store = self.place.tiers.get(blob.tier)
        if store is None:
            return _wrong_file(blob, "没有这个存储层", "there is no such tier")
        whole, chunks, size = hashlib.sha256(), merkle.ChunkHasher(), 0
        try:
            for piece in store.open(blob.key):
                whole.update(piece)
                chunks.update(piece)
                size += len(piece)
                self._count(len(piece), total)
        except NotFound:
            return _wrong_file(blob, "文件缺失", "the file is missing")
        except IntegrityError as error:
            return _wrong_file(blob, error.zh, error.en)
        with self._lock:
            self.counts.files += 1
        return _judge(blob, store, whole.hexdigest(), chunks, size)


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


class _Table:
    """The database's entries beside the ledger's, in step. `compare` is given each of the ledger's entries."""

    def __init__(self, session: Session, facts: LedgerFacts) -> None:
        self._session, self._facts = session, facts
        self._rows: Iterator[Any] | None = None
        self._next = 0
        self.found: list[Wrong] = []

    def compare(self, index: int, body: bytes) -> None:
        event = entry.parse(body).event
        self._facts.add(event)
        self._next = index + 1
        row = next(self._published(), None)
        if row is None or row.position != index:
            self._report(index, event.subject, "数据库中缺少该条目", "the database lacks this entry")
        elif row.body != body or row.leaf != merkle.leaf_hash(body):
            self._report(index, event.subject, "数据库中的条目与存证链不同", "the database has another entry there")
        elif (row.event_id, row.subject, row.event) != (event.id, event.subject, event.event):
            self._report(
                index, event.subject, "数据库中条目的索引列被改动", "the database's columns of it were changed"
            )

    def finish(self) -> int:
        """Take in what the ledger does not have yet; say how many events that is."""
        waiting = [row.draft for row in self._published()]
        waiting += self._session.scalars(select(Entry.draft).where(Entry.index.is_(None)).order_by(Entry.id))
        for draft in waiting:
            try:
                self._facts.add(entry.parse_draft(draft))
            except IntegrityError as error:
                self.found.append(Wrong("ledger", f"待发布的条目：{error.zh}", f"waiting entry: {error.en}"))
        return len(waiting)

    def _published(self) -> Iterator[Any]:
        """The rows from where the comparison stands. Opened at the first entry, when the checkpoint has been read."""
        if self._rows is None:
            columns = (
                Entry.index.label("position"),
                Entry.body,
                Entry.leaf,
                Entry.event_id,
                Entry.subject,
                Entry.event,
                Entry.draft,
            )
            query = select(*columns).where(Entry.index.is_not(None)).order_by(Entry.index)
            self._rows = iter(self._session.execute(query.execution_options(yield_per=1000)))
        return self._rows

    def _report(self, index: int, subject: str, zh: str, en: str) -> None:
        self.found.append(Wrong(subject, f"存证链第 {index} 条：{zh}。", f"ledger entry {index}: {en}"))


def _blobs(session: Session) -> list[_Blob]:
    owners = {row.sha256: f"recording:{row.recording_id}" for row in session.scalars(select(Original))}
    found = [
        _Blob(f"原件 {row.name}", f"original {row.name}", row.tier, original_key(row.sha256), row.sha256, row.size,
              owners[row.sha256], row.root)
        for row in session.scalars(select(Original).order_by(Original.received, Original.sha256))
    ]  # fmt: skip
    for copy in session.scalars(select(Derivative).order_by(Derivative.made, Derivative.id)):
        zh, en, key = f"衍生件 {copy.kind}", f"derivative {copy.kind}", derivative_key(copy.sha256)
        found.append(_Blob(zh, en, copy.tier, key, copy.sha256, copy.size, owners.get(copy.original_sha256, "")))
    for disc in session.scalars(select(Export).order_by(Export.made, Export.id)):
        key, subject = export_key(disc.sha256), f"recording:{disc.recording_id}"
        found.append(_Blob("导出光盘", "export", disc.tier, key, disc.sha256, disc.size, subject))
    return found


def _judge(blob: _Blob, store: BlobStore, sha256: str, chunks: merkle.ChunkHasher, size: int) -> Wrong | None:
    root = chunks.finish().hex()
    if blob.root is None:
        same = (sha256, size) == (blob.sha256, blob.size)
        return None if same else _wrong_file(blob, "内容与摘要不符", "its content is not that of its digest")
    known = _chunk_list(store, blob)
    if (sha256, root, size) != (blob.sha256, blob.root, blob.size):
        zh, en = _where(known, bytes(chunks.leaves), size)
        return _wrong_file(blob, f"内容与入库时不符，{zh}", f"its content is not what was received, {en}")
    if known != bytes(chunks.leaves):
        return _wrong_file(
            blob, "分块摘要表缺失或损坏（原件完好）", "its chunk list is missing or damaged (the file is sound)"
        )
    return None


def _chunk_list(store: BlobStore, blob: _Blob) -> bytes | None:
    """The stored leaf hashes; None unless they are those of the recorded root."""
    try:
        kept = b"".join(store.open(chunks_key(blob.sha256)))
    except (NotFound, IntegrityError):
        return None
    hashes = [kept[at : at + merkle.HASH_SIZE] for at in range(0, len(kept), merkle.HASH_SIZE)]
    return kept if merkle.root(hashes).hex() == blob.root else None


def _where(known: bytes | None, leaves: bytes, size: int) -> tuple[str, str]:
    if known is None:
        return "分块摘要表也已缺失或损坏，无法定位", "and its chunk list is lost too, so the place is unknown"
    step = merkle.HASH_SIZE
    for at in range(0, max(len(known), len(leaves)), step):
        if known[at : at + step] != leaves[at : at + step]:
            start = at // step * merkle.CHUNK_SIZE
            end = max(start, min(start + merkle.CHUNK_SIZE, size) - 1)
            return f"首处在第 {start}–{end} 字节", f"first within bytes {start}–{end}"
    return "而分块摘要相符", "though its chunk hashes agree"


def _wrong_file(blob: _Blob, zh: str, en: str) -> Wrong:
    return Wrong(
        blob.subject, f"{blob.zh}（{blob.tier}/{blob.key}）：{zh}。", f"{blob.en} ({blob.tier}/{blob.key}): {en}"
    )
