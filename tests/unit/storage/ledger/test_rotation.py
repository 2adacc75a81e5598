"""One key hands over to the next: in a running log, at any crash, and seen from either end."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest

from storage.catalogue import custody
from storage.errors import IntegrityError, Refused
from storage.ledger import checkpoint, note, proof, rotation
from storage.ledger.auditing import verify
from storage.ledger.keys import LogKey
from storage.ledger.logkeys import LogKeys
from storage.ledger.note import Ed25519Signer
from tests.support.ledger import SIGNER, VKEY, Desk
from tests.support.rotations import NEXT, STRANGER, THIRD, handover, key_of, rotate

STEPS = ["_take", "_write_tiles", "_sign", "_swap", "_write_rotations", "_publish", "_announce"]


class Crash(Exception):
    """The power went."""


@pytest.fixture
def log(desk: Desk) -> Desk:
    desk.key = key_of()
    return desk


def rotated(log: Desk, before: int = 10, after: int = 10) -> Desk:
    """A log of `before` entries, a rotation, and `after` more."""
    log.record(0, before)
    rotate(log, SIGNER, NEXT)
    log.record(before, after)
    log.sequencer().publish_pending()
    log._opened[-1].stop()
    return log


def audit(log: Desk, vkey: str) -> verify.Audited:
    return verify.check(log.folder.read, vkey, names=log.folder.names())


def test_the_tree_that_ends_with_the_rotation_is_signed_by_both_keys_and_later_ones_by_the_new(log: Desk) -> None:
    log.record(0, 10)
    rotate(log, SIGNER, NEXT)
    sequencer = log.sequencer()
    sequencer.publish_pending()
    signed = sequencer.checkpoint()
    assert {checkpoint.verify(signed, key.verifier).size for key in (SIGNER, NEXT)} == {11}
    log.record(10, 1)
    sequencer.publish_pending()
    assert checkpoint.verify(sequencer.checkpoint(), NEXT.verifier).size == 12
    with pytest.raises(IntegrityError, match="no trusted key"):
        checkpoint.verify(sequencer.checkpoint(), SIGNER.verifier)


def test_a_rotation_ends_its_batch_wherever_it_stands_in_it(log: Desk) -> None:
    rotated(log, before=10, after=10)
    [index] = rotation.learn(VKEY, log.folder.read(rotation.FILE)).turns
    assert (index, audit(log, VKEY).checkpoint.size) == (10, 21)


@pytest.mark.parametrize("pinned", [SIGNER, NEXT, THIRD])
def test_who_pinned_any_of_the_keys_verifies_the_whole_log(log: Desk, pinned: Ed25519Signer) -> None:
    rotated(log)
    rotate(log, NEXT, THIRD)
    log.record(20, 300)
    log.sequencer().publish_pending()
    assert audit(log, str(pinned.verifier)).checkpoint.size == 322
    assert audit(log, str(pinned.verifier)).unchecked == ()
    learned = rotation.learn(str(pinned.verifier), log.folder.read(rotation.FILE))
    assert learned == LogKeys((SIGNER.verifier, NEXT.verifier, THIRD.verifier), (10, 21))


def test_a_key_that_the_log_never_had_is_refused(log: Desk) -> None:
    rotated(log)
    with pytest.raises(IntegrityError, match="none of the keys"):
        audit(log, str(STRANGER.verifier))


def test_receipts_of_both_keys_verify_from_either_end(log: Desk) -> None:
    sequencer = log.sequencer()
    log.record(0, 5)
    sequencer.publish_pending()
    old = sequencer.receipt("event-3")
    rotate(log, SIGNER, NEXT)
    log.record(5, 5)
    sequencer.publish_pending()
    new = sequencer.receipt("event-7")
    for pinned in (SIGNER, NEXT):
        keys = rotation.learn(str(pinned.verifier), log.folder.read(rotation.FILE))
        assert [proof.verify_receipt(each, keys).index for each in (old, new)] == [3, 8]
    with pytest.raises(IntegrityError):
        proof.verify_receipt(new, VKEY)


def test_the_old_key_signs_nothing_after_the_rotation(log: Desk) -> None:
    """Who stole the old key can't make a receipt for a later tree that anybody who knows of the rotation believes."""
    rotated(log)
    forged = checkpoint.sign(checkpoint.Checkpoint(SIGNER.name, 21, bytes(32)), SIGNER)
    keys = rotation.learn(VKEY, log.folder.read(rotation.FILE))
    with pytest.raises(IntegrityError, match="no trusted key"):
        keys.verify(forged)


def broken(inner: Callable[..., Any], *, persisted: bool) -> Callable[..., Any]:
    def step(*arguments: Any, **named: Any) -> Any:
        if persisted:
            inner(*arguments, **named)
        raise Crash

    return step


