"""Project Wycheproof's Ed25519 cases, valid and invalid, against all that verifies signatures here.

The cases are in `wycheproof/`, with their source and licence.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.export.verifier.verify import ed25519_verify
from storage.ledger.note import Ed25519Verifier

CASES = json.loads((Path(__file__).parent / "wycheproof" / "ed25519.json").read_text(encoding="utf-8"))["tests"]
SPKI = bytes.fromhex("302a300506032b6570032100")


class Raw(str):
    """A text that stands for bytes which may be no UTF-8, as a note's never are."""

    raw: bytes

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return self.raw


def raw(content: bytes) -> str:
    text = Raw()
    text.raw = content
    return text


def test_all_cases_are_here() -> None:
    results = [result for _, _, _, _, result, _ in CASES]
    assert (len(CASES), results.count("valid"), results.count("invalid")) == (151, 88, 63)


def test_the_notes_verifier_accepts_the_valid_and_refuses_the_invalid() -> None:
    wrong = []
    for number, key, message, signature, result, flags in CASES:
        verifier = Ed25519Verifier("wycheproof", bytes.fromhex(key))
        accepted = verifier.accepts(raw(bytes.fromhex(message)), bytes.fromhex(signature))
        if accepted != (result == "valid"):
            wrong.append((number, flags))
    assert wrong == []


def test_the_discs_own_arithmetic_accepts_the_valid_and_refuses_the_invalid() -> None:
    wrong = [
        (number, flags)
        for number, key, message, signature, result, flags in CASES
        if ed25519_verify(*map(bytes.fromhex, (key, message, signature))) != (result == "valid")
    ]
    assert wrong == []


def test_openssl_as_the_short_verifier_asks_it_agrees(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.fail("openssl is missing") if os.environ.get("CI") else pytest.skip("openssl is not installed")
    wrong = []
    for number, key, message, signature, result, flags in CASES:
        if not message:  # it refuses to read an empty file; no note is empty
            continue
        contents = {"key": SPKI + bytes.fromhex(key), "text": bytes.fromhex(message), "sig": bytes.fromhex(signature)}
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        command = "openssl pkeyutl -verify -pubin -keyform DER -inkey key -rawin -in text -sigfile sig"
        done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, check=False)
        if (done.returncode == 0) != (result == "valid"):
            wrong.append((number, flags))
    assert wrong == []
