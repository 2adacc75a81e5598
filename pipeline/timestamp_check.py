"""The timestamps of a log's folder held against the log's own entries, in both directions. Changes nothing.

Nothing is believed but the log's public key and the roots of the trusted authorities. Without roots those that were
kept with each stamp stand in: then it is shown that nothing was altered or removed since, not who stamped it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from pipeline.ledger_facts import Wrong
from pipeline.policy import load as load_policy
from pipeline.settings import Settings
from pipeline.timestamps import open_archive, read_roots
from storage.errors import LiuhenError
from storage.ledger import checkpoint, entry, note, tiles
from storage.ledger.auditing import heads
from storage.ledger.folder import CHECKPOINT, LedgerFolder
from storage.ledger.tiles import Reader
from storage.ledger.time import stamps
from storage.ledger.time.stamps import Examined, Record

_MARK = stamps.SUBJECT.encode()  # a bundle without these bytes names no stamp


@dataclass(frozen=True, slots=True)
class StampCheck:
    """What came out. `examined` is None when the log itself could not be read."""

    wrong: tuple[Wrong, ...] = ()
    examined: Examined | None = None

    @property
    def path(self) -> str:
        """Of the first stamp that is wrong, in the log's folder."""
        faults = self.examined.wrong if self.examined else ()
        return faults[0].path if faults else stamps.FOLDER

    @property
    def said(self) -> list[tuple[str, str]]:
        """What was found, for people: nothing where there are no stamps."""
        if self.examined is None or not self.examined.kept:
            return []
        newest = self.examined.kept[-1]
        count, when = len(self.examined.kept), f"{newest.stamp.time:%Y-%m-%d %H:%M:%SZ}"
        said = [
            (
                f"时间戳 {count} 个，最新为 {when}，由 {newest.stamp.tsa} 加盖。",
                f"{count} timestamps hold, the newest of {when} by {newest.stamp.tsa}",
            )
        ]
        if left := len(self.examined.unrecorded):
            said.append(
                (f"另有 {left} 个时间戳尚未记入存证链。", f"{left} timestamps are not in the ledger's entries yet")
            )
        return said


def check_stamps(ledger: Path, vkey: str, roots: Sequence[x509.Certificate] | None, now: datetime) -> StampCheck:
    """Verify every timestamp that the folder or the log's entries know of, as of `now`."""
    read = LedgerFolder(ledger).read
    try:
        archive = open_archive(ledger, heads.keys(read, vkey).verify, roots)
        examined = archive.examine(recorded(read), now)
    except FileNotFoundError:
        return StampCheck()
    except LiuhenError as error:
        return StampCheck((Wrong("ledger", f"时间戳：{error.zh}", f"timestamps: {error.en}"),))
    wrong = tuple(Wrong("ledger", f"时间戳 {fault.zh}", f"timestamp {fault.en}") for fault in examined.wrong)
    return StampCheck(wrong, examined)


def recorded(read: Reader) -> Iterator[Record]:
    """What the log's published entries say of stamps, oldest first. Raises IntegrityError, FileNotFoundError."""
    size = checkpoint.parse(note.parse(read(CHECKPOINT)).text).size
    for first in range(0, size, tiles.WIDTH):
        bundle = tiles.Tile(tiles.ENTRIES, first // tiles.WIDTH, min(tiles.WIDTH, size - first))
        content = tiles.read_tile(bundle, read)
        if _MARK in content:
            for index, body in enumerate(tiles.decode_bundle(content, bundle), start=first):
                if _MARK in body and (said := stamps.record(entry.parse(body).event, index)):
                    yield said


def trusted_roots(settings: Settings) -> list[x509.Certificate] | None:
    """The roots that the policy file names, None without one. Raises Refused naming those that can't be read."""
    if not settings.policy.exists():
        return None
    policy = load_policy(settings.policy)
    return read_roots([settings.policy.parent / path for path in policy.time.roots]) or None
