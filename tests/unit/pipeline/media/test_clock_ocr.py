from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.continuity.content import Reading
from pipeline.media.clock_ocr import ClockReader
from pipeline.media.clock_text import Word, follows, matching, parse, slips
from pipeline.samples.program import ffmpeg
from tests.support.footage import require

START = datetime(2026, 11, 18, 9, 30, 7, tzinfo=UTC)


def seconds(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp())  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-18 09:30:07", seconds(2026, 11, 18, 9, 30, 7)),
        ("2026/11/18 09:30:07", seconds(2026, 11, 18, 9, 30, 7)),
        ("2026.11.18  09.30.07", seconds(2026, 11, 18, 9, 30, 7)),
        ("20261118093007", seconds(2026, 11, 18, 9, 30, 7)),
        ("- 2026-11-18 09:30:07 00012", seconds(2026, 11, 18, 9, 30, 7)),
        ("09:30:07", 9 * 3600 + 30 * 60 + 7),
        ("2026-13-18 09:30:07", None),
        ("25:30:07", None),
        ("1234567", None),
        ("", None),
    ],
)
def test_clocks_are_parsed(text: str, expected: int | None) -> None:
    assert parse(text) == expected


def words(text: str) -> list[Word]:
    return [Word(part, 10 * n, 0, 10 * n + 9, 8) for n, part in enumerate(text.split())]


def test_the_fewest_words_make_the_clock() -> None:
    assert [word.text for word in matching(words("00 2026-11-18 09:30:07 12"))] == ["2026-11-18", "09:30:07"]
    assert [word.text for word in matching(words("77 09:30:07"))] == ["09:30:07"]
    assert matching(words("nothing here 12")) == []


def test_readings_follow_as_time_does() -> None:
    assert follows(Reading(1.0, 100, ""), Reading(1.8, 101, ""))
    assert not follows(Reading(1.0, 100, ""), Reading(1.8, 104, ""))
    assert not follows(Reading(1.0, 100, ""), Reading(1.8, None, ""))


def lumas(path: Path) -> list[tuple[float, NDArray[np.uint8]]]:
    with av.open(str(path)) as container:
        return [(frame.time or 0.0, frame.to_ndarray(format="gray")) for frame in container.decode(video=0)]


def read(path: Path) -> ClockReader:
    reader = ClockReader()
    for time, luma in lumas(path):
        if reader.wants(time):
            reader.take(luma, time)
    return reader


STYLES = {
    "white-top": "fontsize=h/18:fontcolor=white:borderw=2:bordercolor=black:x=12:y=10",
    "yellow-bottom": "fontsize=h/20:fontcolor=yellow:borderw=1:bordercolor=black:x=w-tw-20:y=h-th-14",
    "plain-white": "fontsize=h/16:fontcolor=white:x=30:y=h-th-30",
    "box": "fontsize=h/22:fontcolor=white:box=1:boxcolor=black@0.5:boxborderw=6:x=(w-tw)/2:y=8",
}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("size", ["640x360", "1280x720"])
def test_a_burned_in_clock_is_read(tmp_path: Path, style: str, size: str) -> None:
    require("ffmpeg", "tesseract")
    target = tmp_path / "clock.mp4"
    colours = "n=3:c0=0x5b6b5e:c1=0xa0a090:c2=0x4f606d"
    scene = f"gradients=s={size}:r=10:seed=4:speed=0.02:{colours},format=yuv420p,noise=alls=9:allf=t"
    text = f"drawtext=font='DejaVu Sans Mono':{STYLES[style]}:text='%{{pts\\:gmtime\\:{int(START.timestamp())}}}'"
    ffmpeg("-f", "lavfi", "-i", f"{scene},{text}", "-t", "9", "-c:v", "libx264", "-preset", "ultrafast", target)
    clock = read(target).finish()
    assert clock.box is not None, clock.why_not
    right = [reading for reading in clock.readings if reading.clock == int(START.timestamp() + reading.time + 1e-6)]
    assert len(clock.readings) >= 10
    assert len(right) >= 0.8 * len(clock.readings), [reading.text for reading in clock.readings]


def test_no_clock_is_said(tmp_path: Path) -> None:
    require("ffmpeg", "tesseract")
    target = tmp_path / "none.mp4"
    ffmpeg("-f", "lavfi", "-i", "mandelbrot=s=640x360:r=10", "-t", "4", "-c:v", "libx264", target)
    clock = read(target).finish()
    assert clock.readings == ()
    assert "no clock" in clock.why_not


def test_without_tesseract_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    reader = ClockReader()
    assert not reader.wants(0.0)
    assert reader.finish().why_not == "tesseract is not installed"


@pytest.mark.parametrize("missing", [1.0, -1.0, 2.0])
def test_a_clock_that_slips_by_a_second_is_noticed_within_some_readings(missing: float) -> None:
    times = [0.8 * number for number in range(40)]
    shown = [Reading(time, int(1000.3 + time + (missing if time > 16 else 0)), "") for time in times]
    (slip,) = slips(shown)
    assert 16 < times[slip] < 18.5


def test_a_clock_that_goes_on_does_not_slip() -> None:
    for offset in (0.0, 0.31, 0.79):
        assert slips([Reading(0.8 * n, int(1000 + offset + 0.8 * n), "") for n in range(200)]) == []
