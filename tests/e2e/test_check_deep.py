"""`liuhen check --deep` as a user runs it: pictures and sound decoded, the clock in the picture read."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from pipeline.samples import scene
from pipeline.samples.program import ffmpeg
from tests.support.footage import require

ROOT = Path(__file__).resolve().parents[2]
CUT, REMOVED, LENGTH = 7.4, 3.0, 20.0  # seconds


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording with its clock burned in."""
    require("ffmpeg", "tesseract")
    target = tmp_path_factory.mktemp("deep") / "whole.mp4"
    graph = f"{scene.picture(7)},{scene.osd(datetime(2026, 11, 18, 9, 30))}"  # noqa: DTZ001
    ffmpeg(
        "-f", "lavfi", "-i", graph, "-f", "lavfi", "-i", scene.sound(7, 32_000, LENGTH), "-t", str(LENGTH),
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-g", "25", "-c:a", "aac", target,
    )  # fmt: skip
    return target


@pytest.fixture(scope="module")
def cut(whole: Path) -> Path:
    """The same, decoded, three seconds taken out of picture and sound, and encoded again."""
    target = whole.with_name("cut.mp4")
    kept = f"not(between(t,{CUT},{CUT + REMOVED}))"
    ffmpeg(
        "-i", whole, "-vf", f"select='{kept}',setpts=N/FRAME_RATE/TB", "-af", f"aselect='{kept}',asetpts=N/SR/TB",
        "-c:v", "libx264", "-preset", "veryfast", "-crf", "22", "-g", "50", "-c:a", "aac", target,
    )  # fmt: skip
    return target


def liuhen(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from api.cli import main; main()", "check", "--deep", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=False, timeout=300)


def located(file: dict[str, Any]) -> dict[str, float]:
    """Signal → where, of the violations and suspicions on the timeline."""
    told = [each for each in file["findings"] if each["axis"] == "timeline" and each["severity"] != "note"]
    return {each["code"].partition("/")[2]: each["end"] for each in told}


def test_a_cut_that_was_encoded_again_is_located(cut: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = liuhen("--json", "--html", page, cut)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    told = json.loads(done.stdout)
    jsonschema_rs.validator_for(json.loads((ROOT / "docs/check.schema.json").read_text("utf-8"))).validate(told)
    (file,) = told["files"]
    found = located(file)
    assert file["verdict"] == "interrupted" and "CLOCK-JUMP" in found
    assert all(abs(at - CUT) < 0.5 for at in found.values()), found
    jump = next(each for each in file["findings"] if each["code"] == "REC-CONTINUOUS/CLOCK-JUMP")
    assert abs(jump["evidence"]["jump"] - REMOVED) < 0.6
    assert not {"decoding", "burned-in-clock"} & {each["check"] for each in file["not_checked"]}
    written = page.read_text(encoding="utf-8")
    assert "CLOCK-JUMP" in written and written.count("data:image/jpeg;base64,") >= 4


def test_nothing_jumps_in_a_whole_recording(whole: Path) -> None:
    done = liuhen("--json", whole)
    (file,) = json.loads(done.stdout)["files"]
    assert located(file) == {} and file["verdict"] == "review"  # ffmpeg wrote it: that much is seen without --deep


def test_the_text_names_the_clock(cut: Path) -> None:
    done = liuhen("--lang", "en", cut)
    assert done.returncode == 1 and "the clock in the picture leaves out 3." in done.stdout
    assert "pictures and sound were not decoded" not in done.stdout


def segment(folder: Path, number: int, picture: str) -> Path:
    """Two seconds of a camera that stands still."""
    target = folder / f"LH00012_20261118093000_{number:04d}.MP4"
    graph = f"{picture},scale=640:360,noise=alls=6:allf=t"
    ffmpeg("-f", "lavfi", "-i", graph, "-t", "2", "-c:v", "libx264", "-preset", "veryfast", "-crf", "20", target)
    return target


def test_a_segment_that_begins_elsewhere_is_suspected(tmp_path: Path) -> None:
    require("ffmpeg")
    here, there = "mandelbrot=s=640x360:r=25:end_pts=1e9", "mandelbrot=s=640x360:r=25:start_x=-0.1:start_scale=0.5"
    files = [segment(tmp_path, number + 1, picture) for number, picture in enumerate((here, here, there))]
    (series,) = json.loads(liuhen("--json", *files).stdout)["series"]
    (found,) = [each for each in series["findings"] if each["code"] == "REC-CONTINUOUS/SEGMENT-PICTURE"]
    assert found["evidence"]["after"].endswith("_0003.MP4")
