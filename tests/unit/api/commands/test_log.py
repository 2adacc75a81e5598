"""`liuhen log` as it is typed: show, entries, prove, audit, export; and `liuhen verify` on what these make."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner, Result

from api.commands import ledger, verify
from pipeline.log_copy import copy_log
from storage.errors import IntegrityError, LiuhenError, NotFound, Refused
from storage.ledger import entry, merkle, note, tiles
from storage.ledger.auditing import verify as audits
from storage.ledger.auditing.audit import Plan, audit_folder
from storage.ledger.folder import LedgerFolder
from storage.ledger.proof import verify_receipt
from tests.support.ledger import SIGNER, VKEY, Desk, bodies, event, log

ROOT = Path(__file__).resolve().parents[4]
RECEIVED = [entry.encode(event(n, f"recording:q{n % 2}", name="original.received"), None) for n in (900, 901)]
ENTRIES = [*bodies(600), *RECEIVED]
FILES = log(ENTRIES, steps=[100, 300])
OLDER = log(ENTRIES[:300])["checkpoint"]
FORKED = log(bodies(300, subjects=2))["checkpoint"]


def lay(folder: Path, files: dict[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return lay(tmp_path / "ledger", FILES)


def run(*arguments: object) -> Result:
    cli = typer.Typer()
    cli.add_typer(ledger.make(), name="log")
    cli.command("verify")(verify.verify)
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def said(*arguments: object) -> str:
    done = run(*arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def refused(*arguments: object) -> LiuhenError:
    """The error of ours that the command line would print, exit code 2."""
    error = run(*arguments).exception
    assert isinstance(error, LiuhenError)
    return error


def kept(folder: Path, content: bytes, name: str = "kept") -> Path:
    (folder.parent / name).write_bytes(content)
    return folder.parent / name


def test_show_says_what_the_checkpoint_says(folder: Path) -> None:
    shown = said("log", "show", folder, "--key", VKEY)
    assert FILES["checkpoint"].decode() in shown
    assert "602" in shown
    assert "有效 valid" in shown
    assert VKEY in shown
    local = datetime.fromisoformat(json.loads(ENTRIES[-1])["time"]).astimezone()
    assert f"{local:%Y-%m-%d %H:%M:%S}" in shown


def test_show_for_a_script(folder: Path) -> None:
    shown = json.loads(said("log", "show", folder, "--key", VKEY, "--json"))
    root = merkle.root([merkle.leaf_hash(body) for body in ENTRIES]).hex()
    assert (shown["origin"], shown["size"], shown["root"]) == (SIGNER.name, 602, root)
    assert [each["state"] for each in shown["signatures"]] == ["valid"]


@pytest.mark.parametrize(("key", "state"), [((), "unknown"), (("--key", VKEY), "invalid")])
def test_show_tells_signatures_that_prove_nothing(tmp_path: Path, key: tuple[str, ...], state: str) -> None:
    root = FILES["checkpoint"].split(b"\n")[2]
    changed = FILES["checkpoint"].replace(root, b"AAAA" + root[4:])
    shown = json.loads(said("log", "show", lay(tmp_path, FILES | {"checkpoint": changed}), "--json", *key))
    assert [each["state"] for each in shown["signatures"]] == [state]


def test_entries_come_as_they_are_hashed(folder: Path) -> None:
    assert said("log", "entries", folder, "--json").encode() == b"".join(body + b"\n" for body in ENTRIES)


def test_entries_from_and_to(folder: Path) -> None:
    listed = said("log", "entries", folder, "--from", 250, "--to", 260, "--json").splitlines()
    assert [each.encode() for each in listed] == ENTRIES[250:260]


def test_entries_by_subject_event_actor_and_time(folder: Path) -> None:
    assert len(said("log", "entries", folder, "--subject", "recording:r1").splitlines()) == 200
    assert len(said("log", "entries", folder, "--event", "original.received").splitlines()) == 2
    assert len(said("log", "entries", folder, "--actor", "service:test", "--to", 5).splitlines()) == 5
    assert said("log", "entries", folder, "--actor", "nobody") == ""
    since = event(590).time.astimezone().replace(tzinfo=None).isoformat()
    assert len(said("log", "entries", folder, "--since", since).splitlines()) == 12


def test_a_time_that_is_none_is_refused(folder: Path) -> None:
    assert "write it as" in str(refused("log", "entries", folder, "--since", "yesterday"))


def test_no_log_is_a_clear_error(tmp_path: Path) -> None:
    assert isinstance(refused("log", "show", tmp_path), NotFound)


@pytest.mark.parametrize("what", ["260", "event-260", "EVENT-260"])
def test_an_entry_is_proved_by_index_or_event(folder: Path, tmp_path: Path, what: str) -> None:
    out = tmp_path / "proof"
    said("log", "prove", what, "--log", folder, "--key", VKEY, "--out", out)
    assert verify_receipt(out.read_bytes(), VKEY).body == ENTRIES[260]
    assert "核验通过" in said("verify", out, "--key", VKEY)


def test_a_recording_is_proved_by_what_it_received(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "proofs"
    out.mkdir()
    said("log", "prove", "q1", "--log", folder, "--key", VKEY, "--out", out)
    assert [path.name for path in out.iterdir()] == ["entry-601.tlog-proof"]
    assert verify_receipt((out / "entry-601.tlog-proof").read_bytes(), VKEY).body == RECEIVED[1]


def test_several_proofs_want_a_folder(tmp_path: Path) -> None:
    twice = [
        RECEIVED[0],
        entry.encode(event(902, "recording:q0", name="original.received"), merkle.leaf_hash(RECEIVED[0])),
    ]
    folder = lay(tmp_path / "ledger", log(twice))
    assert "2 proofs" in str(refused("log", "prove", "q0", "--log", folder, "--key", VKEY, "--out", tmp_path / "one"))


def test_a_proof_to_standard_output(folder: Path) -> None:
    proof = said("log", "prove", 0, "--log", folder, "--key", VKEY, "--out", "-")
    assert verify_receipt(proof.encode(), VKEY).index == 0


@pytest.mark.parametrize("what", ["602", "event-9999", "99999999999999999999"])
def test_what_is_not_there_is_not_proved(folder: Path, what: str) -> None:
    assert isinstance(refused("log", "prove", what, "--log", folder, "--key", VKEY), NotFound)


def test_nothing_is_proved_under_another_key(folder: Path) -> None:
    other = str(note.Ed25519Signer(SIGNER.name, Ed25519PrivateKey.generate()).verifier)
    assert isinstance(refused("log", "prove", 0, "--log", folder, "--key", other), IntegrityError)


def consistency(folder: Path, start: object) -> Path:
    out = folder.parent / "consistency"
    said("log", "prove", "--from", start, "--log", folder, "--key", VKEY, "--out", out)
    return out


def test_consistency_with_a_kept_checkpoint_is_proved_and_verified(folder: Path) -> None:
    older = kept(folder, OLDER)
    proof = consistency(folder, older)
    assert consistency(folder, 300).read_bytes() == proof.read_bytes()
    answer = json.loads(said("verify", proof, older, "--key", VKEY, "--json"))
    assert (answer["kind"], answer["from"], answer["to"]) == ("consistency", 300, 602)


def test_a_consistency_proof_reads_as_documented(folder: Path) -> None:
    lines = consistency(folder, 300).read_text().split("\n")
    blank = lines.index("")
    assert lines[0] == "old 300"
    assert all(len(note.decode_base64(line, "", "")) == 32 for line in lines[1:blank])
    assert "\n".join(lines[blank + 1 :]).encode() == FILES["checkpoint"]


def test_consistency_with_a_forked_history_is_not_proved(folder: Path) -> None:
    older, proof = kept(folder, FORKED), consistency(folder, 300)
    done = run("verify", proof, older, "--key", VKEY)
    assert done.exit_code == 1
    assert "older root hash" in done.output
    assert isinstance(refused("log", "prove", "--from", older, "--log", folder, "--key", VKEY), IntegrityError)


def test_a_consistency_proof_from_another_size_proves_nothing(folder: Path) -> None:
    proof = consistency(folder, 200)
    assert run("verify", proof, kept(folder, OLDER), "--key", VKEY).exit_code == 1


def test_a_consistency_proof_alone_is_refused(folder: Path) -> None:
    assert "checkpoint you kept" in str(refused("verify", consistency(folder, 300), "--key", VKEY))


@pytest.mark.parametrize("start", [0, 603])
def test_consistency_from_nothing_or_the_future_is_refused(folder: Path, start: int) -> None:
    assert isinstance(refused("log", "prove", "--from", start, "--log", folder, "--key", VKEY), Refused)


def test_an_audit_of_a_folder(folder: Path) -> None:
    done = said("log", "audit", folder, "--key", VKEY)
    assert "审计通过" in done
    assert "602 entries in 5 custody chains" in done
    answer = json.loads(said("verify", folder, "--key", VKEY, "--json"))
    assert (answer["kind"], answer["sound"], answer["entries"], answer["chains"]) == ("log", True, 602, 5)


@pytest.mark.parametrize("since", [OLDER, b"receipt"])
def test_an_audit_since_a_checkpoint_or_receipt_that_was_kept(folder: Path, since: bytes) -> None:
    if since == b"receipt":
        older = lay(folder.parent / "older", log(ENTRIES[:300]))
        since = said("log", "prove", 7, "--log", older, "--key", VKEY, "--out", "-").encode()
    assert "nothing that" in said("log", "audit", folder, "--key", VKEY, "--since", kept(folder, since))


def test_an_audit_tells_a_fork_from_a_cut(folder: Path) -> None:
    forked = run("log", "audit", folder, "--key", VKEY, "--since", kept(folder, FORKED), "--json")
    assert (forked.exit_code, json.loads(forked.stdout)["wrong"]["proves"]) == (1, "forked")
    lay(folder, log(ENTRIES[:200]))
    cut = run("log", "audit", folder, "--key", VKEY, "--since", kept(folder, OLDER), "--json")
    assert (cut.exit_code, json.loads(cut.stdout)["wrong"]["proves"]) == (1, "cut_short")


def test_an_audit_names_bytes_entry_and_file(folder: Path) -> None:
    content = bytearray((folder / "tile/entries/001").read_bytes())
    content[30] ^= 1
    (folder / "tile/entries/001").write_bytes(content)
    done = run("log", "audit", folder, "--key", VKEY, "--json")
    wrong = json.loads(done.stdout)["wrong"]
    assert (wrong["path"], wrong["index"], wrong["span"]) == ("tile/entries/001", 256, [2, 2 + len(ENTRIES[256])])
    assert run("log", "audit", folder, "--key", VKEY).exit_code == 1
    assert run("verify", folder, "--key", VKEY).exit_code == 1


def test_an_audit_without_a_key_is_refused(folder: Path) -> None:
    assert "--key" in str(refused("log", "audit", folder))


def test_a_file_that_the_disk_refuses_is_one_clear_line(folder: Path) -> None:
    path = folder / "tile/entries/001"
    path.unlink()
    path.mkdir()
    assert "tile/entries/001" in str(refused("log", "audit", folder, "--key", VKEY))
    assert "tile/entries/001" in str(refused("log", "entries", folder))
    assert "tile/entries/001" in str(refused("log", "prove", 300, "--log", folder, "--key", VKEY))


def test_what_was_kept_must_be_a_checkpoint(folder: Path) -> None:
    assert isinstance(refused("log", "audit", folder, "--key", VKEY, "--since", kept(folder, b"hello")), Refused)
    assert isinstance(refused("log", "audit", folder, "--key", VKEY, "--since", folder / "nothing"), Refused)


def test_an_audit_goes_on_from_its_state(folder: Path) -> None:
    state = folder.parent / "state"
    steps = audit_folder(LedgerFolder(folder), VKEY, Plan(state=state))
    next(steps)
    steps.close()
    assert json.loads(said("log", "audit", folder, "--key", VKEY, "--state", state, "--json"))["resumed"] == 256


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from api import cli
from storage.ledger.auditing import verify

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    taken = verify.Audit._take

    def take(self, seen):
        taken(self, seen)
        if len(self.standing.roots) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    verify.Audit._take = take
    cli.main(sys.argv[1:])
"""


