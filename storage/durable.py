"""The one place where files land so that a power cut can't take them back.

The order is that of every careful writer on POSIX: write a temporary file in the same directory, fsync it, rename it
over the name, fsync the directory. After `write` returns, the whole file is there under its name after any crash;
before, either the old file or nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from storage import filesystem
from storage.errors import Transient

MANY = 16
"""Files from which on they are made durable as a whole file system: that waits for the bytes of others as well."""
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{12}\.tmp", re.DOTALL)  # as `_temporary_beside` names them


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable (a rename lives in the directory, not in the file)."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_directory(directory: Path) -> None:
    """Create `directory` and its parents, each made durable in its own parent."""
    missing = [directory]
    while not missing[-1].exists():
        missing.append(missing[-1].parent)
    for each in reversed(missing[:-1]):
        with contextlib.suppress(FileExistsError):
            each.mkdir()
        sync_directory(each.parent)


def write(target: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Replace `target` by `content`, durably. Raises Transient when the disk is full or gone."""
    write_all({target: content}, mode=mode)


def write_all(contents: Mapping[Path, bytes], *, mode: int = 0o644) -> None:
    """Replace several files, each durably; after a crash any of them may be the old one.

    Each directory is synced once. Raises Transient when the disk is full or gone.
    """
    written: list[tuple[Path, Path]] = []
    directories = {target.parent for target in contents}
    for directory in directories:
        make_directory(directory)
    try:
        for target, content in contents.items():
            written.append((_temporary_beside(target), target))
            _write_synced(written[-1][0], content, mode)
        for temporary, target in written:
            temporary.replace(target)
        for directory in directories:
            sync_directory(directory)
    except OSError as error:
        for temporary, _ in written:
            temporary.unlink(missing_ok=True)
        raise disk_error(error) from error


def _write_synced(file: Path, content: bytes, mode: int) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def adopt(source: Path, target: Path, *, mode: int = 0o444) -> None:
    """Give the finished file `source` the durable second name `target`, without copying where the disk allows it.

    `source` stays: the caller removes it once its own record of the file is durable. An existing `target` is replaced.
    Raises Transient when the disk is full or gone.
    """
    land({}, {target: source}, mode=mode)


def land(contents: Mapping[Path, bytes], files: Mapping[Path, Path], *, mode: int = 0o444) -> None:
    """`write_all` the contents, then `adopt` the files (target: source): no target before all contents are durable.

    All on one file system. What waits for the disk waits for all of them together: thrice, however many there are. What
    is durable is let go from memory: a card's ten thousand files must not push out what the machine works with.
    Raises Transient.
    """
    written = {target: _temporary_beside(target) for target in contents}
    adopted = {target: _temporary_beside(target) for target in files}
    directories = {target.parent for target in (*contents, *files)}
    for directory in directories:
        make_directory(directory)
    try:
        for target, content in contents.items():
            _write_open(written[target], content)
        for target, source in files.items():
            _link_or_copy(source, adopted[target])
        with _syncing([*adopted.values(), *written.values()]) as sync_names:
            _rename(written)
            sync_names(written)
            for temporary in adopted.values():
                temporary.chmod(mode)
            _rename(adopted)
            sync_names(adopted)
    except OSError as error:
        for temporary in (*written.values(), *adopted.values()):
            temporary.unlink(missing_ok=True)
        raise disk_error(error) from error


def _write_open(file: Path, content: bytes) -> None:
    with file.open("xb") as opened:
        opened.write(content)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


def _sync_file(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def _rename(temporaries: Mapping[Path, Path]) -> None:
    """Each to its target."""
    for target, temporary in temporaries.items():
        temporary.replace(target)
        temporary.unlink(missing_ok=True)  # a name of the very file that `target` is already stays (rename(2))


@contextlib.contextmanager
def _syncing(files: Sequence[Path]) -> Iterator[Callable[[Iterable[Path]], None]]:
    """Make the files durable; gives what then makes names durable.

    Many at once with their file system as a whole, which waits for the disk once and not for each file and each folder.
    That says nothing of writes that failed earlier, so the files are asked one by one as well: it costs little when
    nothing is left to write.
    """
    if len(files) < MANY or not filesystem.tells_errors():
        for file in files:
            _sync_file(file)
        yield _sync_parents
        return
    with filesystem.FileSystem(files[0].parent) as disk:
        disk.sync()
        for file in files:
            _sync_file(file)
        yield lambda _: disk.sync()


def _sync_parents(names: Iterable[Path]) -> None:
    for directory in {name.parent for name in names}:
        sync_directory(directory)


def append(target: Path, content: bytes, *, mode: int = 0o644, sync: bool = True) -> None:
    """Add `content` (whole lines) to the end of `target`, durably: all of it or nothing. Several processes may.

    A last line that a crash tore is cut off first. Without `sync` a power cut may take the lines back, with any later
    ones. Raises Transient when the disk is full or gone.
    """
    if not target.exists():
        make_directory(target.parent)
    try:
        handle = os.open(target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            _append(handle, content, sync)
            if os.lseek(handle, 0, os.SEEK_CUR) == len(content):  # the first line: its name must last as well
                sync_directory(target.parent)
        finally:
            os.close(handle)
    except OSError as error:
        raise disk_error(error) from error


def _append(handle: int, content: bytes, sync: bool) -> None:
    end = _whole_lines(handle)
    os.lseek(handle, end, os.SEEK_SET)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        if sync:
            os.fdatasync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise


def _whole_lines(handle: int) -> int:
    """The length of the file up to its last line break; what follows is cut off."""
    size = end = os.fstat(handle).st_size
    while end and os.pread(handle, 1, end - 1) != b"\n":
        start = max(0, end - 65536)
        end = start + os.pread(handle, end - start, start).rfind(b"\n") + 1
    if end < size:
        os.ftruncate(handle, end)
    return end


def remove(target: Path) -> None:
    """Remove `target` if it is there, durably."""
    target.unlink(missing_ok=True)
    if target.parent.exists():
        sync_directory(target.parent)


def disk_error(error: OSError) -> Transient:
    """The clear sentence for a disk that failed a write."""
    return Transient(
        f"磁盘写入失败（{error.strerror}），数据未被确认；请检查磁盘空间后重试。",
        f"writing to disk failed ({error.strerror}); nothing was acknowledged: check the disk's space and try again",
    )


def sweep(folder: Path, *, older: float) -> int:
    """Remove what a crash left under `folder` between a file's making and its naming, untouched for `older` seconds.

    Such a name may be a hard link: as long as it is there, the bytes of a file that was disposed of are. How many.
    """
    removed, limit = 0, time.time() - older
    for place, _, names in os.walk(folder):
        for name in names:
            if _TEMPORARY.fullmatch(name):
                path = Path(place, name)
                with contextlib.suppress(FileNotFoundError):  # another process was quicker
                    if path.lstat().st_ctime < limit:
                        path.unlink()
                        removed += 1
    return removed


def _temporary_beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:80]}.{secrets.token_hex(6)}.tmp")
