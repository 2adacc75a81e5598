"""`liuhen witness` as it is typed, its HTTP with clients that behave badly, and `liuhen verify --policy`."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import typer
from typer.testing import CliRunner, Result

from api.commands import witness
from api.commands.verify import verify
from storage.errors import IntegrityError, NotFound, Refused
from storage.ledger import note
from storage.ledger.witnesses import cosignature
from tests.support.ledger import SIGNER, VKEY, bodies, log, receipt
from tests.support.witnesses import ROOT, History, classic, policy_text, quantum, run_witness

HISTORY = History.of(9)
HASH = hashlib.sha256(SIGNER.name.encode()).hexdigest()


def run(*arguments: object) -> Result:
    cli = typer.Typer()
    cli.add_typer(witness.make(), name="witness")
    cli.command("verify")(verify)
    answer = CliRunner().invoke(cli, [str(each) for each in arguments])
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    return answer


def test_init_prints_the_public_keys_and_keeps_the_private_ones(tmp_path: Path) -> None:
    made = run("witness", "init", tmp_path, "--name", "court.example/w1")
    keys = [cosignature.parse_vkey(line) for line in made.stdout.split()]
    assert [type(key).__name__ for key in keys] == ["MlDsa44Verifier", "Ed25519Verifier"]
    assert {key.name for key in keys} == {"court.example/w1"}
    for file in (tmp_path / "keys").iterdir():
        assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(Refused):
        run("witness", "init", tmp_path, "--name", "court.example/w1")
    only = run("witness", "init", tmp_path / "b", "--name", "court.example/w2", "--only", "ed25519")
    assert isinstance(cosignature.parse_vkey(only.stdout.strip()), cosignature.Ed25519Verifier)
    with pytest.raises(Refused):
        run("witness", "init", tmp_path / "c", "--name", "court.example/w3", "--only", "rsa")


def test_trust_and_show(tmp_path: Path) -> None:
    run("witness", "init", tmp_path, "--name", "court.example/w1", "--only", "ed25519")
    run("witness", "trust", tmp_path, VKEY)
    run("witness", "trust", tmp_path, VKEY, "--origin", "another name")
    shown = run("witness", "show", tmp_path)
    assert shown.exit_code == 0
    assert "court.example/w1" in shown.stdout and "another name" in shown.stdout and "尚未见证" in shown.stdout
    with pytest.raises(IntegrityError):
        run("witness", "trust", tmp_path, VKEY + "x")
    run("witness", "distrust", tmp_path, VKEY)
    assert VKEY not in run("witness", "show", tmp_path).stdout


def test_a_folder_without_a_witness_is_left_as_it_is(tmp_path: Path) -> None:
    for command in ("show", "run"):
        with pytest.raises(NotFound):
            run("witness", command, tmp_path)
    with pytest.raises(NotFound):
        run("witness", "trust", tmp_path, VKEY)
    assert list(tmp_path.iterdir()) == []


def test_show_says_how_far_and_when(tmp_path: Path) -> None:
    with run_witness(tmp_path) as process, httpx.Client(base_url=process.url) as http:
        assert http.post("/add-checkpoint", content=HISTORY.request(0, 5)).status_code == 200
        shown = run("witness", "show", tmp_path)
    assert re.search(r"5 条 entries，\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\n", shown.stdout)
    kept = tmp_path / "checkpoints" / HASH
    kept.write_bytes(HISTORY.signed(5))
    shown = run("witness", "show", tmp_path)
    assert shown.exit_code == 1 and "✗" in shown.stdout


def test_the_protocol_over_http(tmp_path: Path) -> None:
    with run_witness(tmp_path) as process, httpx.Client(base_url=process.url) as http:
        assert http.get(f"/{HASH}/checkpoint").status_code == 404
        answer = http.post("/add-checkpoint", content=HISTORY.request(0, 5))
        assert answer.status_code == 200
        known = [cosignature.parse_vkey(vkey) for vkey in process.vkeys]
        assert note.verify(HISTORY.signed(5) + answer.content, known) == HISTORY.head(5).text()
        assert http.get(f"/{HASH}/checkpoint").content == HISTORY.signed(5) + answer.content
        assert http.head(f"/{HASH}/checkpoint").content == b""
        answer = http.post("/add-checkpoint", content=HISTORY.request(0, 9))
        assert (answer.status_code, answer.content) == (409, b"5\n")
        assert answer.headers["Content-Type"] == "text/x.tlog.size"
        stranger = History(HISTORY.entries, note.Ed25519Signer("other.example", classic(1).key))
        assert http.post("/add-checkpoint", content=stranger.request(0, 5)).status_code == 404
        spoilt = HISTORY.request(5, 9).replace(b"\n9\n", b"\n8\n")
        assert http.post("/add-checkpoint", content=spoilt).status_code == 403
        assert http.post("/add-checkpoint", content=HISTORY.fork(1).request(5, 9)).status_code == 422
        assert http.put("/add-checkpoint", content=b"").status_code == 405
        assert http.delete(f"/{HASH}/checkpoint").status_code == 405
        assert http.post("/add-checkpoint", content=HISTORY.request(5, 9)).status_code == 200


SLOW = """
import asyncio, sys
sys.path.insert(0, {root!r})
import uvicorn
from pathlib import Path
from api.witness_app import WitnessApp
from storage.clock import now
from storage.ledger.witnesses.witness_desk import WitnessDesk
app = WitnessApp(WitnessDesk(Path("nowhere"), "w", (), now), seconds=0.2)
config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="warning")
listening = config.bind_socket()
listening.listen()
print(listening.getsockname()[1], flush=True)
uvicorn.Server(config).run(sockets=[listening])
"""


def test_slow_long_and_broken_clients_get_their_answer_and_hurt_nobody() -> None:
    process = subprocess.Popen([sys.executable, "-c", SLOW.format(root=str(ROOT))], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        address = ("127.0.0.1", int(process.stdout.readline()))
        head = b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n"
        for sent, status in (
            (head + b"Content-Length: 100\r\n\r\nold 5\n", b"408"),
            (head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nold 5\r\n", b"408"),
            (head + b"Content-Length: 300000\r\n\r\n" + b"x" * 300_000, b"413"),
            (head + b"Content-Length: 7\r\n\r\ngarbage", b"400"),
            (b"\x16\x03\x01 not http\r\n\r\n", b"400"),
        ):
            with socket.create_connection(address, 20) as connection:
                connection.sendall(sent)
                assert connection.recv(4096).split(b" ")[1] == status
        for sent in (b"", head, head + b"Content-Length: 100\r\n\r\nold"):
            socket.create_connection(address, 20).close()
            with socket.create_connection(address, 20) as connection:
                connection.sendall(sent)
        assert httpx.get(f"http://127.0.0.1:{address[1]}/").status_code == 404
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def receipts(folder: Path, *signers: note.Signer) -> Path:
    entries = bodies(9)
    files = log(entries)
    files["checkpoint"] = HISTORY.signed(9, *signers)
    folder.mkdir(exist_ok=True)
    file = folder / "a.tlog-proof"
    file.write_bytes(receipt(files, 3, entries[3]))
    return file


def test_verify_wants_the_quorum_of_the_policy(tmp_path: Path) -> None:
    rules = tmp_path / "policy"
    rules.write_bytes(
        policy_text([("法院", str(classic(1).verifier), ""), ("审计", str(quantum(2).verifier), "")], "all")
    )
    file = receipts(tmp_path / "good", classic(1), quantum(2))
    told = run("verify", file, "--policy", rules)
    assert told.exit_code == 0
    assert "见证人 法院" in told.stdout and "the witness 审计 cosigned the log with 9 entries" in told.stdout
    answer = json.loads(run("verify", file, "--policy", rules, "--json").stdout)
    assert answer["sound"] and [each["name"] for each in answer["witnesses"]] == ["法院", "审计"]
    short = run("verify", receipts(tmp_path / "short", classic(1)), "--policy", rules)
    assert short.exit_code == 1 and "quorum" in short.stdout


def test_verify_names_what_is_wrong_with_the_policy_or_its_use(tmp_path: Path) -> None:
    file = receipts(tmp_path, classic(1))
    rules = tmp_path / "policy"
    rules.write_bytes(b"quorum nobody\n")
    with pytest.raises(Refused, match="line 1"):
        run("verify", file, "--policy", rules)
    with pytest.raises(Refused, match="for receipts only"):
        run("verify", tmp_path, "--policy", rules)
    rules.write_bytes(b"quorum none\n")
    assert run("verify", file, "--policy", rules).exit_code == 1
    told = run("verify", file, "--policy", rules, "--key", VKEY)
    assert told.exit_code == 0 and "asks for no witness" in told.stdout


def test_verify_compares_the_file_in_hand_too(tmp_path: Path) -> None:
    rules = tmp_path / "policy"
    rules.write_bytes(policy_text([("w", str(classic(1).verifier), "")], "all"))
    told = run("verify", receipts(tmp_path, classic(1)), rules, "--policy", rules)
    assert told.exit_code == 1 and "is not the file of the receipt" in told.stdout
