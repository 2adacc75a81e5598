"""Blobs as files of one directory tree.

`<key>` is the blob, read-only (0444); `<key>.lock` beside it is a line of JSON: digest, size, retention date, hold. The
lock file is durable before the blob gets its name, so no blob is ever visible without its lock. `.damaged` holds what
was found damaged and replaced.

What this can't do: whoever is root on the machine, or runs as the service's own user, can remove or rewrite files all
the same. That is what the ledger (it shows), fixity checks (they find) and replicas (they restore) are for; a store
that refuses even its administrators is S3 with object lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from storage import durable
from storage.blobs import contract
from storage.blobs.contract import Blob, Stat, Stored
from storage.clock import Clock, iso, now
from storage.errors import IntegrityError, Transient

LOCK = ".lock"
GUARDS = 64
"""Files under `.guards` that writers lock, so that two puts of one key, in any process, go one after the other."""


class LocalBlobStore:
    """A directory on this machine. `min_free`: bytes that a put must leave free on its disk."""

    shares_waits = True

    def __init__(self, root: Path, *, min_free: int = 0, clock: Clock = now) -> None:
        self._root = root
        self._min_free = min_free
        self._clock = clock
        durable.make_directory(root / ".guards")

    def put(
        self, key: str, source: Path, *, sha256: str, retain_until: datetime | None, hashed: bool = False
    ) -> Stored:
        """See the contract. On one file system the blob is a second name (hard link) of `source`: nothing is copied,
        and `hashed` spares reading it. `source` becomes read-only and must not be written to any more."""
        self.put_all([Blob(key, source, sha256, hashed)], retain_until=retain_until)
        return Stored(key, source.stat().st_size, sha256)

    def put_all(self, blobs: Sequence[Blob], *, retain_until: datetime | None) -> None:
        """As `put`: links, no copies. All locks are durable before the first blob gets its name."""
        sizes = [self._check(each) for each in blobs]
        date = contract.lock_date(retain_until, self._clock())
        locks: dict[Path, bytes] = {}
        files: dict[Path, Path] = {}
        with self._guard(*(each.key for each in blobs)):
            for each, (size, copied) in zip(blobs, sizes, strict=True):
                path, present = self._path(each.key), self.stat(each.key)
                if present is not None:
                    self._put_again(each.key, present, each.sha256, date)
                    continue
                self._check_space(copied)
                locks[_lock_of(path)] = _record(Stat(size, each.sha256, date, hold=False))
                files[path] = each.source
            durable.land(locks, files)

    def _check(self, blob: Blob) -> tuple[int, int]:
        """The blob's size, and how many bytes of it must be copied. Raises Refused or IntegrityError."""
        contract.check_key(blob.key)
        contract.check_sha256(blob.sha256)
        size, device = _size_and_device(blob.source)
        with _disk_errors():
            linked = device == self._device()
        if not (blob.hashed and linked) and _sha256(blob.source) != blob.sha256:
            raise contract.wrong_bytes(blob.key)
        return size, 0 if linked else size

    def _put_again(self, key: str, present: Stat, sha256: str, date: datetime | None) -> None:
        contract.check_same(key, present.sha256, sha256)
        if date is not None and (present.retain_until is None or date > present.retain_until):
            self._write_lock(self._path(key), replace(present, retain_until=date))

    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        path = self._path(key)
        size = self._stat(key).size
        return _pieces(path, start, contract.check_range(key, size, start, length))

    def stat(self, key: str) -> Stat | None:
        """The size is that of the file now, not of the lock: a truncated blob shows."""
        path = self._path(key)
        try:
            size = path.stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        return replace(_read_lock(key, path), size=size)

    def _stat(self, key: str) -> Stat:
        found = self.stat(key)
        if found is None:
            raise contract.not_found(key)
        return found

    def extend(self, key: str, until: datetime) -> None:
        with self._guard(key):
            present = self._stat(key)
            date = contract.check_later(key, present.retain_until, until, self._clock())
            if date != present.retain_until:
                self._write_lock(self._path(key), replace(present, retain_until=date))

    def hold(self, key: str, on: bool) -> None:
        with self._guard(key):
            present = self._stat(key)
            if on != present.hold:
                self._write_lock(self._path(key), replace(present, hold=on))

    def delete(self, key: str) -> None:
        """The blob goes first: a crash between leaves a lock without a blob, which nobody sees."""
        path = self._path(key)
        with self._guard(key):
            present = self._stat(key)
            contract.check_deletable(key, present.retain_until, present.hold, self._clock())
            durable.remove(path)
            durable.remove(_lock_of(path))

    def keys(self, prefix: str = "") -> Iterator[str]:
        folder = contract.check_prefix(prefix).rpartition("/")[0]
        return (key for key in self._walk(folder) if key.startswith(prefix))

    def _walk(self, folder: str) -> Iterator[str]:
        """All keys below `folder` in the order of their characters; a folder sorts as its name with the slash."""
        try:
            entries = list(os.scandir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        names = {f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries}
        for name in sorted(names):
            if name.startswith("."):
                continue
            key = f"{folder}/{name}".lstrip("/")
            if name.endswith("/"):
                yield from self._walk(key.rstrip("/"))
            elif not name.endswith(LOCK):
                yield key

    def restore(self, key: str, source: Path, *, sha256: str, retain_until: datetime, reason: str) -> str:
        """See the contract. The damaged file stays on this disk as `.damaged/<key>.<inode>-<mtime>`, with a note beside
        it; the good one takes its name in one step (a second name of `source`, as in `put`)."""
        path = self._path(key)
        size, device = _size_and_device(source)
        if _sha256(source) != contract.check_sha256(sha256):
            raise contract.wrong_bytes(key)
        with self._guard(key):
            self._check_space(size if device != self._device() else 0)
            kept = self._keep_aside(key, path, reason)
            self._write_lock(path, replace(_lock_or(key, path, retain_until), size=size, sha256=sha256))
            durable.adopt(source, path)
        return kept

    def _keep_aside(self, key: str, path: Path, reason: str) -> str:
        """The same file is set aside once, however often this is begun."""
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return ""
        name = f".damaged/{key}.{found.st_ino}-{found.st_mtime_ns}"
        durable.write(self._root / f"{name}.json", json.dumps({"key": key, "reason": reason}).encode() + b"\n")
        durable.adopt(path, self._root / name)
        return name

    @contextlib.contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        """The blob's own file: read it only."""
        self._stat(key)
        yield self._path(key)

    def check(self) -> None:
        if not os.access(self._root, os.W_OK | os.X_OK):
            raise Transient(
                f"存储目录不可写：{self._root}；请检查磁盘是否已挂载。",
                f"the blob directory can't be written: {self._root}; check that the disk is mounted",
            )
        self._check_space(0)

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self._root).free
        if free - needed < self._min_free:
            raise Transient(
                f"磁盘空间不足（剩余 {free >> 20} MiB），数据未被确认；请清理或扩容后重试。",
                f"the disk is full ({free >> 20} MiB free); nothing was acknowledged: make room and try again",
            )

    def _path(self, key: str) -> Path:
        return self._root / contract.check_key(key)

    def _device(self) -> int:
        return self._root.stat().st_dev

    @contextlib.contextmanager
    def _guard(self, *keys: str) -> Iterator[None]:
        """Of several, in one order for all, so that no two wait for each other."""
        names = sorted({f"{zlib.crc32(key.encode()) % GUARDS:02d}" for key in keys})
        with _disk_errors(), contextlib.ExitStack() as held:
            for name in names:
                handle = held.enter_context((self._root / ".guards" / name).open("ab"))
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _write_lock(self, path: Path, stat: Stat) -> None:
        durable.write(_lock_of(path), _record(stat))


