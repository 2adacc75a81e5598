"""What must hold at every size of a log (small ones exhaustively, up to 10,000 by sample) and for every file of it."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from storage.catalogue import custody
from storage.errors import IntegrityError
from storage.ledger import entry, merkle, rotation, tiles
from storage.ledger.auditing import verify
from tests.support.ledger import SIGNER, VKEY, Desk, bodies, event, log, reading
from tests.support.ledger_writer import keys, open_desk

LARGEST = 10_000
BODIES = bodies(LARGEST, subjects=7)
LEAVES = [merkle.leaf_hash(body) for body in BODIES]
FILES = log(BODIES)
READ = tiles.TileTree(reading(FILES)).reader(LARGEST)  # of smaller trees too: their complete subtrees are the same


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 2.1 word for word: the definition, against which the quick ways are held."""
    if len(leaves) < 2:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    split = max(1 << power for power in range(len(leaves).bit_length()) if 1 << power < len(leaves))
    return merkle.node_hash(root(leaves[:split]), root(leaves[split:]))


def path(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 2.1.1 word for word."""
    if len(leaves) == 1:
        return []
    split = max(1 << power for power in range(len(leaves).bit_length()) if 1 << power < len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), root(leaves[split:])]
    return [*path(index - split, leaves[split:]), root(leaves[:split])]


class Walk:
    """The two proofs as docs/ledger.md has them, for whoever writes a verifier from it."""

    def __init__(self, proof: Sequence[bytes], leaf: bytes = b"", former: bytes = b"") -> None:
        self.rest, self.leaf, self.former = list(proof), leaf, former

    def next(self) -> bytes:
        return self.rest.pop(0)

    def inclusion(self, i: int, n: int) -> bytes:
        if n == 1:
            return self.leaf
        k = 1 << (n - 1).bit_length() - 1
        if i < k:
            return merkle.node_hash(self.inclusion(i, k), self.next())
        right = self.inclusion(i - k, n - k)
        return merkle.node_hash(self.next(), right)

    def consistency(self, m: int, n: int, known: bool) -> tuple[bytes, bytes]:
        if m == n:
            h = self.former if known else self.next()
            return h, h
        k = 1 << (n - 1).bit_length() - 1
        if m <= k:
            a, b = self.consistency(m, k, known)
            return a, merkle.node_hash(b, self.next())
        a, b = self.consistency(m - k, n - k, known=False)
        h = self.next()
        return merkle.node_hash(h, a), merkle.node_hash(h, b)


@pytest.mark.parametrize("size", range(1, 41))
def test_the_walks_of_the_documents_lead_to_the_roots(size: int) -> None:
    whole = root(LEAVES[:size])
    for index in range(size):
        walk = Walk(merkle.inclusion_proof(index, size, READ), leaf=LEAVES[index])
        assert (walk.inclusion(index, size), walk.rest) == (whole, [])
    for old in range(1, size + 1):
        former = root(LEAVES[:old])
        walk = Walk(merkle.consistency_proof(old, size, READ), former=former)
        assert (walk.consistency(old, size, known=True), walk.rest) == ((former, whole), [])


@pytest.mark.parametrize("size", range(1, 41))
def test_every_proof_of_every_small_tree(size: int) -> None:
    whole = root(LEAVES[:size])
    assert merkle.range_root(0, size, READ) == whole
    for index in range(size):
        proof = merkle.inclusion_proof(index, size, READ)
        assert proof == path(index, LEAVES[:size])
        for other in range(size + 1):
            if other == index:
                merkle.verify_inclusion(index, size, LEAVES[index], proof, whole)
            else:
                with pytest.raises(IntegrityError):
                    merkle.verify_inclusion(other, size, LEAVES[index], proof, whole)
    for old in range(1, size + 1):
        proof = merkle.consistency_proof(old, size, READ)
        merkle.verify_consistency(old, size, root(LEAVES[:old]), whole, proof)
        for other in range(1, size + 1):
            if other != old:
                with pytest.raises(IntegrityError):
                    merkle.verify_consistency(other, size, root(LEAVES[:old]), whole, proof)


around = st.sampled_from([256, 512, 4096, 8192]).flatmap(lambda at: st.integers(at - 2, at + 2))
sizes = st.one_of(st.integers(1, LARGEST), around)


@settings(max_examples=150)
@given(sizes, st.data())
def test_proofs_of_any_size_hold_and_break_with_any_bit(size: int, data: st.DataObject) -> None:
    whole = merkle.root(LEAVES[:size])
    assert merkle.range_root(0, size, READ) == whole
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    inclusion = merkle.inclusion_proof(index, size, READ)
    consistency = merkle.consistency_proof(old, size, READ)
    former = merkle.root(LEAVES[:old])
    merkle.verify_inclusion(index, size, LEAVES[index], inclusion, whole)
    merkle.verify_consistency(old, size, former, whole, consistency)
    if inclusion:
        with pytest.raises(IntegrityError):
            merkle.verify_inclusion(index, size, LEAVES[index], flipped(inclusion, data), whole)
    if consistency:
        with pytest.raises(IntegrityError):
            merkle.verify_consistency(old, size, former, whole, flipped(consistency, data))


def flipped(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    at, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    changed = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
    return [*proof[:at], changed, *proof[at + 1 :]]


@settings(max_examples=12)
@given(sizes, st.lists(st.integers(0, LARGEST), max_size=8))
@example(LARGEST, [1, 256, 257, 4_000, 9_999])
@example(8_193, [8_191, 8_192])
def test_a_log_of_any_size_grown_in_any_steps_is_the_same_log(size: int, steps: list[int]) -> None:
    grown = log(BODIES[:size], steps=sorted({step for step in steps if step < size}))
    at_once = log(BODIES[:size])
    assert {name: grown[name] for name in at_once} == at_once
    assert verify.check(reading(grown), VKEY, names=grown).unchecked == ()


@settings(max_examples=15)
@given(st.permutations(range(24)), st.lists(st.integers(1, 24), max_size=5))
def test_events_in_any_order_and_any_batches_become_a_log_in_that_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], stops: list[int]
) -> None:
    """Their times are not in order then: the index is."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    sequencer = desk.sequencer()
    for first, last in itertools.pairwise(sorted({0, *stops, 24})):
        with desk.catalogue.write() as session:
            for number in order[first:last]:
                custody.record(session, event(number, f"recording:r{number % 3}"))
        sequencer.publish_pending()
    logged = [entry.parse(body).event for body in desk.entries()]
    desk.close()
    assert [each.id for each in logged] == [f"event-{number}" for number in order]
    assert [each.time for each in logged] == [event(number).time for number in order]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """All files of a log by the sequencer: 300 entries in several batches, with two rotations of the key."""
    desk = open_desk(tmp_path_factory.mktemp("desk"))
    sequencer, signers = desk.sequencer(), [SIGNER, *keys().values()]
    for number, (first, count) in enumerate([(0, 3), (3, 250), (253, 47)]):
        desk.record(first, count)
        sequencer.publish_pending()
        if number < 2:
            old, new = signers[number : number + 2]
            words = {"from": str(old.verifier), "to": str(new.verifier), "note": rotation.sign(old, new)}
            with desk.catalogue.write() as session:
                made = event(1000 + number, rotation.SUBJECT, words, rotation.EVENT)
                custody.record(session, made)
            sequencer.publish_pending()
    files = {name: desk.folder.read(name) for name in desk.folder.names()}
    desk.close()
    return files


def test_the_folder_is_sound_and_has_files_of_every_kind(folder: dict[str, bytes]) -> None:
    assert verify.check(reading(folder), VKEY, names=folder).unchecked == ()
    kinds = {name.split("/")[1] if "/" in name else name for name in folder}
    assert kinds == {"checkpoint", "rotations", "entries", "0", "1"}
    assert "tile/entries/000.p/3" in folder, "a superseded partial bundle"
    assert "tile/0/000.p/3" in folder, "a superseded partial tile"


@pytest.mark.parametrize("seed", range(12))
def test_any_single_bit_of_any_file_of_the_folder_is_named(folder: dict[str, bytes], seed: int) -> None:
    chance = random.Random(seed)
    for name, content in folder.items():
        position = chance.randrange(len(content) * 8)
        changed = bytearray(content)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(IntegrityError):
            verify.check(reading(folder | {name: bytes(changed)}), VKEY, names=folder)


def test_any_missing_file_but_superseded_ones_is_named(folder: dict[str, bytes]) -> None:
    current = {tile.path for tile in tiles.written(0, 302)}
    for name in folder:
        left = {each: content for each, content in folder.items() if each != name}
        if name in current or name in ("checkpoint", "rotations"):
            with pytest.raises(IntegrityError):
                verify.check(reading(left), VKEY, names=left)
        else:
            assert verify.check(reading(left), VKEY, names=left).checkpoint.size == 302
