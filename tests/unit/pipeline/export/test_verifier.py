"""The disc's verifier piece by piece, against the specifications' vectors and the libraries that it does without."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.export.verifier import verify, verify_short
from storage.ledger import merkle

SOURCE = Path(verify.__file__)

# RFC 8032, 7.1: secret key, public key, message, signature
RFC_8032 = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), RFC_8032)
def test_ed25519_by_the_rfc(key: str, message: str, signature: str) -> None:
    assert verify.ed25519_verify(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature))
    assert not verify.ed25519_verify(bytes.fromhex(key), bytes.fromhex(message) + b"x", bytes.fromhex(signature))


@settings(max_examples=25)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_ed25519_agrees_with_openssl(seed: bytes, message: bytes, bit: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify.ed25519_verify(key, message, signature)
    broken = bytearray(signature)
    broken[bit // 8] ^= 1 << bit % 8
    assert not verify.ed25519_verify(key, message, bytes(broken))


@pytest.mark.parametrize(
    "signature",
    [
        bytes(64),
        bytes(63),
        b"\xff" * 64,
        (1).to_bytes(32, "little") + (verify.ORDER).to_bytes(32, "little"),
    ],
)
@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32, (1).to_bytes(32, "little"), (2).to_bytes(32, "little")])
def test_ed25519_refuses_what_openssl_refuses(key: bytes, signature: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, b"message")
        accepted = True
    except (InvalidSignature, ValueError):
        accepted = False
    assert verify.ed25519_verify(key, b"message", signature) == accepted


def test_a_malleable_signature_is_refused() -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    signature = private.sign(b"m")
    s = int.from_bytes(signature[32:], "little") + verify.ORDER
    forged = signature[:32] + s.to_bytes(32, "little")
    assert not verify.ed25519_verify(private.public_key().public_bytes_raw(), b"m", forged)


def test_openssl_is_a_second_opinion() -> None:
    if not shutil.which("openssl"):
        pytest.fail("openssl is missing") if os.environ.get("CI") else pytest.skip("openssl is not installed")
    private = Ed25519PrivateKey.from_private_bytes(bytes(32))
    key, signature = private.public_key().public_bytes_raw(), private.sign(b"m")
    assert verify.openssl_verify(key, b"m", signature) is True
    assert verify.openssl_verify(key, b"n", signature) is False


def test_without_openssl_there_is_no_second_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    assert verify.openssl_verify(bytes(32), b"m", bytes(64)) is None


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100])
def test_tree_root_is_that_of_the_rfc(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    assert verify.tree_root(b"".join(leaves)) == merkle.root(leaves)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 33])
def test_inclusion_holds_for_every_leaf_and_no_other(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    root = merkle.root(leaves)

    def read(level: int, index: int) -> bytes:
        return merkle.root(leaves[index << level : (index + 1) << level])

    for index, leaf in enumerate(leaves):
        path = merkle.inclusion_proof(index, size, read)
        assert verify.proven_root(index, size, leaf, path) == root
        for wrong in (index - 1, index + 1):
            assert verify.proven_root(wrong, size, leaf, path) != root
        assert verify.proven_root(index, size, leaf, [*path, bytes(32)]) != root
        assert not path or verify.proven_root(index, size, leaf, path[:-1]) != root


def test_the_source_is_python_3_8() -> None:
    ast.parse(SOURCE.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_short_source_is_python_3_9() -> None:
    ast.parse(SOURCE.with_name("verify_short.py").read_text(encoding="utf-8"), feature_version=(3, 9))


@pytest.mark.parametrize("name", ["verify.py", "verify_short.py"])
def test_the_source_imports_the_standard_library_only(name: str) -> None:
    tree = ast.parse(SOURCE.with_name(name).read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name.split(".")[0] for name in names} & {
        "storage",
        "pipeline",
        "cryptography",
        "socket",
        "urllib",
        "http",
    }


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 100])
def test_the_short_trees_are_those_of_the_rfc(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number])) for number in range(size)]
    root = merkle.root(leaves)
    assert verify_short.tree_root(leaves) == root

    def read(level: int, index: int) -> bytes:
        return merkle.root(leaves[index << level : (index + 1) << level])

    for index, leaf in enumerate(leaves):
        path = merkle.inclusion_proof(index, size, read)
        assert verify_short.proven_root(index, size, leaf, path) == root
        for wrong in (index - 1, index + 1, index + size):
            assert verify_short.proven_root(wrong, size, leaf, path) != root
        assert verify_short.proven_root(index, size, leaf, [*path, bytes(32)]) != root
        assert not path or verify_short.proven_root(index, size, leaf, path[:-1]) != root


def build(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("seed", range(30))
def test_garbage_in_the_lists_is_a_finding_never_a_crash(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = {
        "bagit.txt": b"BagIt-Version: 1.0\n",
        "manifest-sha256.txt": chance.randbytes(40),
        "tagmanifest-sha256.txt": chance.choice([b"", b"\xff\xfe", b"0" * 64 + b"  bagit.txt\n", b"\n", b"x  y\n"]),
    }
    with pytest.raises(verify.Wrong):
        verify.verify(build(tmp_path, files), say=lambda zh, en: None)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b"\xff", json.dumps({"recording": 1}).encode()])
def test_a_malformed_explanation_is_a_finding(content: bytes, tmp_path: Path) -> None:
    disc = verify.Disc(tmp_path, None, lambda zh, en: None, lambda *_: None)
    disc.paths["explanation.json"] = tmp_path / "explanation.json"
    disc.paths["explanation.json"].write_bytes(content)
    with pytest.raises((ValueError, KeyError, TypeError, IndexError, AttributeError)):
        verify.check_explanation(disc)
