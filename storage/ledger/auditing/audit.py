"""The audit of a log's folder: the pure steps of `storage.ledger.auditing.verify` with files, processes and a memory.

A large log is read by several processes, each a stretch at a time; one puts together in order what they saw. With a
state file an interrupted audit, even one that was killed, goes on where it stood.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

from storage import durable
from storage.errors import Refused, Transient
from storage.ledger.auditing import audit_state, stretch
from storage.ledger.auditing.stretch import Seen, Stretch
from storage.ledger.auditing.verify import Audit, Audited, Inspector, Standing, Steps
from storage.ledger.folder import LedgerFolder
from storage.ledger.tiles import WIDTH, Reader

PARALLEL_FROM = 1 << 15  # entries; below, starting processes costs more than they save
TILES_EACH = 32  # tiles a process takes at a time: 8,192 entries
SAVE_EVERY = 5.0  # seconds between saves of the state at least
SAVE_SHARE = 20  # and at least so many times what the last save took


@dataclass(frozen=True, slots=True)
class Plan:
    """How a folder is audited.

    `older`: checkpoints of the log kept from earlier. `state`: the file that remembers where an interrupted audit
    stood. `visit` is given each index and entry, in order; it goes with no state, since what is remembered is not read
    again. `read`: another way to read the checkpoint than the folder's own. `processes`: None for as many as there are
    processors.
    """

    older: Sequence[bytes] = ()
    state: Path | None = None
    visit: Callable[[int, bytes], None] | None = None
    read: Reader | None = None
    processes: int | None = None


def audit_folder(folder: LedgerFolder, vkey: str, plan: Plan) -> Steps:
    """Check the whole log in a folder, yielding progress; the generator's return value is an `Audited`.

    Raises Fault at the first wrong thing, Refused when the state is no use, Transient when a process was killed.
    """
    memory = _Memory(plan.state, folder.root)
    audit = Audit(plan.read or folder.read, vkey, older=plan.older, visit=plan.visit, standing=memory.load(vkey))
    steps = audit.steps(folder.names(), *_inspector(folder, audit, plan))
    with memory.keeping(audit), contextlib.closing(steps):
        while True:
            try:
                progress = next(steps)
            except StopIteration as finished:
                memory.clear()
                audited: Audited = finished.value
                return audited
            memory.save(audit)
            yield progress


class _Memory:
    """The state file, where one is wanted."""

    def __init__(self, file: Path | None, folder: Path) -> None:
        if file is not None and file.resolve().is_relative_to(folder.resolve()):
            raise Refused(
                f"审计进度文件 {file} 不能放在被审计的目录内。",
                f"the audit's state {file} must not lie in the folder that is audited",
            )
        self._file = file
        self._next = time.monotonic() + SAVE_EVERY

    def load(self, vkey: str) -> Standing | None:
        return audit_state.load(self._file, vkey) if self._file else None

    @contextlib.contextmanager
    def keeping(self, audit: Audit) -> Iterator[None]:
        """Save at an interruption of any kind. Where a stretch is half taken in, the last save stands."""
        try:
            yield
        except BaseException:
            self._write(audit)
            raise

    def save(self, audit: Audit) -> None:
        """Save from time to time."""
        if time.monotonic() >= self._next:
            self._write(audit)

    def clear(self) -> None:
        """The audit is finished: the next one begins at the beginning."""
        if self._file:
            durable.remove(self._file)

    def _write(self, audit: Audit) -> None:
        if self._file and audit.settled and audit.standing.roots:
            begun = time.monotonic()
            audit_state.save(self._file, audit.standing)
            now = time.monotonic()
            self._next = now + max(SAVE_EVERY, SAVE_SHARE * (now - begun))


def _inspector(folder: LedgerFolder, audit: Audit, plan: Plan) -> tuple[Inspector | None, int]:
    """Who inspects, and how many tiles at a time."""
    processes = plan.processes or len(os.sched_getaffinity(0))
    left = audit.head.size - len(audit.standing.roots) * WIDTH
    if processes < 2 or left < PARALLEL_FROM:
        return None, 1

    def inspect(stretches: Iterator[Stretch]) -> Iterator[Seen]:
        return _in_processes(folder.root, stretches, processes)

    return inspect, TILES_EACH


def _in_processes(root: Path, stretches: Iterator[Stretch], processes: int) -> Iterator[Seen]:
    """Each stretch inspected by one of several processes; the outcomes in order, few of them waiting."""
    spawn = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks of a program at work
    pool = ProcessPoolExecutor(processes, spawn, _begin_process)
    waiting: deque[Future[Seen]] = deque()
    try:
        for each in stretches:
            waiting.append(pool.submit(_inspect, root, each))
            if len(waiting) > 2 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise Transient(
            "审计进程被系统终止（内存不足？），请重试。",
            "a process of the audit was killed (out of memory?): try again",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_process() -> None:
    """Ctrl-C is for the parent to answer. When the parent is killed, the process ends too."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _inspect(root: Path, given: Stretch) -> Seen:
    return stretch.inspect(LedgerFolder(root).read, given)
