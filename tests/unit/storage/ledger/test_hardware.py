"""The log's key in a hardware module. Each test runs in a process of its own: a module is opened once per process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import hsm

pytestmark = pytest.mark.shared

START = """
import sys
from pathlib import Path
from storage.errors import Refused
from storage.ledger import note
from storage.ledger.hardware import HardwareKeys
from storage.ledger.keys import LogKey
from tests.support.ledger import Desk

module, folder = Path(sys.argv[1]), Path(sys.argv[2])
def opened(token="liuhen", pin="5678", module=module):
    return HardwareKeys(module, token, pin, "example.org/liuhen")
def refused(**wrong):
    try:
        opened(**wrong)
    except Refused as error:
        return str(error)
    raise AssertionError("not refused")
"""


def run(tmp_path: Path, program: str) -> str:
    module = hsm.softhsm()
    config = tmp_path / "hsm" / "softhsm2.conf"
    if not config.exists():
        hsm.make_token(tmp_path / "hsm")
    done = subprocess.run(
        [sys.executable, "-c", START + program, str(module), str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "SOFTHSM2_CONF": str(config)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_key_stays_in_the_module_and_is_found_again(tmp_path: Path) -> None:
    first = run(tmp_path, "print(opened().first().verifier)")
    again = run(tmp_path, "keys = opened(); print(keys.first().verifier, keys.find(str(keys.first().verifier)).number)")
    assert again == f"{first} 1"


def test_the_private_key_can_not_be_read_out(tmp_path: Path) -> None:
    program = """
import pkcs11
from pkcs11 import Attribute
key = opened().first().private
try:
    key[Attribute.VALUE]
except pkcs11.PKCS11Error as error:
    print(key[Attribute.SENSITIVE], key[Attribute.EXTRACTABLE], type(error).__name__)
"""
    assert run(tmp_path, program).split()[:2] == ["True", "False"]


def test_a_log_is_signed_by_the_module(tmp_path: Path) -> None:
    program = """
desk = Desk(folder)
desk.key = LogKey(opened().first())
desk.record(0, 300)
print(desk.sequencer().publish_pending(), desk.key.vkey)
desk.close()
"""
    published, vkey = run(tmp_path, program).split()
    assert published == "300"
    from storage.ledger.auditing import verify
    from storage.ledger.folder import LedgerFolder

    assert verify.check(LedgerFolder(tmp_path / "ledger").read, vkey).checkpoint.size == 300


def test_keys_of_the_module_follow_each_other(tmp_path: Path) -> None:
    program = """
keys = opened()
first, second = keys.first(), keys.make_next()
assert first.verifier != second.verifier and keys.first().verifier == first.verifier
assert keys.find(str(second.verifier)).number == 2
assert keys.find(str(note.Ed25519Verifier("example.org/liuhen", bytes(32)))) is None
"""
    run(tmp_path, program)


@pytest.mark.parametrize("wrong", ['pin="0000"', 'token="other"', 'module=Path("/nonexistent.so")'])
def test_what_is_wrong_with_the_module_is_said(tmp_path: Path, wrong: str) -> None:
    assert "can't be used" in run(tmp_path, f"print(refused({wrong}))")
