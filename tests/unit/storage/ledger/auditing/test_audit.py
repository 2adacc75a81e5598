"""The audit of a folder: by several processes, interrupted and resumed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.errors import Refused
from storage.ledger import entry, merkle
from storage.ledger.auditing import audit, audit_state, verify
from storage.ledger.auditing.audit import Plan, audit_folder
from storage.ledger.auditing.fault import Fault, Proves
from storage.ledger.auditing.verify import Audited
from storage.ledger.folder import LedgerFolder
from tests.support.ledger import VKEY, bodies, event, log

ROOT = Path(__file__).resolve().parents[4]
ENTRIES = bodies(1500)  # five full tiles and a partial one
FILES = log(ENTRIES, steps=[700])


def lay(folder: Path, files: dict[str, bytes]) -> LedgerFolder:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return LedgerFolder(folder)


@pytest.fixture
def folder(tmp_path: Path) -> LedgerFolder:
    return lay(tmp_path / "ledger", FILES)


def flip(folder: LedgerFolder, path: str, at: int) -> None:
    content = bytearray(folder.read(path))
    content[at] ^= 1
    (folder.root / path).write_bytes(content)


def run(folder: LedgerFolder, plan: Plan) -> Audited:
    return verify.finish(audit_folder(folder, VKEY, plan))


def interrupted(folder: LedgerFolder, state: Path, after: int = 3) -> Plan:
    """The plan of an audit that was broken off after so many tiles."""
    plan = Plan(state=state, processes=1)
    steps = audit_folder(folder, VKEY, plan)
    for _ in range(after):
        next(steps)
    steps.close()
    return plan


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Two processes, however small the log."""
    monkeypatch.setattr(audit, "PARALLEL_FROM", 0)
    monkeypatch.setattr(audit, "TILES_EACH", 2)
    return Plan(processes=2)


def test_several_processes_find_a_whole_log_whole(folder: LedgerFolder, several: Plan) -> None:
    result = run(folder, several)
    assert (result.checkpoint.size, result.subjects, result.unchecked) == (1500, 3, ())


@pytest.mark.parametrize("path", ["tile/entries/001", "tile/entries/005.p/220", "tile/0/003", "tile/1/000.p/5"])
def test_several_processes_name_what_one_names(folder: LedgerFolder, several: Plan, path: str) -> None:
    flip(folder, path, 40)
    with pytest.raises(Fault) as one:
        run(folder, Plan(processes=1))
    with pytest.raises(Fault) as many:
        run(folder, several)
    assert str(many.value) == str(one.value)
    assert (many.value.path, many.value.span, many.value.index) == (one.value.path, one.value.span, one.value.index)


def test_several_processes_hand_on_every_entry_in_order(folder: LedgerFolder, several: Plan) -> None:
    seen: list[tuple[int, bytes]] = []
    plan = Plan(processes=2, visit=lambda index, body: seen.append((index, body)))
    run(folder, plan)
    assert seen == list(enumerate(ENTRIES))


def test_a_chain_broken_between_two_stretches_is_named(tmp_path: Path, several: Plan) -> None:
    """Entry 512 begins a stretch, and the chain of its subject in the stretch before is left out."""
    broken = [*ENTRIES[:512], entry.encode(event(512, "recording:r1"), None)]
    with pytest.raises(Fault, match="not the hash of entry 511, the last of recording:r1") as caught:
        run(lay(tmp_path / "ledger", log(broken)), several)
    assert (caught.value.index, caught.value.proves) == (512, Proves.RULE_BROKEN)


def test_an_interrupted_audit_goes_on_where_it_stood(folder: LedgerFolder, tmp_path: Path) -> None:
    plan = interrupted(folder, tmp_path / "state")
    steps = audit_folder(folder, VKEY, plan)
    assert next(steps).done == 4 * 256
    result = verify.finish(steps)
    assert (result.checkpoint.size, result.subjects, result.resumed) == (1500, 3, 3 * 256)


def test_a_finished_audit_leaves_no_state(folder: LedgerFolder, tmp_path: Path) -> None:
    assert run(folder, interrupted(folder, tmp_path / "state")).resumed
    assert not (tmp_path / "state").exists()
    assert run(folder, Plan(state=tmp_path / "state")).resumed == 0


