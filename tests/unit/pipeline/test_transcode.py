from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.samples import Footage
from pipeline.transcode import Made, make_access, make_master, verify_master
from storage.errors import IntegrityError, Refused, Unreadable
from storage.records import DerivativeKind, MediaKind, RetentionClass

FIVE, LONG = RetentionClass.FIVE_YEARS, RetentionClass.LONG_TERM


def quiet(fraction: float) -> None:
    pass


def master(original: Path, out: Path, retention: RetentionClass) -> Made:
    return make_master(original, out, retention=retention, kind=MediaKind.VIDEO, progress=quiet)


def access(original: Path, out: Path, kind: MediaKind = MediaKind.VIDEO) -> list[Made]:
    return make_access(original, out, kind=kind, duration=None, progress=quiet)


def streams(path: Path) -> list[dict[str, Any]]:
    argv = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)
    return [*found["streams"], found["format"]]


def codecs(path: Path) -> list[str]:
    return [stream["codec_name"] for stream in streams(path) if "codec_name" in stream]


def convert(original: Path, target: Path, *options: str) -> Path:
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", original, "-map", "0:v", "-map", "0:a", *options, target], check=True
    )
    return target


def flip(path: Path, at: float) -> None:
    """Change one bit, `at` of the way through the file."""
    content = bytearray(path.read_bytes())
    content[int(len(content) * at)] ^= 0x10
    path.write_bytes(content)


