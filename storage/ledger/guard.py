"""The last signed checkpoint, kept outside the database and the log's folder, changed by compare-and-swap only.

It is what makes a fork impossible by accident: after a restored backup the database is older than this file, and the
signer refuses. It is a file beside the keys, or an object in S3 (`storage.ledger.guard_s3`).
"""

from __future__ import annotations

import contextlib
import fcntl
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from storage import durable
from storage.errors import Conflict, IntegrityError
from storage.ledger import merkle
from storage.ledger.checkpoint import Checkpoint

ReadHead = Callable[[bytes], Checkpoint]
"""Verifies a signed note and gives its checkpoint. Raises IntegrityError."""


class CheckpointGuard(ABC):
    """Holds one signed checkpoint. Safe among threads and processes."""

    @abstractmethod
    def load(self) -> bytes | None:
        """The last signed checkpoint, None before the first. Raises Transient when it can't be reached."""

    @abstractmethod
    def _swap(self, old: bytes | None, new: bytes) -> bool:
        """Put `new` in the place of `old`, durably. False when `old` is not there any more."""

    def advance(self, old: bytes | None, new: bytes, proof: Sequence[bytes], read: ReadHead) -> None:
        """Replace `old` by `new`, durably, if `old` is still there and the tree of `new` extends its tree.

        `proof` is the consistency proof; it is empty from an empty tree and between equal sizes. `read` verifies a
        note's signature and gives its checkpoint. Raises Conflict when another signer was quicker, IntegrityError when
        the new tree is smaller or another one.
        """
        head = read(new)
        if old is not None and old == self.load():
            check_extends(read(old), head, proof)
        if not self._swap(old, new):
            raise Conflict(
                "存证链检查点已被另一进程更新。同一存证链只能有一个签发进程，请停掉多余的进程。",
                "another process signed a checkpoint meanwhile; one log has one signer: stop the other process",
            )


class FileGuard(CheckpointGuard):
    """The checkpoint is the content of `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> bytes | None:
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return None

    def _swap(self, old: bytes | None, new: bytes) -> bool:
        with self._locked():
            if self.load() != old:
                return False
            durable.write(self._file, new)
            return True

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        durable.make_directory(self._file.parent)
        with self._file.with_name(f"{self._file.name}.lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def check_extends(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Raise IntegrityError unless the tree of `new` begins with the whole tree of `old`."""
    if new.size < old.size:
        raise fork(new.size, old.size)
    if old.size == 0:
        if old.root != merkle.EMPTY_ROOT:
            raise another_history(old.size)
        return
    try:
        merkle.verify_consistency(old.size, new.size, old.root, new.root, proof)
    except IntegrityError as error:
        raise another_history(old.size) from error


def fork(have: int, signed: int) -> IntegrityError:
    """What is said when there are fewer entries than were signed: nearly always a restored backup."""
    return IntegrityError(
        f"数据库只有 {have} 条存证条目，而已签发的检查点有 {signed} 条：很可能恢复了旧备份。为防止历史分叉，"
        "已停止签发，未改动任何文件。请恢复更新的数据库备份；若没有，按 docs/ledger.md“恢复旧备份之后”处理。",
        f"the database has {have} ledger entries, but a checkpoint of {signed} was signed: most likely an old backup "
        "was restored. Signing is stopped so that history does not fork, and no file was changed. Restore a newer "
        'backup of the database; if there is none, follow "After restoring an old backup" in docs/ledger.md',
    )


def another_history(size: int) -> IntegrityError:
    """What is said when two histories begin with another tree of this size."""
    return IntegrityError(
        f"存证链与此前签发的检查点（{size} 条）不一致：历史已被改动或分叉，拒绝签发。请保留现场，"
        "按 docs/ledger.md“恢复旧备份之后”处理。",
        f"the ledger does not extend the checkpoint signed before ({size} entries): its history was changed or forked, "
        'and it is not signed. Keep everything as it is and follow "After restoring an old backup" in docs/ledger.md',
    )
