"""Stored files read again and held against what the catalogue says of them (step 4 of `pipeline.verify`)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.export.disc import export_key
from pipeline.intake import chunks_key, original_key
from pipeline.ledger_facts import Wrong
from pipeline.tier import derivative_key
from storage import durable
from storage.blobs.contract import BlobStore
from storage.catalogue.tables import Derivative, Export, Original
from storage.errors import IntegrityError, NotFound, Refused
from storage.ledger import merkle

THREADS = 2
JOURNAL = "liuhen.verify-state/1"


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One stored file to read. `root` of originals only; `subject`: whose chain in the ledger it belongs to."""

    zh: str
    en: str
    tier: str
    key: str
    sha256: str
    size: int
    subject: str
    root: str | None = None

    @property
    def line(self) -> str:
        """Where it lies and what it must be, as the journal has it."""
        return f"{self.tier}/{self.key} {self.sha256} {self.size} {self.root or '-'}"


class Journal:
    """Which files an interrupted verification has read and found sound, in a file of the verifier's own.

    One line for each, appended; a line cut off by a crash is not counted. Bound to the ledger's key: the first line
    names it. Without a `file` nothing is remembered. Raises Refused when the file is of another ledger.
    """

    def __init__(self, file: Path | None, vkey: str) -> None:
        self._file = file
        self._known: set[str] = set()
        self._handle: IO[str] | None = None
        if file is not None:
            self._open(file, f"{JOURNAL} {vkey}")

    def _open(self, file: Path, head: str) -> None:
        lines = file.read_text(encoding="utf-8").split("\n")[:-1] if file.exists() else [head]
        if lines[:1] != [head]:
            raise Refused(
                f"{file} 不是本存证链的核验进度文件。请另选文件，或删除它从头核验。",
                f"{file} is no verification state of this ledger: give another file, or delete it to begin anew",
            )
        self._known = set(lines[1:])
        durable.write(file, "".join(f"{line}\n" for line in lines).encode(), mode=0o600)
        self._handle = file.open("a", encoding="utf-8")

    def has(self, stored: StoredFile) -> bool:
        return stored.line in self._known

    def add(self, stored: StoredFile) -> None:
        """Remember a sound file, durably."""
        if self._handle:
            self._handle.write(f"{stored.line}\n")
            self._handle.flush()
            os.fsync(self._handle.fileno())

    def close(self, *, finished: bool) -> None:
        """`finished`: nothing is left to go on with, so the next verification begins at the beginning."""
        if self._handle and self._file:
            self._handle.close()
            self._handle = None
            if finished:
                durable.remove(self._file)


@dataclass(slots=True)
class FileCheck:
    """Reads files, two at a time. `count` is told each read piece's bytes, from several threads."""

    tiers: Mapping[str, BlobStore]
    count: Callable[[int], None]
    journal: Journal

    def wrongs(self, files: list[StoredFile], sound: Callable[[StoredFile], None]) -> Iterator[Wrong]:
        """What is wrong, in the files' order; `sound` is told the others."""
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="verify")
        try:
            for stored, wrong in zip(files, pool.map(self._look, files), strict=True):
                if wrong is not None:
                    yield wrong
                else:
                    self.journal.add(stored)
                    sound(stored)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _look(self, stored: StoredFile) -> Wrong | None:
        """Read one file again. An error of the store about its own records is a finding like any other."""
        store = self.tiers.get(stored.tier)
        if store is None:
            return _wrong_file(stored, "没有这个存储层", "there is no such tier")
        whole, chunks, size = hashlib.sha256(), merkle.ChunkHasher(), 0
        try:
            for piece in store.open(stored.key):
                whole.update(piece)
                chunks.update(piece)
                size += len(piece)
                self.count(len(piece))
        except NotFound:
            return _wrong_file(stored, "文件缺失", "the file is missing")
        except IntegrityError as error:
            return _wrong_file(stored, error.zh, error.en)
        return _judge(stored, store, whole.hexdigest(), chunks, size)


def stored_files(session: Session) -> list[StoredFile]:
    """All files that the catalogue names, originals first."""
    owners = {row.sha256: f"recording:{row.recording_id}" for row in session.scalars(select(Original))}
    found = [
        StoredFile(f"原件 {row.name}", f"original {row.name}", row.tier, original_key(row.sha256), row.sha256, row.size,
              owners[row.sha256], row.root)
        for row in session.scalars(select(Original).order_by(Original.received, Original.sha256))
    ]  # fmt: skip
    for copy in session.scalars(select(Derivative).order_by(Derivative.made, Derivative.id)):
        zh, en, key = f"衍生件 {copy.kind}", f"derivative {copy.kind}", derivative_key(copy.sha256)
        found.append(StoredFile(zh, en, copy.tier, key, copy.sha256, copy.size, owners.get(copy.original_sha256, "")))
    for disc in session.scalars(select(Export).order_by(Export.made, Export.id)):
        key, subject = export_key(disc.sha256), f"recording:{disc.recording_id}"
        found.append(StoredFile("导出光盘", "export", disc.tier, key, disc.sha256, disc.size, subject))
    return found


def _judge(stored: StoredFile, store: BlobStore, sha256: str, chunks: merkle.ChunkHasher, size: int) -> Wrong | None:
    root = chunks.finish().hex()
    if stored.root is None:
        same = (sha256, size) == (stored.sha256, stored.size)
        return None if same else _wrong_file(stored, "内容与摘要不符", "its content is not that of its digest")
    known = _chunk_list(store, stored)
    if (sha256, root, size) != (stored.sha256, stored.root, stored.size):
        zh, en = _where(known, bytes(chunks.leaves), size)
        return _wrong_file(stored, f"内容与入库时不符，{zh}", f"its content is not what was received, {en}")
    if known != bytes(chunks.leaves):
        return _wrong_file(
            stored, "分块摘要表缺失或损坏（原件完好）", "its chunk list is missing or damaged (the file is sound)"
        )
    return None


def _chunk_list(store: BlobStore, stored: StoredFile) -> bytes | None:
    """The stored leaf hashes; None unless they are those of the recorded root."""
    try:
        kept = b"".join(store.open(chunks_key(stored.sha256)))
    except (NotFound, IntegrityError):
        return None
    hashes = [kept[at : at + merkle.HASH_SIZE] for at in range(0, len(kept), merkle.HASH_SIZE)]
    return kept if merkle.root(hashes).hex() == stored.root else None


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


def _wrong_file(stored: StoredFile, zh: str, en: str) -> Wrong:
    place = f"{stored.tier}/{stored.key}"
    return Wrong(stored.subject, f"{stored.zh}（{place}）：{zh}。", f"{stored.en} ({place}): {en}")
