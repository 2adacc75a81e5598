from __future__ import annotations

import csv
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from pipeline.samples import Footage, make_footage
from tests.support.footage import file_bytes, require


def probe(path: Path, *entries: str) -> dict[str, Any]:
    argv = ["ffprobe", "-v", "error", "-of", "json", *entries, str(path)]
    answer: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=False).stdout)
    return answer


def tags(path: Path, *options: str) -> dict[str, Any]:
    argv = ["exiftool", "-json", "-G1", "-n", "-api", "QuickTimeUTC", *options, str(path)]
    answer: dict[str, Any] = json.loads(subprocess.run(argv, capture_output=True, check=True).stdout)[0]
    return answer


def times(path: Path, stream: str) -> list[float]:
    packets = probe(path, "-select_streams", stream, "-show_entries", "packet=pts_time")["packets"]
    return sorted(float(packet["pts_time"]) for packet in packets)


def freezes(path: Path) -> str:
    argv = ["ffmpeg", "-i", str(path), "-vf", "freezedetect=n=0.005:d=2", "-an", "-f", "null", "-"]
    return subprocess.run(argv, capture_output=True, check=True, text=True).stderr


def widest_step(moments: list[float]) -> float:
    return max(after - before for before, after in pairwise(moments))


@pytest.mark.shared
def test_the_same_seed_gives_the_same_bytes(footage: Footage, tmp_path: Path) -> None:
    again = make_footage(tmp_path, only={"card", "cut", "audio", "photos", "hostile"})
    before = file_bytes(footage.root)
    after = file_bytes(again.root)
    del after["INDEX.csv"]
    assert [name for name, content in after.items() if before[name] != content] == []


def test_another_seed_gives_another_scene(footage: Footage, tmp_path: Path) -> None:
    other = make_footage(tmp_path, seed=2, only={"audio"})
    assert other.audio.read_bytes() != footage.audio.read_bytes()


def test_the_index_names_every_file_but_the_secret(footage: Footage) -> None:
    with (footage.root / "INDEX.csv").open(encoding="utf-8") as file:
        named = {row["file"] for row in csv.DictReader(file)}
    there = {name for name in file_bytes(footage.root) if "/private/" not in name and name != "INDEX.csv"}
    assert named == there


def test_it_is_a_few_megabytes(footage: Footage) -> None:
    assert sum(map(len, file_bytes(footage.root).values())) < 8_000_000


def test_segments_follow_one_another_without_loss(footage: Footage) -> None:
    for number, path in enumerate(footage.segments):
        assert tags(path)["QuickTime:CreateDate"].startswith(f"2026:11:18 01:30:{12 * number:02d}")
        assert len(times(path, "v")) == 300
        assert widest_step(times(path, "v")) == pytest.approx(0.04)
        assert len(times(path, "a")) * 1024 == 12 * 32_000


def test_a_segment_bears_the_cameras_marks_and_no_editors(footage: Footage) -> None:
    path = footage.segments[0]
    found = tags(path)
    assert found["UserData:SerialNumber"] == "LH00012"
    assert found["UserData:Model"] == "Liuhen Sample Cam"
    assert not any(trace in path.read_bytes() for trace in (b"Lavf", b"Lavc", b"x264", b"VideoHandler", b"edts"))


def test_a_segment_has_a_gps_record_a_second(footage: Footage) -> None:
    argv = ["exiftool", "-ee", "-n", "-p", "$gpsdatetime $gpslatitude $gpslongitude", str(footage.segments[1])]
    lines = subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines()
    assert len(lines) == 12
    assert lines[0].startswith("2026:11:18 01:30:12Z 31.23")


def test_segments_decode_without_a_complaint(footage: Footage) -> None:
    for path in footage.segments:
        argv = ["ffmpeg", "-v", "warning", "-i", str(path), "-map", "0:v", "-map", "0:a", "-f", "null", "-"]
        assert subprocess.run(argv, capture_output=True, check=True).stderr == b""


def test_the_cut_files_lack_three_seconds(footage: Footage) -> None:
    assert len(times(footage.cut_open, "v")) == len(times(footage.cut_closed, "v")) == 225
    assert widest_step(times(footage.cut_open, "v")) == pytest.approx(3.04)
    assert widest_step(times(footage.cut_closed, "v")) == pytest.approx(0.04)


def test_the_re_encoded_cut_lacks_them_too_and_its_clock_jumps(footage: Footage) -> None:
    assert len(times(footage.cut_encoded, "v")) == 225
    assert widest_step(times(footage.cut_encoded, "v")) == pytest.approx(0.04)
    assert b"x264" in footage.cut_encoded.read_bytes()


def test_the_rewritten_date_is_the_headers_alone(footage: Footage) -> None:
    assert tags(footage.redated)["QuickTime:CreateDate"].startswith("2026:11:19 01:30:12")
    assert times(footage.redated, "v") == times(footage.segments[1], "v")
    assert footage.redated.stat().st_mtime == footage.segments[1].stat().st_mtime


def test_the_frozen_picture_stands_still_for_three_seconds(footage: Footage) -> None:
    assert "freeze_duration: 3" in freezes(footage.frozen)
    assert "freeze_duration" not in freezes(footage.segments[1])


def test_foreign_frames_lengthen_the_recording(footage: Footage) -> None:
    assert len(times(footage.foreign, "v")) == 325


def test_the_memo_is_broadcast_wave(footage: Footage) -> None:
    found = tags(footage.audio)
    assert found["RIFF:TimeReference"] == (10 * 3600 + 15 * 60) * 16_000
    assert found["RIFF:OriginatorReference"] == "LH00012"


def test_photos_count_and_one_is_missing(footage: Footage) -> None:
    assert [tags(path)["ExifIFD:ImageNumber"] for path in footage.photos] == [101, 102, 103, 104, 105, 106]
    assert [tags(path)["ExifIFD:ImageNumber"] for path in footage.photos_missing] == [101, 102, 103, 105, 106]


@pytest.mark.parametrize("bait", ["playlist.mp4", "concat.mp4", "dash.mp4"])
def test_the_baits_do_trick_a_careless_reader(footage: Footage, bait: str) -> None:
    streams = probe(footage.hostile / bait, "-show_entries", "stream=width")["streams"]
    assert streams[0]["width"] == 320


def test_the_script_writes_the_parts_asked_for(tmp_path: Path) -> None:
    require("ffmpeg")
    script = Path(__file__).parents[2] / "scripts" / "footage"
    subprocess.run([sys.executable, script, tmp_path / "out", "--only", "audio"], check=True)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["INDEX.csv", "audio"]
