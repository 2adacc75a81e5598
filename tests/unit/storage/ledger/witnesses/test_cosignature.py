from __future__ import annotations

import base64
import hashlib
import struct
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from storage.clock import Clock
from storage.errors import IntegrityError
from storage.ledger import checkpoint, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import cosignature
from tests.support.ledger import SIGNER

NOW = datetime(2023, 3, 20, 12, 25, 47, 999000, tzinfo=UTC)
SECONDS = 1679315147
HEAD = Checkpoint("example.com/behind-the-sofa", 20852163, hashlib.sha256(b"root").digest())
TEXT = HEAD.text()
CLASSIC = cosignature.Ed25519Signer("witness.example/w1", Ed25519PrivateKey.from_private_bytes(bytes(32)), lambda: NOW)
QUANTUM = cosignature.MlDsa44Signer("witness.example/w2", MLDSA44PrivateKey.from_seed_bytes(bytes(32)), lambda: NOW)
BOTH = pytest.mark.parametrize("signer", [CLASSIC, QUANTUM], ids=["ed25519", "ml-dsa-44"])


def at(signer: cosignature.Signer, clock: Clock) -> cosignature.Signer:
    return type(signer)(signer.name, signer.key, clock)  # type: ignore[arg-type]


@BOTH
def test_a_cosigned_checkpoint_verifies(signer: cosignature.Signer) -> None:
    assert note.verify(note.sign(TEXT, SIGNER, signer), [signer.verifier]) == TEXT


@BOTH
def test_the_time_is_in_the_signature_in_whole_seconds(signer: cosignature.Signer) -> None:
    signature = signer.sign(TEXT)
    assert cosignature.timestamp(signature) == SECONDS
    assert cosignature.moment(signature) == NOW.replace(microsecond=0)


@BOTH
def test_the_key_id_is_that_of_the_specification(signer: cosignature.Signer) -> None:
    verifier = signer.verifier
    kind = b"\x04" if isinstance(verifier, cosignature.Ed25519Verifier) else b"\x06"
    assert len(verifier.key) == (32 if kind == b"\x04" else 1312)
    assert verifier.key_id == hashlib.sha256(verifier.name.encode() + b"\n" + kind + verifier.key).digest()[:4]


def test_ed25519_signs_two_lines_and_the_text() -> None:
    """Checked with the key itself, so that maker and checker can't be wrong together."""
    extended = TEXT + "an extension\n"
    signature = CLASSIC.sign(extended)
    message = f"cosignature/v1\ntime {SECONDS}\n{extended}".encode()
    assert len(signature) == 8 + 64
    CLASSIC.key.public_key().verify(signature[8:], message)


def test_ml_dsa_signs_the_structure_of_the_specification() -> None:
    signature = QUANTUM.sign(TEXT)
    origin = b"example.com/behind-the-sofa"
    message = b"subtree/v1\n\x00" + bytes([18]) + b"witness.example/w2" + struct.pack(">Q", SECONDS)
    message += bytes([len(origin)]) + origin + struct.pack(">QQ", 0, 20852163) + HEAD.root
    assert len(signature) == 8 + 2420
    QUANTUM.key.public_key().verify(signature[8:], message)


def test_the_log_may_cosign_its_own_checkpoint() -> None:
    own = cosignature.MlDsa44Signer(SIGNER.name, QUANTUM.key, lambda: NOW)
    head = Checkpoint(SIGNER.name, 3, HEAD.root)
    signed = note.sign(head.text(), SIGNER, own)
    assert checkpoint.verify(signed, own.verifier) == checkpoint.verify(signed, SIGNER.verifier) == head


@BOTH
def test_every_changed_byte_of_a_signature_is_refused(signer: cosignature.Signer) -> None:
    signature = signer.sign(TEXT)
    verifier = signer.verifier
    assert verifier.accepts(TEXT, signature)
    for position in [*range(0, len(signature), 37), 7, 8, len(signature) - 1]:
        changed = bytearray(signature)
        changed[position] ^= 1
        assert not verifier.accepts(TEXT, bytes(changed)), position


@BOTH
@pytest.mark.parametrize("change", [b"", b"\0" * 8, b"x"], ids=["empty", "time only", "one byte"])
def test_a_signature_of_another_length_is_refused(signer: cosignature.Signer, change: bytes) -> None:
    assert not signer.verifier.accepts(TEXT, change)
    assert not signer.verifier.accepts(TEXT, signer.sign(TEXT) + b"\0")
    assert not signer.verifier.accepts(TEXT, signer.sign(TEXT)[:-1])


