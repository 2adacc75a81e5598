"""How a stamp lands in the log's folder: all of its files at once, or none.

The files are written into a folder whose name begins with a dot (no part of the log), each durable; then that folder
gets its name, which is one step of the file system, and the name is made durable. A crash leaves at most a dotted
folder, which `tidy` removes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage import durable
from storage.clock import new_id
from storage.errors import Conflict
from storage.ledger.time.stamps import FOLDER

_UNFINISHED = ".new-"
_OLD = timedelta(hours=1)  # then nobody writes it any more


def write(ledger: Path, path: str, files: Mapping[str, bytes]) -> None:
    """Put a stamp under `path`, such as `timestamps/42/tsa.example.org`, into the log's folder.

    Raises Conflict when there is one, Transient when the disk is full.
    """
    target, unfinished = ledger / path, ledger / FOLDER / f"{_UNFINISHED}{new_id()}"
    durable.make_directory(target.parent)
    for name, content in files.items():
        durable.write(unfinished / name, content)
    try:
        unfinished.rename(target)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        if target.exists():
            raise Conflict(f"时间戳 {path} 已存在。", f"there is a timestamp {path} already") from error
        raise durable.disk_error(error) from error
    durable.sync_directory(target.parent)
    durable.sync_directory(ledger / FOLDER)


def names(ledger: Path) -> Iterator[str]:
    """The paths of all files of finished stamps, from the log's folder."""
    for directory, folders, files in os.walk(ledger / FOLDER):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith("."):
                yield (Path(directory) / name).relative_to(ledger).as_posix()


def tidy(ledger: Path, now: datetime) -> None:
    """Remove what a crash left unfinished more than an hour ago."""
    for left in (ledger / FOLDER).glob(f"{_UNFINISHED}*"):
        if now - datetime.fromtimestamp(left.stat().st_mtime, UTC) > _OLD:
            shutil.rmtree(left, ignore_errors=True)
