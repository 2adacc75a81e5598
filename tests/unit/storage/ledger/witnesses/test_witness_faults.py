"""The power goes at each step, in the witness and in the service that asks it; and many ask at once."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from storage.ledger import note
from storage.ledger.witnesses import cosignature, policy, witnessed
from storage.ledger.witnesses.cosigning import Cosigning
from storage.ledger.witnesses.policy import Witness
from storage.ledger.witnesses.witness import WitnessClient, WitnessFailed
from storage.ledger.witnesses.witnessing import OutOfStep
from tests.support import witness_child
from tests.support.ledger import SIGNER, Desk
from tests.support.witnesses import History, WitnessProcess, classic, desk, policy_text, run_witness, size_of

pytestmark = pytest.mark.shared

HISTORY = History.of(30)
HASH = hashlib.sha256(SIGNER.name.encode()).hexdigest()


def each(steps: tuple[str, ...]) -> list[str]:
    return [f"{when}:{step}" for step in steps for when in ("before", "after")]


@contextlib.contextmanager
def child(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, witness_child.__file__, *map(str, arguments)]
    process = subprocess.Popen(command, cwd=witness_child.ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def ask(url: str, old: int, size: int) -> tuple[str, ...]:
    made = WitnessClient(url, [Witness("w1", classic(1).verifier)])
    made.size = old
    try:
        return made.ask(HISTORY.signed(size), HISTORY.proof).lines
    finally:
        made.close()


@pytest.mark.parametrize("step", each(witness_child.SERVE_STEPS))
def test_a_witness_killed_at_any_step_goes_on_and_never_back(tmp_path: Path, step: str) -> None:
    """Persisted but not answered: the next request hears 409 with the larger size, and goes on from there."""
    made = desk(tmp_path)
    made.add_checkpoint(HISTORY.request(0, 5))
    answered: tuple[str, ...] = ()
    with child("serve", tmp_path, step) as process:
        assert process.stdout
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}"
        with contextlib.suppress(WitnessFailed):
            answered = ask(url, 5, 9)
        assert process.wait(30) == -signal.SIGKILL
    kept = size_of(made.checkpoint(HASH))
    persisted = step in ("after:rename", "after:write", "before:answer", "after:answer")
    assert kept == (9 if persisted else 5)
    assert persisted or not answered
    note.verify(made.checkpoint(HASH), [classic(1).verifier])
    if persisted:
        with pytest.raises(OutOfStep, match="9"):
            made.add_checkpoint(HISTORY.request(5, 12))
    assert made.add_checkpoint(HISTORY.request(kept, 12))


@pytest.fixture(scope="module")
def witness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WitnessProcess]:
    with run_witness(tmp_path_factory.mktemp("witness"), only="ed25519") as process:
        yield process


def forget(witness: WitnessProcess) -> None:
    """The log of each test is a new one of the same name: the witness begins anew."""
    (witness.folder / "checkpoints" / HASH).unlink(missing_ok=True)


@pytest.mark.parametrize("step", each(witness_child.ASK_STEPS))
def test_the_witnessed_file_is_old_or_new_after_any_cut(desk: Desk, witness: WitnessProcess, step: str) -> None:
    forget(witness)
    rules = desk.root / "policy"
    rules.write_bytes(policy_text([("w1", witness.vkeys[0], witness.url)], "all"))
    read, logs, folder = policy.parse(rules.read_bytes()), [SIGNER.verifier], desk.folder.root
    sequencer = desk.sequencer()
    desk.record(0, 5)
    sequencer.publish_pending()
    made = Cosigning(folder, read, lambda: logs, 1)
    assert made.run_once()
    made.stop()
    desk.record(5, 4)
    sequencer.publish_pending()
    with child("ask", folder, rules, step) as process:
        # A cut in the thread that asks ends the process as well.
        assert process.wait(60) == -signal.SIGKILL
    found = witnessed.seen(folder, read, logs)
    written = step in ("after:rename", "after:write", "after:keep")
    assert found and found.checkpoint.size == (9 if written else 5)
    again = Cosigning(folder, read, lambda: logs, 1)
    assert again.run_once()
    again.stop()
    found = witnessed.seen(folder, read, logs)
    assert found and found.checkpoint.size == 9
    assert desk.audit().checkpoint.size == 9


def test_two_processes_over_one_folder_never_roll_back(tmp_path: Path) -> None:
    """The race of the specification, with real processes: both know the folder, clients go to either."""
    requests = {(old, new): HISTORY.request(old, new) for old in range(31) for new in range(old, 31)}
    answered: list[int] = []
    refused: list[int] = []
    with run_witness(tmp_path, only="ed25519") as one, run_witness(tmp_path) as two:
        known = [cosignature.parse_vkey(vkey) for vkey in one.vkeys]

        def submit(number: int) -> None:
            old = 0
            with httpx.Client(base_url=(one, two)[number % 2].url) as http:
                for new in range(1 + number % 3, 31):
                    if old > new:
                        continue
                    answer = http.post("/add-checkpoint", content=requests[old, new])
                    if answer.status_code == 200:
                        note.verify(HISTORY.signed(new) + answer.content, known)
                        answered.append(new)
                        old = new
                    else:
                        assert answer.status_code == 409
                        refused.append(new)
                        old = int(answer.text)

        threads = [threading.Thread(target=submit, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        seen = []
        with httpx.Client() as http:
            while any(thread.is_alive() for thread in threads):
                for process in (one, two):
                    answer = http.get(f"{process.url}/{HASH}/checkpoint")
                    seen.append(size_of(answer.content) if answer.status_code == 200 else 0)
        for thread in threads:
            thread.join()
    assert seen == sorted(seen)
    assert max(answered) == 30
    assert refused
