"""Reading one stored file again, and what it is compared with.

An original is held against the Merkle root of its entry, chunk by chunk, so a check can stop at any chunk and go on
later: what it needs is where it was and at most 64 hashes. Other files have a SHA-256 only and are read in one go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pipeline.fixity.expected import Expected
from pipeline.intake import chunks_key
from storage.blobs.contract import BlobStore
from storage.catalogue.fixity import Kind, State
from storage.errors import IntegrityError, NotFound, Refused, Transient
from storage.ledger import merkle
from storage.ledger.merkle import CHUNK_SIZE, HASH_SIZE, ChunkHasher, CompactRange

RANGES = 200
"""Stretches of differing chunks that are told; an entry of the ledger has room for no more than some thousands."""

Read = Callable[[int], None]
"""Told of every so many bytes read; it may wait, and may raise to give up."""
Save = Callable[[Mapping[str, Any]], bool]
"""Keeps where the check stands. False: stop here, another run goes on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a file is found to be. `found`: its figures, where it could be read. `chunks`: first and last number of each
    stretch of chunks that differ. `why`: a reason from the store, zh and en."""

    state: State
    found: Mapping[str, Any] = field(default_factory=dict)
    chunks: tuple[tuple[int, int], ...] = ()
    why: tuple[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"state": self.state.value, "found": dict(self.found)}
        if self.chunks:
            said["chunks"] = [list(each) for each in self.chunks[:RANGES]]
            said["stretches"] = len(self.chunks)
        if self.why:
            said["zh"], said["en"] = self.why
        return said


SOUND = Outcome(State.SOUND)


def look(
    store: BlobStore, wanted: Expected, read: Read, *, resume: Mapping[str, Any] | None = None, save: Save | None = None
) -> Outcome | None:
    """Read the file and judge it; None when `save` said to stop. Raises Transient and Refused when the store as a whole
    doesn't answer."""
    try:
        with _readable(store, wanted.key):
            if wanted.kind is Kind.ORIGINAL:
                return _original(store, wanted, read, resume or {}, save)
            if wanted.kind is Kind.CHUNKS:
                return _chunk_list(store, wanted, read)
            return _whole(store, wanted, read)
    except NotFound:
        return Outcome(State.MISSING)
    except IntegrityError as error:
        return Outcome(State.DAMAGED, why=(error.zh, error.en))
    except _Unreadable as error:
        return Outcome(State.UNREADABLE, why=(error.zh, error.en))


class _Unreadable(Exception):
    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


@contextmanager
def _readable(store: BlobStore, key: str) -> Iterator[None]:
    """Tell a store that is down (an error of the run) from one file that can't be read (a finding)."""
    try:
        yield
    except NotFound:
        store.check()  # a disk that is not mounted has lost nothing
        raise
    except (Transient, Refused) as error:
        store.check()
        raise _Unreadable(error.zh, error.en) from error


def _whole(store: BlobStore, wanted: Expected, read: Read) -> Outcome:
    digest, size = hashlib.sha256(), 0
    for piece in store.open(wanted.key):
        digest.update(piece)
        size += len(piece)
        read(len(piece))
    found = {"sha256": digest.hexdigest(), "size": size}
    return SOUND if found == {"sha256": wanted.sha256, "size": wanted.size} else Outcome(State.DAMAGED, found)


def _chunk_list(store: BlobStore, wanted: Expected, read: Read) -> Outcome:
    kept = b"".join(store.open(wanted.key))
    read(len(kept))
    if is_list_of(kept, wanted):
        return SOUND
    return Outcome(State.DAMAGED, {"sha256": hashlib.sha256(kept).hexdigest(), "size": len(kept)})


def is_list_of(leaves: bytes, wanted: Expected) -> bool:
    """Whether these are the chunk hashes under the root that the entry says."""
    if len(leaves) != -(-wanted.size // CHUNK_SIZE) * HASH_SIZE:
        return False
    hashes = [leaves[at : at + HASH_SIZE] for at in range(0, len(leaves), HASH_SIZE)]
    return merkle.root(hashes).hex() == wanted.root


def _original(
    store: BlobStore, wanted: Expected, read: Read, resume: Mapping[str, Any], save: Save | None
) -> Outcome | None:
    known = _known_leaves(store, wanted)
    done, hasher = _resumed(resume)
    differing: list[int] = [int(number) for number in resume.get("differing", ())]
    size = done * CHUNK_SIZE
    for piece in store.open(wanted.key, start=size):
        hasher.update(piece)
        size += len(piece)
        read(len(piece))
        if hasher.leaves:
            done = _compare(hasher, known, done, differing)
        if save and size % CHUNK_SIZE == 0 and not save(_state(hasher.tree, differing)):
            return None
    root = hasher.finish().hex()
    _compare(hasher, known, done, differing)
    if (root, size) == (wanted.root, wanted.size):
        return SOUND
    return Outcome(State.DAMAGED, {"root": root, "size": size}, _stretches(differing))


def _known_leaves(store: BlobStore, wanted: Expected) -> bytes | None:
    """The stored chunk hashes where they are those of the entry's root: they say which chunks differ."""
    try:
        kept = b"".join(store.open(chunks_key(wanted.sha256)))
    except (NotFound, IntegrityError, Transient):
        return None
    return kept if is_list_of(kept, wanted) else None


def _compare(hasher: ChunkHasher, known: bytes | None, done: int, differing: list[int]) -> int:
    """Take the finished leaves out of the hasher and note the numbers of those that are not the known ones."""
    for at in range(0, len(hasher.leaves), HASH_SIZE):
        place = done * HASH_SIZE
        if known is not None and hasher.leaves[at : at + HASH_SIZE] != known[place : place + HASH_SIZE]:
            differing.append(done)
        done += 1
    hasher.leaves.clear()
    return done


def _resumed(resume: Mapping[str, Any]) -> tuple[int, ChunkHasher]:
    """How many chunks are read already, and the hasher as it was then."""
    done = int(resume.get("chunks", 0))
    return done, ChunkHasher(CompactRange(done, [bytes.fromhex(peak) for peak in resume.get("peaks", ())]))


def _state(tree: CompactRange, differing: list[int]) -> dict[str, Any]:
    return {"chunks": tree.size, "peaks": [peak.hex() for peak in tree.peaks], "differing": differing[: 10 * RANGES]}


def _stretches(numbers: list[int]) -> tuple[tuple[int, int], ...]:
    """Runs of consecutive numbers as first and last."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return tuple(found)
