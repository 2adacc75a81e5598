"""Which files belong together, and what is missing among them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import series
from pipeline.continuity.model import Metadata, Photo, Picture
from pipeline.continuity.series import SeriesKey, series_key
from pipeline.continuity.verdict import SERIES_CHECKS
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video

START = 1_700_000_000


def segment(
    number: int, start: float, seconds: float = 10.0, *, stem: str = "LH00012_20231114221320", **tags: Any
) -> Picture:
    named = {key.replace("_", ":", 1): value for key, value in tags.items()}
    structure = boxes(track_box(), created=START + round(start))
    return picture(video(steady(seconds)), name=f"{stem}_{number:04d}.MP4", tags=named, boxes=structure)


def photo(
    number: int, counter: int | None = None, *, folder: str = "card", prefix: str = "IMG_", **tags: str
) -> Picture:
    found = {"IFD0:Model": "Sample", **{key.replace("_", ":", 1): value for key, value in tags.items()}}
    if counter is not None:
        found["Canon:FileNumber"] = f"102{counter:04d}"
    name = f"{folder}/{prefix}{number:04d}.JPG"
    return Picture(name, 100, "photos", metadata=Metadata(found), photo=Photo("image/jpeg", True))


def found(*pictures: Picture) -> list[Finding]:
    return [f for each in series.group(pictures) for check in SERIES_CHECKS for f in check(each, LIMITS)]


@pytest.mark.parametrize(
    ("name", "key", "sequence"),
    [
        ("LH00012_20261118093000_0001.MP4", "LH00012_20261118093000", 1),
        ("card/DCIM/LH00012_20261118093000_0012.mp4", "LH00012_20261118093000", 12),
        ("20261118_093000_003.MP4", "20261118_093000", 3),
        ("20261118_093000.MP4", "20261118_093000", None),
        ("GH010123.MP4", "GH??0123", 1),
        ("GX120123.MP4", "GX??0123", 12),
        ("GOPR0123.MP4", "GP??0123", 0),
        ("GP010123.MP4", "GP??0123", 1),
        ("IMG_0446.JPG", "IMG", 446),
        ("DSCF0101.jpg", "DSCF", 101),
        ("MVI_0446.MOV", "MVI_0446", None),
        ("现场 录像.mp4", "现场 录像", None),
        ("IMG_0446 (1).JPG", "IMG_0446 (1)", None),
        ("C:\\DCIM\\IMG_0007.JPG", "IMG", 7),
        ("", "", None),
    ],
)
def test_names_tell_recording_and_number(name: str, key: str, sequence: int | None) -> None:
    assert series_key(name) == SeriesKey(key, sequence)


@given(st.text(max_size=60))
def test_any_name_has_a_key(name: str) -> None:
    key = series_key(name)
    assert key == series_key(name) and (key.sequence is None or key.sequence >= 0)


def test_a_whole_recording_has_no_findings() -> None:
    assert found(segment(2, 10), segment(1, 0), segment(3, 21, 6.0)) == []


def test_a_missing_segment_is_a_located_violation() -> None:
    (missing,) = found(segment(1, 0), segment(3, 20))
    assert told([missing]) == [("SEGMENT-MISSING", "violation")]
    assert (missing.start, missing.end) == (10.0, 20.0) and missing.evidence["missing"] == [2]


def test_files_of_different_folders_are_different_recordings() -> None:
    one, other = segment(1, 0, stem="a/X_20231114221320"), segment(3, 20, stem="b/X_20231114221320")
    assert all("MISSING" not in finding.code for finding in found(one, other))


def test_a_first_segment_that_is_not_the_first_is_said() -> None:
    assert told(found(segment(2, 10), segment(3, 20))) == [("SEGMENTS-BEFORE", "suspicion")]
    assert told(found(segment(2, 10))) == [("SEGMENTS-BEFORE", "note")]


def test_time_missing_between_segments() -> None:
    assert found(segment(1, 0), segment(2, 11)) == []
    assert told(found(segment(1, 0), segment(2, 12))) == [("SEGMENT-GAP", "suspicion")]
    (gap,) = found(segment(1, 0), segment(2, 40))
    assert told([gap]) == [("SEGMENT-GAP", "violation")] and (gap.start, gap.end) == (10.0, 40.0)


def test_segments_that_overlap() -> None:
    (overlap,) = found(segment(1, 0), segment(2, 4))
    assert told([overlap]) == [("SEGMENT-OVERLAP", "violation")] and (overlap.start, overlap.end) == (4.0, 10.0)


def test_cameras_that_date_a_segment_by_its_end() -> None:
    """The name says 22:13:20, the first date is 10 s later: dates are ends. A short last segment then fits."""
    assert found(segment(1, 10, 10), segment(2, 20, 10), segment(3, 24, 4)) == []
    assert told(found(segment(1, 10, 10), segment(2, 60, 10))) == [("SEGMENT-GAP", "violation")]


def test_dates_that_fit_only_as_ends_are_a_suspicion_where_no_name_tells() -> None:
    chapters = [
        picture(video(steady(length)), name=f"GH0{n}0123.MP4", boxes=boxes(track_box(), created=START + end))
        for n, (length, end) in enumerate([(10, 10), (20, 30), (4, 34)], start=1)
    ]
    assert {severity for _, severity in told(found(*chapters))} == {"suspicion"}


def test_one_date_for_all_chapters_is_not_checked() -> None:
    names = ("GH010123.MP4", "GH020123.MP4")
    chapters = [picture(video(steady(10)), name=name, boxes=boxes(track_box())) for name in names]
    assert found(*chapters) == []


def test_a_segment_of_another_device_is_a_violation() -> None:
    one, other = segment(1, 0, XMP_SerialNumber="LH00012"), segment(2, 10, XMP_SerialNumber="LH00099")
    assert told(found(one, other)) == [("SERIAL-CHANGED", "violation")]
    assert found(one, segment(2, 10)) == []


def test_a_segment_coded_otherwise_is_a_suspicion() -> None:
    other = picture(
        video(steady(10), width=1280), name="LH00012_20231114221320_0002.MP4",
        boxes=boxes(track_box(), created=START + 10),
    )  # fmt: skip
    assert told(found(segment(1, 0), other)) == [("PARAMETERS-CHANGED", "suspicion")]


def test_two_files_with_one_number_are_a_suspicion() -> None:
    names = ["X_20231114221320_001.MP4", "X_20231114221320_0001.MP4"]
    same = [picture(video(steady(10)), name=name, boxes=boxes(track_box())) for name in names]
    assert told(found(*same)) == [("SAME-NUMBER", "suspicion")]


def test_a_missing_photo_of_a_camera_with_a_counter_is_a_violation() -> None:
    (missing,) = found(photo(450, 450), photo(452, 452), photo(449, 449))
    assert told([missing]) == [("PHOTO-MISSING", "violation")] and missing.evidence["missing"] == [451]
    assert missing.evidence["counter"] == "EXIF"


def test_a_hole_in_names_alone_is_a_suspicion() -> None:
    assert told(found(photo(450), photo(452))) == [("PHOTO-MISSING", "suspicion")]


def test_a_wide_hole_may_be_two_occasions() -> None:
    assert told(found(photo(1, 1), photo(500, 500))) == [("PHOTO-MISSING", "suspicion")]


def test_the_counter_may_roll_over() -> None:
    assert found(photo(9998, 9998), photo(9999, 9999), photo(1, 1), photo(2, 2)) == []
    (missing,) = found(photo(9999, 9999), photo(2, 2))
    assert told([missing]) == [("PHOTO-MISSING", "violation")] and "缺少 1，" in missing.zh


def test_photos_renamed_to_close_a_hole_are_found_by_the_counter() -> None:
    signals = told(found(photo(450, 450), photo(451, 452)))
    assert signals == [("PHOTO-MISSING", "violation"), ("RENAMED", "suspicion")]


def test_photos_of_two_cameras_are_two_series() -> None:
    assert found(photo(450, IFD0_Model="A"), photo(600, IFD0_Model="B")) == []


def test_a_raw_file_beside_its_jpeg_is_normal() -> None:
    raw = Picture("card/IMG_0450.CR2", 100, "photos", metadata=Metadata({"IFD0:Model": "Sample"}))
    assert found(photo(450), raw, photo(451)) == []
