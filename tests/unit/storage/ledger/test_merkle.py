from __future__ import annotations

import hashlib

import pytest

from storage.errors import IntegrityError
from storage.ledger import merkle

# The eight leaves and roots that the reference implementations of RFC 6962 share.
LEAVES = [
    bytes.fromhex(each)
    for each in ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


def reader(leaves: list[bytes]) -> merkle.HashReader:
    return lambda level, index: merkle.root(leaves[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", ROOTS)
def test_root_of_the_reference_leaves(size: int) -> None:
    assert merkle.root([merkle.leaf_hash(leaf) for leaf in LEAVES[:size]]).hex() == ROOTS[size]


def test_root_of_the_empty_tree() -> None:
    assert merkle.root([]) == merkle.EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_every_inclusion_proof_of_small_trees_verifies() -> None:
    for size in range(1, 40):
        leaves = hashes(size)
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, reader(leaves))
            merkle.verify_inclusion(index, size, leaves[index], proof, merkle.root(leaves))


def test_every_consistency_proof_of_small_trees_verifies() -> None:
    leaves = hashes(40)
    for new in range(1, 40):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, reader(leaves[:new]))
            merkle.verify_consistency(old, new, merkle.root(leaves[:old]), merkle.root(leaves[:new]), proof)


def test_a_rewritten_old_leaf_is_not_consistent() -> None:
    leaves = hashes(13)
    forged = [*leaves]
    forged[2] = merkle.leaf_hash(b"forged")
    proof = merkle.consistency_proof(9, 13, reader(forged))
    with pytest.raises(IntegrityError, match="older root"):
        merkle.verify_consistency(9, 13, merkle.root(leaves[:9]), merkle.root(forged), proof)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (5, 4), (-1, 3)])
def test_consistency_from_nothing_or_backwards_is_refused(old: int, new: int) -> None:
    with pytest.raises(IntegrityError, match="proves nothing"):
        merkle.verify_consistency(old, new, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_nothing_is_included_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(IntegrityError, match="not in a tree"):
        merkle.verify_inclusion(index, size, merkle.leaf_hash(b""), [], merkle.EMPTY_ROOT)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3)])
def test_no_proof_is_made_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="not in a tree"):
        merkle.inclusion_proof(index, size, reader(hashes(3)))


@pytest.mark.parametrize("length", [0, 1, merkle.CHUNK_SIZE, merkle.CHUNK_SIZE + 1, 3 * merkle.CHUNK_SIZE])
@pytest.mark.parametrize("step", [65_537, 1 << 22])
def test_chunk_root_is_the_root_over_whole_chunks(length: int, step: int) -> None:
    data = hashlib.shake_128(b"footage").digest(length)
    hasher = merkle.ChunkHasher()
    for offset in range(0, length, step):
        hasher.update(data[offset : offset + step])
    chunks = [data[offset : offset + merkle.CHUNK_SIZE] for offset in range(0, length, merkle.CHUNK_SIZE)]
    leaves = [merkle.leaf_hash(chunk) for chunk in chunks]
    assert hasher.finish() == merkle.root(leaves)
    assert bytes(hasher.leaves) == b"".join(leaves)