@pytest.mark.parametrize("persisted", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_of_the_rotation_is_recovered_from(log: Desk, step: str, persisted: bool) -> None:
    first = log.sequencer()
    log.record(0, 10)
    first.publish_pending()
    rotate(log, SIGNER, NEXT)
    setattr(first, step, broken(getattr(first, step), persisted=persisted))
    with pytest.raises(Crash):
        first.publish_pending()
    first.stop()
    log.record(10, 10)
    log.sequencer().publish_pending()
    for pinned in (SIGNER, NEXT):
        assert audit(log, str(pinned.verifier)).checkpoint.size == 21


def test_another_process_gives_receipts_after_a_rotation_it_did_not_see(log: Desk) -> None:
    reader = log.sequencer()
    log.record(0, 3)
    writer = log.sequencer()
    writer.publish_pending()
    reader.receipt("event-0")
    rotate(log, SIGNER, NEXT)
    log.record(3, 1)
    writer.publish_pending()
    receipt = reader.receipt("event-3")
    keys = rotation.learn(VKEY, log.folder.read(rotation.FILE))
    assert proof.verify_receipt(receipt, keys).index == 4
    assert reader.vkey == str(NEXT.verifier)


def test_the_folder_with_its_rotations_is_made_again_from_the_rows(log: Desk) -> None:
    rotated(log)
    before = log.folder.read(rotation.FILE)
    shutil.rmtree(log.folder.root)
    log.sequencer().publish_pending()
    assert log.folder.read(rotation.FILE) == before
    assert audit(log, VKEY).checkpoint.size == 21


def test_a_restored_backup_from_before_the_rotation_is_named_as_one(log: Desk) -> None:
    log.record(0, 10)
    log.sequencer().publish_pending()
    log.close()
    backup = (log.root / "catalogue.db").read_bytes()
    log = Desk(log.root)
    log.key = key_of()
    rotated(log, before=0, after=5)
    log.close()
    for old in log.root.glob("catalogue.db-*"):
        old.unlink()
    (log.root / "catalogue.db").write_bytes(backup)
    restored = Desk(log.root)
    restored.key = key_of()
    with pytest.raises(IntegrityError, match="old backup was restored"):
        restored.sequencer().publish_pending()
    restored.close()


def test_publishing_stops_when_the_new_private_key_is_missing_and_goes_on_with_it(log: Desk) -> None:
    log.record(0, 3)
    rotate(log, SIGNER, STRANGER)
    with pytest.raises(Refused, match="restore its backup"):
        log.sequencer().publish_pending()
    log._opened[-1].stop()
    log.key = LogKey(SIGNER, {str(STRANGER.verifier): STRANGER}.get)
    assert log.sequencer().publish_pending() >= 1
    assert audit(log, str(STRANGER.verifier)).checkpoint.size == 4


@pytest.mark.parametrize(
    "signed",
    [
        note.sign(f"{rotation.SCHEMA}\n{SIGNER.name}\n{SIGNER.verifier}\n{NEXT.verifier}\n", SIGNER).decode(),
        note.sign(f"{rotation.SCHEMA}\n{SIGNER.name}\n{SIGNER.verifier}\n{NEXT.verifier}\n", NEXT).decode(),
        rotation.sign(NEXT, THIRD),
        rotation.sign(SIGNER, SIGNER),
        note.sign(f"other/1\n{SIGNER.name}\n{SIGNER.verifier}\n{NEXT.verifier}\n", SIGNER, NEXT).decode(),
        "nothing",
    ],
    ids=["without the new key", "without the old key", "from another key", "to itself", "another schema", "no note"],
)
def test_a_rotation_that_is_not_one_is_never_logged(log: Desk, signed: str) -> None:
    log.record(0, 3)
    sequencer = log.sequencer()
    sequencer.publish_pending()
    with log.catalogue.write() as session:
        custody.record(session, handover(SIGNER, NEXT, signed))
    with pytest.raises(IntegrityError):
        sequencer.publish_pending()
    assert audit(log, VKEY).checkpoint.size == 3


def test_every_bit_of_the_file_of_rotations_counts(log: Desk) -> None:
    content = rotated(log, before=3, after=0).folder.read(rotation.FILE)
    for position in range(len(content)):
        for bit in range(8):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            with pytest.raises(IntegrityError):
                rotation.learn(VKEY, bytes(flipped))


def test_a_missing_or_shortened_file_of_rotations_is_noticed(log: Desk) -> None:
    rotated(log)
    rotate(log, NEXT, THIRD)
    log.record(30, 2)
    log.sequencer().publish_pending()
    whole = log.folder.read(rotation.FILE)
    for content in (rotation.split(whole)[0], rotation.split(whole)[1], b""):
        (log.folder.root / rotation.FILE).write_bytes(content)
        with pytest.raises(IntegrityError):
            audit(log, VKEY)
    (log.folder.root / rotation.FILE).unlink()
    with pytest.raises(IntegrityError):
        audit(log, VKEY)
    with pytest.raises(IntegrityError, match="does not name the rotations"):
        audit(log, str(THIRD.verifier))
