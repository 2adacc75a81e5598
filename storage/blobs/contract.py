"""The contract of every blob store: what it promises, whichever machine the bytes lie on.

A blob is a whole file under a key. It is written once and never changed; it can only be locked for longer, held, when
nothing forbids it any more deleted, and restored when its bytes are no longer what they were. Memory, local disk and S3
keep the same contract, and one suite (tests/contract/test_blobs.py) runs on all of them.

**Keys** are relative names such as `originals/ab/ab34…`: parts of [a-z0-9._-] joined by "/", each beginning with a
letter or digit, 200 characters at most, never ending in `.lock` or `.tmp`. Anything else is `Refused`.

**Retention** (保管期限) is a date before which nobody can delete the blob through the store. It moves only later. Dates
are kept to the whole second, rounded up, so that a lock is never shorter than asked. A date that has already passed
protects nothing and is not recorded. A **hold** (冻结) forbids deletion until it is taken off, whatever the date.

**Errors**: `NotFound` no such blob; `Refused` a bad key, or a deletion, shortening or range that is not allowed;
`Conflict` the key holds other bytes; `IntegrityError` the bytes are not those of the digest; `Transient` the store is
down or full, and nothing was acknowledged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from storage.errors import Conflict, IntegrityError, NotFound, Refused

CHUNK = 1 << 20
"""Bytes that `open` yields at most at a time."""

_PART = r"[a-z0-9][a-z0-9._-]*"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")
_PREFIX = re.compile(rf"(?:{_PART}/)*(?:{_PART})?")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Stored:
    """What `put` made durable."""

    key: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Stat:
    """A blob as the store knows it: bytes, digest as put (not re-read), lock date (may have passed), hold."""

    size: int
    sha256: str
    retain_until: datetime | None
    hold: bool


@dataclass(frozen=True, slots=True)
class Blob:
    """Something to be put: see `BlobStore.put`."""

    key: str
    source: Path
    sha256: str
    hashed: bool = False


class BlobStore(Protocol):
    """See the module's text for keys, retention and errors."""

    shares_waits: bool
    """Whether one `put_all` of many is quicker than many `put` at the same time."""

    def put(
        self, key: str, source: Path, *, sha256: str, retain_until: datetime | None, hashed: bool = False
    ) -> Stored:
        """Keep the bytes of `source` under `key`; they are durable when this returns.

        `source` is read, never consumed: the caller removes it. Its bytes are compared with `sha256` (hex), unless
        the caller has hashed them itself while writing (`hashed`) and no further copy is made.
        The same key with the same digest again changes nothing, except that a later `retain_until` extends the lock.
        """
        ...

    def put_all(self, blobs: Sequence[Blob], *, retain_until: datetime | None) -> None:
        """`put` for several keys, in their order; all are durable when this returns. After an error some may be there:
        the same call again ends it. A store may wait for its disk once for all of them."""
        ...

    def open(self, key: str, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from `start`, `length` of them (or to the end; a longer length ends there), in pieces of at most
        `CHUNK`. `NotFound` and a bad range are raised at the call, before the first piece."""
        ...

    def stat(self, key: str) -> Stat | None:
        """What is known of the blob, None if there is none."""
        ...

    def extend(self, key: str, until: datetime) -> None:
        """Lock the blob until `until`. The date it has already is fine, an earlier or past one is `Refused`."""
        ...

    def hold(self, key: str, on: bool) -> None:
        """Forbid deletion until further notice, or take that off again."""
        ...

    def delete(self, key: str) -> None:
        """Remove the blob for ever. `Refused` before its date or while it is held; `NotFound` when it is gone."""
        ...

    def keys(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in ascending order; only of blobs that are wholly there."""
        ...

    def restore(self, key: str, source: Path, *, sha256: str, retain_until: datetime, reason: str) -> str:
        """Put the bytes of `source` in the place of a blob that is damaged or gone: the one way to change a key.

        Its bytes are compared with `sha256` first. What was there is kept aside and never deleted, with `reason`
        (ASCII); the answer says where, "" when nothing was. Its date and hold go on; where its lock is lost or none was
        there, `retain_until` is the date. Durable when this returns; before, the key holds what it held.
        Whoever calls this must know from elsewhere, the ledger, that the blob is damaged and these are its bytes.
        """
        ...

    def local_path(self, key: str) -> AbstractContextManager[Path]:
        """The blob as a file to read, for programs that need one. It may be a copy that goes with the context."""
        ...

    def check(self) -> None:
        """Nothing if the store can take a blob now, else `Transient` (down, full) or `Refused` (wrongly set up)."""
        ...


def check_key(key: str) -> str:
    """`key` itself if it is well formed, else Refused."""
    if len(key) > 200 or not _KEY.fullmatch(key) or key.endswith((".lock", ".tmp")):
        raise Refused(f"存储键不合规范：{key[:80]!r}。", f"not a well-formed blob key: {key[:80]!r}")
    return key


def check_prefix(prefix: str) -> str:
    """`prefix` itself if keys can begin with it, else Refused."""
    if len(prefix) > 200 or not _PREFIX.fullmatch(prefix):
        raise Refused(f"存储键前缀不合规范：{prefix[:80]!r}。", f"not a well-formed key prefix: {prefix[:80]!r}")
    return prefix


def check_sha256(sha256: str) -> str:
    """`sha256` itself if it is 64 lower-case hex digits, else Refused."""
    if not _SHA256.fullmatch(sha256):
        raise Refused("SHA-256 摘要应为 64 位小写十六进制数。", "a SHA-256 digest is 64 lower-case hex digits")
    return sha256


def check_range(key: str, size: int, start: int, length: int | None) -> int:
    """How many bytes the range gives. Refused when it begins outside of the blob (its very end is inside)."""
    if start < 0 or start > size or (length is not None and length < 0):
        raise Refused(
            f"读取范围超出文件：{key} 共 {size} 字节。", f"the range lies outside of {key}, which has {size} bytes"
        )
    return size - start if length is None else min(length, size - start)


def whole_second(moment: datetime) -> datetime:
    """`moment` rounded up to the second: what every store can keep."""
    return moment if moment.microsecond == 0 else moment.replace(microsecond=0) + timedelta(seconds=1)


def lock_date(retain_until: datetime | None, now: datetime) -> datetime | None:
    """The date a store records for `retain_until`: whole seconds, and none that has passed."""
    if retain_until is None or whole_second(retain_until) <= now:
        return None
    return whole_second(retain_until)


def check_later(key: str, current: datetime | None, until: datetime, now: datetime) -> datetime:
    """The date `extend` must record. Refused when it is before `current`, or past."""
    wanted = whole_second(until)
    if current is not None and wanted < current:
        raise Refused(
            f"保管期限只能延长：{key} 已锁定至 {current.isoformat()}。",
            f"a retention date only moves later: {key} is locked until {current.isoformat()}",
        )
    if wanted <= now and wanted != current:
        raise Refused(f"保管期限已是过去的日期：{wanted.isoformat()}。", f"the date has passed: {wanted.isoformat()}")
    return wanted


def check_deletable(key: str, retain_until: datetime | None, held: bool, now: datetime) -> None:
    """Refused while a hold or the retention date forbids deletion."""
    if held:
        raise Refused(f"{key} 已被冻结，不能删除。", f"{key} is on hold and can't be deleted")
    if retain_until is not None and retain_until > now:
        raise Refused(
            f"{key} 的保管期限至 {retain_until.isoformat()}，期满前不能删除。",
            f"{key} is locked until {retain_until.isoformat()} and can't be deleted before",
        )


def check_same(key: str, present: str, wanted: str) -> None:
    """Conflict when the key is taken by other bytes."""
    if present != wanted:
        raise Conflict(
            f"{key} 已存有其他内容，不会被覆盖；请核对文件。",
            f"{key} already holds other bytes and is never overwritten: check the file",
        )


def not_found(key: str) -> NotFound:
    return NotFound(f"存储中没有 {key}。", f"there is no {key} in the store")


def wrong_bytes(key: str) -> IntegrityError:
    """The bytes that were read are not those of the digest that was promised."""
    return IntegrityError(
        f"{key} 的内容与其 SHA-256 摘要不符，未被接收；请重新传输并查明原因。",
        f"the bytes for {key} do not match their SHA-256; not accepted: transfer again and find out why",
    )
