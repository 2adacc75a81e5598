"""The sequencer: the one writer that puts events into the log and publishes it.

One batch, in this order; recovery after a crash is the same code run again:

A  one database transaction: waiting events get index, `prev`, bytes and leaf hash
B  entry bundles and tiles are written, durably; what they hold follows from the rows and the published log alone
C  they are read back, every leaf and tile above is recomputed, and the new checkpoint is signed
D  the guard swaps the last signed checkpoint for the new one if the new tree extends it
E  the checkpoint is published, durably; before it the proof of a rotation of the key, if there was one
F  whoever waits is told

After a crash behind A the rows have an index that is not published yet, so the next run begins with them at B. Nothing
is told to anybody before E. Memory and cost do not depend on the log's size: only its right edge is read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from storage.catalogue.catalogue import Catalogue
from storage.errors import Busy, IntegrityError, LiuhenError, NotFound, Refused, Transient
from storage.ledger import checkpoint, guard, merkle, note, outbox, recheck, tiles
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.folder import CHECKPOINT, LedgerFolder
from storage.ledger.guard import CheckpointGuard, fork
from storage.ledger.keys import LogKey
from storage.ledger.logkeys import LogKeys
from storage.ledger.outbox import Chains, Sequenced
from storage.ledger.proof import Proof
from storage.ledger.signatory import Signatory

BATCH = 1024  # entries
STANDBY = 2.0  # seconds between a second process's attempts to take over
POLL = 0.2  # seconds; other processes record events without being able to wake us
SOON = 0.05  # seconds; who waits is nearly always told within them and need not ask the database
TOLD = 0.4  # seconds; the same where this very process publishes, which tells all who wait here
_log = logging.getLogger(__name__)
_REMEMBERED = 4096  # published events that waiters find without asking the database


@dataclass(frozen=True, slots=True)
class Published:
    """Where an event is in the published log. `body` are the entry's exact bytes."""

    index: int
    body: bytes


