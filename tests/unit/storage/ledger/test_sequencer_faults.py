"""Every step of publishing is broken, before it did anything or after it did all of it; then a fresh start recovers."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from storage import durable
from storage.errors import Transient
from storage.ledger import proof
from tests.support.ledger import VKEY, Desk, bodies

STEPS = ["_take", "_write_tiles", "_sign", "_swap", "_publish", "_announce"]


class Crash(Exception):
    """The power went."""


def broken(inner: Callable[..., Any], *, persisted: bool) -> Callable[..., Any]:
    def step(*arguments: Any, **named: Any) -> Any:
        if persisted:
            inner(*arguments, **named)
        raise Crash

    return step


def check_recovered(desk: Desk, count: int) -> None:
    desk.record(count, 10)
    desk.sequencer().publish_pending()
    assert desk.entries() == bodies(count + 10)
    assert desk.audit().unchecked == ()


@pytest.mark.parametrize("persisted", [False, True], ids=["failed", "persisted"])
@pytest.mark.parametrize("already", [0, 7, 250, 256])
@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_is_recovered_from(desk: Desk, step: str, already: int, persisted: bool) -> None:
    first = desk.sequencer()
    desk.record(0, already)
    first.publish_pending()
    desk.record(already, 40)
    setattr(first, step, broken(getattr(first, step), persisted=persisted))
    with pytest.raises(Crash):
        first.publish_pending()
    first.stop()
    check_recovered(desk, already + 40)


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_in_the_very_first_batch_is_recovered_from(desk: Desk, step: str) -> None:
    first = desk.sequencer()
    desk.record(0, 40)
    setattr(first, step, broken(getattr(first, step), persisted=True))
    with pytest.raises(Crash):
        first.publish_pending()
    first.stop()
    check_recovered(desk, 40)


@pytest.mark.parametrize("number", range(14))
def test_a_crash_at_any_write_is_recovered_from(desk: Desk, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file and each directory that a batch makes durable: five tiles, guard and checkpoint."""
    desk.record(0, 250)
    first = desk.sequencer()
    first.publish_pending()
    desk.record(250, 10)
    left = iter([True] * number)

    def fsync(handle: int) -> None:
        if not next(left, False):
            raise Crash
        inner(handle)

    inner = os.fsync
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(Crash):
            first.publish_pending()
    first.stop()
    check_recovered(desk, 260)


def test_no_receipt_leaves_before_the_checkpoint_is_durable(desk: Desk) -> None:
    first = desk.sequencer()
    first.publish_pending()
    desk.record(0)
    first._publish = broken(first._publish, persisted=False)  # type: ignore[method-assign]
    with pytest.raises(Crash):
        first.publish_pending()
    with pytest.raises(Transient):
        first.receipt("event-0")


def test_a_full_disk_is_told_and_publishing_goes_on_when_there_is_room(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    sequencer = desk.sequencer()
    sequencer.start()

    def write(*_: Any, **__: Any) -> None:
        raise durable.disk_error(OSError(28, "No space left on device"))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write_all", write)
        desk.record(0)
        with pytest.raises(Transient):
            sequencer.publish_pending()
        with pytest.raises(Transient):
            sequencer.wait("event-0", timeout=0.3)
    assert sequencer.wait("event-0", timeout=60).index == 0
    assert proof.verify_receipt(sequencer.receipt("event-0"), VKEY).index == 0


def test_what_was_written_wrongly_is_not_signed(desk: Desk) -> None:
    sequencer = desk.sequencer()
    sequencer.publish_pending()
    before = desk.guard.load()
    desk.record(0, 3)
    inner = desk.folder.write_all

    def rotten(contents: Iterable[tuple[str, bytes]]) -> None:
        inner((path, content[:-1] + bytes([content[-1] ^ 1])) for path, content in contents)

    sequencer._folder.write_all = rotten  # type: ignore[method-assign]
    with pytest.raises(Exception, match="does not hold what was written"):
        sequencer.publish_pending()
    assert desk.guard.load() == before


PROGRAM = """
import pathlib, sys
from tests.support.ledger import Desk
desk = Desk(pathlib.Path(sys.argv[1]))
sequencer = desk.sequencer()
sequencer.start()
for number in range(int(sys.argv[2]), 100000):
    desk.record(number)
    sequencer.notify()
    sequencer.wait(f"event-{number}", timeout=60)
    print(number, flush=True)
"""


def test_killed_processes_lose_nothing_that_was_acknowledged(desk: Desk) -> None:
    chance = random.Random(7)
    desk.sequencer().publish_pending()
    desk._opened[-1].stop()
    recorded = 0
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, desk.root, str(recorded)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(chance.randrange(1, 40)):
            child.stdout.readline()
        time.sleep(chance.random() / 50)
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        acknowledged = int(rest.split()[-1]) + 1 if rest.split() else recorded
        desk.sequencer().publish_pending()
        desk._opened[-1].stop()
        recorded = len(desk.entries())
        assert recorded >= acknowledged
    assert desk.entries() == bodies(recorded)
