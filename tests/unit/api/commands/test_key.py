"""`liuhen admin key`, as it is typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from api.cli import make_cli
from storage.errors import LiuhenError
from storage.ledger import checkpoint, note, rotation, sm2
from storage.ledger.proof import verify_receipt
from storage.ledger.witnesses.cosignature import parse_vkey as parse_cosigner
from tests.e2e.test_dock import dock
from tests.support import hsm
from tests.support.ledger import VKEY, Desk
from tests.support.rotations import key_of
from tests.support.rotations import rotate as turn
from tests.support.server import ROOT, enrol, run_server


@dataclass(frozen=True)
class Done:
    code: int
    stdout: str
    stderr: str


def liuhen(*arguments: object, code: int = 0, **settings: str) -> Done:
    """A command in this process; with a hardware module in one of its own, since a process opens a module once."""
    words = [str(each) for each in arguments]
    done = _apart(words, settings) if "SOFTHSM2_CONF" in settings else _here(words, settings)
    assert done.code == code, done.stderr
    return done


def _here(words: list[str], settings: dict[str, str]) -> Done:
    answer = CliRunner().invoke(make_cli(), words, env=settings)
    if isinstance(answer.exception, LiuhenError):
        return Done(2, answer.stdout, answer.exception.en)
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return Done(answer.exit_code, answer.stdout, answer.stderr)


def _apart(words: list[str], settings: dict[str, str]) -> Done:
    command = [sys.executable, "-m", "api.cli", *words]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env=environment)
    return Done(done.returncode, done.stdout, done.stderr)


def made(tmp_path: Path, **settings: str) -> Path:
    """A data directory whose log has been started."""
    data = tmp_path / "data"
    liuhen("admin", "station", "add", "ST-00", "--out", tmp_path / "st.json", "--data", data, **settings)
    return data


def rotate(data: Path, *more: str, code: int = 0, **settings: str) -> Done:
    arguments = ("--reason", "scheduled", "--by", "admin", "--data", data, *more)
    return liuhen("admin", "key", "rotate", *arguments, code=code, **settings)


def shown(data: Path, **settings: str) -> dict[str, list[dict[str, str]]]:
    facts: dict[str, list[dict[str, str]]] = json.loads(
        liuhen("admin", "key", "show", "--data", data, "--json", **settings).stdout
    )
    return facts


def test_a_key_is_rotated_and_both_are_shown(tmp_path: Path) -> None:
    data = made(tmp_path)
    new = rotate(data).stdout.strip()
    keys = shown(data)["keys"]
    assert [each["until"] for each in keys] == [1, None]
    assert keys[1]["key"] == new
    assert rotation.learn(new, (data / "ledger" / "rotations").read_bytes()).turns == (1,)
    assert liuhen("verify", data).code == 0
    text = liuhen("admin", "key", "show", "--data", data).stdout
    assert "until entry 1" in text
    assert new in text


def test_a_station_that_pinned_the_old_key_docks_after_a_rotation_under_a_running_service(tmp_path: Path) -> None:
    card = tmp_path / "card"
    card.mkdir()
    (card / "LH00012_1.MP4").write_bytes(os.urandom(10_000))
    with run_server(tmp_path / "data") as server:
        key_file = enrol(server.data, tmp_path)
        old = json.loads(key_file.read_text())["log"]
        said = rotate(server.data)
        assert "service is running" in said.stderr
        outcome = dock(server.url, key_file, tmp_path / "state", card)
        assert outcome.safe
        new = said.stdout.strip()
        assert new != old
        [receipt] = [each.receipt.read_bytes() for each in outcome.results if each.receipt]
        assert verify_receipt(receipt, new).checkpoint.size > 1


def test_one_key_hands_over_once(tmp_path: Path) -> None:
    data = made(tmp_path)
    first, second = rotate(data).stdout, rotate(data).stdout
    assert first != second
    assert len(shown(data)["keys"]) == 3


def test_second_signatures_stand_under_each_checkpoint(tmp_path: Path) -> None:
    seconds = {"LIUHEN_SECOND_SIGNATURES": '["ml-dsa-44", "sm2"]'}
    data = made(tmp_path, **seconds)
    rotate(data, **seconds)
    quantum, chinese = shown(data, **seconds)["second_signatures"]
    signed = (data / "ledger" / "checkpoint").read_bytes()
    for key in (parse_cosigner(str(quantum)), sm2.parse_vkey(str(chinese))):
        assert checkpoint.parse(note.verify(signed, [key])).size == 2
    assert liuhen("verify", data, **seconds).code == 0
    for name in ("ledger-ml-dsa-44.pem", "ledger-sm2.pem"):
        assert "ENCRYPTED" in (data / "keys" / name).read_text()


def test_the_log_moves_into_a_hardware_module(tmp_path: Path) -> None:
    settings = {
        "LIUHEN_PKCS11_MODULE": str(hsm.softhsm()),
        "LIUHEN_PKCS11_TOKEN": hsm.TOKEN,
        "LIUHEN_PKCS11_PIN": hsm.PIN,
        "SOFTHSM2_CONF": str(hsm.make_token(tmp_path / "hsm")),
    }
    data = made(tmp_path)
    new = rotate(data, "--hardware", **settings).stdout.strip()
    assert [file.name for file in (data / "keys").glob("*.pem")] == ["ledger.pem"]
    rotate(data, "--hardware", **settings)
    assert [each["key"] for each in shown(data, **settings)["keys"]][1] == new
    assert liuhen("verify", data, "--key", new).code == 0


def test_a_log_begins_in_a_hardware_module(tmp_path: Path) -> None:
    settings = {
        "LIUHEN_PKCS11_MODULE": str(hsm.softhsm()),
        "LIUHEN_PKCS11_PIN": hsm.PIN,
        "SOFTHSM2_CONF": str(hsm.make_token(tmp_path / "hsm")),
    }
    data = made(tmp_path, **settings)
    rotate(data, "--hardware", **settings)
    assert not list((data / "keys").glob("*.pem"))
    assert len(shown(data, **settings)["keys"]) == 2


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    assert "no ledger keys" in liuhen("admin", "key", "show", "--data", tmp_path / "none", code=2).stderr
    assert "no hardware module" in rotate(made(tmp_path), "--hardware", code=2).stderr
    wrong = {"LIUHEN_KEY_PASSPHRASE": "guess"}
    assert "check the passphrase" in rotate(tmp_path / "data", code=2, **wrong).stderr


def test_a_receipt_of_a_later_key_verifies_with_the_pinned_one_and_the_file_of_rotations(tmp_path: Path) -> None:
    log = Desk(tmp_path)
    log.key = key_of()
    log.record(0, 3)
    turn(log)
    log.record(3, 3)
    writer = log.sequencer()
    writer.publish_pending()
    receipt = tmp_path / "receipt"
    receipt.write_bytes(writer.receipt("event-0"))
    log.close()
    rotations = tmp_path / "ledger" / "rotations"
    said = liuhen("verify", receipt, "--key", VKEY, code=1)
    assert "no trusted key" in said.stdout
    assert "sound" in liuhen("verify", receipt, "--key", VKEY, "--rotations", rotations).stdout


def test_checkpoints_on_both_sides_of_a_rotation_are_held_against_each_other(tmp_path: Path) -> None:
    log = Desk(tmp_path)
    log.key = key_of()
    log.record(0, 3)
    log.sequencer().publish_pending()
    kept = tmp_path / "kept"
    kept.write_bytes(log.folder.read("checkpoint"))
    log._opened[-1].stop()
    turn(log)
    log.sequencer().publish_pending()
    both = json.loads(liuhen("log", "show", tmp_path / "ledger", "--key", VKEY, "--json").stdout)["signatures"]
    assert [each["state"] for each in both] == ["valid", "valid"]
    log.record(3, 3)
    log._opened[-1].publish_pending()
    log.close()
    proof, rotations = tmp_path / "proof", tmp_path / "ledger" / "rotations"
    liuhen("log", "prove", "--log", tmp_path / "ledger", "--key", VKEY, "--from", kept, "--out", proof)
    assert liuhen("verify", proof, kept, "--key", VKEY, "--rotations", rotations).code == 0
    liuhen("verify", proof, kept, "--key", VKEY, code=1)
