"""Images by the real xorriso."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.export import image
from storage.errors import IntegrityError, Refused, Transient

MOMENT = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _program() -> None:
    if not shutil.which("xorriso"):
        pytest.fail("xorriso is missing") if os.environ.get("CI") else pytest.skip("xorriso is not installed")


def nothing(_: float) -> None:
    pass


def folder(root: Path, order: int = 1) -> Path:
    """The same content, written in one order or the other, at different times."""
    files = {"制作说明.pdf": b"pdf", "data/originals/001_执法_a.mp4": b"a" * 5000, "README.txt": b"r" * 3000}
    for name, content in list(files.items())[::order]:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (order + 10**9, order + 10**9))
    return root


def make(root: Path, target: Path) -> Path:
    image.make_image(root, target, label="LIUHEN_TEST", moment=MOMENT, progress=nothing)
    return target


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first = make(folder(tmp_path / "one"), tmp_path / "one.iso")
    second = make(folder(tmp_path / "two", -1), tmp_path / "two.iso")
    assert first.read_bytes() == second.read_bytes()


def test_links_are_followed(tmp_path: Path) -> None:
    root = folder(tmp_path / "bag")
    target = tmp_path / "blob"
    target.write_bytes(b"stored elsewhere")
    (root / "data/originals/002_b.mp4").symlink_to(target)
    out = tmp_path / "out"
    out.mkdir()
    image.extract_image(make(root, tmp_path / "disc.iso"), out)
    found = out / "data/originals/002_b.mp4"
    assert not found.is_symlink()
    assert found.read_bytes() == b"stored elsewhere"
    assert (out / "制作说明.pdf").read_bytes() == b"pdf"


def test_an_image_is_known_by_its_bytes(tmp_path: Path) -> None:
    assert image.is_image(make(folder(tmp_path / "bag"), tmp_path / "disc.iso"))
    assert not image.is_image(tmp_path / "bag/README.txt")


def test_a_sound_image_passes_its_check(tmp_path: Path) -> None:
    disc = make(folder(tmp_path / "bag"), tmp_path / "disc.iso")
    told: list[float] = []
    image.check_image(disc, moment=MOMENT, progress=told.append)
    assert told[-1] == 1.0


def test_a_changed_image_fails_its_check(tmp_path: Path) -> None:
    disc = make(folder(tmp_path / "bag"), tmp_path / "disc.iso")
    content = disc.read_bytes()
    at = content.index(b"a" * 5000) + 100
    disc.write_bytes(content[:at] + b"x" + content[at + 1 :])
    with pytest.raises(IntegrityError):
        image.check_image(disc, moment=MOMENT, progress=nothing)


def test_a_name_of_another_directory_is_not_written_outside(tmp_path: Path) -> None:
    """A link on a hostile disc stays a link: what it points to is neither read nor written."""
    root = folder(tmp_path / "bag")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (root / "link").symlink_to(secret)
    disc = tmp_path / "disc.iso"
    command = ["xorriso", "-as", "mkisofs", "-r", "-J", "-o", str(disc), str(root)]  # without following links
    subprocess.run(command, check=True, capture_output=True)
    out = tmp_path / "out"
    out.mkdir()
    image.extract_image(disc, out)
    assert (out / "link").is_symlink()
    assert secret.read_bytes() == b"secret"


def test_garbage_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "disc.iso"
    path.write_bytes(bytes(32769) + b"CD001" + bytes(5000))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(Refused):
        image.extract_image(path, out)


def test_too_little_space_is_told_beforehand(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    with pytest.raises(Transient) as caught:
        image.refuse_without_space(tmp_path, free, 0)
    assert "空间不足" in caught.value.zh
    image.refuse_without_space(tmp_path, 1000, 0)


def test_an_unwritable_target_is_an_error_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(Transient) as caught:
        make(folder(tmp_path / "bag"), tmp_path / "missing" / "disc.iso")
    assert "xorriso" in caught.value.en


def test_without_xorriso_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder(tmp_path / "bag")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Transient) as caught:
        make(root, tmp_path / "disc.iso")
    assert "未安装" in caught.value.zh


def test_a_lost_job_stops_the_program(tmp_path: Path) -> None:
    class Lost(Exception):
        pass

    def lost(_: float) -> None:
        raise Lost

    with pytest.raises(Lost):
        image.make_image(folder(tmp_path / "bag"), tmp_path / "d.iso", label="L", moment=MOMENT, progress=lost)