@BOTH
def test_another_size_root_or_origin_is_refused(signer: cosignature.Signer) -> None:
    signature = signer.sign(TEXT)
    other = [
        Checkpoint(HEAD.origin, HEAD.size + 1, HEAD.root),
        Checkpoint(HEAD.origin, HEAD.size, bytes(32)),
        Checkpoint(HEAD.origin + "2", HEAD.size, HEAD.root),
    ]
    assert not any(signer.verifier.accepts(each.text(), signature) for each in other)


def test_only_ed25519_speaks_of_extension_lines() -> None:
    extended = TEXT + "an extension\n"
    assert not CLASSIC.verifier.accepts(extended, CLASSIC.sign(TEXT))
    assert QUANTUM.verifier.accepts(extended, QUANTUM.sign(TEXT))


def test_only_ml_dsa_commits_to_the_cosigners_name() -> None:
    renamed = cosignature.MlDsa44Verifier("witness.example/other", QUANTUM.verifier.key)
    assert not renamed.accepts(TEXT, QUANTUM.sign(TEXT))
    assert cosignature.Ed25519Verifier("other", CLASSIC.verifier.key).accepts(TEXT, CLASSIC.sign(TEXT))


def test_a_time_beyond_the_limit_is_refused_though_signed() -> None:
    for seconds, good in ((2**63 - 1, True), (2**63, False)):
        message = f"cosignature/v1\ntime {seconds}\n{TEXT}".encode()
        signature = struct.pack(">Q", seconds) + CLASSIC.key.sign(message)
        assert CLASSIC.verifier.accepts(TEXT, signature) is good
        assert cosignature.moment(signature) is None


def test_a_time_of_zero_is_accepted_and_means_no_time() -> None:
    """The specification allows it where nothing is said about the newest tree."""
    origin, name = HEAD.origin.encode(), QUANTUM.name.encode()
    message = b"subtree/v1\n\0" + bytes([len(name)]) + name + bytes(8) + bytes([len(origin)]) + origin
    message += struct.pack(">QQ", 0, HEAD.size) + HEAD.root
    signature = bytes(8) + QUANTUM.key.sign(message)
    assert QUANTUM.verifier.accepts(TEXT, signature)
    assert cosignature.moment(signature) is None


@BOTH
@pytest.mark.parametrize("text", ["", "hello\n", "a\n01\n" + "A" * 43 + "=\n", TEXT + "\n"])
def test_what_is_no_checkpoint_is_not_cosigned_and_not_accepted(signer: cosignature.Signer, text: str) -> None:
    with pytest.raises(IntegrityError):
        signer.sign(text)
    assert not signer.verifier.accepts(text, signer.sign(TEXT))


@BOTH
def test_a_clock_before_1970_signs_nothing(signer: cosignature.Signer) -> None:
    with pytest.raises(IntegrityError, match="clock"):
        at(signer, lambda: datetime(1969, 1, 1, tzinfo=UTC)).sign(TEXT)


@BOTH
def test_vkey_is_read_as_it_is_written(signer: cosignature.Signer) -> None:
    line = str(signer.verifier)
    assert str(cosignature.parse_vkey(line)) == line
    assert cosignature.parse_vkey(line) == signer.verifier


def test_keys_of_other_types_and_lengths_are_refused() -> None:
    good = CLASSIC.verifier.key
    wrong = [b"\x01" + good, b"\x04" + good[1:], b"\x04" + good + b"\0", b"\x06" + good, b"\x02" + good]
    for material in [*wrong, b"\x06" + bytes(1311)]:
        with pytest.raises(IntegrityError):
            cosignature.parse_vkey(note.encode_vkey("witness.example/w1", material))


def test_a_name_too_long_for_the_structure_is_refused() -> None:
    with pytest.raises(IntegrityError):
        cosignature.parse_vkey(note.encode_vkey("名" * 86, b"\x06" + bytes(1312)))
    signed = Checkpoint("名" * 86, 1, bytes(32)).text()
    with pytest.raises(IntegrityError):
        QUANTUM.sign(signed)
    assert CLASSIC.verifier.accepts(signed, CLASSIC.sign(signed))


def test_the_example_of_the_specification_has_the_form_we_read() -> None:
    """c2sp.org/tlog-cosignature prints a cosigned checkpoint; its keys are not published."""
    line = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
    value = base64.b64decode(line)
    assert len(value) == 4 + 8 + 64
    assert cosignature.timestamp(value[4:]) == SECONDS
