"""How a JPEG was coded: real files of several writers, and whatever bytes come instead."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media import jpeg
from pipeline.media.picture import picture_of
from tests.support.footage import require

PHOTOS = Path(__file__).resolve().parents[4].parent / "shared" / "footage" / "photos"


def make(target: Path, *arguments: str) -> Path:
    require("ffmpeg", "exiftool")
    source = ("-f", "lavfi", "-i", "testsrc2=s=320x200", "-frames:v", "1")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *arguments, str(target)], check=True)
    return target


def test_tables_sampling_and_order(tmp_path: Path) -> None:
    standard = make(tmp_path / "a.jpg", "-huffman", "default", "-pix_fmt", "yuvj420p")
    own = make(tmp_path / "b.jpg", "-huffman", "optimal", "-pix_fmt", "yuvj444p")
    one, other = (jpeg.read(io.BytesIO(path.read_bytes())) for path in (standard, own))
    assert one and other
    assert (one.width, one.height, one.sampling, one.standard_huffman) == (320, 200, "2x2,1x1,1x1", True)
    assert other.sampling != one.sampling and not other.standard_huffman
    assert one.segments[0].startswith("APP0/JFIF") and one.segments[-1] == "SOS"


def test_a_thumbnail_is_measured(tmp_path: Path) -> None:
    photo, small = make(tmp_path / "a.jpg"), make(tmp_path / "s.jpg", "-vf", "scale=160:100")
    subprocess.run(["exiftool", "-q", "-overwrite_original", f"-ThumbnailImage<={small}", str(photo)], check=True)
    found = picture_of(photo)
    assert found.photo and found.photo.jpeg and found.photo.jpeg.thumbnail == (160, 100)


@pytest.mark.parametrize(
    ("name", "quality", "sampling", "jfif"),
    [("dji/DJI_0022.JPG", 87, "2x1,1x1,1x1", False), ("dji/DJI_0024.JPG", 90, "2x2,1x1,1x1", True)],
)
def test_a_camera_and_a_program_write_differently(name: str, quality: int, sampling: str, jfif: bool) -> None:
    if not PHOTOS.exists():
        pytest.skip("the real photos are not here")
    with (PHOTOS / name).open("rb") as file:
        found = jpeg.read(file)
    assert found and (found.quality, found.sampling) == (quality, sampling)
    assert any(part.startswith("APP0/JFIF") for part in found.segments) == jfif


@given(st.binary(max_size=400), st.integers(0, 1 << 50), st.booleans())
def test_any_bytes_are_read_without_failing(body: bytes, thumbnail: int, marked: bool) -> None:
    data = (b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" if marked else b"") + body
    found = jpeg.read(io.BytesIO(data), thumbnail_at=thumbnail)
    assert found is None or len(found.segments) <= 200


def test_other_files_are_none() -> None:
    assert jpeg.read(io.BytesIO(b"\x89PNG\r\n\x1a\n")) is None
    assert jpeg.read(io.BytesIO(b"")) is None
