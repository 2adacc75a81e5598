"""The last picture of a segment against the first of the next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity import series, verdict
from pipeline.continuity.content import Content, Thumbnail
from pipeline.continuity.deep.boundary import segment_pictures
from pipeline.continuity.model import Picture
from tests.support.contents import sight
from tests.support.pictures import LIMITS, picture, steady, told, video


def place(seed: int) -> NDArray[np.float64]:
    """A picture with structure of its own."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(40, 200, (18, 32))
    return np.clip(coarse.repeat(5, axis=0).repeat(5, axis=1) + rng.normal(0, 2, (90, 160)), 0, 255)


def shown(values: NDArray[np.float64], step: float = 1.0) -> Thumbnail:
    return Thumbnail(160, 90, tuple(int(value) for value in values.ravel()), step)


def segment(number: int, first: Thumbnail | None, last: Thumbnail | None) -> Picture:
    seen = replace(sight(), first=first, last=last)
    name = f"LH00012_20231114221320_{number:04d}.MP4"
    return replace(picture(video(steady(10)), name=name), content=Content(sight=seen))


def found(*pictures: Picture) -> list[tuple[str, str]]:
    (whole,) = series.group(pictures)
    return told(list(segment_pictures(whole, LIMITS)))


def test_a_segment_that_goes_on_shows_the_same_place() -> None:
    moved = np.roll(place(1), (2, 5), axis=(0, 1)) * 0.8
    assert found(segment(1, None, shown(place(1))), segment(2, shown(moved), None)) == []


def test_a_segment_that_begins_elsewhere_is_a_suspicion() -> None:
    assert found(segment(1, None, shown(place(1))), segment(2, shown(place(2)), None)) == [
        ("SEGMENT-PICTURE", "suspicion")
    ]


def test_a_camera_that_moves_fast_sees_another_place_a_moment_later() -> None:
    assert found(segment(1, None, shown(place(1), 9.0)), segment(2, shown(place(2)), None)) == []


def test_where_a_segment_is_missing_that_is_what_is_said() -> None:
    assert found(segment(1, None, shown(place(1))), segment(3, shown(place(2)), None)) == []


def test_the_check_is_made_in_a_series_that_was_decoded() -> None:
    pictures = [segment(1, None, shown(place(1))), segment(2, shown(place(2)), None)]
    reports = [verdict.judge(each, "0" * 64, LIMITS) for each in pictures]
    (whole,) = verdict.judge_series(pictures, reports, LIMITS)
    assert "REC-CONTINUOUS/SEGMENT-PICTURE" in {finding.code for finding in whole.findings}
    plain = [replace(each, content=None) for each in pictures]
    (whole,) = verdict.judge_series(plain, reports, LIMITS)
    assert "REC-CONTINUOUS/SEGMENT-PICTURE" not in {finding.code for finding in whole.findings}
