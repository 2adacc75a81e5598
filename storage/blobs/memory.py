"""Blobs in memory: for tests and for commands that keep nothing."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from storage.blobs import contract
from storage.blobs.contract import Blob, Stat, Stored
from storage.clock import Clock, now


class MemoryBlobStore:
    """Keeps the contract for as long as the process lives; nothing is durable."""

    shares_waits = False

    def __init__(self, *, clock: Clock = now) -> None:
        self._clock = clock
        self._blobs: dict[str, tuple[bytes, Stat]] = {}
        self._damaged: list[tuple[str, bytes, str]] = []
        self._lock = threading.RLock()

    def put(
        self, key: str, source: Path, *, sha256: str, retain_until: datetime | None, hashed: bool = False
    ) -> Stored:
        contract.check_key(key)
        contract.check_sha256(sha256)
        content = source.read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise contract.wrong_bytes(key)
        date = contract.lock_date(retain_until, self._clock())
        with self._lock:
            if key in self._blobs:
                self._put_again(key, sha256, date)
            else:
                self._blobs[key] = content, Stat(len(content), sha256, date, hold=False)
        return Stored(key, len(content), sha256)

    def put_all(self, blobs: Sequence[Blob], *, retain_until: datetime | None) -> None:
        for each in blobs:
            self.put(each.key, each.source, sha256=each.sha256, retain_until=retain_until, hashed=each.hashed)

    def _put_again(self, key: str, sha256: str, date: datetime | None) -> None:
        present = self._stat(key)
        contract.check_same(key, present.sha256, sha256)
        if date is not None and (present.retain_until is None or date > present.retain_until):
            self.extend(key, date)

    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        size = self._stat(key).size
        end = start + contract.check_range(key, size, start, length)
        content = self._blobs[key][0]
        return (content[at : min(at + contract.CHUNK, end)] for at in range(start, end, contract.CHUNK))

    def stat(self, key: str) -> Stat | None:
        found = self._blobs.get(contract.check_key(key))
        return found[1] if found else None

    def _stat(self, key: str) -> Stat:
        found = self.stat(key)
        if found is None:
            raise contract.not_found(key)
        return found

    def extend(self, key: str, until: datetime) -> None:
        with self._lock:
            present = self._stat(key)
            date = contract.check_later(key, present.retain_until, until, self._clock())
            self._blobs[key] = self._blobs[key][0], replace(present, retain_until=date)

    def hold(self, key: str, on: bool) -> None:
        with self._lock:
            present = self._stat(key)
            self._blobs[key] = self._blobs[key][0], replace(present, hold=on)

    def delete(self, key: str) -> None:
        with self._lock:
            present = self._stat(key)
            contract.check_deletable(key, present.retain_until, present.hold, self._clock())
            del self._blobs[key]

    def keys(self, prefix: str = "") -> Iterator[str]:
        contract.check_prefix(prefix)
        return iter(sorted(key for key in self._blobs if key.startswith(prefix)))

    def restore(self, key: str, source: Path, *, sha256: str, retain_until: datetime, reason: str) -> str:
        content = source.read_bytes()
        if hashlib.sha256(content).hexdigest() != contract.check_sha256(sha256):
            raise contract.wrong_bytes(key)
        with self._lock:
            present = self._blobs.get(contract.check_key(key))
            date, held = (present[1].retain_until, present[1].hold) if present else (retain_until, False)
            self._blobs[key] = content, Stat(len(content), sha256, date and contract.whole_second(date), held)
            if present is None:
                return ""
            self._damaged.append((key, present[0], reason))
            return f"damaged {len(self._damaged)}"

    @contextlib.contextmanager
    def local_path(self, key: str) -> Iterator[Path]:
        self._stat(key)
        with tempfile.TemporaryDirectory(prefix="liuhen-blob-") as folder:
            path = Path(folder) / "blob"
            path.write_bytes(self._blobs[key][0])
            yield path

    def check(self) -> None:
        """Memory is always ready."""
