"""The serial in the recordings themselves: read by a real exiftool in a real sandbox, believed as far as it goes."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ingest import inside
from ingest.card import list_card
from ingest.device import Identity, Known, find_device
from pipeline.media import sandbox
from tests.support.services import program


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("photo") / "photo.jpg"
    picture = ["-f", "lavfi", "-i", "testsrc2=size=64x48", "-frames:v", "1"]
    subprocess.run([program("ffmpeg"), "-v", "error", *picture, made], check=True)
    return made


def take(card: Path, name: str, photo: Path, serial: str, *, age: int = 0) -> None:
    """A photograph by the camera `serial`, `age` seconds old."""
    shutil.copy(photo, card / name)
    subprocess.run(
        [program("exiftool"), "-q", "-overwrite_original", f"-SerialNumber={serial}", card / name], check=True
    )
    os.utime(card / name, (1_700_000_000 - age, 1_700_000_000 - age))


def identity(card: Path) -> Identity:
    return find_device(list_card(card), Known(volume="6A1B-33F0", label="LH00011"), inside.serials)


def test_the_camera_is_named_by_what_it_wrote_into_its_photographs(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"nothing to see")
    for number in range(2):
        take(tmp_path, f"DSC{number}.JPG", photo, "C3353424500199", age=number)
    found = identity(tmp_path)
    assert (found.device.serial, found.device.named_by) == ("C3353424500199", "metadata")
    assert found.certain and not found.device.quarantine


def test_a_name_on_the_card_counts_before_it(tmp_path: Path, photo: Path) -> None:
    take(tmp_path, "LH00012_1.JPG", photo, "C3353424500199")
    assert identity(tmp_path).device.serial == "LH00012"


def test_two_cameras_on_one_card_are_for_people(tmp_path: Path, photo: Path) -> None:
    for number in range(2):
        take(tmp_path, f"DSC{number}.JPG", photo, f"C{number}000")
    found = identity(tmp_path)
    assert found.device.quarantine
    assert "C0000、C1000" in found.zh


def test_only_the_newest_are_looked_into(tmp_path: Path, photo: Path) -> None:
    for number in range(inside.LOOKED_INTO):
        take(tmp_path, f"DSC{number}.JPG", photo, "NEW-1", age=number)
    take(tmp_path, "OLD.JPG", photo, "OLD-1", age=100)
    assert identity(tmp_path).device.serial == "NEW-1"


@pytest.mark.parametrize("serial", ["UNKNOWN-7", "x" * 101])
def test_a_serial_that_can_not_be_one_is_for_people_too(tmp_path: Path, photo: Path, serial: str) -> None:
    take(tmp_path, "DSC1.JPG", photo, serial)
    assert identity(tmp_path).device.quarantine


def test_nothing_inside_leaves_it_to_the_label(tmp_path: Path, photo: Path) -> None:
    shutil.copy(photo, tmp_path / "plain.jpg")
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "broken.jpg").write_bytes(photo.read_bytes()[:40])
    found = identity(tmp_path)
    assert (found.device.serial, found.device.named_by) == ("LH00011", "label")


def test_without_a_sandbox_no_file_is_opened(tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take(tmp_path, "DSC1.JPG", photo, "C3353424500199")
    monkeypatch.setattr(sandbox, "unavailable", lambda: "bubblewrap is not installed")
    monkeypatch.setattr(sandbox, "run", lambda *_, **__: pytest.fail("it was opened"))
    assert identity(tmp_path).device.named_by == "label"


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "card").mkdir()
    take(tmp_path, "outside.jpg", photo, "OUTSIDE-1")
    take(tmp_path / "card", "DSC1.JPG", photo, "C1000")
    files = list_card(tmp_path / "card").files
    (tmp_path / "card" / "DSC1.JPG").unlink()
    (tmp_path / "card" / "DSC1.JPG").symlink_to(tmp_path / "outside.jpg")
    assert inside.serials(files) == set()