def test_ctrl_c_says_how_to_go_on(folder: Path) -> None:
    """As it is typed, in a process of its own; the key is pressed after two tiles. Where these tests run in the
    background of a script, the shell has SIGINT ignored by all of them: the process listens to it again."""
    state, program = folder.parent / "state", folder.parent / "interrupted.py"
    program.write_text(INTERRUPTED)
    command = [sys.executable, program, "log", "audit", folder, "--key", VKEY, "--state", state]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 130, done.stderr
    assert f"goes on from {state}" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(said("log", "audit", folder, "--key", VKEY, "--state", state, "--json"))["resumed"] == 512


def test_a_copy_is_a_whole_log(folder: Path) -> None:
    copy = folder.parent / "copy"
    assert "written and audited" in said("log", "export", copy, "--log", folder, "--key", VKEY)
    names = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    needed = {tile.path for tile in tiles.written(0, 602)}
    assert names == needed | {"checkpoint", "log.vkey", "README.txt"}
    assert "all 602 entries" in said("log", "audit", copy)  # with the key beside it, and a warning
    assert "in case" not in said("log", "audit", copy, "--key", VKEY)
    readme = (copy / "README.txt").read_text("utf-8")
    assert "核验" in readme
    assert "To verify" in readme
    assert VKEY in readme


