"""A stretch of the log, checked by itself: its bundles, leaf hashes and entries, and the chains inside it. Pure.

What a stretch can't know it hands on in `Seen`: whether an event id stands elsewhere, which entry came before its first
of a subject, and the roots of its tiles. So several processes can each take a stretch, in any order, and one puts
together in order what they saw (`storage.ledger.auditing.verify`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from storage.errors import IntegrityError
from storage.ledger import entry, merkle, rotation, tiles
from storage.ledger.tiles import ENTRIES, WIDTH, Reader, Tile

ID_SIZE = 16
"""Bytes kept of an event id's SHA-256: equal ids are never missed, and two ids of one digest can't be found."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The level 0 tiles `first` up to `end` (not included) of a tree of `size` entries. `keep`: hand on the bundles."""

    first: int
    end: int
    size: int
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Suspect:
    """The first wrong thing of a stretch, not judged yet.

    `leaf` is what the entry hashes to; `hashed`, where the tile says otherwise, what the tile has. Without an `index`
    it is the file that is `missing` or damaged.
    """

    path: str
    zh: str
    en: str
    index: int | None = None
    span: tuple[int, int] | None = None
    leaf: bytes = b""
    hashed: bytes = b""
    missing: bool = False


@dataclass(slots=True)
class Chain:
    """A subject's entries in a stretch: index and `prev` of the first, index and leaf hash of the last."""

    first: int
    prev: str | None
    last: int
    leaf: bytes


@dataclass(slots=True)
class Seen:
    """What was seen of a stretch, up to its end or its first suspect.

    `count`: entries that hold. `ids`: `ID_SIZE` bytes for each. `chains`: by subject, in the order they begin.
    `roots`: of its full tiles. `tail`: the leaf hashes of its partial tile, if it has one. `bundles`: if asked for.
    `rotations`: the entries by which one key of the log hands over to the next.
    """

    stretch: Stretch
    count: int = 0
    ids: bytearray = field(default_factory=bytearray)
    chains: dict[str, Chain] = field(default_factory=dict)
    roots: list[bytes] = field(default_factory=list)
    tail: list[bytes] = field(default_factory=list)
    bundles: list[tuple[Tile, bytes]] = field(default_factory=list)
    rotations: list[int] = field(default_factory=list)
    suspect: Suspect | None = None


def inspect(read: Reader, stretch: Stretch) -> Seen:
    """Read and check one stretch. Raises nothing of its own: what is wrong is in the outcome."""
    seen = Seen(stretch)
    for number in range(stretch.first, stretch.end):
        seen.suspect = _tile(read, tiles.covering(0, number * WIDTH, stretch.size), seen)
        if seen.suspect:
            break
    return seen


def _tile(read: Reader, tile: Tile, seen: Seen) -> Suspect | None:
    bundle = Tile(ENTRIES, tile.index, tile.width)
    looked_at = bundle
    try:
        content = _content(read, bundle)
        bodies = tiles.decode_bundle(content, bundle)
        looked_at = tile
        hashes = tiles.decode_tile(_content(read, tile), tile)
    except _Missing as error:
        return Suspect(looked_at.path, error.zh, error.en, missing=True)
    except IntegrityError as error:
        return Suspect(looked_at.path, error.zh, error.en)
    if wrong := _entries(bundle, bodies, hashes, seen):
        return wrong
    if seen.stretch.keep:
        seen.bundles.append((bundle, content))
    if tile.width == WIDTH:
        seen.roots.append(merkle.root(hashes))
    else:
        seen.tail = hashes
    return None


class _Missing(IntegrityError):
    """A file that should be there is not."""


def _content(read: Reader, tile: Tile) -> bytes:
    try:
        return tiles.read_tile(tile, read)
    except IntegrityError as error:
        raise _Missing(error.zh, error.en) from error


def _entries(bundle: Tile, bodies: list[bytes], hashes: list[bytes], seen: Seen) -> Suspect | None:
    offset = 2
    for index, (body, hashed) in enumerate(zip(bodies, hashes, strict=True), start=bundle.index * WIDTH):
        span, leaf = (offset, offset + len(body)), merkle.leaf_hash(body)
        if leaf != hashed:
            return Suspect(bundle.path, "", "", index, span, leaf, hashed)
        if wrong := _entry(index, body, leaf, seen):
            return Suspect(bundle.path, *wrong, index, span, leaf)
        offset = span[1] + 2
    return None


def _entry(index: int, body: bytes, leaf: bytes, seen: Seen) -> tuple[str, str] | None:
    """What is wrong with an entry (zh, en)."""
    try:
        found = entry.parse(body)
    except IntegrityError as error:
        return error.zh, str(error)
    subject = found.event.subject
    chain = seen.chains.get(subject)
    if chain is None:
        seen.chains[subject] = Chain(index, found.prev, index, leaf)
    elif found.prev != chain.leaf.hex():
        return broken_chain(subject, chain.last)
    else:
        chain.last, chain.leaf = index, leaf
    if rotation.is_rotation(found.event):
        seen.rotations.append(index)
    seen.ids += id_digest(found.event.id)
    seen.count += 1
    return None


def id_digest(event_id: str) -> bytes:
    return hashlib.sha256(event_id.encode("utf-8")).digest()[:ID_SIZE]


def broken_chain(subject: str, last: int | None) -> tuple[str, str]:
    """What is said of a wrong `prev`; `last` is the index of the subject's entry before, None where there is none."""
    if last is None:
        return f"prev 应为空，因为它是 {subject} 的第一条，保管链断裂", (
            f"its prev should be null, for it is the first of {subject}: the custody chain is broken"
        )
    return f"prev 不是 {subject} 上一条（{last}）的哈希，保管链断裂", (
        f"its prev is not the hash of entry {last}, the last of {subject}: the custody chain is broken"
    )
