"""Photos of one camera against each other: saved again, redated, renumbered; folders, films among them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.continuity import photos, series
from pipeline.continuity.model import Jpeg, Metadata, Photo, Picture
from pipeline.continuity.verdict import SERIES_CHECKS
from storage.records import Finding
from tests.support.pictures import LIMITS, told

CODED = Jpeg(("APP1/Exif", "DQT", "SOF0", "DHT", "SOS"), 4000, 3000, "2x1,1x1,1x1", None, "aa", True, (160, 120))
SAVED = Jpeg(
    ("APP0/JFIF", "APP1/Exif", "DQT", "DQT", "SOF0", "DHT", "SOS"), 4000, 3000, "2x2,1x1,1x1", 90, "", True, None
)


def photo(number: int, coded: Jpeg = CODED, *, folder: str = "card", taken: str = "", **tags: Any) -> Picture:
    found = {"IFD0:Model": "Sample", "File:ExifByteOrder": "II", "Canon:FileNumber": 1_020_000 + number}
    found |= {key.replace("_", ":", 1): value for key, value in tags.items()}
    found["ExifIFD:DateTimeOriginal"] = taken or f"2026:11:18 09:{number % 60:02d}:00"
    return Picture(
        f"{folder}/IMG_{number:04d}.JPG",
        100,
        "photos",
        metadata=Metadata(found),
        photo=Photo("image/jpeg", True, coded),
    )


def found(*pictures: Picture, beside: tuple[str, ...] = ()) -> list[Finding]:
    return [f for each in series.group(pictures, beside) for check in SERIES_CHECKS for f in check(each, LIMITS)]


def odd(*pictures: Picture) -> list[str]:
    return [f.evidence["file"][-8:-4] for f in found(*pictures) if f.code == "UP-ORIGINAL/PHOTO-ODD"]


def test_photos_built_alike_are_fine() -> None:
    assert found(photo(1), photo(2), photo(3)) == []


def test_another_quality_or_size_is_a_setting() -> None:
    small = dataclasses.replace(CODED, width=2000, height=1500, quantisation="bb", quality=80)
    assert found(photo(1), photo(2, small), photo(3)) == []


def test_one_difference_is_a_mode_of_the_camera() -> None:
    assert found(photo(1), photo(2, dataclasses.replace(CODED, sampling="1x1,1x1,1x1")), photo(3)) == []


@pytest.mark.parametrize("saved", [{3}, {2, 3}, {1, 2, 4}])
def test_photos_saved_again_are_the_odd_ones_however_many(saved: set[int]) -> None:
    every = [photo(n, SAVED if n in saved else CODED) for n in (1, 2, 3, 4)]
    assert odd(*every) == [f"{n:04d}" for n in sorted(saved)]


def test_without_a_sign_of_saving_the_lesser_part_is_odd() -> None:
    other = dataclasses.replace(CODED, sampling="2x2,1x1,1x1", standard_huffman=False)
    assert odd(photo(1), photo(2, other), photo(3), photo(4)) == ["0002"]
    assert odd(photo(1), photo(2, other)) == ["0001", "0002"], "nobody knows which"


def test_lost_notes_of_the_maker_are_a_sign() -> None:
    bare = photo(2, dataclasses.replace(CODED, thumbnail=None))
    bare = dataclasses.replace(
        bare, metadata=Metadata({k: v for k, v in bare.metadata.tags.items() if not k.startswith("Canon")})
    )
    assert odd(photo(1), bare, photo(3)) == ["0002"]


def test_a_photo_taken_before_its_forerunner() -> None:
    back = photo(3, taken="2026:11:17 09:00:00")
    assert told(found(photo(2), back, photo(4))) == [("PHOTO-ORDER", "suspicion")]
    assert found(photo(2), photo(3, taken="2026:11:18 08:03:00"), photo(4, taken="2026:11:18 08:04:00")) == [], "DST"


def test_a_burst_within_one_second_is_fine() -> None:
    assert found(*(photo(n, taken="2026:11:18 09:00:00") for n in range(1, 6))) == []


def apple(number: int, run: float, taken: str) -> Picture:
    return photo(number, taken=taken, Apple_RunTimeValue=round(run * 1e9), Apple_RunTimeScale=1_000_000_000)


def test_an_iphones_run_time_can_t_outrun_the_calendar() -> None:
    first = apple(1, 1000.0, "2026:11:18 09:00:00")
    assert found(first, apple(2, 1060.0, "2026:11:18 09:01:00")) == []
    assert found(first, apple(2, 1010.0, "2026:11:18 09:01:00")) == [], "it slept in between"
    assert found(first, apple(2, 30.0, "2026:11:18 09:01:00")) == [], "it was started again"
    assert told(found(first, apple(2, 4600.0, "2026:11:18 09:01:00"))) == [("PHOTO-RUN-TIME", "suspicion")]
    assert told(found(first, apple(2, 900.0, "2026:11:18 09:01:00"))) == [("PHOTO-RUN-TIME", "suspicion")]


def test_a_number_that_a_film_bears_is_not_missing() -> None:
    film = Picture("card/MVI_0002.MOV", 100, "video")
    assert found(photo(1), film, photo(3)) == []
    assert found(photo(1), photo(3), beside=("card/MVI_0002.MOV",)) == []
    assert told(found(photo(1), photo(3), beside=("other/MVI_0002.MOV",))) == [("PHOTO-MISSING", "violation")]


def test_a_series_goes_on_in_the_next_folder() -> None:
    before, after = photo(98, folder="DCIM/100CANON"), photo(101, folder="DCIM/101CANON")
    (missing,) = found(before, after)
    assert missing.evidence["missing"] == [99, 100]
    assert found(before, photo(99, folder="DCIM/101CANON")) == []
    assert found(photo(99, folder="DCIM/100CANON"), photo(98, folder="DCIM/100CANON"), photo(1, folder="DCIM/101CANON"),
                 photo(2, folder="DCIM/101CANON")) == [], "numbers that begin again are another series"  # fmt: skip


def test_photos_of_other_formats_are_left_out() -> None:
    raw = dataclasses.replace(photo(2), photo=Photo("image/heic", None))
    assert [f for f in found(photo(1), raw, photo(3)) if f.code.endswith("ODD")] == []
    assert photos.CHECKS
