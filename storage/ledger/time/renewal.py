"""Renewal of timestamps before their certificates expire or their digest grows weak (the idea of RFC 4998). Pure.

A renewal is a timestamp over a manifest: the digests of all files of older stamps, in the form that `sha256sum -c` and
`sha512sum -c` read. It vouches for them from its own time on, if they were valid then. A later stamp over a checkpoint
does the same for the stamps that are entries below it, because each entry names the digests of its stamp's files.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from storage.errors import IntegrityError

_LINE = re.compile(r"([0-9a-f]{64}|[0-9a-f]{128})  ([^\n]+)\n")
_DIGESTS = {64: "sha256", 128: "sha512"}


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when a stamp speaks by itself, what it vouches for, and by which digest."""

    path: str
    time: datetime
    end: datetime
    size: int | None
    index: int | None
    files: tuple[str, ...]
    lines: Mapping[str, str]
    digest: str = "sha256"

    def renews(self, other: Span) -> bool:
        """Whether this stamp, made while `other` was valid, vouches for all of its files.

        Either a manifest names them, or they are named by an entry of the log below the stamped checkpoint.
        """
        if not other.time <= self.time <= other.end:
            return False
        if self.size is not None:
            return other.index is not None and other.index < self.size
        return all(f"{other.path}/{name}" in self.lines for name in other.files)


def valid_until(spans: Iterable[Span], now: datetime) -> dict[str, datetime]:
    """Until when each stamp holds: its own certificates, or those of a later stamp that renewed it in time.

    What holds beyond `now` is not looked at further, so it may be renewed for longer.
    """
    oldest = sorted(spans, key=lambda each: each.time)
    times = [each.time for each in oldest]
    until: dict[str, datetime] = {}
    best = None
    for at in range(len(oldest) - 1, -1, -1):
        each, end = oldest[at], oldest[at].end
        later = bisect_right(times, end) - 1
        while end <= now and later > at and (best is None or end < best):
            if oldest[later].renews(each):
                end = max(end, until[oldest[later].path])
            later -= 1
        until[each.path] = end
        best = end if best is None else max(best, end)
    return until


def write_manifest(contents: Mapping[str, bytes], digest: str = "sha256") -> bytes:
    """The lines that `sha256sum -c` (or sha512sum) reads in the log's folder, sorted by path."""
    lines = (f"{hashlib.new(digest, content).hexdigest()}  {path}\n" for path, content in sorted(contents.items()))
    return "".join(lines).encode()


def read_manifest(content: bytes) -> dict[str, str]:
    """Path → digest in hex. Raises IntegrityError."""
    text = content.decode("utf-8", "replace")
    found = _LINE.findall(text)
    lines = {path: digest for digest, path in found}
    if not lines or len(lines) != len(found) or "".join(f"{digest}  {path}\n" for digest, path in found) != text:
        raise IntegrityError("时间戳清单格式不正确。", "the manifest is malformed")
    return lines


def digest_of(content: bytes, like: str) -> str:
    """The digest of `content` by the algorithm that gave `like`, in hex."""
    return hashlib.new(_DIGESTS[len(like)], content).hexdigest()
