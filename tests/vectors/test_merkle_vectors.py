"""The proof vectors of transparency-dev/merkle (Apache-2.0), right and wrong ones, against our verifiers.

The subtree sets belong to Merkle Tree Certificates. Inclusion in the subtree [start, end) is inclusion of leaf
`leafIdx - start` in a tree of `end - start` leaves, so all of those run. Consistency of a subtree that begins at 0 is
plain consistency, so those run too; Liuhen makes and reads no consistency proofs of inner subtrees, so the rest have
nothing to test here.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from storage.errors import IntegrityError
from storage.ledger import merkle

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "merkle"


def load(kind: str) -> list[tuple[str, dict[str, Any]]]:
    files = sorted((VECTORS / kind).rglob("*.json"))
    if not files:
        pytest.skip(f"no vectors here: {VECTORS / kind} is absent")
    return [(str(file.relative_to(VECTORS)), json.loads(file.read_text())) for file in files]


def hashes(vector: dict[str, Any]) -> list[bytes]:
    return [base64.b64decode(each) for each in vector["proof"] or []]


def refused(verify: Any, *arguments: Any) -> bool:
    try:
        verify(*arguments)
    except IntegrityError:
        return True
    return False


def disagreements(vectors: list[tuple[str, dict[str, Any]]], check: Any) -> list[str]:
    return [name for name, vector in vectors if check(vector) != vector["wantErr"]]


def inclusion(vector: dict[str, Any], index: int, size: int) -> bool:
    leaf, root = base64.b64decode(vector["leafHash"]), base64.b64decode(vector["root"])
    return refused(merkle.verify_inclusion, index, size, leaf, hashes(vector), root)


def consistency(vector: dict[str, Any], old: int, new: int) -> bool:
    roots = base64.b64decode(vector["root1"]), base64.b64decode(vector["root2"])
    return refused(merkle.verify_consistency, old, new, *roots, hashes(vector))


def test_every_inclusion_vector() -> None:
    vectors = load("inclusion")
    assert len(vectors) == 98
    assert disagreements(vectors, lambda v: inclusion(v, v["leafIdx"], v["treeSize"])) == []


def test_every_consistency_vector() -> None:
    vectors = load("consistency")
    assert len(vectors) == 98
    assert disagreements(vectors, lambda v: consistency(v, v["size1"], v["size2"])) == []


def test_every_subtree_inclusion_vector() -> None:
    vectors = load("subtreeinclusion")

    def check(v: dict[str, Any]) -> bool:
        width = v["end"] - v["start"]
        aligned = width > 0 and v["start"] % (1 << (width - 1).bit_length()) == 0
        return not aligned or inclusion(v, v["leafIdx"] - v["start"], width)

    assert len(vectors) == 204
    assert disagreements(vectors, check) == []


def test_the_subtree_consistency_vectors_that_begin_at_zero() -> None:
    everything = load("subtreeconsistency")
    vectors = [(name, v) for name, v in everything if v["start"] == 0 and v["end"] > 0]
    empty = [(name, v) for name, v in everything if v["start"] == v["end"] == 0]
    assert (len(everything), len(vectors), len(empty)) == (118, 91, 11)
    assert disagreements(vectors, lambda v: consistency(v, v["end"], v["size"])) == []
    assert all(consistency(v, 0, v["size"]) for _, v in empty), "refused by the size-0 policy, as proving nothing"


def test_there_are_no_other_vectors() -> None:
    load("inclusion")
    assert {path.name for path in VECTORS.iterdir() if path.is_dir()} == {
        "inclusion",
        "consistency",
        "subtreeinclusion",
        "subtreeconsistency",
    }


@pytest.mark.parametrize("proof", [[], [bytes(32)]], ids=["no proof", "a proof"])
@pytest.mark.parametrize("new", [0, 1, 5])
def test_the_empty_tree_proves_nothing(new: int, proof: list[bytes]) -> None:
    """The size-0 policy (docs/ledger.md): its root is SHA-256 of nothing, no proof in it or from it is accepted."""
    root = merkle.root([merkle.leaf_hash(b"")] * new)
    assert merkle.root([]) == hashlib.sha256(b"").digest()
    assert refused(merkle.verify_consistency, 0, new, merkle.EMPTY_ROOT, root, proof)
    assert refused(merkle.verify_inclusion, 0, 0, merkle.EMPTY_ROOT, proof, merkle.EMPTY_ROOT)
    with pytest.raises(ValueError, match="no consistency proof"):
        merkle.consistency_proof(0, new, lambda level, index: bytes(32))
