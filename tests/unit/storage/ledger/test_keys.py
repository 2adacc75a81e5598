from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import IntegrityError, Refused
from storage.ledger import keys, note

ORIGIN = "example.org/liuhen"


def test_the_key_made_at_the_first_start_is_loaded_at_the_next(tmp_path: Path) -> None:
    made = keys.KeyFolder(tmp_path, ORIGIN, b"secret").first()
    assert keys.KeyFolder(tmp_path, ORIGIN, b"secret").first().verifier == made.verifier
    assert note.parse_vkey(str(made.verifier)) == made.verifier


def test_a_later_key_is_found_by_its_public_key(tmp_path: Path) -> None:
    folder = keys.KeyFolder(tmp_path, ORIGIN, b"secret")
    first, later = folder.first(), folder.make_next()
    key = keys.LogKey(first, folder.find)
    assert key.find(str(first.verifier)) is first
    assert key.find(str(later.verifier)).verifier == later.verifier


def test_a_missing_later_key_is_named(tmp_path: Path) -> None:
    folder = keys.KeyFolder(tmp_path, ORIGIN, b"secret")
    key = keys.LogKey(folder.first(), folder.find)
    with pytest.raises(Refused, match="restore its backup"):
        key.find(str(note.Ed25519Signer(ORIGIN, Ed25519PrivateKey.generate()).verifier))


def test_the_key_file_is_encrypted_and_for_its_owner_only(tmp_path: Path) -> None:
    keys.make(tmp_path / "ledger.pem", ORIGIN, b"secret")
    assert (tmp_path / "ledger.pem").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "ledger.pem").read_bytes()


def test_a_wrong_passphrase_is_refused(tmp_path: Path) -> None:
    keys.make(tmp_path / "ledger.pem", ORIGIN, b"secret")
    with pytest.raises(Refused, match="check the passphrase"):
        keys.load(tmp_path / "ledger.pem", ORIGIN, b"guess")


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    keys.make(tmp_path / "ledger.pem", ORIGIN, b"secret")
    with pytest.raises(Refused, match="never overwritten"):
        keys.make(tmp_path / "ledger.pem", ORIGIN, b"secret")


def test_a_damaged_or_missing_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "ledger.pem").write_bytes(b"garbage")
    with pytest.raises(Refused):
        keys.load(tmp_path / "ledger.pem", ORIGIN, b"secret")
    with pytest.raises(Refused):
        keys.load(tmp_path / "absent.pem", ORIGIN, b"secret")


def test_an_origin_that_no_note_can_carry_is_refused_before_a_key_is_kept(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError):
        keys.make(tmp_path / "ledger.pem", "has space", b"secret")
    assert not (tmp_path / "ledger.pem").exists()
