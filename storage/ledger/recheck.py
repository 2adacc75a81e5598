"""What the sequencer makes sure of between writing and signing, from the files as they are on the disk. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from storage.errors import IntegrityError
from storage.ledger import merkle, tiles
from storage.ledger.tiles import ENTRIES, HEIGHT, WIDTH, Reader, Tile


def growth(old: int, leaves: Sequence[bytes], read: Reader) -> None:
    """Check the files that a log growing from `old` entries by these leaf hashes has written.

    Every entry in the new bundles must hash to its leaf, the new leaves must be the given ones, and every hash above
    must be the root of the full tile under it. Raises IntegrityError that names the file.
    """
    new = old + len(leaves)
    for tile in tiles.written(old, new):
        content = tiles.read_tile(tile, read)
        if tile.level == ENTRIES:
            found = [merkle.leaf_hash(body) for body in tiles.decode_bundle(content, tile)]
            expected = _hashes(Tile(0, tile.index, tile.width), read)
        else:
            found = _from(tiles.decode_tile(content, tile), tile, old)
            expected = _below(tile, old, new, leaves, read)
        if found != expected:
            raise IntegrityError(
                f"写入的存证链文件 {tile.path} 与应写内容不符（磁盘可能有故障），未签发。",
                f"the ledger file {tile.path} does not hold what was written (a faulty disk?); nothing was signed",
            )


def _from(hashes: list[bytes], tile: Tile, old: int) -> list[bytes]:
    """Of a tile's hashes those that are new."""
    return hashes[max((old >> (HEIGHT * tile.level)) - tile.index * WIDTH, 0) :]


def _below(tile: Tile, old: int, new: int, leaves: Sequence[bytes], read: Reader) -> list[bytes]:
    """What a tile's new hashes must be: the new leaves, or the roots of the tiles below that have become full."""
    first = max(tile.index * WIDTH, old >> (HEIGHT * tile.level))
    last = tile.index * WIDTH + tile.width
    if tile.level == 0:
        return list(leaves[first - old : last - old])
    return [merkle.root(_hashes(Tile(tile.level - 1, child), read)) for child in range(first, last)]


def _hashes(tile: Tile, read: Reader) -> list[bytes]:
    return tiles.decode_tile(tiles.read_tile(tile, read), tile)
