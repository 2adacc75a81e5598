"""A good copy of a damaged file: where one may be, and how it takes the damaged one's place.

Copies are looked for in every tier and replica, under every name that these bytes may have there. Nothing is believed
before it has been read whole into a file of our own and hashed; that file then becomes the blob, and is read back.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

from pipeline.export.disc import export_key
from pipeline.fixity.expected import Expected
from pipeline.fixity.look import Outcome, Read, is_list_of, look
from pipeline.intake import chunks_key, original_key
from pipeline.tier import derivative_key
from storage import durable
from storage.blobs.contract import BlobStore
from storage.catalogue.fixity import Kind, State
from storage.clock import new_id
from storage.errors import IntegrityError, Refused, Transient
from storage.ledger.merkle import ChunkHasher


@dataclass(frozen=True, slots=True)
class Repaired:
    """`source`: which copy it came from; `kept`: where the damaged one is, "" when there was none."""

    source: str
    kept: str


@dataclass(frozen=True, slots=True)
class Mender:
    """`replicas` are further stores by name, which are only read. `until`: the lock for a file whose lock is lost."""

    tiers: Mapping[str, BlobStore]
    replicas: Mapping[str, BlobStore]
    scratch: Path
    until: Callable[[str], datetime]

    def repair(self, wanted: Expected, outcome: Outcome, read: Read) -> Repaired | None:
        """Put a good copy in place; None when there is none. Raises Transient when the disk is full or a store down,
        IntegrityError when the repaired file reads back wrong."""
        copy = self.scratch / f"fixity-{new_id()}"
        try:
            source, sha256 = self._fetch(wanted, copy, read)
            if source is None:
                return None
            store = self.tiers[wanted.tier]
            reason = f"fixity: {outcome.state}"
            kept = store.restore(wanted.key, copy, sha256=sha256, retain_until=self.until(wanted.tier), reason=reason)
        finally:
            durable.remove(copy)
        again = look(self.tiers[wanted.tier], wanted, read)
        if again is None or again.state is not State.SOUND:
            raise IntegrityError(
                f"修复后的文件读回不一致：{wanted.tier}/{wanted.key}；磁盘可能有故障。",
                f"the repaired file reads back wrong: {wanted.tier}/{wanted.key}; the disk may be faulty",
            )
        return Repaired(source, kept)

    def _fetch(self, wanted: Expected, copy: Path, read: Read) -> tuple[str | None, str]:
        """A verified copy as a file, where it came from, and its digest. Raises NoRoom."""
        for name, pieces in self._candidates(wanted, read):
            try:
                sha256 = _write(pieces, copy, read)
            except NoRoom:
                raise
            except (Refused, IntegrityError, Transient):  # this copy is gone or can't be read: the next one
                continue
            if is_list_of(copy.read_bytes(), wanted) if wanted.kind is Kind.CHUNKS else sha256 == wanted.sha256:
                return name, sha256
        return None, ""

    def _candidates(self, wanted: Expected, read: Read) -> Iterator[tuple[str, Callable[[], Iterable[bytes]]]]:
        """Where the bytes may be: name and how they are read."""
        keys = [chunks_key(wanted.sha256)]
        if wanted.kind is not Kind.CHUNKS:
            keys = [name(wanted.sha256) for name in (original_key, derivative_key, export_key)]
        for label, stores in (("", self.tiers), ("replica:", self.replicas)):
            for tier, store in stores.items():
                for key in keys:
                    if label or (tier, key) != (wanted.tier, wanted.key):
                        yield f"{label}{tier}/{key}", partial(store.open, key)
        if wanted.kind is Kind.CHUNKS:
            yield "original", lambda: [self._leaves(wanted, read)]

    def _leaves(self, wanted: Expected, read: Read) -> bytes:
        """The chunk hashes of the original as it is stored now."""
        hasher = ChunkHasher()
        for piece in self.tiers[wanted.tier].open(original_key(wanted.sha256)):
            hasher.update(piece)
            read(len(piece))
        hasher.finish()
        return bytes(hasher.leaves)


class NoRoom(Transient):
    """The disk on which the good copy is put together is full or gone."""


def _write(pieces: Callable[[], Iterable[bytes]], copy: Path, read: Read) -> str:
    """Write a copy; its SHA-256."""
    digest = hashlib.sha256()
    with _disk(), copy.open("wb") as file:
        for piece in pieces():
            digest.update(piece)
            file.write(piece)
            read(len(piece))
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


@contextmanager
def _disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        said = durable.disk_error(error)
        raise NoRoom(said.zh, said.en) from error
