"""Files as nobody should make them, and some as cameras do: each comes out with a verdict, soon and in any language."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from api.html_report import render
from pipeline.check import check_files
from pipeline.continuity.report import FileReport
from pipeline.samples import Footage
from pipeline.strips import collect
from tests.support.footage import require


def checked(path: Path) -> FileReport:
    (found,) = check_files([path]).files
    return found


def of_tracks(video: bytes, count: int) -> bytes:
    """The MP4 with its first track declared `count` times (what is in it then points anywhere)."""
    start = video.index(b"moov") - 4
    size = struct.unpack_from(">I", video, start)[0]
    inner = video[start + 8 : start + size]
    at = inner.index(b"trak") - 4
    length = struct.unpack_from(">I", inner, at)[0]
    many = inner[:at] + inner[at : at + length] * count + inner[at + length :]
    return video[:start] + struct.pack(">I4s", len(many) + 8, b"moov") + many + video[start + size :]


def make(target: Path, *arguments: str) -> Path:
    require("ffmpeg")
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", *arguments, str(target)], check=True)
    return target


@pytest.mark.parametrize("count", [300, 1500])
def test_hundreds_and_thousands_of_tracks(tmp_path: Path, count: int) -> None:
    small = make(
        tmp_path / "s.mp4", "-i", "testsrc2=s=64x48", "-t", "0.2", "-c:v", "libx264", "-movflags", "+faststart"
    )
    many = tmp_path / "many.mp4"
    many.write_bytes(of_tracks(small.read_bytes(), count))
    assert checked(many).verdict in ("unreadable", "review", "altered", "interrupted")


def test_hours_of_recording(tmp_path: Path) -> None:
    long = make(tmp_path / "long.mp4", "-i", "color=s=32x32:r=2", "-t", "36000", "-c:v", "mpeg4", "-g", "250")
    found = checked(long)
    assert found.media["duration"] == pytest.approx(36_000.0, abs=1)
    assert found.media["streams"][0]["packets"] == 72_000


def test_a_large_file_full_of_holes(tmp_path: Path) -> None:
    sparse = tmp_path / "sparse.mp4"
    with sparse.open("wb") as file:
        file.write(b"\0\0\0\x18ftypisom\0\0\2\0isomiso2")
        file.truncate(1 << 30)
    found = checked(sparse)
    assert found.verdict == "unreadable" and found.media["size"] == 1 << 30 and len(found.sha256) == 64


@pytest.mark.parametrize("size", [0, 1, 7, 8, 4095])
def test_next_to_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"\0" * size)
    assert checked(path).verdict == "unreadable"


NAMES = [
    b"\xff\xfe.mp4",
    b"a\nb\r\tc.mp4",
    b"\x1b]0;owned\x07.mp4",
    b"$(touch x);`id`&|.mp4",
    b"-i.mp4",
    b"'\"<img src=x onerror=alert(1)>.mp4",
    "\u202e4pm.录像".encode(),
    b"[red]markup {{ 1 }}.mp4",
    b"a" * 250 + b".mp4",
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_names_of_any_bytes(tmp_path: Path, footage: Footage, name: bytes) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    shutil.copy(footage.audio, path)
    report = check_files([path]).as_json()
    assert json.loads(json.dumps(report, ensure_ascii=False).encode())["files"][0]["verdict"] == "continuous"
    page = render(report, collect(report, [path]), zone=ZoneInfo("UTC"), now=datetime(2026, 11, 20, tzinfo=UTC))
    assert page.encode() and "<img src=x" not in page


def test_many_names_of_any_bytes_at_once(tmp_path: Path, footage: Footage) -> None:
    paths = [Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)) for name in NAMES]
    for path in paths:
        shutil.copy(footage.audio, path)
    report = check_files(paths)
    assert [file.verdict for file in report.files] == ["continuous"] * len(paths)
