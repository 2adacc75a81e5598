"""kill -9 at random moments of thousands of appends, a full disk among them, and readers beside them.

Afterwards every event whose append was acknowledged is in the log, once, where it was said to be, and the log verifies.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from storage.ledger import proof, rotation
from storage.ledger.auditing import verify
from storage.ledger.folder import LedgerFolder
from tests.support.ledger import VKEY, Desk
from tests.support.ledger_writer import acknowledged, append, open_desk

pytestmark = [pytest.mark.slow, pytest.mark.shared]
KILLS = 24

Start = Callable[..., ForkServerProcess]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts a writer in a process of its own, which has everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.ledger_writer"])
    running: list[ForkServerProcess] = []

    def begin(root: Path, told: Path, seed: int, *, turns: float = 0.0) -> ForkServerProcess:
        process = context.Process(target=append, args=(root, told, seed), kwargs={"turns": turns}, daemon=True)
        process.start()
        running.append(process)
        return process

    yield begin
    for each in running:
        each.kill()
        each.join()
        each.close()


def until(condition: Callable[[], bool], process: ForkServerProcess) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.is_alive(), "the writer ended by itself"
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.005)


def kill(process: ForkServerProcess) -> None:
    process.kill()
    process.join()
    assert process.exitcode == -9


def settle(root: Path) -> tuple[Desk, verify.Audited]:
    """One more start, as after any crash; then the audit of everything."""
    desk = open_desk(root)
    desk.sequencer().publish_pending()
    return desk, audit(desk)


def audit(desk: Desk) -> verify.Audited:
    return verify.check(desk.folder.read, VKEY, names=desk.folder.names())


def check_acknowledged(root: Path, told: dict[str, int]) -> None:
    """Each is there once, at its index; and the log has no event twice (the audit sees to that)."""
    desk, audited = settle(root)
    found: dict[str, int] = {}

    def visit(index: int, body: bytes) -> None:
        found[json.loads(body)["id"]] = index

    verify.finish(verify.audit(desk.folder.read, VKEY, names=desk.folder.names(), visit=visit))
    desk.close()
    assert len(found) == audited.checkpoint.size
    assert {name: found.get(name) for name in told} == told


@pytest.fixture
def told(tmp_path: Path) -> Path:
    return tmp_path / "told"


def turned(root: Path) -> int:
    """How many rotations of the key are proved beside the log."""
    return len(rotation.split(LedgerFolder(root / "ledger").rotations()))


@pytest.mark.parametrize("turns", [0.0, 0.15], ids=["one key", "rotating keys"])
def test_killed_writers_lose_nothing_that_was_acknowledged(
    tmp_path: Path, told: Path, start: Start, turns: float
) -> None:
    chance, done = random.Random(4), 0
    for seed in range(KILLS):
        writer = start(tmp_path, told, seed, turns=turns)
        if seed % 4:
            enough, before = done + chance.randrange(400), turned(tmp_path)
            until(lambda enough=enough: len(acknowledged(told)) > enough, writer)  # type: ignore[misc]
            until(lambda before=before: not turns or turned(tmp_path) > before, writer)  # type: ignore[misc]
            time.sleep(chance.random() * 0.01)
        else:  # while it is still recovering from the last kill
            time.sleep(chance.random() * 0.1)
        kill(writer)
        done = len(acknowledged(told))
    assert done > 2000
    check_acknowledged(tmp_path, acknowledged(told))
    assert turned(tmp_path) >= (6 if turns else 0)


def test_readers_audit_and_take_receipts_while_it_is_written(tmp_path: Path, told: Path, start: Start) -> None:
    chance = random.Random(5)
    writer = start(tmp_path, told, 0, turns=0.1)
    until(lambda: len(acknowledged(told)) > 0, writer)
    reader, sizes = open_desk(tmp_path), list[int]()
    sequencer = reader.sequencer()  # of another process than the one that publishes
    while len(sizes) < 40 or sizes[-1] < sizes[0] + 100:
        sizes.append(audit(reader).checkpoint.size)
        name, index = chance.choice(list(acknowledged(told).items()))
        receipt = sequencer.receipt(name)
        keys = rotation.learn(VKEY, rotations(reader))
        assert proof.verify_receipt(receipt, keys).index == index
    kill(writer)
    reader.close()
    assert sizes == sorted(sizes)
    check_acknowledged(tmp_path, acknowledged(told))


def rotations(desk: Desk) -> bytes:
    try:
        return desk.folder.read(rotation.FILE)
    except FileNotFoundError:
        return b""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up_while_it_is_written(small_disk: Path, told: Path, start: Start) -> None:
    writer = start(small_disk, told, 0)
    filler = small_disk / "filler"
    for _ in range(3):
        more(told, writer)
        with filler.open("wb") as file:
            fill(file.fileno())
        time.sleep(0.3)  # appends fail meanwhile
        filler.unlink()
        more(told, writer)
    kill(writer)
    check_acknowledged(small_disk, acknowledged(told))


def more(told: Path, writer: ForkServerProcess) -> None:
    enough = len(acknowledged(told)) + 100
    until(lambda: len(acknowledged(told)) > enough, writer)


def fill(handle: int) -> None:
    try:
        while True:
            os.write(handle, bytes(4096))
    except OSError:
        return
