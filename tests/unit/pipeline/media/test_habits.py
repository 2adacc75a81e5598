"""Software encoders are known by their parameter sets, hardware encoders are not taken for them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.media.picture import picture_of
from pipeline.samples import Footage
from tests.support.footage import require


def encoder(path: Path) -> str:
    coding = picture_of(path).of_kind("video")[0].coding
    assert coding is not None
    return coding.encoder


def encoded(target: Path, *arguments: str) -> Path:
    require("ffmpeg")
    source = ("-f", "lavfi", "-i", "testsrc2=s=160x128:r=25", "-frames:v", "8", "-pix_fmt", "yuv420p")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *source, *arguments, str(target)], check=True)
    return target


@pytest.mark.parametrize("preset", ["superfast", "veryfast", "faster", "fast", "medium", "slow", "veryslow"])
def test_x264_without_its_name(tmp_path: Path, preset: str) -> None:
    bare = ("-bsf:v", "filter_units=remove_types=6")
    path = encoded(tmp_path / "a.mp4", "-c:v", "libx264", "-preset", preset, *bare)
    picture = picture_of(path)
    assert not picture.traces and encoder(path) == "x264"


@pytest.mark.parametrize("tune", ["film", "grain", "zerolatency", "fastdecode"])
@pytest.mark.parametrize("profile", ["baseline", "main", "high"])
def test_x264_tuned(tmp_path: Path, tune: str, profile: str) -> None:
    path = encoded(tmp_path / "a.mp4", "-c:v", "libx264", "-tune", tune, "-profile:v", profile)
    assert encoder(path) == "x264"


@pytest.mark.parametrize("preset", ["ultrafast", "medium"])
def test_x265(tmp_path: Path, preset: str) -> None:
    quiet = ("-x265-params", "log-level=none:pools=2")
    assert encoder(encoded(tmp_path / "a.mp4", "-c:v", "libx265", "-preset", preset, *quiet)) == "x265"


def test_a_camera_that_has_none_of_these_habits(footage: Footage) -> None:
    assert encoder(footage.segments[0]) == ""
