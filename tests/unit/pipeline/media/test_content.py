from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.continuity.content import Content
from pipeline.media import content_wire as wire
from pipeline.media.content import content_of
from pipeline.media.picture import picture_of
from pipeline.samples.program import ffmpeg
from tests.support.footage import require


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("ffmpeg")
    target = tmp_path_factory.mktemp("content") / "film.mp4"
    ffmpeg(
        "-f", "lavfi", "-i", "mandelbrot=s=640x360:r=25:end_pts=900", "-f", "lavfi", "-i", "anoisesrc=r=48000:a=0.1",
        "-t", "4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", target,
    )  # fmt: skip
    return target


def test_pictures_and_sound_are_seen_and_heard(film: Path) -> None:
    told: list[float] = []
    content = content_of(film, progress=told.append)
    assert content.problem is None and content.stopped == ""
    assert content.sight is not None and content.sound is not None
    assert len(content.sight.time) == 100
    assert np.allclose(np.diff(content.sight.time), 0.04)
    assert (content.sight.width, content.sight.height) == (640, 360)
    assert abs(len(content.sound.rms) - 400) < 10
    assert content.sound.bands.shape == (len(content.sound.rms), 16)
    assert all(0 <= share <= 1 for share in told)


@pytest.mark.parametrize(
    "coding",
    [
        ("-c:v", "mjpeg", "-pix_fmt", "yuvj422p"),
        ("-c:v", "mpeg4"),
        ("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=error"),
        ("-c:v", "ffv1", "-pix_fmt", "bgr0"),
        ("-c:v", "rawvideo", "-pix_fmt", "yuyv422"),
    ],
    ids=lambda each: " ".join(each[1:4:2]),
)
def test_other_forms_of_picture_show_the_same(film: Path, tmp_path: Path, coding: tuple[str, ...]) -> None:
    target = tmp_path / "film.mkv"
    ffmpeg("-i", film, *coding, "-c:a", "pcm_s16le", target)
    content, original = content_of(target), content_of(film)
    assert content.sight is not None and original.sight is not None
    assert len(content.sight.time) == 100
    assert float(np.abs(content.sight.spread - original.sight.spread).max()) < 12


@pytest.mark.parametrize("name", ["late.ts", "late.mkv", "early.mp4"])
def test_pictures_have_the_times_of_their_packets(film: Path, tmp_path: Path, name: str) -> None:
    """A transport stream begins at 1.4 s; what is found in pictures and what in packets must agree on where."""
    target = tmp_path / name
    ffmpeg("-i", film, "-c", "copy", *(["-output_ts_offset", "3"] if "late" in name else []), target)
    content, (track, heard) = content_of(target), picture_of(target).tracks
    assert content.sight is not None and content.sound is not None
    assert track.start is not None and track.end is not None and heard.start is not None
    assert abs(float(content.sight.time[0]) - track.start) < 0.001
    assert abs(float(content.sight.time[-1]) - track.end) < 0.05
    assert abs(content.sound.start - heard.start) < 0.1
    assert ("late" in name) == (track.start > 2.9)


def test_changed_bytes_are_located(film: Path, tmp_path: Path) -> None:
    data = bytearray(film.read_bytes())
    at = data.index(b"mdat") + 4 + (len(data) // 2)
    data[at : at + 400] = bytes(400)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(data)
    content = content_of(broken)
    assert content.sight is not None
    assert content.sight.errors or (content.sight.flags & 2).any() or len(content.sight.time) < 100


@pytest.mark.parametrize(
    "text", [b"", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", b"\0" * 4096, bytes(range(256)) * 99]
)
def test_what_is_no_recording_is_a_problem(tmp_path: Path, text: bytes) -> None:
    bait = tmp_path / "bait.mp4"
    bait.write_bytes(text)
    assert content_of(bait).problem is not None


def test_a_recording_of_nothing_is_a_problem(film: Path, tmp_path: Path) -> None:
    """One picture is no film, and there is no sound."""
    single = tmp_path / "single.mp4"
    ffmpeg("-i", film, "-an", "-frames:v", "1", "-c:v", "copy", single)
    content = content_of(single)
    assert content.problem is not None and "no pictures" in content.problem[1]


def encoded() -> bytes:
    sight = wire.SightHead(0, 640, 360, 2)
    columns = {name: bytes(2 * np.dtype(kind).itemsize) for name, kind in wire.SIGHT.items()}
    return b"".join(wire.encode(wire.Head(sight=sight), columns, {}))


def test_the_wire_gives_back_what_it_got() -> None:
    content = wire.decode(encoded())
    assert isinstance(content, Content)
    assert content.sight is not None and content.sight.time.tolist() == [0, 0]


def test_the_wire_refuses_what_no_child_writes() -> None:
    data = encoded()
    for wrong in (
        b"",
        b"LHC1",
        data[:-1],
        data + b"x",
        data.replace(b'"pictures":2', b'"pictures":9'),
        b"XXXX" + data[4:],
    ):
        with pytest.raises(wire.Malformed):
            wire.decode(wrong)
    with pytest.raises(wire.Malformed):
        wire.decode(data.replace(b'"width":640', b'"width":"6"'))


def test_the_wire_refuses_numbers_that_are_none() -> None:
    data = bytearray(encoded())
    at = len(data) - 2 * sum(np.dtype(kind).itemsize for kind in wire.SIGHT.values())
    data[at : at + 8] = np.array([np.nan]).tobytes()
    with pytest.raises(wire.Malformed):
        wire.decode(bytes(data))


def child(path: Path, target: Path, seconds: float, before: str = "") -> subprocess.CompletedProcess[str]:
    """The decoding program by itself, with something done before."""
    program = f"import sys, threading, time\n{before}\nfrom pipeline.media import deep\ndeep.run(sys.argv[1:])"
    argv = [sys.executable, "-c", program, str(path), str(target), str(seconds)]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)


def test_the_child_waits_for_no_thread(film: Path, tmp_path: Path) -> None:
    """A decoder's thread that hangs, as on damaged files, must not keep the result from being taken."""
    hanging = "threading.Thread(target=time.sleep, args=(3600,)).start()"
    done = child(film, tmp_path / "out", 900, hanging)
    assert done.returncode == 0 and done.stderr == ""
    content = wire.decode((tmp_path / "out").read_bytes())
    assert content.sight is not None and len(content.sight.time) == 100


def test_time_that_is_up_ends_the_child_with_what_it_saw(film: Path, tmp_path: Path) -> None:
    slow = "import pipeline.media.deep as d\nd._TELL = -1.0"
    done = child(film, tmp_path / "out", 0.0, slow)
    content = wire.decode((tmp_path / "out").read_bytes())
    assert done.returncode == 0 and content.stopped == "time"


def test_a_child_that_fails_says_why(film: Path, tmp_path: Path) -> None:
    done = child(film, tmp_path / "no folder" / "out", 900)
    assert done.returncode == 1 and "FileNotFoundError" in done.stderr