def test_a_long_term_master_is_ffv1_and_flac_proven_frame_by_frame(footage: Footage, tmp_path: Path) -> None:
    made = master(footage.segments[0], tmp_path, LONG)
    assert codecs(made.path) == ["ffv1", "flac"]
    video, audio = made.proof["streams"]
    assert made.proof["method"] == "decoded frames"
    assert (video["frames"], video["bytes"]) == (300, 300 * 640 * 360 * 3 // 2)
    assert audio["bytes"] == 375 * 1024 * 3
    assert video["original_sha256"] == video["master_sha256"]


def test_the_gps_track_that_matroska_cannot_hold_is_listed(footage: Footage, tmp_path: Path) -> None:
    made = master(footage.segments[0], tmp_path, FIVE)
    assert [(left["kind"], left["tag"]) for left in made.proof["left_out"]] == [("data", "camm")]


def test_a_five_year_master_holds_the_same_packets(footage: Footage, tmp_path: Path) -> None:
    made = master(footage.segments[0], tmp_path, FIVE)
    assert codecs(made.path) == ["h264", "aac"]
    assert made.proof["method"] == "packets"
    assert [stream["frames"] for stream in made.proof["streams"]] == [300, 375]


def test_a_proof_is_plain_json(footage: Footage, tmp_path: Path) -> None:
    proof = master(footage.segments[0], tmp_path, FIVE).proof
    assert json.loads(json.dumps(proof)) == proof


def test_the_same_original_gives_the_same_master(footage: Footage, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (master(footage.audio, tmp_path / name, LONG) for name in ("one", "two"))
    assert one.path.read_bytes() == two.path.read_bytes()


@pytest.fixture(scope="module")
def short(footage: Footage, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two seconds of a recording, and its long-term master."""
    folder = tmp_path_factory.mktemp("short")
    original = convert(footage.segments[0], folder / "short.mp4", "-t", "2", "-c", "copy")
    return original, master(original, folder, LONG).path


def test_a_master_can_be_verified_again(short: tuple[Path, Path], tmp_path: Path) -> None:
    proof = verify_master(*short, tmp_path)
    assert proof["streams"][0]["frames"] == 50


@pytest.mark.parametrize("at", [0.001, 0.1, 0.3, 0.5, 0.7, 0.9])
def test_one_flipped_bit_in_a_master_is_found(short: tuple[Path, Path], tmp_path: Path, at: float) -> None:
    damaged = tmp_path / "damaged.mkv"
    shutil.copy(short[1], damaged)
    flip(damaged, at)
    with pytest.raises(IntegrityError, match="does not count"):
        verify_master(short[0], damaged, tmp_path)


def test_the_master_of_another_recording_is_not_this_ones(
    footage: Footage, short: tuple[Path, Path], tmp_path: Path
) -> None:
    other = convert(footage.segments[1], tmp_path / "other.mp4", "-t", "2", "-c", "copy")
    with pytest.raises(IntegrityError, match="frame 0"):
        verify_master(other, short[1], tmp_path)


def test_a_transport_stream_is_proven_by_decoding(footage: Footage, tmp_path: Path) -> None:
    original = convert(footage.segments[0], tmp_path / "stream.ts", "-c", "copy")
    made = master(original, tmp_path, FIVE)
    assert codecs(made.path) == ["h264", "aac"]
    assert made.proof["method"] == "decoded frames"
    assert made.proof["instead_of_packets"]


def test_what_matroska_cannot_hold_is_made_without_loss(footage: Footage, tmp_path: Path) -> None:
    original = convert(footage.segments[0], tmp_path / "raw.mov", "-t", "1", "-c:v", "rawvideo", "-pix_fmt", "rgb24")
    made = master(original, tmp_path, FIVE)
    assert codecs(made.path)[0] == "ffv1"
    assert made.proof["instead_of_packets"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("full-range.mov", ["-pix_fmt", "yuvj420p", "-c:v", "libx264"]),
        ("ten-bit.mov", ["-pix_fmt", "yuv420p10le", "-c:v", "libx264", "-c:a", "pcm_s24le"]),
        ("packed.mov", ["-pix_fmt", "uyvy422", "-c:v", "rawvideo", "-c:a", "pcm_f32le"]),
        ("palette.avi", ["-pix_fmt", "pal8", "-c:v", "rawvideo", "-c:a", "pcm_u8"]),
        ("program.mpg", ["-c:v", "mpeg2video", "-c:a", "mp2"]),
    ],
)
def test_odd_formats_are_kept_without_loss(footage: Footage, tmp_path: Path, name: str, options: list[str]) -> None:
    original = convert(footage.segments[0], tmp_path / name, "-t", "1", "-s", "320x180", *options)
    assert master(original, tmp_path, LONG).proof["identical"]


def test_variable_frame_rate_and_late_sound_keep_their_times(footage: Footage, tmp_path: Path) -> None:
    select = "select='not(between(n,50,80))+eq(mod(n,3),0)'"
    gappy = convert(footage.segments[0], tmp_path / "gappy.mp4", "-vf", select, "-fps_mode", "vfr", "-c:a", "copy")
    late = tmp_path / "late.mp4"
    sources = ["-i", gappy, "-itsoffset", "0.7", "-i", gappy]
    subprocess.run(["ffmpeg", "-v", "error", *sources, "-map", "0:v", "-map", "1:a", "-c", "copy", late], check=True)
    for retention in RetentionClass:
        found = master(late, tmp_path, retention).proof["streams"]
        assert max(stream["largest_time_difference"] for stream in found) < 0.0015


def test_a_gap_in_the_timeline_stays_a_gap(footage: Footage, tmp_path: Path) -> None:
    made = master(footage.cut_open, tmp_path, LONG)
    assert float(streams(made.path)[-1]["duration"]) == pytest.approx(12, abs=0.05)
    assert made.proof["streams"][0]["frames"] == 225


@pytest.mark.slow
@pytest.mark.shared
def test_real_cameras_masters_are_identical(tmp_path: Path, camera_original: Path) -> None:
    for retention in RetentionClass:
        proof = master(camera_original, tmp_path, retention).proof
        assert all(stream["original_sha256"] == stream["master_sha256"] for stream in proof["streams"])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Genuine camera files are too large for the repository: in LIUHEN_TEST_FOOTAGE, or beside it."""
    if "camera_original" in metafunc.fixturenames:
        beside = Path(__file__).parents[4] / "shared" / "footage"
        folder = Path(os.environ.get("LIUHEN_TEST_FOOTAGE", beside)) / "original"
        found = sorted(folder.glob("*")) or [pytest.param(folder, marks=pytest.mark.skip("no camera files here"))]
        metafunc.parametrize("camera_original", found, ids=lambda path: path.name)


def test_progress_grows_to_one(footage: Footage, tmp_path: Path) -> None:
    for retention in RetentionClass:
        seen: list[float] = []
        make_master(footage.segments[0], tmp_path, retention=retention, kind=MediaKind.VIDEO, progress=seen.append)
        assert seen == sorted(seen)
        assert seen[-1] == 1.0


def test_an_access_copy_plays_anywhere_and_tells_no_place(footage: Footage, tmp_path: Path) -> None:
    copy, poster = access(footage.segments[0], tmp_path)
    assert (copy.kind, copy.media_type) == (DerivativeKind.ACCESS, "video/mp4")
    video, audio, container = streams(copy.path)
    assert (video["codec_name"], video["pix_fmt"], audio["codec_name"]) == ("h264", "yuv420p", "aac")
    assert float(container["duration"]) == pytest.approx(12, abs=0.1)
    content = copy.path.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert not {"location", "make", "model", "creation_time", "encoder"} & set(container["tags"])
    assert (poster.kind, poster.media_type) == (DerivativeKind.POSTER, "image/jpeg")
    assert streams(poster.path)[0]["width"] == 640


def test_a_large_standing_picture_is_fitted_and_turned(footage: Footage, tmp_path: Path) -> None:
    large = convert(footage.segments[0], tmp_path / "large.mp4", "-t", "1", "-s", "1920x1080")
    original = convert(large, tmp_path / "turned.mp4", "-c", "copy", "-metadata:s:v", "rotate=90")
    copy, _ = access(original, tmp_path)
    assert (streams(copy.path)[0]["width"], streams(copy.path)[0]["height"]) == (720, 1280)


def test_a_memo_becomes_m4a_without_a_poster(footage: Footage, tmp_path: Path) -> None:
    (copy,) = access(footage.audio, tmp_path, MediaKind.AUDIO)
    assert copy.media_type == "audio/mp4"
    assert codecs(copy.path) == ["aac"]


def test_a_photo_becomes_a_smaller_photo_without_its_tags(footage: Footage, tmp_path: Path) -> None:
    (copy,) = access(footage.photos[0], tmp_path, MediaKind.PHOTOS)
    assert copy.media_type == "image/jpeg"
    assert b"Exif" not in copy.path.read_bytes()
    assert streams(copy.path)[0]["width"] == 960


def test_a_photo_has_no_master(footage: Footage, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="archival form"):
        make_master(footage.photos[0], tmp_path, retention=LONG, kind=MediaKind.PHOTOS, progress=quiet)


@pytest.mark.parametrize(
    "name", ["truncated.mp4", "empty.mp4", "playlist.mp4", "concat.mp4", "dash.mp4", "garbage.mp4"]
)
def test_hostile_files_are_unreadable_and_leave_nothing(footage: Footage, tmp_path: Path, name: str) -> None:
    with pytest.raises(Unreadable):
        access(footage.hostile / name, tmp_path)
    with pytest.raises(Unreadable):
        master(footage.hostile / name, tmp_path, LONG)
    assert not list(tmp_path.iterdir())
