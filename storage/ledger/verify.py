"""The audit of a whole log from its static files: everything recomputed, the first wrong thing named. Pure.

Nothing is believed but the pinned public key. The steps, in this order (docs/ledger.md numbers them the same way):

1 the checkpoint is signed by the log's key
2 each entry bundle holds exactly its entries, and each entry hashes to its leaf in the level 0 tile
3 each entry is well formed, its event id is new, and its `prev` is the leaf hash of its subject's previous entry
4 each hash of a higher tile is the root of the full tile under it
5 the root over all leaves is the signed one; where an older checkpoint is given, the log still begins with its tree
6 every other file of the folder that belongs to the log (superseded partial tiles) agrees with it
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

from storage.errors import IntegrityError
from storage.ledger import checkpoint, entry, merkle, note, tiles
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.merkle import HASH_SIZE
from storage.ledger.tiles import ENTRIES, HEIGHT, WIDTH, Reader, Tile


class Fault(IntegrityError):
    """What is wrong with a log. `path`: the file; `span`: the bytes in it; `index`: the entry; None where unknown."""

    def __init__(
        self, zh: str, en: str, path: str, *, span: tuple[int, int] | None = None, index: int | None = None
    ) -> None:
        super().__init__(zh, en)
        self.path = path
        self.span = span
        self.index = index


@dataclass(frozen=True, slots=True)
class Progress:
    """`done` of `total` entries."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Audited:
    """A log that held. `unchecked`: files of the folder that the checkpoint says nothing about."""

    checkpoint: Checkpoint
    subjects: int
    unchecked: tuple[str, ...]


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
    the ids and the subjects. Raises IntegrityError at the first wrong thing, a Fault where its place is known.
    """
    verifier = note.parse_vkey(vkey)
    head = _checkpoint(read, verifier)
    earlier = _earlier(since, verifier, head)
    return (yield from _Audit(read, head, earlier, visit).run(names))


def check(read: Reader, vkey: str, *, names: Iterable[str] | None = None, since: bytes | None = None) -> Audited:
    """`audit` without progress."""
    steps = audit(read, vkey, names=names, since=since)
    while True:
        try:
            next(steps)
        except StopIteration as finished:
            result: Audited = finished.value
            return result


class _Audit:
    def __init__(
        self,
        read: Reader,
        head: Checkpoint,
        earlier: Checkpoint | None,
        visit: Callable[[int, bytes], None] | None,
    ) -> None:
        self._read = read
        self._head = head
        self._earlier = earlier
        self._visit = visit
        self._tree = merkle.CompactRange()
        self._ids: set[str] = set()
        self._last: dict[str, tuple[int, str]] = {}
        self._roots: list[bytes] = []

    def run(self, names: Iterable[str] | None) -> Steps:
        size = self._head.size
        for first in range(0, size, WIDTH):
            self._tile_of_entries(tiles.covering(0, first, size))
            yield Progress(min(first + WIDTH, size), size)
        self._upper_tiles()
        self._compare_roots()
        return Audited(self._head, len(self._last), tuple(self._others(names or ())))

    def _tile_of_entries(self, tile: Tile) -> None:
        """Steps 2 and 3 for up to 256 entries."""
        bundle = Tile(ENTRIES, tile.index, tile.width)
        bodies = tiles.decode_bundle(self._content(bundle), bundle)
        hashes = tiles.decode_tile(self._content(tile), tile)
        offset, first = 0, tile.index * WIDTH
        for position, (body, expected) in enumerate(zip(bodies, hashes, strict=True)):
            span = (offset + 2, offset + 2 + len(body))
            leaf = merkle.leaf_hash(body)
            if leaf != expected:
                raise self._blame(first + position, span, leaf, expected)
            self._tree.append(leaf)
            self._entry(first + position, body, leaf, bundle, span)
            offset = span[1]
        if tile.width == WIDTH:
            self._roots.append(merkle.root(hashes))

    def _entry(self, index: int, body: bytes, leaf: bytes, bundle: Tile, span: tuple[int, int]) -> None:
        try:
            found = entry.parse(body)
        except IntegrityError as error:
            raise Fault(
                f"第 {index} 条：{error.zh}", f"entry {index}: {error}", bundle.path, span=span, index=index
            ) from error
        event = found.event
        earlier, prev = self._last.get(event.subject, (None, None))
        if event.id in self._ids:
            zh, en = f"事件 {event.id} 出现两次", f"the event {event.id} is in the log twice"
        elif found.prev != prev:
            zh = f"prev 不是 {event.subject} 上一条（{earlier}）的哈希，保管链断裂"
            en = (
                f"its prev is not the hash of entry {earlier}, the last of {event.subject}: the custody chain is broken"
            )
        else:
            zh = en = ""
        if en:
            raise Fault(f"第 {index} 条：{zh}。", f"entry {index}: {en}", bundle.path, span=span, index=index)
        self._ids.add(event.id)
        self._last[event.subject] = (index, leaf.hex())
        if self._earlier and self._earlier.size == index + 1:
            self._compare_earlier()
        if self._visit:
            self._visit(index, body)

    def _blame(self, index: int, span: tuple[int, int], leaf: bytes, hashed: bytes) -> Fault:
        """Which was altered, the entry (it hashes to `leaf`) or the hash in the tile: the signed root tells."""
        tile = tiles.covering(0, index, self._head.size)
        row = (index % WIDTH * HASH_SIZE, (index % WIDTH + 1) * HASH_SIZE)
        if self._included(index, leaf):
            zh, en = (
                "叶哈希被改动，条目本身与签名一致",
                "this leaf hash was altered; the entry is the one that was signed",
            )
            return _fault(tile.path, row, index, zh, en)
        if self._included(index, hashed):
            zh, en = "条目被改动，与签发时不符", "this entry was altered; it is not the one that was signed"
        else:
            zh, en = "条目与哈希均与签名不符", "this entry and the hashes over it are not those that were signed"
        return _fault(Tile(ENTRIES, tile.index, tile.width).path, span, index, zh, en)

    def _included(self, index: int, leaf: bytes) -> bool:
        size = self._head.size
        try:
            path = merkle.inclusion_proof(index, size, tiles.TileTree(self._read).reader(size))
            merkle.verify_inclusion(index, size, leaf, path, self._head.root)
        except IntegrityError:
            return False
        return True

    def _upper_tiles(self) -> None:
        """Step 4."""
        level, roots = 1, self._roots
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
        tiles.decode_tile(content, tile)
        if content != expected:
            begin = _first_difference(content, expected) // HASH_SIZE * HASH_SIZE
            zh, en = "哈希与其下的条目不符", "this hash is not the root of the entries under it"
            raise _fault(tile.path, (begin, begin + HASH_SIZE), None, zh, en)

    def _compare_roots(self) -> None:
        """Step 5."""
        if self._tree.root() != self._head.root:
            raise Fault(
                f"全部 {self._head.size} 条条目的根哈希与已签名检查点不符：签发之后历史被整体改写。",
                f"the root over all {self._head.size} entries is not the signed one: history was rewritten",
                "checkpoint",
            )

    def _compare_earlier(self) -> None:
        if self._earlier and self._tree.root() != self._earlier.root:
            raise Fault(
                f"前 {self._earlier.size} 条条目与所保存的旧检查点不符：历史被改写或分叉，签发者签署了两种历史。",
                f"the first {self._earlier.size} entries are not those of the older checkpoint: history was forked, "
                "and its signer signed both",
                "checkpoint",
            )

    def _others(self, names: Iterable[str]) -> Iterable[str]:
        """Step 6; gives the files that can't be checked."""
        current = {tile.path for tile in tiles.written(0, self._head.size)} | {"checkpoint"}
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
        count = self._head.size >> (HEIGHT * max(tile.level, 0))
        return tile.index * WIDTH + tile.width <= count

    def _superseded(self, tile: Tile) -> None:
        current = tiles.covering(tile.level, tile.index * WIDTH, self._head.size)
        content, expected = self._read(tile.path), self._content(current)
        if tile.level == ENTRIES:
            expected = tiles.encode_bundle(tiles.decode_bundle(expected, current)[: tile.width])
        else:
            expected = expected[: tile.width * HASH_SIZE]
        if content != expected:
            begin = _first_difference(content, expected)
            zh = "与后来的完整文件不符"
            raise _fault(tile.path, (begin, begin + 1), None, zh, "these bytes differ from the later, wider file")

    def _content(self, tile: Tile) -> bytes:
        return tiles.read_tile(tile, self._read)


