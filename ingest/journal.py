"""The station's journal: each manifest sent and each receipt verified, written durably before anything is said.

`<folder>/<station>/dockings/<docking>.json` is the manifest as signed; `…/receipts/<sha256>.tlog-proof` a receipt that
has been verified; `…/rotations` the ledger's key rotations, verified, so that its later keys are known. A receipt on a
station's disk is the bureau's second copy of the promise.

`…/journal.jsonl` says what was done, one JSON object a line, only ever appended: files hashed, dockings, results,
wipes. `…/wipes/` holds the signed reports of wiped cards, `…/wipes/pending/` those the server has not taken yet.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.card import CardFile
from storage import durable
from storage.clock import iso, now
from storage.errors import Transient
from storage.records import Digest

FILE = "journal.jsonl"
LONGEST = 64 << 20  # bytes; then a new file is begun and the old one kept under its date
_Place = tuple[str, str]  # card, path on it
_Look = tuple[int, int, int]  # size, mtime_ns, inode


class Journal:
    """Of one station. Thread-safe; several processes may have it open."""

    def __init__(self, folder: Path, station: str) -> None:
        self.folder = folder.absolute() / station.replace("/", "_")
        self._file = self.folder / FILE
        self._lock = threading.Lock()
        self._hashed: dict[_Place, tuple[_Look, Digest]] = {}
        self.broken = False
        """Whether the last line could not be written."""
        for line in self.lines("hashed", old=False):
            self._learn(line)

    def keep_manifest(self, docking: str, content: bytes) -> None:
        self._keep(self.folder / "dockings" / f"{docking}.json", content)

    def rotations(self) -> bytes:
        """What was kept last; empty at first."""
        path = self.folder / "rotations"
        return path.read_bytes() if path.exists() else b""

    def keep_rotations(self, content: bytes) -> None:
        self._keep(self.folder / "rotations", content)

    def keep_receipt(self, sha256: str, receipt: bytes) -> Path:
        path = self.receipt_path(sha256)
        if not path.exists() or path.read_bytes() != receipt:
            self._keep(path, receipt)
        return path

    def receipt_path(self, sha256: str) -> Path:
        return self.folder / "receipts" / f"{sha256}.tlog-proof"

    def known(self, card: str, file: CardFile, *, inodes: bool) -> Digest | None:
        """The digest of the file if it was hashed before and looks unchanged. `inodes`: they last across mounts."""
        kept = self._hashed.get((card, file.path))
        return kept[1] if kept and kept[0] == _look(file, inodes) else None

    def keep_hash(self, card: str, file: CardFile, digest: Digest, *, inodes: bool) -> None:
        """Not synced: when a power cut takes it back, the file is read again."""
        look = _look(file, inodes)
        fields = {"card": card, "path": file.path, "size": look[0], "mtime_ns": look[1], "inode": look[2]}
        self.note("hashed", sync=False, **fields, sha256=digest.sha256, root=digest.root)
        self._hashed[card, file.path] = (look, digest)

    def note(self, kind: str, *, sync: bool = True, **fields: Any) -> None:
        """Add a line. Raises Transient when the station's disk is full or broken."""
        line = json.dumps({"kind": kind, "time": iso(now()), **fields}, ensure_ascii=True, separators=(",", ":"))
        with self._lock:
            self.broken = True
            try:
                self._turn_over()
                durable.append(self._file, line.encode("ascii") + b"\n", mode=0o600, sync=sync)
            except (OSError, Transient) as error:
                raise _not_written(error) from error
            self.broken = False

    def lines(self, *kinds: str, old: bool = True) -> Iterator[dict[str, Any]]:
        """The lines of these kinds, oldest first. What a crash tore, or a broken disk spoilt, is passed over.

        `old`: also of the files that were put aside.
        """
        before = sorted(self.folder.glob("journal-*.jsonl")) if old else []
        for file in (*before, self._file):
            if file.exists():
                yield from _read(file, frozenset(kinds))

    def _keep(self, path: Path, content: bytes) -> None:
        try:
            durable.write(path, content)
        except (OSError, Transient) as error:
            self.broken = True
            raise _not_written(error) from error

    def free(self) -> int | None:
        """Bytes free on the journal's disk; None: not known."""
        try:
            durable.make_directory(self.folder)
            found = os.statvfs(self.folder)
        except OSError:
            return None
        return found.f_bavail * found.f_frsize

    def _learn(self, line: dict[str, Any]) -> None:
        try:
            digest = Digest(line["sha256"], line["root"], line["size"], None)
            look = (line["size"], line["mtime_ns"], line["inode"])
            self._hashed[line["card"], line["path"]] = (look, digest)
        except KeyError:
            pass

    def _turn_over(self) -> None:
        if self._file.exists() and self._file.stat().st_size > LONGEST:
            stamp = iso(now()).replace(":", "").replace(".", "")
            self._file.rename(self._file.with_name(f"journal-{stamp}.jsonl"))


def _not_written(error: Exception) -> Transient:
    failed = error.__cause__ if isinstance(error.__cause__, OSError) else error
    why = failed.strerror if isinstance(failed, OSError) and failed.strerror else str(failed)
    return Transient(
        f"采集站磁盘无法写入日志（{why}）；请勿清除设备，腾出采集站磁盘空间后重新采集。",
        f"the station's disk takes no journal ({why}): do not wipe the camera, make room on the station and dock again",
    )


def _look(file: CardFile, inodes: bool) -> _Look:
    return file.size, file.mtime_ns, file.inode if inodes else 0


def _read(file: Path, kinds: frozenset[str]) -> Iterator[dict[str, Any]]:
    wanted = tuple(f'{{"kind":"{kind}",'.encode() for kind in kinds)
    with file.open("rb") as stream:
        for content in stream:
            if not content.startswith(wanted) or not content.endswith(b"\n"):
                continue
            try:
                line = json.loads(content)
            except ValueError:
                continue
            yield line
