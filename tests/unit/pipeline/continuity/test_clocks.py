"""Dates inside a file that contradict each other, and those that only look so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import clocks
from pipeline.continuity.clocks import FARTHEST, off_by_zone
from pipeline.continuity.model import Metadata, Photo, Picture, Telemetry
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video

MORNING = 1_794_965_400  # 2026-11-18 01:30:00 UTC, 09:30 in Shanghai


def found(file: Picture) -> list[Finding]:
    return [finding for check in clocks.CHECKS for finding in check(file, LIMITS)]


def film(name: str = "a.mp4", created: int = MORNING, seconds: float = 10, **facts: Any) -> Picture:
    modified = facts.pop("modified", created)
    handler = facts.pop("handler_name", "Camera")
    tracks = (track_box(created=created), track_box("tmcd", handler_name=handler, descriptions=("tmcd",)))
    structure = boxes(*tracks, created=created, modified=modified)
    return picture(video(steady(seconds)), name=name, boxes=structure, **facts)


@given(st.integers(-56, 56), st.floats(-440, 440))
def test_a_time_zone_is_no_difference(quarters: int, rest: float) -> None:
    assert abs(off_by_zone(quarters * 900 + rest) - rest) < 1e-6


@given(st.floats(FARTHEST + 1, 1e10))
def test_no_time_zone_is_days_wide(seconds: float) -> None:
    assert off_by_zone(seconds) == seconds and off_by_zone(-seconds) == -seconds


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("LH00012_20261118093000_0001.MP4", []),  # local time in the name, UTC inside
        ("LH00012_20261118092958_0001.MP4", []),  # named two seconds before it began
        ("LH00012_20261118094000_0001.MP4", [("NAME-DATE", "note")]),
        ("LH00012_20261101093000_0001.MP4", [("NAME-DATE", "suspicion")]),
        ("LH00012_20261118091000_0002.MP4", []),  # a later segment bears the recording's start
        ("VID_20261118_093000.mp4", []),
        ("PXL_20261118_013000123.mp4", []),
        ("VID_20261118_093010.mp4", []),
        ("20261118.mp4", []),
        ("99999999_999999.mp4", []),
        ("报告 20261119 终稿.mp4", []),
    ],
)
def test_the_time_in_the_name_against_the_one_inside(name: str, expected: list[tuple[str, str]]) -> None:
    assert told(found(film(name))) == expected


def test_a_file_may_be_dated_by_its_end_and_named_by_its_start() -> None:
    assert found(film("VID_20261118_092800.mp4", seconds=120)) == []
    assert told(found(film("VID_20261118_092800.mp4", seconds=60))) == [("NAME-DATE", "note")]


def test_a_photo_is_dated_by_its_exif() -> None:
    tags = {"ExifIFD:DateTimeOriginal": "2026:11:18 09:30:00"}
    photo = Picture("IMG_20261118_093001.jpg", 9, "photos", metadata=Metadata(tags), photo=Photo("image/jpeg", True))
    assert found(photo) == []
    other = Picture("IMG_20261118_095001.jpg", 9, "photos", metadata=Metadata(tags), photo=Photo("image/jpeg", True))
    assert told(found(other)) == [("NAME-DATE", "note")]


@pytest.mark.parametrize(
    ("took", "expected"),
    [(0, []), (2, []), (60, []), (59, []), (3600, []), (20, [("WRITTEN-TOO-FAST", "suspicion")])],
)
def test_a_file_written_faster_than_it_lasts(took: int, expected: list[tuple[str, str]]) -> None:
    assert told(found(film(seconds=60, modified=MORNING + took))) == expected


@pytest.mark.parametrize(
    ("code", "handler", "expected"),
    [
        ("01:28:51:04", "GoPro TCD", []),
        ("09:28:51:04", "GoPro TCD", []),
        ("01:20:00:00", "GoPro TCD", [("TIMECODE", "suspicion")]),
        ("00:00:00:00", "TimeCodeHandler", []),
        ("", "GoPro TCD", []),
        ("99:99:99:99", "TimeCodeHandler", []),
    ],
)
def test_a_gopros_time_code_counts_the_day(code: str, handler: str, expected: list[tuple[str, str]]) -> None:
    assert told(found(film(handler_name=handler, telemetry=Telemetry(timecode=code)))) == expected
