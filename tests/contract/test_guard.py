"""Each guard of the last signed checkpoint: a file, and an object in S3."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import Conflict, IntegrityError, Refused
from storage.ledger import checkpoint, merkle, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.guard import CheckpointGuard, FileGuard
from storage.ledger.guard_s3 import S3Guard
from storage.ledger.logkeys import LogKeys
from tests.support.ledger import SIGNER, Desk

READ = LogKeys((SIGNER.verifier,)).verify
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(20)]


def signed(leaves: list[bytes]) -> bytes:
    return checkpoint.sign(Checkpoint(SIGNER.name, len(leaves), merkle.root(leaves)), SIGNER)


def proof(old: int, leaves: list[bytes]) -> list[bytes]:
    def read(level: int, index: int) -> bytes:
        return merkle.root(leaves[index << level : (index + 1) << level])

    return merkle.consistency_proof(old, len(leaves), read)


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.services)])
def guard(request: pytest.FixtureRequest, tmp_path: Path) -> CheckpointGuard:
    """A new guard, and again the same one whenever `again` is asked."""
    if request.param == "file":
        return FileGuard(tmp_path / "last")
    return S3Guard.from_url(request.getfixturevalue("s3_url").replace("?", "/last?"))


def at(guard: CheckpointGuard, size: int) -> CheckpointGuard:
    guard.advance(None, signed(LEAVES[:size]), [], READ)
    return guard


def test_a_new_guard_holds_nothing(guard: CheckpointGuard) -> None:
    assert guard.load() is None


def test_it_moves_to_a_tree_that_extends_its_own(guard: CheckpointGuard) -> None:
    at(guard, 7)
    guard.advance(signed(LEAVES[:7]), signed(LEAVES), proof(7, LEAVES), READ)
    assert guard.load() == signed(LEAVES)


def test_it_moves_from_the_empty_tree_without_proof(guard: CheckpointGuard) -> None:
    at(guard, 0)
    guard.advance(signed([]), signed(LEAVES), [], READ)
    assert guard.load() == signed(LEAVES)


def test_a_smaller_tree_is_refused_with_the_procedure(guard: CheckpointGuard) -> None:
    at(guard, 7)
    with pytest.raises(IntegrityError, match="old backup") as caught:
        guard.advance(signed(LEAVES[:7]), signed(LEAVES[:6]), [], READ)
    assert "恢复了旧备份" in caught.value.zh
    assert guard.load() == signed(LEAVES[:7])


@pytest.mark.parametrize("size", [7, 20])
def test_another_history_is_refused(guard: CheckpointGuard, size: int) -> None:
    at(guard, 7)
    forged = [*LEAVES[:2], merkle.leaf_hash(b"forged"), *LEAVES[3:size]]
    with pytest.raises(IntegrityError, match="changed or forked"):
        guard.advance(signed(LEAVES[:7]), signed(forged), proof(7, forged), READ)


def test_a_quicker_signer_wins(guard: CheckpointGuard) -> None:
    at(guard, 7)
    with pytest.raises(Conflict, match="one log has one signer"):
        guard.advance(signed(LEAVES[:6]), signed(LEAVES), proof(6, LEAVES), READ)
    with pytest.raises(Conflict):
        guard.advance(None, signed(LEAVES), [], READ)


def test_a_checkpoint_by_another_key_is_refused(guard: CheckpointGuard) -> None:
    at(guard, 7)
    stranger = note.Ed25519Signer(SIGNER.name, Ed25519PrivateKey.generate())
    with pytest.raises(IntegrityError, match="no trusted key"):
        guard.advance(guard.load(), signed(LEAVES), proof(7, LEAVES), LogKeys((stranger.verifier,)).verify)


def test_a_damaged_guard_is_not_built_upon(tmp_path: Path) -> None:
    guard = at(FileGuard(tmp_path / "last"), 7)
    (tmp_path / "last").write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        guard.advance(b"damaged", signed(LEAVES), proof(7, LEAVES), READ)


def test_of_two_signers_at_once_one_wins(guard: CheckpointGuard) -> None:
    at(guard, 7)
    kept, proven = signed(LEAVES[:7]), proof(7, LEAVES)

    def advance(_: int) -> bool:
        try:
            guard.advance(kept, signed(LEAVES), proven, READ)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(advance, range(8))) == 1


@pytest.mark.services
def test_a_restored_server_can_not_fork_a_log_whose_guard_is_elsewhere(tmp_path: Path, s3_url: str) -> None:
    """Everything on the machine, keys and database, goes back to the evening before."""
    desk = Desk(tmp_path)
    desk.guard = S3Guard.from_url(s3_url.replace("?", "/last?"))
    desk.record(0, 5)
    desk.sequencer().publish_pending()
    desk.close()
    shutil.copytree(tmp_path, tmp_path.with_name("backup"))
    desk = Desk(tmp_path)
    desk.guard = S3Guard.from_url(s3_url.replace("?", "/last?"))
    desk.record(5, 5)
    desk.sequencer().publish_pending()
    desk.close()
    restored = Desk(tmp_path.with_name("backup"))
    restored.guard = desk.guard
    restored.record(50, 9)
    with pytest.raises(IntegrityError, match="old backup was restored"):
        restored.sequencer().publish_pending()
    restored.close()


@pytest.mark.services
def test_an_address_without_an_object_is_refused(s3_url: str) -> None:
    with pytest.raises(Refused, match="does not name an object"):
        S3Guard.from_url(s3_url.replace("/liuhen", ""))
