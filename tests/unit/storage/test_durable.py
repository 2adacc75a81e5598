from __future__ import annotations

import os
import resource
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage import durable
from storage.errors import Transient
from storage.filesystem import FileSystem


def test_a_written_file_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "file"
    durable.write(target, b"one")
    durable.write(target, b"two", mode=0o600)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def test_an_adopted_file_keeps_its_first_name_and_can_no_longer_be_written(tmp_path: Path) -> None:
    source = tmp_path / "spooled"
    source.write_bytes(b"bytes")
    durable.adopt(source, tmp_path / "store" / "blob")
    assert source.exists()
    assert (tmp_path / "store" / "blob").read_bytes() == b"bytes"
    assert (tmp_path / "store" / "blob").stat().st_mode & 0o222 == 0


def test_adopting_the_same_file_again_leaves_no_third_name(tmp_path: Path) -> None:
    """As after a crash between adopting and what comes next. rename(2) does nothing between two names of one file."""
    source = tmp_path / "spooled"
    source.write_bytes(b"bytes")
    for _ in range(2):
        durable.adopt(source, tmp_path / "store" / "blob")
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["blob"]
    assert (tmp_path / "store" / "blob").read_bytes() == b"bytes"


def test_adopting_across_file_systems_copies(tmp_path: Path) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has one file system only")
    source = memory / f"liuhen-test-{os.getpid()}"
    source.write_bytes(b"bytes")
    try:
        durable.adopt(source, tmp_path / "blob")
    finally:
        source.unlink()
    assert (tmp_path / "blob").read_bytes() == b"bytes"


def test_the_file_is_on_disk_before_its_name_and_the_name_before_we_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("sync directory" if os.path.isdir(f"/proc/self/fd/{handle}") else "sync file")
        real_fsync(handle)

    def replace(path: Path, target: Path) -> Path:
        steps.append("rename")
        return real_replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    durable.write(tmp_path / "file", b"content")
    assert steps == ["sync file", "rename", "sync directory"]


def test_a_full_disk_is_one_clear_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    durable.write(target, b"old")
    program = (
        "import resource, signal, sys; from pathlib import Path; from storage import durable, errors\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: durable.write(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except errors.Transient as e: print(e.en)"
    )
    done = subprocess.run([sys.executable, "-c", program, target], capture_output=True, text=True, check=True)
    assert "writing to disk failed" in done.stdout
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_a_folder_that_is_gone_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Transient):
        durable.adopt(tmp_path / "nothing", tmp_path / "blob")


def test_removing_what_is_not_there_is_fine(tmp_path: Path) -> None:
    durable.remove(tmp_path / "nothing")
    durable.remove(tmp_path / "no folder" / "nothing")


def test_what_a_crash_left_without_a_name_is_swept_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "spooled").write_bytes(b"x")
    monkeypatch.setattr(Path, "replace", _killed)
    for target in (tmp_path / "a" / "one", tmp_path / "a" / "two.tmp"):
        with pytest.raises(KeyboardInterrupt):
            durable.adopt(tmp_path / "spooled", target)
    monkeypatch.undo()
    durable.adopt(tmp_path / "spooled", tmp_path / "a" / "kept.tmp")
    (tmp_path / "a" / ".hidden.tmp").write_bytes(b"somebody else's")
    assert durable.sweep(tmp_path, older=3600) == 0, "it may still be on its way"
    assert durable.sweep(tmp_path, older=-1) == 2
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [".hidden.tmp", "kept.tmp"]
    assert durable.sweep(tmp_path / "absent", older=-1) == 0


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_of_what_lands_together_no_file_is_named_before_all_contents_are_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "spooled"
    source.write_bytes(b"bytes")
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("directory" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        real_fsync(handle)

    def replace(self: Path, target: Path) -> Path:
        steps.append(target.name)
        return real_replace(self, target)

    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    durable.land({folder / "lock": b"{}"}, {folder / "blob": source})
    assert steps == ["file", "file", "lock", "directory", "blob", "directory"]
    assert (folder / "lock").read_bytes() == b"{}"
    assert (folder / "blob").read_bytes() == b"bytes"


def test_what_lands_together_leaves_nothing_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "spooled"
    source.write_bytes(b"bytes")

    def fail(handle: int) -> None:
        raise OSError(28, os.strerror(28))

    folder = tmp_path / "store"
    folder.mkdir()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Transient):
        durable.land({folder / "lock": b"{}"}, {folder / "blob": source})
    assert list(folder.iterdir()) == []


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the disk was asked for, in order."""
    steps: list[str] = []
    real_fsync, real_sync, real_replace = os.fsync, FileSystem.sync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("directory" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        real_fsync(handle)

    def sync(self: FileSystem) -> None:
        steps.append("all")
        real_sync(self)

    def replace(self: Path, target: Path) -> Path:
        steps.append(target.name.rstrip("0123456789"))
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(FileSystem, "sync", sync)
    monkeypatch.setattr(Path, "replace", replace)
    return steps


def many(tmp_path: Path) -> tuple[dict[Path, bytes], dict[Path, Path]]:
    (tmp_path / "store").mkdir()
    for number in range(durable.MANY):
        (tmp_path / f"spooled{number}").write_bytes(b"bytes %d" % number)
    locks = {tmp_path / "store" / f"lock{number}": b"{}" for number in range(durable.MANY)}
    files = {tmp_path / "store" / f"blob{number}": tmp_path / f"spooled{number}" for number in range(durable.MANY)}
    return locks, files


def test_many_land_with_three_waits_for_the_disk_in_the_same_order(tmp_path: Path, synced: list[str]) -> None:
    locks, files = many(tmp_path)
    durable.land(locks, files)
    assert [name for name, _ in groupby(synced)] == ["all", "file", "lock", "all", "blob", "all"]
    assert synced.count("file") == 2 * durable.MANY, "each is asked for its own errors as well"
    assert all(path.read_bytes() == source.read_bytes() for path, source in files.items())


def test_an_older_kernel_is_asked_file_by_file(
    tmp_path: Path, synced: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    older = SimpleNamespace(release="4.18.0-553.el8_10.x86_64")
    monkeypatch.setattr(os, "uname", lambda: older)
    durable.land(*many(tmp_path))
    assert [name for name, _ in groupby(synced)] == ["file", "lock", "directory", "blob", "directory"]


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_of_many_nothing_is_acknowledged_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    calls = iter(range(1, 4))

    def sync(self: FileSystem) -> None:
        if next(calls) == failing:
            raise OSError(5, os.strerror(5))

    monkeypatch.setattr(FileSystem, "sync", sync)
    locks, files = many(tmp_path)
    with pytest.raises(Transient):
        durable.land(locks, files)
    assert not [path for path in (tmp_path / "store").iterdir() if path.suffix == ".tmp"]
    assert failing > 2 or not any(path.exists() for path in files)


def test_a_file_system_that_is_synced_says_what_failed(tmp_path: Path) -> None:
    with FileSystem(tmp_path) as disk:
        disk.sync()
    with pytest.raises(OSError, match="Bad file descriptor"):
        disk.sync()
