from __future__ import annotations

from pathlib import Path

import pytest

from storage.errors import IntegrityError, Refused
from storage.ledger import note, sm2
from tests.support.ledger import SIGNER

TEXT = "example.org/liuhen\n1\nKuWJMVqCYcHxNDzhN+jhMj35Yk4nMKVdRbyvyHd6NIE=\n"


@pytest.fixture
def signer(tmp_path: Path) -> sm2.Sm2Signer:
    return sm2.make(tmp_path / "sm2.pem", "example.org/liuhen", b"secret")


def test_a_signature_verifies_with_the_public_line_alone(signer: sm2.Sm2Signer) -> None:
    key = sm2.parse_vkey(str(signer.verifier))
    assert note.verify(note.sign(TEXT, signer), [key]) == TEXT


def test_it_stands_beside_the_logs_own(signer: sm2.Sm2Signer) -> None:
    signed = note.sign(TEXT, SIGNER, signer)
    assert note.verify(signed, [SIGNER.verifier]) == TEXT
    assert note.verify(signed, [SIGNER.verifier, signer.verifier]) == TEXT


def test_another_text_or_signature_is_refused(signer: sm2.Sm2Signer) -> None:
    value = signer.sign(TEXT)
    assert not signer.verifier.accepts(TEXT.replace("1", "2", 1), value)
    for position in range(len(value)):
        flipped = bytearray(value)
        flipped[position] ^= 1
        assert not signer.verifier.accepts(TEXT, bytes(flipped))


def test_the_key_file_is_encrypted_and_never_overwritten(signer: sm2.Sm2Signer) -> None:
    assert b"ENCRYPTED" in signer.file.read_bytes()
    assert signer.file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="never overwritten"):
        sm2.make(signer.file, "example.org/liuhen", b"secret")


def test_it_is_loaded_with_its_passphrase_only(signer: sm2.Sm2Signer) -> None:
    assert sm2.load(signer.file, signer.name, b"secret") == signer
    with pytest.raises(Refused, match="check the passphrase"):
        sm2.load(signer.file, signer.name, b"guess")


def test_a_key_of_another_kind_is_refused(signer: sm2.Sm2Signer) -> None:
    for vkey in (str(SIGNER.verifier), note.encode_vkey("x", sm2.KIND + bytes(65)), note.encode_vkey("x", sm2.KIND)):
        with pytest.raises(IntegrityError):
            sm2.parse_vkey(vkey)
