from __future__ import annotations

import pytest

from storage.errors import IntegrityError
from storage.ledger import merkle, tiles
from storage.ledger.tiles import ENTRIES, Tile
from tests.support.ledger import bodies, log, reading


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(1, 1_234_067), "tile/1/x001/x234/067"),
        (Tile(63, 1000, 17), "tile/63/x001/000.p/17"),
        (Tile(ENTRIES, 999, 255), "tile/entries/999.p/255"),
    ],
)
def test_path_of_a_tile_both_ways(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    ["checkpoint", "tile/0/0", "tile/00/000", "tile/64/000", "tile/0/x000/001", "tile/0/000.p/256", "tile/0/000.p/0",
     "tile/0/000.p/01", "tile/0/000.p", "tile/0/x001", "tile/0/../000", "tile/entries/000/", "tile/x/000"],
)  # fmt: skip
def test_no_other_path_names_a_tile(path: str) -> None:
    assert tiles.parse_path(path) is None


def test_the_tiles_of_the_specification_example() -> None:
    made = list(tiles.written(0, 70_000))
    assert sum(1 for tile in made if tile.level == 0 and tile.width == 256) == 273
    assert [tile for tile in made if tile.level == 0 and tile.width < 256] == [Tile(0, 273, 112)]
    assert [tile for tile in made if tile.level > 0] == [Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]


def test_size_256_has_a_full_tile_and_one_of_width_one_above() -> None:
    assert list(tiles.written(0, 256)) == [Tile(ENTRIES, 0), Tile(0, 0), Tile(1, 0, 1)]


def test_a_growth_writes_only_the_right_edge() -> None:
    assert list(tiles.written(300, 300)) == []
    assert list(tiles.written(300, 301)) == [Tile(ENTRIES, 1, 45), Tile(0, 1, 45)]
    assert list(tiles.written(511, 513)) == [
        Tile(ENTRIES, 1), Tile(ENTRIES, 2, 1), Tile(0, 1), Tile(0, 2, 1), Tile(1, 0, 2)
    ]  # fmt: skip


@pytest.mark.parametrize(("old", "new"), [(0, 1), (0, 600), (255, 256), (256, 512), (300, 301), (511, 1025)])
def test_growing_writes_what_it_names(old: int, new: int) -> None:
    entries = bodies(new)
    files = reading(log(entries[:old]) if old else {})
    leaves = [merkle.leaf_hash(body) for body in entries[old:]]
    grown = [*tiles.grow_bundles(old, entries[old:], files), *tiles.grow_tiles(old, leaves, files)]
    assert [tile for tile, _ in grown] == list(tiles.written(old, new))


def test_a_log_grown_in_steps_ends_in_the_same_files() -> None:
    entries = bodies(700)
    at_once, in_steps = log(entries), log(entries, steps=[1, 2, 255, 256, 257, 600])
    assert {path: in_steps[path] for path in at_once} == at_once


def test_the_tree_read_from_tiles_has_the_same_root_and_proofs() -> None:
    entries = bodies(700)
    leaves = [merkle.leaf_hash(body) for body in entries]
    tree = tiles.TileTree(reading(log(entries)))
    assert tree.root(700) == merkle.root(leaves)
    assert merkle.range_root(0, 511, tree.reader(700)) == merkle.root(leaves[:511])
    for index in (0, 255, 256, 511, 512, 699):
        merkle.verify_inclusion(
            index, 700, tree.leaf(index, 700), merkle.inclusion_proof(index, 700, tree.reader(700)), tree.root(700)
        )


def test_a_missing_partial_tile_is_cut_from_the_full_one() -> None:
    entries = bodies(256)
    files = reading(log(entries))
    assert tiles.read_tile(Tile(ENTRIES, 0, 3), files) == tiles.encode_bundle(entries[:3])
    assert len(tiles.read_tile(Tile(0, 0, 3), files)) == 96


def test_a_missing_tile_is_named() -> None:
    with pytest.raises(IntegrityError, match=r"tile/0/000\.p/5 is damaged: it is missing"):
        tiles.read_tile(Tile(0, 0, 5), reading({}))


@pytest.mark.parametrize("content", [b"\x00", b"\x00\x02a", b"\x00\x01ab", b"\x00\x01a", b"\x00\x01a" * 3])
def test_a_bundle_with_other_than_its_entries_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError, match=r"tile/entries/000\.p/2"):
        tiles.decode_bundle(content, Tile(ENTRIES, 0, 2))


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(IntegrityError, match="length of 33 bytes"):
        tiles.decode_tile(b"x" * 33, Tile(0, 0, 1))
