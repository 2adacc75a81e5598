"""C2SP tlog-tiles: the log as static files. Names, contents, and which of them a growing log writes. Pure.

A hash tile holds up to 256 hashes of 32 bytes; level 0 has the leaf hashes, each hash of a higher level is the root of
one full tile below. An entry bundle holds up to 256 entries, each after its length in 16 bits, big-endian. A tile that
is not full is partial and has its width in its name; it is never rewritten, a wider one is written beside it.
Source: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import NoReturn

from storage.errors import IntegrityError
from storage.ledger import merkle
from storage.ledger.merkle import HASH_SIZE, HashReader

HEIGHT = 8
WIDTH = 1 << HEIGHT
ENTRIES = -1  # the "level" of entry bundles
_CACHED_TILES = 3968  # each 8 KiB and as much again when expanded: 62 MiB, and all of a log of a million entries
_NAME = re.compile(r"tile/(entries|\d{1,2})/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?")

Reader = Callable[[str], bytes]
"""Gives the bytes of a file of the log by its relative path. Raises FileNotFoundError when there is none."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile or entry bundle: number `index` of its level, with `width` hashes or entries."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Such as `tile/1/x001/x234/067.p/17` or `tile/entries/000`."""
        rest, last = divmod(self.index, 1000)
        number = f"{last:03d}"
        while rest:
            rest, group = divmod(rest, 1000)
            number = f"x{group:03d}/{number}"
        partial = f".p/{self.width}" if self.width < WIDTH else ""
        return f"tile/{'entries' if self.level == ENTRIES else self.level}/{number}{partial}"

    @property
    def full(self) -> Tile:
        return Tile(self.level, self.index)


def parse_path(path: str) -> Tile | None:
    """The tile of a path, None when the path is not the one canonical name of a tile."""
    match = _NAME.fullmatch(path)
    if not match:
        return None
    level, number, width = match.groups()
    index = int(number.replace("/", "").replace("x", ""))
    tile = Tile(ENTRIES if level == "entries" else int(level), index, int(width) if width else WIDTH)
    return tile if tile.path == path and tile.width and tile.level < 64 else None


def covering(level: int, position: int, size: int) -> Tile:
    """The tile that holds number `position` of `level` in a tree of `size` entries."""
    index = position // WIDTH
    count = size >> (HEIGHT * max(level, 0))
    return Tile(level, index, min(WIDTH, count - index * WIDTH))


def written(old: int, new: int) -> Iterator[Tile]:
    """The bundles and tiles that a log growing from `old` to `new` entries writes, bundles first, then by level.

    `written(0, size)` is the whole log.
    """
    for level in range(ENTRIES, 8):
        shift = HEIGHT * max(level, 0)
        begin, end = old >> shift, new >> shift
        for index in range(begin // WIDTH, -(-end // WIDTH) if end > begin else 0):
            yield covering(level, index * WIDTH, new)


def encode_bundle(bodies: Sequence[bytes]) -> bytes:
    return b"".join(struct.pack(">H", len(body)) + body for body in bodies)


def decode_bundle(content: bytes, tile: Tile) -> list[bytes]:
    """The entries of a bundle. Raises IntegrityError unless there are exactly as many as the name says."""
    bodies, offset = [], 0
    while offset < len(content):
        end = offset + 2 + int.from_bytes(content[offset : offset + 2], "big")
        if end > len(content) or offset + 2 > len(content):
            _damaged(tile, f"从第 {offset} 字节起被截断", f"it is cut off from byte {offset} on")
        bodies.append(content[offset + 2 : end])
        offset = end
    if len(bodies) != tile.width:
        zh, en = f"应有 {tile.width} 条，实有 {len(bodies)} 条", f"it has {len(bodies)} entries, not {tile.width}"
        _damaged(tile, zh, en)
    return bodies


def decode_tile(content: bytes, tile: Tile) -> list[bytes]:
    """The hashes of a tile. Raises IntegrityError unless there are exactly as many as the name says."""
    check_tile(content, tile)
    return [content[offset : offset + HASH_SIZE] for offset in range(0, len(content), HASH_SIZE)]


def check_tile(content: bytes, tile: Tile) -> None:
    """Raises IntegrityError unless a tile has exactly as many hashes as its name says."""
    if len(content) != tile.width * HASH_SIZE:
        zh, en = f"长度 {len(content)} 字节不正确", f"its length of {len(content)} bytes is wrong"
        _damaged(tile, zh, en)


def grow_tiles(old: int, leaves: Sequence[bytes], read: Reader) -> Iterator[tuple[Tile, bytes]]:
    """The new hash tiles, with contents, when `leaves` are added to a log of `old` entries. Reads the right edge."""
    level, start, hashes = 0, old, list(leaves)
    while hashes:
        first = start // WIDTH
        if start % WIDTH:
            hashes[:0] = decode_tile(*_content(Tile(level, first, start % WIDTH), read))
        parents = []
        for offset in range(0, len(hashes), WIDTH):
            piece = hashes[offset : offset + WIDTH]
            yield Tile(level, first + offset // WIDTH, len(piece)), b"".join(piece)
            if len(piece) == WIDTH:
                parents.append(merkle.root(piece))
        level, start, hashes = level + 1, first, parents


def grow_bundles(old: int, bodies: Sequence[bytes], read: Reader) -> Iterator[tuple[Tile, bytes]]:
    """The new entry bundles, with contents, when `bodies` are added to a log of `old` entries."""
    first, bodies = old // WIDTH, list(bodies)
    if old % WIDTH:
        bodies[:0] = decode_bundle(*_content(Tile(ENTRIES, first, old % WIDTH), read))
    for offset in range(0, len(bodies), WIDTH):
        piece = bodies[offset : offset + WIDTH]
        yield Tile(ENTRIES, first + offset // WIDTH, len(piece)), encode_bundle(piece)


class TileTree:
    """The hashes of a tiled log. Keeps up to 62 MiB of tiles in memory, however large the log. Safe in any thread.

    Nothing read is verified here: whoever uses it compares the outcome with a signed root.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._row = lru_cache(maxsize=_CACHED_TILES)(self._load)
        self._rows_above = lru_cache(maxsize=_CACHED_TILES)(self._expand)

    def reader(self, size: int) -> HashReader:
        """The hash reader, as `merkle` wants it, for the tree of `size` entries."""

        def read(level: int, index: int) -> bytes:
            tile_level, above = divmod(level, HEIGHT)
            number, position = divmod(index, WIDTH >> above)
            width = min(WIDTH, (size >> (HEIGHT * tile_level)) - number * WIDTH)
            tile = (tile_level, number, width)
            row = self._rows_above(*tile)[above - 1] if above else self._row(*tile)
            return row[position * HASH_SIZE : (position + 1) * HASH_SIZE]

        return read

    def leaf(self, index: int, size: int) -> bytes:
        return self.reader(size)(0, index)

    def root(self, size: int) -> bytes:
        return merkle.range_root(0, size, self.reader(size))

    def _load(self, level: int, index: int, width: int) -> bytes:
        """A tile's hashes, one after the other."""
        content, tile = _content(Tile(level, index, width), self._read)
        check_tile(content, tile)
        return content

    def _expand(self, level: int, index: int, width: int) -> list[bytes]:
        """The seven rows of hashes between a tile and the tile above, the widest first."""
        rows, below = [], self._row(level, index, width)
        for _ in range(1, HEIGHT):
            pairs = range(0, len(below) - 2 * HASH_SIZE + 1, 2 * HASH_SIZE)
            below = b"".join([sha256(b"\x01" + below[at : at + 2 * HASH_SIZE]).digest() for at in pairs])
            rows.append(below)
        return rows


def read_tile(tile: Tile, read: Reader) -> bytes:
    """A tile's or bundle's bytes; a partial one that is gone is cut from the full one (the format lets it go then).

    Raises IntegrityError when neither is there.
    """
    try:
        return read(tile.path)
    except FileNotFoundError:
        pass
    try:
        content = read(tile.full.path)
    except FileNotFoundError:
        _damaged(tile, "文件缺失", "it is missing")
    if tile.level != ENTRIES:
        return content[: tile.width * HASH_SIZE]
    return encode_bundle(decode_bundle(content, tile.full)[: tile.width])


def _content(tile: Tile, read: Reader) -> tuple[bytes, Tile]:
    return read_tile(tile, read), tile


def _damaged(tile: Tile, zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"存证链文件 {tile.path} 损坏：{zh}。", f"ledger file {tile.path} is damaged: {en}")
