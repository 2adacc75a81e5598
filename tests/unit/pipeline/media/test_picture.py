"""Pictures of real files: formats, and baits that must stay unread."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path

import av
import pytest

from pipeline.media import probe, sandbox
from pipeline.media.picture import picture_of
from pipeline.samples import Footage
from storage.errors import NotFound
from tests.support.footage import require

SECRET = "secret-7f3a"


def make(target: Path, *arguments: str) -> Path:
    require("ffmpeg", "exiftool")
    video = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25")
    audio = ("-f", "lavfi", "-i", "sine=r=48000")
    subprocess.run(["ffmpeg", "-v", "error", "-y", *video, *audio, "-t", "2", *arguments, str(target)], check=True)
    return target


@pytest.mark.parametrize(
    ("name", "coding", "codecs"),
    [
        ("a.mp4", ["-c:v", "libx264", "-c:a", "aac"], ["h264", "aac"]),
        ("a.mov", ["-c:v", "mjpeg", "-c:a", "pcm_s16le"], ["mjpeg", "pcm_s16le"]),
        ("a.mkv", ["-c:v", "libx264", "-c:a", "aac"], ["h264", "aac"]),
        ("a.avi", ["-c:v", "mpeg4", "-c:a", "mp3"], ["mpeg4", "mp3float"]),
        ("a.ts", ["-c:v", "libx264", "-c:a", "aac"], ["h264", "aac"]),
        ("a.h264", ["-map", "0", "-c:v", "libx264"], ["h264"]),
    ],
)
def test_recordings_of_many_formats(tmp_path: Path, name: str, coding: list[str], codecs: list[str]) -> None:
    picture = picture_of(make(tmp_path / name, *coding))
    assert picture.problem is None and picture.kind == "video" and picture.isolated
    assert [track.stream.codec for track in picture.tracks] == codecs
    assert picture.tracks[0].stream.packets == 50
    if name not in ("a.h264", "a.ts"):
        assert picture.media_duration == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.m4a"])
def test_sound_recordings(tmp_path: Path, name: str) -> None:
    picture = picture_of(make(tmp_path / name, "-map", "1"))
    assert picture.problem is None and picture.kind == "audio"
    assert picture.media_duration == pytest.approx(2.0, abs=0.1)


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    sound = make(tmp_path / "a.mp3", "-map", "1")
    cover = make(tmp_path / "a.jpg", "-map", "0", "-frames:v", "1")
    both = tmp_path / "b.mp3"
    merge = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(sound),
        "-i",
        str(cover),
        "-map",
        "0",
        "-map",
        "1",
        "-c",
        "copy",
        str(both),
    ]
    subprocess.run(merge, check=True)
    assert picture_of(both).kind == "audio"


def test_a_camera_file_in_full(footage: Footage) -> None:
    picture = picture_of(footage.segments[1], name="shown.mp4")
    assert picture.name == "shown.mp4" and picture.kind == "video"
    assert picture.metadata.serial == "LH00012" and picture.metadata.position is not None
    assert picture.moment is not None and picture.moment.isoformat() == "2026-11-18T01:30:12+00:00"
    assert picture.media_duration == pytest.approx(12.0)


def test_without_bubblewrap_files_are_read_and_it_is_said(footage: Footage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "unavailable", lambda: "no user namespaces")
    picture = picture_of(footage.segments[0])
    assert picture.problem is None and picture.metadata.serial == "LH00012"
    assert not picture.isolated and picture.why_not == "no user namespaces"
    assert picture_of(footage.hostile / "playlist.mp4").problem is not None


def test_a_stream_that_appears_late_ends_the_reading_and_not_the_picture(tmp_path: Path) -> None:
    sound = make(tmp_path / "a.flv", "-map", "1", "-c:a", "mp3", "-ar", "44100", "-t", "120").read_bytes()
    film = make(tmp_path / "b.flv", "-map", "0", "-c:v", "flv").read_bytes()
    both = tmp_path / "c.flv"
    both.write_bytes(sound + film[13:])  # tags of a second stream behind those of the first, header left out
    picture = picture_of(both)
    assert picture.problem is None and picture.kind == "audio"
    assert picture.stopped == "a stream appears after the start"


def test_a_photo_is_read_but_not_decoded(footage: Footage) -> None:
    picture = picture_of(footage.photos[0])
    assert picture.kind == "photos" and picture.photo is not None and picture.photo.complete
    assert picture.metadata.taken is not None


def test_an_absent_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((NotFound, FileNotFoundError)):
        picture_of(tmp_path / "nothing.mp4")


def test_a_name_of_any_bytes_is_opened(tmp_path: Path, footage: Footage) -> None:
    odd = tmp_path / os.fsdecode(b"-i \xff\n$(x)'.mp4")
    shutil.copy(footage.segments[0], odd)
    assert picture_of(odd).problem is None


def test_a_film_cut_off_behind_its_index_is_still_read(tmp_path: Path) -> None:
    whole = make(tmp_path / "a.mp4", "-c:v", "libx264", "-movflags", "+faststart").read_bytes()
    cut = tmp_path / "b.mp4"
    cut.write_bytes(whole[: len(whole) * 3 // 4])
    picture = picture_of(cut)
    assert picture.problem is None and picture.boxes is not None
    assert picture.boxes.missing == len(whole) - cut.stat().st_size


def baits(port: int, secret: Path) -> dict[str, bytes]:
    local, remote = str(secret), f"http://127.0.0.1:{port}/{SECRET}.ts"
    mpd = '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    mpd += '<Representation id="1" bandwidth="1" mimeType="video/mp4"><BaseURL>{}</BaseURL></Representation>'
    mpd += "</AdaptationSet></Period></MPD>"
    texts = {}
    for where, url in (("local", local), ("remote", remote)):
        texts[f"hls-{where}"] = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2.0,\n{url}\n#EXT-X-ENDLIST\n"
        texts[f"concat-{where}"] = f"ffconcat version 1.0\nfile '{url}'\n"
        texts[f"dash-{where}"] = mpd.format(url)
        texts[f"sdp-{where}"] = f"v=0\r\nm=video 5000 RTP/AVP 96\r\na=control:{url}\r\n"
        texts[f"reference-{where}"] = f"[Reference]\r\nRef1={url}\r\n"
    return {name: text.encode() for name, text in texts.items()}


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A readable recording that nobody handed over, its name and its service a word to look for."""
    return make(tmp_path / f"{SECRET}.ts", "-c:v", "libx264", "-metadata", f"service_name={SECRET}")


