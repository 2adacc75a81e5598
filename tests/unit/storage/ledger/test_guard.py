from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import Conflict, IntegrityError
from storage.ledger import checkpoint, merkle, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.guard import CheckpointGuard
from storage.ledger.logkeys import LogKeys
from tests.support.ledger import SIGNER

READ = LogKeys((SIGNER.verifier,)).verify
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(20)]


def signed(leaves: list[bytes]) -> bytes:
    return checkpoint.sign(Checkpoint(SIGNER.name, len(leaves), merkle.root(leaves)), SIGNER)


def proof(old: int, leaves: list[bytes]) -> list[bytes]:
    def read(level: int, index: int) -> bytes:
        return merkle.root(leaves[index << level : (index + 1) << level])

    return merkle.consistency_proof(old, len(leaves), read)


def guard_at(file: Path, size: int) -> CheckpointGuard:
    guard = CheckpointGuard(file)
    guard.advance(None, signed(LEAVES[:size]), [], READ)
    return guard


def test_a_new_guard_holds_nothing(tmp_path: Path) -> None:
    assert CheckpointGuard(tmp_path / "last").load() is None


def test_it_moves_to_a_tree_that_extends_its_own(tmp_path: Path) -> None:
    guard = guard_at(tmp_path / "last", 7)
    guard.advance(signed(LEAVES[:7]), signed(LEAVES), proof(7, LEAVES), READ)
    assert CheckpointGuard(tmp_path / "last").load() == signed(LEAVES)


def test_it_moves_from_the_empty_tree_without_proof(tmp_path: Path) -> None:
    guard = guard_at(tmp_path / "last", 0)
    guard.advance(signed([]), signed(LEAVES), [], READ)
    assert guard.load() == signed(LEAVES)


def test_a_smaller_tree_is_refused_with_the_procedure(tmp_path: Path) -> None:
    guard = guard_at(tmp_path / "last", 7)
    with pytest.raises(IntegrityError, match="old backup") as caught:
        guard.advance(signed(LEAVES[:7]), signed(LEAVES[:6]), [], READ)
    assert "恢复了旧备份" in caught.value.zh
    assert guard.load() == signed(LEAVES[:7])


@pytest.mark.parametrize("size", [7, 20])
def test_another_history_is_refused(tmp_path: Path, size: int) -> None:
    guard = guard_at(tmp_path / "last", 7)
    forged = [*LEAVES[:2], merkle.leaf_hash(b"forged"), *LEAVES[3:size]]
    with pytest.raises(IntegrityError, match="changed or forked"):
        guard.advance(signed(LEAVES[:7]), signed(forged), proof(7, forged), READ)


def test_a_quicker_signer_wins(tmp_path: Path) -> None:
    guard = guard_at(tmp_path / "last", 7)
    with pytest.raises(Conflict, match="one log has one signer"):
        guard.advance(signed(LEAVES[:6]), signed(LEAVES), proof(6, LEAVES), READ)
    with pytest.raises(Conflict):
        guard.advance(None, signed(LEAVES), [], READ)


def test_a_checkpoint_by_another_key_is_refused(tmp_path: Path) -> None:
    guard = guard_at(tmp_path / "last", 7)
    stranger = note.Ed25519Signer(SIGNER.name, Ed25519PrivateKey.generate())
    with pytest.raises(IntegrityError, match="no trusted key"):
        guard.advance(guard.load(), signed(LEAVES), proof(7, LEAVES), LogKeys((stranger.verifier,)).verify)


def test_a_damaged_guard_is_not_built_upon(tmp_path: Path) -> None:
    guard = guard_at(tmp_path / "last", 7)
    (tmp_path / "last").write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        guard.advance(b"damaged", signed(LEAVES), proof(7, LEAVES), READ)