def test_a_copy_as_one_archive(folder: Path) -> None:
    archive = folder.parent / "copy.tar"
    said("log", "export", archive, "--log", folder, "--key", VKEY)
    (folder.parent / "out").mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", folder.parent / "out"], check=True)
    assert "审计通过" in said("log", "audit", folder.parent / "out/copy", "--key", VKEY)
    again = folder.parent / "again" / "copy.tar"
    again.parent.mkdir()
    said("log", "export", again, "--log", folder, "--key", VKEY)
    assert again.read_bytes() == archive.read_bytes()


def test_a_copy_is_never_written_over_something(folder: Path) -> None:
    (folder.parent / "copy").mkdir()
    refusal = refused("log", "export", folder.parent / "copy", "--log", folder, "--key", VKEY)
    assert "never overwritten" in str(refusal)


def test_a_damaged_log_gives_no_copy(folder: Path) -> None:
    (folder / "tile/0/001").write_bytes(bytes(8192))
    before = set(folder.parent.iterdir())
    assert isinstance(refused("log", "export", folder.parent / "copy", "--log", folder, "--key", VKEY), IntegrityError)
    assert set(folder.parent.iterdir()) == before


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    yield opened
    opened.close()


def test_copies_hold_while_the_service_writes(desk: Desk, tmp_path: Path) -> None:
    sequencer, stop = desk.sequencer(), threading.Event()
    desk.record(0, 10)
    sequencer.start()

    def work() -> None:
        number = 10
        while not stop.is_set():
            desk.record(number, 40)
            sequencer.notify()
            sequencer.wait(event(number + 39).id, 30)
            number += 40

    worker = threading.Thread(target=work)
    worker.start()
    sizes: list[int] = []
    try:
        while len(sizes) < 8 or sizes[-1] == sizes[0]:
            sizes.append(copy_log(desk.folder, tmp_path / f"copy{len(sizes)}", VKEY).checkpoint.size)
    finally:
        stop.set()
        worker.join()
    assert sizes == sorted(sizes)
    for number in range(len(sizes)):
        copied = LedgerFolder(tmp_path / f"copy{number}")
        found = audits.check(copied.read, VKEY, names=copied.names())
        assert found.unchecked == ("README.txt", "log.vkey")