def _checkpoint(read: Reader, verifier: note.Verifier) -> Checkpoint:
    """Step 1."""
    try:
        return checkpoint.verify(read("checkpoint"), verifier)
    except FileNotFoundError:
        raise Fault("缺少检查点文件。", "the file checkpoint is missing", "checkpoint") from None
    except IntegrityError as error:
        raise Fault(error.zh, str(error), "checkpoint") from error


def _earlier(since: bytes | None, verifier: note.Verifier, head: Checkpoint) -> Checkpoint | None:
    if since is None:
        return None
    earlier = checkpoint.verify(since, verifier)
    if earlier.size > head.size:
        raise Fault(
            f"存证链被截短：旧检查点有 {earlier.size} 条，现在只有 {head.size} 条。",
            f"the log was cut short: the older checkpoint has {earlier.size} entries, now there are {head.size}",
            "checkpoint",
        )
    return earlier


def _first_difference(left: bytes, right: bytes) -> int:
    pairs = enumerate(zip(left, right, strict=False))
    return next((position for position, (a, b) in pairs if a != b), min(len(left), len(right)))


def _fault(path: str, span: tuple[int, int], index: int | None, zh: str, en: str) -> Fault:
    where = "" if index is None else f"第 {index} 条，"
    at = "" if index is None else f"entry {index}, "
    return Fault(
        f"{where}{path} 第 {span[0]}–{span[1]} 字节：{zh}。",
        f"{at}{path} bytes {span[0]}–{span[1]}: {en}",
        path,
        span=span,
        index=index,
    )
