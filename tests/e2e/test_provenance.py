"""Real camera files, changed with real tools: what their sensors, dates and fellows tell."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.check import check_files
from pipeline.samples import Footage
from tests.support.footage import require

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "footage"
HERO, MAX = SHARED / "original" / "gopro_hero5_karma.mp4", SHARED / "original" / "gopro_max_heromode.mp4"
here = pytest.mark.skipif(not SHARED.exists(), reason="the folder of real camera files is not beside the project")


def run(*command: str | Path) -> None:
    subprocess.run([str(each) for each in command], check=True, stdin=subprocess.DEVNULL)


def found(*paths: Path) -> dict[str, dict[str, Any]]:
    """Findings of the files and series, by signal."""
    report = check_files(paths).as_json()
    parts = [*report["files"], *report["series"]]
    return {f["code"].partition("/")[2]: f for part in parts for f in part["findings"]}


def piece(source: Path, target: Path, *span: str) -> Path:
    """A stretch of the pictures, the sound and the telemetry, by stream copy."""
    streams = ("-map", "0:v", "-map", "0:a", "-map", "0:3", "-c", "copy", "-copy_unknown")
    run("ffmpeg", "-v", "error", "-y", *span, "-i", source, *streams, target)
    return target


@here
@pytest.mark.parametrize("camera", [HERO, MAX], ids=["hero5", "max"])
def test_a_middle_cut_out_with_its_telemetry_is_located_by_the_counts(camera: Path, tmp_path: Path) -> None:
    """Both cameras' video counters can be blind to it: a HERO5 gives every key picture one id."""
    require("ffmpeg", "exiftool")
    piece(camera, tmp_path / "a.mp4", "-t", "4")
    piece(camera, tmp_path / "b.mp4", "-ss", "8")
    (tmp_path / "list.txt").write_text("file a.mp4\nfile b.mp4\n")
    streams = ("-map", "0:0", "-map", "0:1", "-map", "0:2", "-c", "copy", "-copy_unknown")
    run("ffmpeg", "-v", "error", "-f", "concat", "-i", tmp_path / "list.txt", *streams, tmp_path / "cut.mp4")
    broken = found(tmp_path / "cut.mp4")["TELEMETRY-COUNT"]
    assert broken["severity"] == "violation" and broken["start"] <= 4.1 and broken["end"] >= 3.9
    assert broken["end"] - broken["start"] <= 2.1, "within one packet of telemetry"
    assert len(broken["evidence"]["sensors"]) >= 4


@here
def test_a_head_cut_off_shows_in_the_counts(tmp_path: Path) -> None:
    require("ffmpeg", "exiftool")
    assert found(piece(MAX, tmp_path / "head.mp4", "-ss", "4"))["TELEMETRY-HEAD"]["severity"] == "suspicion"


@here
@pytest.mark.parametrize(("camera", "signal"), [(HERO, "TIMECODE"), (MAX, "GPS-DATE")], ids=["hero5", "max"])
def test_dates_rewritten_in_the_header_are_contradicted(camera: Path, signal: str, tmp_path: Path) -> None:
    require("exiftool")
    copy = tmp_path / camera.name
    shutil.copyfile(camera, copy)
    run("exiftool", "-q", "-overwrite_original", "-api", "QuickTimeUTC", "-AllDates=2021:05:05 10:00:07", copy)
    run("exiftool", "-q", "-overwrite_original", "-Track*Date=2021:05:05 10:00:07", copy)
    assert found(copy)[signal]["severity"] == "suspicion"


@here
def test_photos_saved_again_are_odd_among_their_fellows() -> None:
    require("exiftool")
    report = check_files(sorted((SHARED / "photos" / "dji").iterdir())).as_json()
    (series,) = report["series"]
    odd = [Path(f["evidence"]["file"]).stem for f in series["findings"] if f["code"] == "UP-ORIGINAL/PHOTO-ODD"]
    assert odd == ["DJI_0024", "DJI_0025"]


@here
def test_a_photo_cropped_by_a_program_is_odd_among_its_fellows(tmp_path: Path) -> None:
    """Its metadata taken over from the original, so that nothing in them tells."""
    require("ffmpeg", "exiftool")
    for photo in (SHARED / "photos" / "canon").iterdir():
        shutil.copyfile(photo, tmp_path / photo.name)
    victim, saved = tmp_path / "IMG_0449.jpg", tmp_path / "saved.jpg"
    run("ffmpeg", "-v", "error", "-i", victim, "-vf", "crop=iw-64:ih-64:0:0", "-q:v", "2", "-huffman", "default", saved)
    run("exiftool", "-q", "-overwrite_original", "-TagsFromFile", victim, "-all:all", saved)
    saved.replace(victim)
    odd = found(*sorted(tmp_path.iterdir()))["PHOTO-ODD"]
    assert Path(odd["evidence"]["file"]).name == "IMG_0449.jpg"


def test_photos_redated_and_renumbered_are_found(footage: Footage, tmp_path: Path) -> None:
    require("exiftool")
    photos = [Path(shutil.copyfile(photo, tmp_path / photo.name)) for photo in footage.photos]
    assert "PHOTO-ORDER" not in found(*photos)
    run("exiftool", "-q", "-overwrite_original", "-AllDates=2026:11:15 08:00:00", photos[3])
    assert found(*photos)["PHOTO-ORDER"]["severity"] == "suspicion"


def test_segments_exchanged_and_copied_are_found(footage: Footage, tmp_path: Path) -> None:
    first, second, third = footage.segments
    exchanged = tmp_path / "exchanged"
    exchanged.mkdir()
    for source, name in ((first, first.name), (third, second.name), (second, third.name)):
        shutil.copyfile(source, exchanged / name)
    assert found(*sorted(exchanged.iterdir()))["SEGMENT-ORDER"]["severity"] == "violation"
    copied = tmp_path / "copied"
    copied.mkdir()
    for source, name in ((first, first.name), (first, second.name), (third, third.name)):
        shutil.copyfile(source, copied / name)
    assert found(*sorted(copied.iterdir()))["SAME-CONTENT"]["severity"] == "violation"


def test_a_recording_redated_in_its_headers_is_contradicted_by_its_receiver(footage: Footage, tmp_path: Path) -> None:
    require("exiftool")
    copy = tmp_path / footage.segments[0].name
    shutil.copyfile(footage.segments[0], copy)
    run("exiftool", "-q", "-overwrite_original", "-AllDates=2026:11:19 02:10:00", copy)
    signals = found(copy)
    assert signals["GPS-DATE"]["severity"] == "suspicion" and signals["NAME-DATE"]["severity"] == "suspicion"
