"""The audit of a whole log from its static files: everything recomputed, the first wrong thing named. Pure.

Nothing is believed but the pinned public key. The steps, in this order (docs/ledger.md numbers them the same way):

1 the checkpoint is signed by the log's key; keys that followed it by rotation are proved by the file `rotations`
2 each entry bundle holds exactly its entries, and each entry hashes to its leaf in the level 0 tile
3 each entry is well formed, its `prev` is the leaf hash of its subject's previous entry, and its event id is new
4 each hash of a higher tile is the root of the full tile under it; the rotations are those among the entries
5 the root over all leaves is the signed one; where an older checkpoint is given, the log still begins with its tree
6 every other file of the folder that belongs to the log (superseded partial tiles) agrees with it

Steps 2 and most of 3 are done stretch by stretch (`storage.ledger.auditing.stretch`), by whoever is the `Inspector`.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from storage.errors import IntegrityError
from storage.ledger import entry, merkle, rotation, tiles
from storage.ledger.auditing import heads, stretch
from storage.ledger.auditing.blame import Blame
from storage.ledger.auditing.fault import Fault, Proves, located
from storage.ledger.auditing.stretch import ID_SIZE, Seen, Stretch
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.merkle import HASH_SIZE
from storage.ledger.tiles import ENTRIES, HEIGHT, WIDTH, Reader, Tile

Inspector = Callable[[Iterator[Stretch]], Iterator[Seen]]
"""Gives what `stretch.inspect` sees of each stretch, in their order."""


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` entries."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Audited:
    """A log that held. `unchecked`: files of the folder that the checkpoint says nothing about.

    `resumed`: of so many entries the interrupted run alone has read the bundles.
    """

    checkpoint: Checkpoint
    subjects: int
    unchecked: tuple[str, ...]
    resumed: int = 0


@dataclass(slots=True)
class Standing:
    """How far an audit has come: what it must remember of the first `len(roots)` full tiles.

    `head`: the signed checkpoint it began with. `roots`: of the level 0 tiles. `ids`: digests of the event ids seen, by
    their first byte. `last`: index and leaf hash of each subject's last entry. `rotations`: indexes of the log's keys'
    rotations.
    """

    vkey: str
    head: bytes
    roots: list[bytes] = field(default_factory=list)
    ids: list[bytearray] = field(default_factory=lambda: [bytearray() for _ in range(256)])
    last: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    rotations: list[int] = field(default_factory=list)


Steps = Generator[Progress, None, Audited]


def audit(
    read: Reader,
    vkey: str,
    *,
    names: Iterable[str] | None = None,
    since: bytes | None = None,
    visit: Callable[[int, bytes], None] | None = None,
) -> Steps:
    """Check a log, yielding progress; the generator's return value is an `Audited`.

    `names`: the paths of all its files, if step 6 is wanted. `since`: a checkpoint kept from an earlier time, to see
    that nothing was cut off or rewritten since. `visit` is given each index and entry as it holds. Memory: one tile,
    16 bytes for each entry, and the subjects. Raises Fault at the first wrong thing.
    """
    return (yield from Audit(read, vkey, older=[since] if since else [], visit=visit).steps(names))


def check(read: Reader, vkey: str, *, names: Iterable[str] | None = None, since: bytes | None = None) -> Audited:
    """`audit` without progress."""
    return finish(audit(read, vkey, names=names, since=since))


def finish(steps: Steps, tell: Callable[[Progress], None] = lambda _: None) -> Audited:
    """Run an audit to its end, telling its progress."""
    while True:
        try:
            tell(next(steps))
        except StopIteration as finished:
            result: Audited = finished.value
            return result


class Audit:
    """One audit. The signatures are checked at once: raises Fault.

    `older`: checkpoints kept from earlier, which the log must extend. `standing`: where an interrupted audit stood; of
    what it remembers only the hash tiles are read again.
    """

    def __init__(
        self,
        read: Reader,
        vkey: str,
        *,
        older: Sequence[bytes] = (),
        visit: Callable[[int, bytes], None] | None = None,
        standing: Standing | None = None,
    ) -> None:
        self._read = read
        now = heads.moment(read, vkey)
        self._keys, self.head = now.keys, now.head
        remembered = [standing.head] if standing else []
        self._older = [heads.older(each, self._keys, self.head) for each in [*older, *remembered, *now.handovers]]
        self._visit = visit
        self._blame = Blame(read, self.head)
        self.standing = standing or Standing(vkey, now.signed)
        self.settled = True
        """Is `standing` whole? False while a stretch is put to it."""
        self._tail: list[bytes] = []

    def steps(self, names: Iterable[str] | None = None, inspect: Inspector | None = None, each: int = 1) -> Steps:
        """Go through the log, `each` tiles at a time."""
        begun, size = len(self.standing.roots), self.head.size
        self._compare_resumed()
        for seen in (inspect or self._inspect)(self._stretches(begun, each)):
            self._take(seen)
            yield Progress(min(seen.stretch.end * WIDTH, size), size)
        self._compare_ids()
        self._compare_rotations()
        self._compare_upper_tiles()
        self._compare_roots()
        others = tuple(self._others(names or ()))
        return Audited(self.head, len(self.standing.last), others, begun * WIDTH)

    def _stretches(self, begun: int, each: int) -> Iterator[Stretch]:
        end = -(-self.head.size // WIDTH)
        for first in range(begun, end, each):
            yield Stretch(first, min(first + each, end), self.head.size, self._visit is not None)

    def _inspect(self, stretches: Iterator[Stretch]) -> Iterator[Seen]:
        return (stretch.inspect(self._read, each) for each in stretches)

    def _compare_resumed(self) -> None:
        """The hash tiles of what an interrupted run has read must be the ones it read."""
        for number, root in enumerate(self.standing.roots):
            tile = Tile(0, number)
            if merkle.root(tiles.decode_tile(self._content(tile), tile)) != root:
                self._compare_older()
                zh, en = "自审计中断以来，此文件已变", "this file has changed since the audit was interrupted"
                raise Fault(f"{tile.path}：{zh}", f"{tile.path}: {en}", Proves.ALTERED, tile.path)

    def _take(self, seen: Seen) -> None:
        """Put a stretch to what stands: steps 2 and 3."""
        self.settled, standing = False, self.standing
        for subject, chain in seen.chains.items():
            index, leaf = standing.last.get(subject, (None, None))
            if chain.prev != (leaf.hex() if leaf else None):
                raise self._blame.entry(chain.first, *stretch.broken_chain(subject, index))
            standing.last[subject] = (chain.last, chain.leaf)
        if seen.suspect:
            raise self._blame.suspect(seen.suspect)
        for at in range(0, len(seen.ids), ID_SIZE):
            standing.ids[seen.ids[at]] += seen.ids[at : at + ID_SIZE]
        standing.rotations += seen.rotations
        standing.roots += seen.roots
        self._tail = seen.tail
        self.settled = not seen.tail  # a partial tile is read again when the audit is resumed
        if self._visit:
            for tile, content in seen.bundles:
                for index, body in enumerate(tiles.decode_bundle(content, tile), start=tile.index * WIDTH):
                    self._visit(index, body)

    def _compare_ids(self) -> None:
        """The end of step 3: no event id twice."""
        twice: set[bytes] = set()
        for bucket in self.standing.ids:
            counted = Counter(bytes(bucket[at : at + ID_SIZE]) for at in range(0, len(bucket), ID_SIZE))
            twice |= {digest for digest, count in counted.items() if count > 1}
        if twice:
            index, event_id = self._second(twice)
            zh, en = f"事件 {event_id} 出现两次", f"the event {event_id} is in the log twice"
            raise self._blame.entry(index, zh, en)

    def _compare_rotations(self) -> None:
        """The entries by which one key handed over to the next are those of the file `rotations`."""
        if tuple(self.standing.rotations) != self._keys.turns:
            zh = f"文件 {rotation.FILE} 与存证链中的密钥轮换条目不符"
            en = f"the file {rotation.FILE} does not name the rotations that are among the entries"
            raise Fault(zh, en, Proves.NOT_WHOLE, rotation.FILE)

    def _second(self, twice: set[bytes]) -> tuple[int, str]:
        """The first entry whose event id was in the log before. The log is read a second time for it."""
        met: set[bytes] = set()
        for first in range(0, self.head.size, WIDTH):
            bundle = tiles.covering(ENTRIES, first, self.head.size)
            for index, body in enumerate(tiles.decode_bundle(self._content(bundle), bundle), start=first):
                event_id = entry.parse(body).event.id
                digest = stretch.id_digest(event_id)
                if digest in met:
                    return index, event_id
                met |= {digest} & twice
        raise Fault("审计期间文件被改动", "files were changed during the audit", Proves.ALTERED, "tile/entries")

    def _compare_upper_tiles(self) -> None:
        """Step 4."""
        level, roots = 1, self.standing.roots
        while roots:
            above = []
            for first in range(0, len(roots), WIDTH):
                expected = roots[first : first + WIDTH]
                tile = Tile(level, first // WIDTH, len(expected))
                self._compare_tile(tile, b"".join(expected))
                if len(expected) == WIDTH:
                    above.append(merkle.root(expected))
            level, roots = level + 1, above

    def _compare_tile(self, tile: Tile, expected: bytes) -> None:
        content = self._content(tile)
        if content != expected:
            begin = _first_difference(content, expected) // HASH_SIZE * HASH_SIZE
            zh, en = "哈希与其下的条目不符", "this hash is not the root of the entries under it"
            raise located(Proves.ALTERED, tile.path, (begin, begin + HASH_SIZE), zh, en)

    def _compare_roots(self) -> None:
        """Step 5."""
        size = self.head.size
        if merkle.range_root(0, size, self._hash) != self.head.root:
            raise Fault(
                f"全部 {size} 条条目的根哈希与已签名检查点不符：签发之后历史被整体改写",
                f"the root over all {size} entries is not the signed one: history was rewritten",
                Proves.REWRITTEN,
                "checkpoint",
            )
        self._compare_older()

    def _compare_older(self) -> None:
        """Where the hash tiles lead to the signed root, an older checkpoint they don't lead to convicts its signer."""
        read = tiles.TileTree(self._read).reader(self.head.size)
        if merkle.range_root(0, self.head.size, read) == self.head.root:
            for older in self._older:
                if merkle.range_root(0, older.size, read) != older.root:
                    raise heads.forked(older.size)

    def _hash(self, level: int, index: int) -> bytes:
        """A node of the tree, from the tiles' roots and the last leaves that were recomputed."""
        if level >= HEIGHT:
            first, last = index << (level - HEIGHT), (index + 1) << (level - HEIGHT)
            return merkle.root(self.standing.roots[first:last])
        first, last = (each - len(self.standing.roots) * WIDTH for each in (index << level, (index + 1) << level))
        return merkle.root(self._tail[first:last])

    def _others(self, names: Iterable[str]) -> Iterable[str]:
        """Step 6; gives the files that can't be checked."""
        current = {tile.path for tile in tiles.written(0, self.head.size)} | {"checkpoint", rotation.FILE}
        for name in names:
            tile = tiles.parse_path(name)
            if name in current:
                continue
            if tile is None or tile.level > 8 or not self._covers(tile):
                yield name
            else:
                with contextlib.suppress(FileNotFoundError):  # the sequencer may tidy it away while we read
                    self._superseded(tile)

    def _covers(self, tile: Tile) -> bool:
        count = self.head.size >> (HEIGHT * max(tile.level, 0))
        return tile.index * WIDTH + tile.width <= count

    def _superseded(self, tile: Tile) -> None:
        current = tiles.covering(tile.level, tile.index * WIDTH, self.head.size)
        content, expected = self._read(tile.path), self._content(current)
        if tile.level == ENTRIES:
            expected = tiles.encode_bundle(tiles.decode_bundle(expected, current)[: tile.width])
        else:
            expected = expected[: tile.width * HASH_SIZE]
        if content != expected:
            begin = _first_difference(content, expected)
            zh, en = "与后来的完整文件不符", "these bytes differ from the later, wider file"
            raise located(Proves.ALTERED, tile.path, (begin, begin + 1), zh, en)

    def _content(self, tile: Tile) -> bytes:
        try:
            return tiles.read_tile(tile, self._read)
        except IntegrityError as error:
            raise Fault(error.zh, error.en, Proves.NOT_WHOLE, tile.path) from error


def _first_difference(left: bytes, right: bytes) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((position for position, (a, b) in pairs if a != b), min(len(left), len(right)))
