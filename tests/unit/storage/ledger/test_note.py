from __future__ import annotations

import pytest

from storage.errors import IntegrityError
from storage.ledger import note
from tests.support.ledger import SIGNER, VKEY

# The example that the Go checksum database's package `note` and its readers share.
NEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
NEUMANN_NOTE = (
    f"{NEUMANN_TEXT}\n— PeterNeumann "
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

# The example of c2sp.org/signed-note, whose text has an empty line inside.
SALVATORE_NOTE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
).encode()

# Its section Example: key and note.
FOO_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()

SIGNED = note.sign("hello\nworld\n", SIGNER)
LINE = SIGNED.decode().split("\n")[3]
OTHER = "— someone.else AAAAAAAAAAA=\n"


def test_the_shared_example_verifies() -> None:
    assert note.verify(NEUMANN_NOTE, [note.parse_vkey(NEUMANN_KEY)]) == NEUMANN_TEXT


def test_the_specification_example_verifies() -> None:
    assert note.verify(FOO_NOTE, [note.parse_vkey(FOO_KEY)]) == "This is an example message.\n"


@pytest.mark.parametrize("at", range(len(FOO_NOTE)))
def test_no_byte_of_the_specification_example_may_be_another(at: int) -> None:
    changed = bytearray(FOO_NOTE)
    changed[at] ^= 1
    with pytest.raises(IntegrityError):
        note.verify(bytes(changed), [note.parse_vkey(FOO_KEY)])


def test_the_specification_example_is_read() -> None:
    parsed = note.parse(SALVATORE_NOTE)
    assert parsed.text.endswith("\n\ned è subito sera.\n")
    assert [(each.name, each.key_id.hex(), len(each.value)) for each in parsed.signatures] == [
        ("quasimodo.example/salvatore", "367ba04b", 64)
    ]


def test_a_signed_text_verifies_and_comes_back() -> None:
    assert note.verify(SIGNED, [SIGNER.verifier]) == "hello\nworld\n"


def test_vkey_is_read_as_it_is_written() -> None:
    assert str(note.parse_vkey(VKEY)) == VKEY
    assert str(note.parse_vkey(NEUMANN_KEY)) == NEUMANN_KEY


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        NEUMANN_KEY.replace("c74f20a3", "c74f20a4"),
        NEUMANN_KEY.replace("c74f20a3", "C74F20A3"),
        NEUMANN_KEY.replace("Peter", "Peter "),
        NEUMANN_KEY[:-4],
        NEUMANN_KEY + "=",
        NEUMANN_KEY.replace("+ARpc", "+BRpc"),
        "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_malformed_vkey_is_refused(vkey: str) -> None:
    with pytest.raises(IntegrityError):
        note.parse_vkey(vkey)


def test_lines_of_unknown_keys_are_ignored() -> None:
    assert note.verify(SIGNED + OTHER.encode(), [SIGNER.verifier]) == "hello\nworld\n"


def test_a_note_no_known_key_signed_is_refused() -> None:
    with pytest.raises(IntegrityError, match="no trusted key"):
        note.verify(SIGNED, [note.parse_vkey(NEUMANN_KEY)])


def test_a_known_key_with_a_wrong_signature_spoils_the_note() -> None:
    forged = SIGNED + note.sign("something else\n", SIGNER).split(b"\n\n")[1]
    with pytest.raises(IntegrityError, match="is not valid"):
        note.verify(forged, [SIGNER.verifier])


def test_a_changed_text_is_refused() -> None:
    with pytest.raises(IntegrityError, match=r"signature by example\.org/liuhen"):
        note.verify(SIGNED.replace(b"world", b"World"), [SIGNER.verifier])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello\n",
        b"hello\n\n",
        SIGNED[:-1],
        SIGNED + b"\n",
        SIGNED + b"trailing\n",
        SIGNED.replace(b"\n", b"\r\n"),
        SIGNED.replace(b"hello", b"hel\x00lo"),
        SIGNED.replace(b"hello", b"hel\xfflo"),
        SIGNED.replace("— ".encode(), b"- "),
        SIGNED.replace("— ".encode(), "—  ".encode()),
        SIGNED[:-2] + b"\n",
        SIGNED.replace(b"=\n", b"==\n"),
        f"hello\nworld\n\n{OTHER}{LINE}".encode(),
        f"hello\nworld\n\n— short AAAA\n{LINE}\n".encode(),
        b"x" * note.MAX_NOTE + SIGNED,
        SIGNED + OTHER.encode() * note.MAX_SIGNATURES,
    ],
)
def test_any_other_form_is_refused(content: bytes) -> None:
    with pytest.raises(IntegrityError):
        note.verify(content, [SIGNER.verifier])


def test_sixteen_signatures_are_accepted() -> None:
    assert note.verify(SIGNED + OTHER.encode() * 15, [SIGNER.verifier])


def test_only_whole_lines_of_plain_text_are_signed() -> None:
    with pytest.raises(ValueError, match="newline"):
        note.sign("no newline", SIGNER)
    with pytest.raises(IntegrityError):
        note.sign("tab\t\n", SIGNER)
