"""The three blob stores, ready to be held to the contract, each with a way to let time pass."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.blobs.contract import BlobStore
from storage.blobs.local import LocalBlobStore
from storage.blobs.memory import MemoryBlobStore
from storage.blobs.s3 import S3BlobStore
from storage.clock import now

SMALLEST_PART = 5 << 20  # S3's own limit: a smaller part must be the last


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def reach(self, moment: datetime) -> None:
        self.moment = moment


@dataclass(frozen=True)
class Candidate:
    """A store under test. `reach` waits or turns the clock until `moment` has passed for the store."""

    store: BlobStore
    clock: Callable[[], datetime]
    reach: Callable[[datetime], None]

    def later(self, seconds: float) -> datetime:
        """A date in whole seconds, at least `seconds` from now."""
        return (self.clock() + timedelta(seconds=seconds + 1)).replace(microsecond=0)


def sleep_until(moment: datetime) -> None:
    while (left := (moment - now()).total_seconds()) > -0.2:  # the service's clock may be a little behind
        time.sleep(max(left, 0.1))


def memory_candidate() -> Candidate:
    clock = HandClock()
    return Candidate(MemoryBlobStore(clock=clock), clock, clock.reach)


def local_candidate(root: Path) -> Candidate:
    clock = HandClock()
    return Candidate(LocalBlobStore(root, clock=clock), clock, clock.reach)


def s3_candidate(url: str, scratch: Path) -> Candidate:
    return Candidate(S3BlobStore.from_url(url, scratch=scratch, part_size=SMALLEST_PART), now, sleep_until)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_of(folder: Path, content: bytes) -> Path:
    """A new file with `content` for a store to take."""
    path = folder / f"source-{digest(content)[:12]}"
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    return path