class Sequencer:
    """Appends to the log in `folder`. Any process may `wait` and make receipts; only one may publish.

    The first publishing call takes the folder's lock, which `stop` gives back.
    """

    def __init__(self, catalogue: Catalogue, folder: Path, key: LogKey, guard: CheckpointGuard) -> None:
        self._catalogue = catalogue
        self._folder = LedgerFolder(folder)
        self._signatory = Signatory(catalogue, self._folder, key)
        self._guard = guard
        self._tree = tiles.TileTree(self._folder.read)
        self._chains = Chains()
        self._recovering = True
        self._publishing = threading.Lock()
        self._lock: IO[bytes] | None = None
        self._news = threading.Condition()
        self._recent: OrderedDict[str, Published] = OrderedDict()
        self._failure: LiuhenError | None = None
        self._full: list[tiles.Tile] = []
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, *, standby: bool = False) -> None:
        """Recover, then publish in the background until `stop`.

        Raises Busy (another process publishes) or IntegrityError (the database or the log was changed, or an old
        backup was restored): then nothing has been written. With `standby` a second process waits instead, and takes
        over when the first one is gone.
        """
        try:
            self.publish_pending()
        except Busy:
            if not standby:
                raise
        self._failure = None
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="sequencer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Publish what waits, end the background thread, and let another process publish."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        with self._publishing:
            if self._lock is not None:
                self._tidy()
                self._lock.close()
                self._lock = None

    def notify(self) -> None:
        """Say that an event was recorded, so that it is published at once and not at the next poll."""
        self._wake.set()

    def publish_pending(self) -> int:
        """Publish everything that waits and say how many entries. Raises what `start` raises, and Transient."""
        with self._publishing:
            if self._lock is None:
                self._open()
            published = 0
            while batch := self._publish_batch():
                published += batch
            return published

    def wait(self, event_id: str, timeout: float) -> Published:
        """The event's place in the log, once it is published.

        Raises NotFound (no such event), Transient (not published within `timeout` seconds; it will be), or the
        IntegrityError or Refused that stopped the publishing.
        """
        deadline = time.monotonic() + timeout
        pause = SOON if self._lock is None else TOLD
        while True:
            remaining = deadline - time.monotonic()
            with self._news:
                self._news.wait_for(lambda: event_id in self._recent or self._failure, min(remaining, pause))
                if event_id in self._recent:
                    return self._recent[event_id]
                failure = self._failure
            if published := self._look_up(event_id):
                return published
            if failure is not None:
                raise failure
            if remaining <= 0:
                raise _not_yet(event_id)
            pause = POLL if self._lock is None else TOLD

    def receipt(self, event_id: str) -> bytes:
        """The event's receipt against the present checkpoint. It has been verified when this returns.

        Raises NotFound, Transient (not published yet), IntegrityError (database and log disagree).
        """
        return self.receipts([event_id])[event_id]

    def receipts(self, event_ids: Sequence[str]) -> dict[str, bytes]:
        """The receipts of several events, all against one checkpoint. Raises as `receipt` does."""
        signed = self.checkpoint()
        head = self._signatory.read(signed)
        read = self._tree.reader(head.size)
        entries = self._find(event_ids)
        return {each: _receipt(each, entries[each], signed, head, read) for each in entries}

    def keys(self) -> LogKeys:
        """The log's public keys over time, as the database has them."""
        return self._signatory.ask()

    @property
    def vkey(self) -> str:
        """The log's present public key as one line."""
        return str(self.keys().current)

    def checkpoint(self) -> bytes:
        """The published checkpoint. Raises NotFound before the first start."""
        signed = self._folder.checkpoint()
        if signed is None:
            raise NotFound("存证链尚未启用。", "the ledger was never started")
        return signed

    def _open(self) -> None:
        """Take the lock and make sure that log, guard and database belong together before anything is written."""
        lock = self._folder.lock()
        self._chains.forget()  # another process may have published meanwhile
        self._recovering = True
        try:
            self._check_behind()
            self._signatory.keys = self.keys()
            self._begin_log()
            self._check_together()
        except BaseException:
            lock.close()
            raise
        self._lock = lock

    def _begin_log(self) -> None:
        """At the very first start: sign the empty tree. Raises Refused when the guard of an older log is lost."""
        if self._guard.load() is not None:
            return
        if self._folder.checkpoint() is not None or outbox.count(self._catalogue):
            raise Refused(
                "缺少最后签发的检查点文件（密钥目录中的 last-checkpoint），无法排除分叉，拒绝签发。请从备份恢复该文件；"
                "若确已丢失，先核验存证链，再将存证链目录中的 checkpoint 复制为该文件。",
                "the file with the last signed checkpoint (last-checkpoint beside the keys) is missing, so a fork "
                "can't be ruled out and nothing is signed. Restore it from its backup; if it is lost, verify the "
                "ledger, then copy the ledger's own file checkpoint to its place",
            )
        empty = self._signatory.sign(Checkpoint(self._signatory.origin, 0, merkle.EMPTY_ROOT))
        self._guard.advance(None, empty, [], self._signatory.read)

    def _check_behind(self) -> None:
        """A restored database may not even know the key that signed last, so sizes are compared before signatures."""
        have = outbox.count(self._catalogue)
        for signed in (self._folder.checkpoint(), self._guard.load()):
            size = 0 if signed is None else checkpoint.parse(note.parse(signed).text).size
            if have < size:
                raise fork(have, size)

    def _check_together(self) -> None:
        published, _ = self._heads()
        if published.size:
            last = outbox.from_index(self._catalogue, published.size - 1, 1)[0]
            self._check_leaf(published)(last.index, last.leaf)

    def _heads(self) -> tuple[Checkpoint, Checkpoint]:
        """The published and the guarded checkpoint."""
        return self._known(self._folder.checkpoint()), self._known(self._guard.load())

    def _known(self, signed: bytes | None) -> Checkpoint:
        """A folder without a checkpoint counts as empty."""
        if signed is None:
            return Checkpoint(self._signatory.origin, 0, merkle.EMPTY_ROOT)
        return self._signatory.read(signed)

    def _publish_batch(self) -> int:
        published, guarded = self._heads()
        entries = self._take(published, guarded)
        if not entries and self._folder.checkpoint() is not None:
            return 0
        self._write_tiles(published.size, entries)
        signed, path = self._sign(published.size, entries, guarded)
        self._swap(signed, path)
        self._publish(signed)
        self._announce(published.size, entries)
        return len(entries)

    def _take(self, published: Checkpoint, guarded: Checkpoint) -> list[Sequenced]:
        """A. Entries left over from a crash first; at least up to the guard, which never goes back."""
        if self._recovering:
            self._catalogue.settle()  # a process that was killed may have sequenced them without an answer
            self._chains.forget()
            limit = max(BATCH, guarded.size - published.size)
            if left := outbox.from_index(self._catalogue, published.size, limit):
                return left
        self._recovering = True  # until this batch is published
        check = self._check_leaf(published)
        entries = outbox.sequence(self._catalogue, BATCH, self._chains, check, self._signatory.keys)
        self._recovering = bool(entries)
        return entries

    def _write_tiles(self, old: int, entries: Sequence[Sequenced]) -> None:
        """B."""
        read = self._folder.read
        grown = [*tiles.grow_bundles(old, [each.body for each in entries], read)]
        grown += tiles.grow_tiles(old, [each.leaf for each in entries], read)
        self._folder.write_all((tile.path, content) for tile, content in grown)

    def _sign(self, old: int, entries: Sequence[Sequenced], guarded: Checkpoint) -> tuple[bytes, list[bytes]]:
        """C. The new signed checkpoint, and the proof that it extends the guarded one."""
        leaves = [each.leaf for each in entries]
        recheck.growth(old, leaves, self._folder.read)
        self._signatory.follow(entries)
        size = old + len(leaves)
        read = self._reader(size)
        path = merkle.consistency_proof(guarded.size, size, read) if 0 < guarded.size <= size else []
        head = Checkpoint(self._signatory.origin, size, merkle.range_root(0, size, read))
        guard.check_extends(guarded, head, path)
        return self._signatory.sign(head), path

    def _swap(self, signed: bytes, path: Sequence[bytes]) -> None:
        """D."""
        self._guard.advance(self._guard.load(), signed, path, self._signatory.read)

    def _publish(self, signed: bytes) -> None:
        """E."""
        self._write_rotations(self._signatory.read(signed).size)
        self._folder.write(CHECKPOINT, signed)

    def _write_rotations(self, size: int) -> None:
        self._signatory.write_rotations(self._reader(size))

    def _reader(self, size: int) -> merkle.HashReader:
        """The hashes as they are on the disk now, not as they were remembered."""
        return tiles.TileTree(self._folder.read).reader(size)

    def _announce(self, old: int, entries: Sequence[Sequenced]) -> None:
        """F."""
        self._recovering = False
        with self._news:
            for each in entries:
                self._recent[each.event_id] = Published(each.index, each.body)
            while len(self._recent) > _REMEMBERED:
                self._recent.popitem(last=False)
            self._news.notify_all()
        self._full += [tile for tile in tiles.written(old, old + len(entries)) if tile.width == tiles.WIDTH]

    def _check_leaf(self, published: Checkpoint) -> outbox.LeafCheck:
        def check(index: int, leaf: bytes) -> None:
            if self._tree.leaf(index, published.size) != leaf:
                raise IntegrityError(
                    f"数据库中第 {index} 条存证条目与存证链不符，已停止签发。请保留现场并核验存证链。",
                    f"entry {index} in the database is not the one in the ledger; signing is stopped: keep everything "
                    "as it is and verify the ledger",
                )

        return check

    def _look_up(self, event_id: str) -> Published | None:
        found = self._find([event_id])[event_id]
        if found is None or found.index >= self._signatory.read(self.checkpoint()).size:
            return None
        return Published(found.index, found.body)

    def _find(self, event_ids: Sequence[str]) -> dict[str, Sequenced | None]:
        try:
            return outbox.find(self._catalogue, event_ids)
        except LookupError as error:
            raise NotFound("没有这一存证事件。", f"there is no event {error} to be logged") from None

    def _run(self) -> None:
        last = False
        while not last:
            if not self._wake.wait(POLL):
                self._tidy()
            self._wake.clear()
            last = self._stopping.is_set()  # asked before the attempt: what was recorded before `stop` is published
            last = not self._attempt() or last

    def _tidy(self) -> None:
        """In an idle moment, remove the partial forms of tiles that have become full."""
        while self._full:
            self._folder.drop_partials(self._full.pop())

    def _attempt(self) -> bool:
        """Publish once. False when nothing may be published any more until a person has looked."""
        failure: LiuhenError | None = None
        try:
            self.publish_pending()
        except Busy:
            self._stopping.wait(STANDBY)
            return True
        except LiuhenError as error:
            failure = error
        except Exception as error:  # a defect of ours must reach those who wait, not vanish with the thread
            failure = IntegrityError(f"存证链发布失败：{error!r}。", f"publishing the ledger failed: {error!r}")
        if failure is not None and str(failure) != str(self._failure):
            _log.error("the ledger was not published: %s", failure)
        with self._news:
            self._failure = None if isinstance(failure, Transient) else failure
            self._news.notify_all()
        return self._failure is None


def _receipt(event_id: str, found: Sequenced | None, signed: bytes, head: Checkpoint, read: merkle.HashReader) -> bytes:
    if found is None or found.index >= head.size:
        raise _not_yet(event_id)
    path = merkle.inclusion_proof(found.index, head.size, read)
    merkle.verify_inclusion(found.index, head.size, found.leaf, path, head.root)
    return Proof(found.index, tuple(path), signed, found.body).encode()


def _not_yet(event_id: str) -> Transient:
    return Transient(
        "事件已记录，但尚未写入存证链，请稍后重试。",
        f"event {event_id} is recorded but not in the ledger yet: try again shortly",
    )