def _record(stat: Stat) -> bytes:
    """The content of a lock file."""
    record = {
        "sha256": stat.sha256,
        "size": stat.size,
        "retain_until": stat.retain_until and iso(stat.retain_until),
        "hold": stat.hold,
    }
    return json.dumps(record).encode() + b"\n"


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + LOCK)


def _lock_or(key: str, path: Path, retain_until: datetime) -> Stat:
    """What the lock file says; where it is lost, a lock until `retain_until`."""
    try:
        return _read_lock(key, path)
    except IntegrityError:
        return Stat(0, "", contract.whole_second(retain_until), hold=False)


def _read_lock(key: str, path: Path) -> Stat:
    try:
        record = json.loads(_lock_of(path).read_bytes())
        until = record["retain_until"]
        date = datetime.fromisoformat(until) if until else None
        return Stat(int(record["size"]), str(record["sha256"]), date, bool(record["hold"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(
            f"{key} 的保管锁文件丢失或损坏；请立即核查存储。",
            f"the lock file of {key} is missing or damaged: examine the store at once",
        ) from error


def _pieces(path: Path, start: int, length: int) -> Iterator[bytes]:
    with _read_errors(), path.open("rb") as file:
        file.seek(start)
        while length > 0 and (piece := file.read(min(contract.CHUNK, length))):
            yield piece
            length -= len(piece)


def _size_and_device(source: Path) -> tuple[int, int]:
    found = source.stat()
    return found.st_size, found.st_dev


def _sha256(source: Path) -> str:
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """A disk that fails anywhere in a write ends in the one clear sentence."""
    try:
        yield
    except OSError as error:
        raise durable.disk_error(error) from error


@contextlib.contextmanager
def _read_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Transient(
            f"磁盘读取失败（{error.strerror}）；请检查存储磁盘，必要时从副本恢复。",
            f"reading from disk failed ({error.strerror}): check the disk, restore from a replica if need be",
        ) from error
