"""Reading a file for a check: every byte hashed, a picture made, changes noticed, whatever the disk does."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import reading
from pipeline.check import check_files, walk
from pipeline.continuity.model import Picture
from pipeline.media import pool
from pipeline.media.picture import picture_of
from pipeline.reading import Readers
from pipeline.samples import Footage
from storage.errors import NotFound, Refused

OF_ONE, OF_MANY = [1], [1] * 8


def meanwhile(happens: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Something happens when the reading of a file has begun."""
    hashed = Readers._hash

    def hash_later(self: Readers, *arguments: object) -> str:
        happens()
        return hashed(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Readers, "_hash", hash_later)


def grows(path: Path, monkeypatch: pytest.MonkeyPatch, more: bytes = b"more") -> None:
    """The file gets longer, as one does that is still being written."""

    def write() -> None:
        with path.open("ab") as file:
            file.write(more)

    meanwhile(write, monkeypatch)


@pytest.mark.parametrize("sizes", [OF_ONE, OF_MANY], ids=["by itself", "among many"])
def test_the_digest_is_of_every_byte(footage: Footage, sizes: list[int]) -> None:
    with Readers(sizes) as readers:
        picture, sha256 = readers.look(footage.segments[0], "shown.mp4")
    assert sha256 == hashlib.sha256(footage.segments[0].read_bytes()).hexdigest()
    assert picture.name == "shown.mp4" and picture.problem is None and picture.changed is None


@pytest.mark.parametrize("sizes", [OF_ONE, OF_MANY], ids=["by itself", "among many"])
def test_a_file_that_is_still_written_is_told(
    tmp_path: Path, footage: Footage, sizes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(footage.segments[0], tmp_path / "a.mp4"))
    size = path.stat().st_size
    grows(path, monkeypatch)
    with Readers(sizes) as readers:
        picture, _ = readers.look(path, "a.mp4")
    assert picture.changed is not None
    assert (picture.changed[0][0], picture.changed[1][0]) == (size, size + 4)


def test_a_file_that_was_exchanged_meanwhile_is_told(
    tmp_path: Path, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy2(footage.photos[0], tmp_path / "a.jpg"))
    meanwhile(lambda: os.replace(shutil.copy2(footage.photos[0], tmp_path / "b.jpg"), path), monkeypatch)
    with Readers(OF_ONE) as readers:
        assert readers.look(path, "a.jpg")[0].changed is not None


def test_a_changed_file_is_never_called_continuous(
    tmp_path: Path, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(shutil.copy(footage.audio, tmp_path / footage.audio.name))
    os.utime(path, ns=(0, 0))
    meanwhile(lambda: os.utime(path, ns=(0, 1)), monkeypatch)
    (found,) = check_files([path]).files
    (finding,) = [each for each in found.findings if each.code == "REC-TRUE/CHANGED-WHILE-READ"]
    assert found.verdict == "review" and finding.evidence["modified_ns"] == [0, 1]


def test_a_file_that_grows_without_end_is_given_up(
    tmp_path: Path, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "LARGEST", 1 << 20)
    path = tmp_path / "a.ts"
    path.write_bytes(bytes(1 << 20))
    grows(path, monkeypatch, bytes(2 << 20))
    with Readers(OF_MANY) as readers:
        picture, sha256 = readers.look(path, "a.ts")
    assert picture.problem is not None and "grows" in picture.problem[1] and sha256 == ""


def test_a_disk_that_does_not_give_the_bytes_is_a_finding_not_an_end(
    tmp_path: Path, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = (Path(shutil.copy(footage.photos[n], tmp_path)) for n in (0, 1))

    def fail(self: Readers, file: object, path: Path, name: str) -> tuple[Picture, str]:
        if path == bad:
            raise OSError(5, "Input/output error")
        return long(self, file, path, name)

    long: Callable[..., tuple[Picture, str]] = Readers._long
    monkeypatch.setattr(Readers, "_long", fail)
    first, second = check_files([bad, good]).as_json()["files"]
    assert first["verdict"] == "unreadable" and first["sha256"] is None and "Input/output" in first["findings"][0]["en"]
    assert second["verdict"] == "continuous" and second["sha256"]


@pytest.mark.parametrize("moment", ["before a child reads it", "when it was read"])
def test_a_file_that_goes_away_meanwhile_is_a_finding_too(
    tmp_path: Path, footage: Footage, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = Path(shutil.copy(footage.photos[0], tmp_path))

    def read(path: Path, *, name: str) -> Picture:
        if moment == "before a child reads it":
            path.unlink()
        picture = picture_of(path, name=name)
        path.unlink()
        return picture

    monkeypatch.setattr(reading, "picture_of", read)
    (found,) = check_files([path]).files
    assert found.verdict == "unreadable" and found.sha256 == ""
    assert "No such file" in found.findings[0].en


def test_a_file_that_may_not_be_read_is_an_error_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a\x1b[31m.mp4"
    path.touch()
    opened = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(self, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Refused, match="Permission denied"):
        check_files([path])


def test_a_folder_that_may_not_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inside").mkdir()
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("inside"):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(Refused, match="inside"):
        walk([tmp_path])


def test_what_is_no_file_is_not_found(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(NotFound):
        check_files([tmp_path / "a.mp4"])


def test_each_file_is_named_when_it_is_begun(footage: Footage) -> None:
    names: list[str] = []
    check_files(footage.photos, begun=names.append)
    assert sorted(names) == sorted(map(str, footage.photos))


def test_progress_of_many_files_reaches_the_whole(footage: Footage) -> None:
    shares: list[float] = []
    check_files([*footage.photos, *footage.segments], progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_what_series_are_judged_by_is_kept_without_every_time(footage: Footage) -> None:
    with Readers(OF_ONE) as readers:
        whole, _ = readers.look(footage.segments[0], "a.mp4")
    lean = whole.settled()
    for track, before in zip(lean.tracks, whole.tracks, strict=True):
        assert not track.packets.pts and track.packets.size == before.packets.size
        assert (track.start, track.end, track.shown) == (before.start, before.end, before.shown)
    assert lean.media_duration == whole.media_duration
