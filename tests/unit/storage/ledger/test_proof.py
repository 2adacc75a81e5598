from __future__ import annotations

import pytest

from storage.errors import IntegrityError
from storage.ledger import note, proof
from tests.support.ledger import SIGNER, VKEY, bodies, log, receipt

ENTRIES = bodies(300)
FILES = log(ENTRIES)
RECEIPT = receipt(FILES, 257, ENTRIES[257])


def test_a_receipt_proves_its_entry_with_the_public_key_alone() -> None:
    verified = proof.verify_receipt(RECEIPT, VKEY)
    assert (verified.index, verified.body, verified.checkpoint.size) == (257, ENTRIES[257], 300)
    assert verified.entry.event.id == "event-257"


def test_the_form_of_a_receipt() -> None:
    lines = RECEIPT.decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert lines[1] == "extra " + note.encode_base64(ENTRIES[257])
    assert lines[2] == "index 257"
    assert RECEIPT.endswith(b"\n\n" + FILES["checkpoint"])
    assert proof.parse(RECEIPT).encode() == RECEIPT


def test_a_proof_without_extra_is_read_but_is_no_receipt() -> None:
    bare = proof.Proof(0, (), FILES["checkpoint"])
    assert proof.parse(bare.encode()) == bare
    with pytest.raises(IntegrityError, match="hold the entry"):
        proof.verify_receipt(bare.encode(), VKEY)


def refusal(content: bytes, vkey: str = VKEY) -> str:
    with pytest.raises(IntegrityError) as caught:
        proof.verify_receipt(content, vkey)
    return str(caught.value)


def test_the_first_thing_wrong_is_named() -> None:
    other = receipt(FILES, 257, ENTRIES[258])
    assert "does not lead to the root" in refusal(other)
    assert "does not lead to the root" in refusal(RECEIPT.replace(b"index 257", b"index 256"))
    assert "not in a tree" in refusal(RECEIPT.replace(b"index 257", b"index 300"))
    assert "signature by" in refusal(RECEIPT.replace(b"\n300\n", b"\n301\n"))
    assert "no trusted key" in refusal(RECEIPT, "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")


def test_an_entry_that_is_in_the_log_but_malformed_is_named() -> None:
    files = log([b"not an entry"])
    assert "not JSON" in refusal(receipt(files, 0, b"not an entry"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"c2sp.org/tlog-proof@v1\n",
        RECEIPT.replace(b"@v1", b"@v2"),
        RECEIPT.replace(b"extra ", b"Extra "),
        RECEIPT.replace(b"extra ", b"extra  "),
        RECEIPT.replace(b"index 257", b"index 0257"),
        RECEIPT.replace(b"index 257", b"index 257\nAAAA"),
        RECEIPT.replace(b"index 257\n", b"index 257\n\n"),
        RECEIPT.replace(b"index 257\n", b""),
        RECEIPT.replace(b"\n", b"\r\n"),
        RECEIPT.replace(b"index 257\n", b"index 257\n" + b"A" * 43 + b"=\n" * 64),
        RECEIPT + b"x",
        b"c2sp.org/tlog-proof@v1\n" + b"x" * proof.MAX_PROOF,
    ],
)
def test_any_other_form_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        proof.verify_receipt(content, VKEY)


def test_no_single_bit_of_a_receipt_can_change() -> None:
    short = receipt(log(ENTRIES[:2]), 1, ENTRIES[1])
    for position in range(len(short) * 8):
        flipped = bytearray(short)
        flipped[position // 8] ^= 1 << (position % 8)
        with pytest.raises(IntegrityError):
            proof.verify_receipt(bytes(flipped), VKEY)


def test_a_receipt_may_carry_other_signatures() -> None:
    assert proof.verify_receipt(RECEIPT + "— witness.example AAAAAAAAAAA=\n".encode(), VKEY)
    assert SIGNER.name in RECEIPT.decode()