def test_an_event_of_the_first_run_is_not_taken_twice(tmp_path: Path) -> None:
    twice = [*ENTRIES[:900], entry.encode(event(1, "recording:r0"), merkle.leaf_hash(ENTRIES[897]))]
    folder = lay(tmp_path / "ledger", log(twice))
    with pytest.raises(Fault, match="event-1 is in the log twice") as caught:
        run(folder, interrupted(folder, tmp_path / "state"))
    assert caught.value.index == 900


def test_a_log_that_has_grown_meanwhile_is_audited_to_its_new_end(tmp_path: Path) -> None:
    folder = lay(tmp_path / "ledger", log(ENTRIES[:900]))
    plan = interrupted(folder, tmp_path / "state")
    lay(tmp_path / "ledger", log(ENTRIES, steps=[900]))
    result = run(folder, plan)
    assert (result.checkpoint.size, result.resumed) == (1500, 768)


def test_a_resumed_audit_reads_the_hash_tiles_again(folder: LedgerFolder, tmp_path: Path) -> None:
    plan = interrupted(folder, tmp_path / "state")
    flip(folder, "tile/0/001", 7)
    with pytest.raises(Fault, match="tile/0/001: this file has changed since") as caught:
        run(folder, plan)
    assert caught.value.proves is Proves.ALTERED


def test_a_resumed_audit_does_not_read_the_first_bundles_again(folder: LedgerFolder, tmp_path: Path) -> None:
    """docs/ledger.md says so."""
    plan = interrupted(folder, tmp_path / "state")
    flip(folder, "tile/entries/001", 7)
    assert run(folder, plan).resumed == 768
    with pytest.raises(Fault, match="this entry was altered"):
        run(folder, Plan())


def test_a_history_forked_between_two_runs_convicts_its_signer(folder: LedgerFolder, tmp_path: Path) -> None:
    plan = interrupted(folder, tmp_path / "state")
    lay(folder.root, log(bodies(1500, subjects=4)))
    with pytest.raises(Fault, match="history was forked") as caught:
        run(folder, plan)
    assert caught.value.proves is Proves.FORKED


def test_a_log_cut_short_between_two_runs_is_found(folder: LedgerFolder, tmp_path: Path) -> None:
    plan = interrupted(folder, tmp_path / "state")
    lay(folder.root, log(ENTRIES[:1400]))
    with pytest.raises(Fault, match="cut short") as caught:
        run(folder, plan)
    assert caught.value.proves is Proves.CUT_SHORT


def test_the_state_of_another_log_is_refused(folder: LedgerFolder, tmp_path: Path) -> None:
    interrupted(folder, tmp_path / "state")
    with pytest.raises(Refused, match="another key"):
        audit_state.load(tmp_path / "state", "example.org/other+00000000+AAAA")


def test_a_damaged_state_is_refused(folder: LedgerFolder, tmp_path: Path) -> None:
    plan = interrupted(folder, tmp_path / "state")
    content = bytearray((tmp_path / "state").read_bytes())
    content[-1] ^= 1
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(Refused, match="damaged"):
        run(folder, plan)


def test_a_state_within_the_audited_folder_is_refused(folder: LedgerFolder) -> None:
    with pytest.raises(Refused, match="must not lie in the folder"):
        run(folder, Plan(state=folder.root / "state"))


KILLED = """
import os, signal, sys
from pathlib import Path
from storage.ledger.auditing import audit
from storage.ledger.folder import LedgerFolder

audit.PARALLEL_FROM, audit.TILES_EACH, audit.SAVE_EVERY, audit.SAVE_SHARE = 0, 1, 0.0, 0
if __name__ == "__main__":
    plan = audit.Plan(state=Path(sys.argv[2]), processes=2)
    steps = audit.audit_folder(LedgerFolder(Path(sys.argv[1])), sys.argv[3], plan)
    for _ in range(3):
        next(steps)
    import multiprocessing
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_audit_goes_on_and_leaves_no_process_behind(folder: LedgerFolder, tmp_path: Path) -> None:
    (tmp_path / "killed.py").write_text(KILLED)
    command = [sys.executable, tmp_path / "killed.py", folder.root, tmp_path / "state", VKEY]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, check=False)
    assert done.returncode == -signal.SIGKILL
    children = [int(each) for each in done.stdout.split()]
    assert len(children) == 2
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in children) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(alive(pid) for pid in children)
    assert 0 < run(folder, Plan(state=tmp_path / "state")).resumed <= 3 * 256


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
