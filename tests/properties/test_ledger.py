"""What must hold for any log: however it grew, it verifies; however little of it changes, it doesn't."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.errors import IntegrityError
from storage.ledger import checkpoint, entry, merkle, note, proof, tiles
from storage.ledger.auditing import verify
from tests.support.ledger import SIGNER, VKEY, bodies, log, reading, receipt

LOGS = {size: log(bodies(size), steps=steps) for size, steps in {1: [], 5: [2, 3], 300: [100, 257], 520: [256]}.items()}
sizes = st.integers(0, 700)
trees = st.lists(st.binary(max_size=3).map(merkle.leaf_hash), min_size=1, max_size=300)


def reader(leaves: list[bytes]) -> merkle.HashReader:
    return lambda level, index: merkle.root(leaves[index << level : (index + 1) << level])


@settings(max_examples=40)
@given(st.integers(0, 600), st.lists(sizes, max_size=6), st.integers(1, 50))
def test_a_log_grown_in_any_steps_verifies_and_is_the_same_log(size: int, steps: list[int], subjects: int) -> None:
    entries = bodies(size, subjects)
    files = log(entries, steps=sorted(step for step in steps if step <= size))
    assert verify.check(reading(files), VKEY, names=files).unchecked == ()
    at_once = log(entries)
    assert {path: files[path] for path in at_once} == at_once


@settings(max_examples=40)
@given(st.integers(1, 600).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, size - 1))))
def test_every_entry_of_any_log_has_a_receipt_that_verifies(case: tuple[int, int]) -> None:
    size, index = case
    entries = bodies(size)
    assert proof.verify_receipt(receipt(log(entries), index, entries[index]), VKEY).body == entries[index]


@given(trees, st.data())
def test_inclusion_holds_for_its_own_leaf_and_index_only(leaves: list[bytes], data: st.DataObject) -> None:
    size, root = len(leaves), merkle.root(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(index, size, reader(leaves))
    merkle.verify_inclusion(index, size, leaves[index], path, root)
    other = data.draw(st.integers(0, size - 1))
    if leaves[other] != leaves[index]:
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(index, size, leaves[other], path, root)


@given(trees, st.data())
def test_consistency_holds_for_real_beginnings_only(leaves: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    changed = data.draw(st.integers(0, old - 1))
    forged = [*leaves[:changed], merkle.leaf_hash(b"forged"), *leaves[changed + 1 :]]
    path = merkle.consistency_proof(old, len(leaves), reader(leaves))
    merkle.verify_consistency(old, len(leaves), merkle.root(leaves[:old]), merkle.root(leaves), path)
    with pytest.raises(IntegrityError):
        merkle.verify_consistency(old, len(leaves), merkle.root(forged[:old]), merkle.root(leaves), path)


@settings(max_examples=300)
@given(st.sampled_from(sorted(LOGS)), st.data())
def test_any_single_bit_of_any_file_counts(size: int, data: st.DataObject) -> None:
    files = LOGS[size]
    path = data.draw(st.sampled_from(sorted(files)))
    position = data.draw(st.integers(0, len(files[path]) * 8 - 1))
    flipped = bytearray(files[path])
    flipped[position // 8] ^= 1 << position % 8
    with pytest.raises(IntegrityError):
        verify.check(reading(files | {path: bytes(flipped)}), VKEY, names=files)


def test_every_single_bit_of_the_smallest_log_counts() -> None:
    for path, content in LOGS[1].items():
        for position in range(len(content) * 8):
            flipped = bytearray(content)
            flipped[position // 8] ^= 1 << position % 8
            with pytest.raises(IntegrityError):
                verify.check(reading(LOGS[1] | {path: bytes(flipped)}), VKEY)


@given(st.lists(st.binary(max_size=400), min_size=1, max_size=256))
def test_bundles_come_back(entries: list[bytes]) -> None:
    tile = tiles.Tile(tiles.ENTRIES, 0, len(entries))
    assert tiles.decode_bundle(tiles.encode_bundle(entries), tile) == entries


@given(st.integers(-1, 63), st.integers(0, 1 << 55), st.integers(1, 256))
def test_tile_paths_come_back(level: int, index: int, width: int) -> None:
    tile = tiles.Tile(level, index, width)
    assert tiles.parse_path(tile.path) == tile


@given(st.integers(0, 5000), st.integers(0, 5000))
def test_a_growth_in_two_steps_writes_what_one_step_writes(first: int, second: int) -> None:
    once = set(tiles.written(0, first + second))
    twice = set(tiles.written(0, first)) | set(tiles.written(first, first + second))
    assert once <= twice
    assert all(tile.width < tiles.WIDTH for tile in twice - once)


@given(st.binary(max_size=3000))
def test_garbage_is_refused_with_our_error(content: bytes) -> None:
    for parse in (lambda: note.parse(content), lambda: proof.parse(content), lambda: entry.parse(content)):
        with pytest.raises(IntegrityError):
            parse()


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(lambda text: text + "\n"))
def test_any_plain_text_is_signed_and_verified(text: str) -> None:
    assert note.verify(note.sign(text, SIGNER), [SIGNER.verifier]) == text


@given(st.lists(st.integers(0, 3 * merkle.CHUNK_SIZE // 2), max_size=5))
def test_the_chunk_root_does_not_depend_on_how_the_bytes_arrive(pieces: list[int]) -> None:
    data = bytes(sum(pieces))
    parts, whole = merkle.ChunkHasher(), merkle.ChunkHasher()
    for begin, end in itertools.pairwise([0, *itertools.accumulate(pieces)]):
        parts.update(data[begin:end])
    whole.update(data)
    assert (parts.finish(), parts.leaves) == (whole.finish(), whole.leaves)


def test_the_checkpoint_of_a_log_is_its_head() -> None:
    assert checkpoint.verify(LOGS[300]["checkpoint"], SIGNER.verifier).size == 300
