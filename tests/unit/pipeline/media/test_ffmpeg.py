from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.media import ffmpeg
from pipeline.samples import Footage
from storage.errors import Transient, Unreadable

BAITS = ["playlist.mp4", "concat.mp4", "dash.mp4"]


def shrink(name: str = "small.mkv") -> object:
    return ffmpeg.output([ffmpeg.source()["V:0"]], name, **{"c:v": "ffv1"})


def test_a_survey_names_the_streams(footage: Footage) -> None:
    found = ffmpeg.survey(footage.segments[0])
    assert found.duration == pytest.approx(12)
    assert [(stream.kind, stream.codec, stream.tag) for stream in found.streams] == [
        ("video", "h264", "avc1"),
        ("audio", "aac", "mp4a"),
        ("data", "", "camm"),
    ]
    assert found.streams[0].size == (640, 360)


def test_a_run_reports_growing_progress_up_to_the_end(footage: Footage, tmp_path: Path) -> None:
    seen: list[float] = []
    files = {ffmpeg.ORIGINAL: footage.segments[0]}
    ran = ffmpeg.run([shrink()], files=files, out=tmp_path, duration=12, progress=seen.append)
    assert seen == sorted(set(seen))
    assert seen[-1] == 1.0
    assert ran.complaints == ()


@pytest.mark.parametrize("bait", BAITS)
def test_a_bait_is_refused_and_nothing_of_the_secret_is_seen(footage: Footage, tmp_path: Path, bait: str) -> None:
    with pytest.raises(Unreadable, match="refused"):
        ffmpeg.survey(footage.hostile / bait)
    with pytest.raises(Unreadable, match="refused"):
        ffmpeg.run([shrink()], files={ffmpeg.ORIGINAL: footage.hostile / bait}, out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "reason"), [("truncated.mp4", "moov"), ("empty.mp4", "Invalid"), ("garbage.mp4", "Invalid")]
)
def test_what_is_no_media_is_unreadable_for_a_reason(footage: Footage, name: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as caught:
        ffmpeg.survey(footage.hostile / name)
    assert "原件" in caught.value.zh


def test_a_full_disk_may_be_tried_again(footage: Footage, tmp_path: Path) -> None:
    with small_disk(tmp_path), pytest.raises(Transient, match="disk is full"):
        ffmpeg.run([shrink()], files={ffmpeg.ORIGINAL: footage.segments[0]}, out=tmp_path)


class small_disk:
    """A file system of 256 KiB over `folder`. Skips where mounting is not allowed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        argv = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(self.folder)]
        if subprocess.run(argv, capture_output=True, check=False).returncode:
            pytest.skip("may not mount a small disk here")

    def __exit__(self, *error: object) -> None:
        subprocess.run(["umount", str(self.folder)], check=True)


def test_the_version_is_known() -> None:
    assert ffmpeg.version()[0].isdigit()