def test_playlists_reach_nothing_from_the_sandbox(tmp_path: Path, secret: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for name, text in baits(server.getsockname()[1], secret).items():
            bait = tmp_path / f"{name}.mp4"
            bait.write_bytes(text)
            picture = picture_of(bait, name="shown.mp4")
            assert picture.problem is not None, name
            assert SECRET not in repr(picture), name
        with pytest.raises(BlockingIOError):
            server.accept()


def test_playlists_reach_nothing_even_where_only_the_demuxer_stands_guard(tmp_path: Path, secret: Path) -> None:
    """The same without sandbox and first look: the whitelists and the refused opener by themselves."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        for name, text in baits(server.getsockname()[1], secret).items():
            bait = tmp_path / f"{name}.mp4"
            bait.write_bytes(text)
            with bait.open("rb") as file, pytest.raises((av.error.FFmpegError, OSError)), probe.opened(file):
                pytest.fail(name)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("truncated.mp4", "moov"),
        ("empty.mp4", "empty"),
        ("playlist.mp4", "HLS"),
        ("concat.mp4", "ffconcat"),
        ("dash.mp4", "DASH"),
        ("garbage.mp4", "no recording"),
    ],
)
def test_hostile_samples_are_unreadable_with_a_reason(footage: Footage, name: str, words: str) -> None:
    problem = picture_of(footage.hostile / name).problem
    assert problem is not None and words in problem[1] and problem[0]
