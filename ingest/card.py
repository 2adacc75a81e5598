"""A camera's card as the station sees it: every file listed, each hashed once. Nothing on the card is changed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ingest.digest import PIECE, FileHasher
from ingest.manifest import check_path
from storage.errors import Refused
from storage.records import Digest


@dataclass(frozen=True, slots=True)
class CardFile:
    """A regular file. `path`: on the card, with `/`; `place`: on this machine; `modified`: as the card says."""

    path: str
    place: Path
    size: int
    modified: datetime


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something on the card that can't be taken, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Card:
    root: Path
    files: tuple[CardFile, ...]
    unreadable: tuple[Unreadable, ...]


class Changed(Exception):
    """The file is not as it was when it was listed."""


def list_card(root: Path) -> Card:
    """All files under `root`, in the order of their paths. Links are not followed. Raises Refused."""
    if not root.is_dir():
        raise Refused(
            f"“{root}”不是文件夹或存储卡未插好，请检查路径。",
            f"“{root}” is no folder, or the card is not in: check the path",
        )
    files: list[CardFile] = []
    unreadable: list[Unreadable] = []

    def failed(error: OSError) -> None:
        unreadable.append(Unreadable(_shown(os.path.relpath(error.filename, root)), error.strerror or "unreadable"))

    for place in _walk(root, failed):
        entry = _look(root, place)
        (files if isinstance(entry, CardFile) else unreadable).append(entry)  # type: ignore[arg-type]
    files.sort(key=lambda file: file.path)
    return Card(root, tuple(files), tuple(unreadable))


def read_file(file: CardFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The file's bytes from `start`, `length` of them (None: all). Raises OSError, or Changed: it is not as listed."""
    end = file.size if length is None else start + length
    handle = os.open(file.place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        _check_same(file, os.fstat(handle))
        stream.seek(start)
        at = start
        while at < end:
            piece = stream.read(min(PIECE, end - at))
            if not piece:
                raise Changed(file.path)
            at += len(piece)
            yield piece
        _check_same(file, os.fstat(handle))


def hash_card_file(file: CardFile, told: Callable[[int], None]) -> Digest:
    """Read the file once. `told` hears how many more bytes were read. Raises OSError or Changed."""
    hasher = FileHasher()
    try:
        for piece in read_file(file):
            hasher.update(piece)
            told(len(piece))
    finally:
        hasher.rest()
    return hasher.finish()[0]


def _walk(root: Path, failed: Callable[[OSError], None]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, onerror=failed, followlinks=False):
        for name in names:
            yield Path(folder, name)
        for name in list(folders):
            if Path(folder, name).is_symlink():
                folders.remove(name)
                yield Path(folder, name)


def _look(root: Path, place: Path) -> CardFile | Unreadable:
    path = place.relative_to(root).as_posix()
    try:
        found = place.lstat()
    except OSError as error:
        return Unreadable(_shown(path), error.strerror or "unreadable")
    if not stat.S_ISREG(found.st_mode):
        return Unreadable(_shown(path), "not a regular file (links are not followed)")
    try:
        check_path(path)
    except ValueError as error:
        return Unreadable(_shown(path), str(error))
    return CardFile(path, place, found.st_size, _moment(found))


def _moment(found: os.stat_result) -> datetime:
    return datetime.fromtimestamp(found.st_mtime_ns // 1_000_000 / 1000, UTC)


def _check_same(file: CardFile, found: os.stat_result) -> None:
    if found.st_size != file.size or _moment(found) != file.modified:
        raise Changed(file.path)


def _shown(path: str) -> str:
    """A name that can't be kept as it is, written so that it can be shown and listed."""
    return path.encode("unicode_escape", errors="backslashreplace").decode("ascii")[:1000]
