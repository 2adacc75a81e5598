"""A camera's card as the station sees it: every file listed, each hashed once. Nothing on the card is changed.

Files are opened folder by folder below the card's root, no link is followed on the way, and nothing of another file
system is taken: a card can't show the station anything but itself, nor can a card that took another's place.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from ingest.digest import PIECE, FileHasher
from ingest.manifest import YEARS, check_path
from storage.errors import Refused
from storage.records import Digest

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a pipe in a file's place must not hold us


@dataclass(frozen=True, slots=True)
class CardFile:
    """A regular file. `path`: on the card, with `/`; `place`: on this machine; `modified`: as the card says.

    `mtime_ns`, `inode` and `volume` (st_dev) are as the station's kernel says them.
    """

    path: str
    place: Path
    size: int
    modified: datetime
    mtime_ns: int = 0
    inode: int = 0
    volume: int = 0

    @property
    def root(self) -> Path:
        """The card's root folder."""
        return self.place.parents[self.path.count("/")]


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
    try:
        volume = root.stat().st_dev
        if not root.is_dir():
            raise _no_card(root, "")
    except OSError as error:
        raise _no_card(root, error.strerror or "") from error
    files: list[CardFile] = []
    unreadable: list[Unreadable] = []

    def failed(error: OSError) -> None:
        unreadable.append(Unreadable(_shown(os.path.relpath(error.filename, root)), error.strerror or "unreadable"))

    for place in _walk(root, failed):
        entry = _look(root, place, volume)
        (files if isinstance(entry, CardFile) else unreadable).append(entry)  # type: ignore[arg-type]
    files.sort(key=lambda file: file.path)
    return Card(root, tuple(files), tuple(unreadable))


@contextmanager
def folder_of(root: Path, path: str) -> Iterator[int]:
    """A handle of the folder that holds `path`, reached from the card's root without following a link.

    Raises OSError.
    """
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in PurePosixPath(path).parts[:-1]:
            below = os.open(part, _FOLDER, dir_fd=handle)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def open_file(file: CardFile, folder: int) -> int:
    """A handle of the file in its folder. Raises OSError, or Changed: it is not the one that was listed."""
    handle = os.open(PurePosixPath(file.path).name, _FILE, dir_fd=folder)
    try:
        check_same(file, os.fstat(handle))
    except Changed:
        os.close(handle)
        raise
    return handle


def read_file(file: CardFile, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    """The file's bytes from `start`, `length` of them (None: all). Raises OSError, or Changed: it is not as listed."""
    end = file.size if length is None else start + length
    with folder_of(file.root, file.path) as folder:
        handle = open_file(file, folder)
    with os.fdopen(handle, "rb", buffering=0) as stream:
        os.posix_fadvise(handle, start, end - start, os.POSIX_FADV_SEQUENTIAL)
        stream.seek(start)
        at = start
        while at < end:
            piece = stream.read(min(PIECE, end - at))
            if not piece:
                raise Changed(file.path)
            at += len(piece)
            yield piece
        check_same(file, os.fstat(handle))


def read_small(file: CardFile) -> bytes:
    """All of a file that is known to be small. Raises OSError or Changed."""
    return b"".join(read_file(file))


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


def check_same(file: CardFile, found: os.stat_result) -> None:
    """Whether an open file is the one that was listed, by size, time and file system. Raises Changed."""
    same = (found.st_size, found.st_mtime_ns, found.st_dev) == (file.size, file.mtime_ns, file.volume)
    if not same or not stat.S_ISREG(found.st_mode):
        raise Changed(file.path)


def _walk(root: Path, failed: Callable[[OSError], None]) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, onerror=failed, followlinks=False):
        for name in names:
            yield Path(folder, name)
        for name in list(folders):
            if Path(folder, name).is_symlink():
                folders.remove(name)
                yield Path(folder, name)


def _look(root: Path, place: Path, volume: int) -> CardFile | Unreadable:
    path = place.relative_to(root).as_posix()
    try:
        found = place.lstat()
    except OSError as error:
        return Unreadable(_shown(path), error.strerror or "unreadable")
    if not stat.S_ISREG(found.st_mode):
        return Unreadable(_shown(path), "not a regular file (links are not followed)")
    if found.st_dev != volume:
        return Unreadable(_shown(path), "on another file system")
    try:
        check_path(path)
    except ValueError as error:
        return Unreadable(_shown(path), str(error))
    return CardFile(path, place, found.st_size, _moment(found), found.st_mtime_ns, found.st_ino, found.st_dev)


def _moment(found: os.stat_result) -> datetime:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    try:
        moment = datetime.fromtimestamp(found.st_mtime_ns // 1_000_000 / 1000, UTC)
    except (OverflowError, ValueError):  # a date that no calendar of ours has
        return epoch
    return moment if moment.year in YEARS else epoch


def _shown(path: str) -> str:
    """A name that can't be kept as it is, written so that it can be shown and listed."""
    return path.encode("unicode_escape", errors="backslashreplace").decode("ascii")[:1000]


def _no_card(root: Path, why: str) -> Refused:
    zh, en = (f"（{why}）", f" ({why})") if why else ("", "")
    return Refused(
        f"“{root}”不是文件夹或存储卡未插好{zh}，请检查路径。",
        f"“{root}” is no folder, or the card is not in{en}: check the path",
    )
