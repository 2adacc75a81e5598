"""Groups of pictures: strict patterns, and encoders without one."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import groups
from pipeline.continuity.model import KEY, Trace, Track
from storage.records import Finding
from tests.support.pictures import LIMITS, picture, steady, told, video


def track(sizes: list[int]) -> Track:
    """Groups of these lengths, 25 pictures a second."""
    bare = video(steady(sum(sizes) / 25), gop=10**9)
    for start in (0, *accumulate(sizes[:-1])):
        bare.packets.flags[start] = KEY
    return bare


def found(sizes: list[int]) -> list[Finding]:
    return list(groups.picture_groups(picture(track(sizes)), LIMITS))


@pytest.mark.parametrize(
    "sizes",
    [
        [25] * 20,
        [30, 30, 30, 29] * 6,
        [15, 14] * 12,
        [12, 12, 15, 12, 9] * 5,
        [7, *([25] * 20), 3],  # the first and the last are as they are
        [25] * 10 + [10, 15] + [25] * 10,  # a key picture more
        [25] * 5,  # too few
        [1] * 50,  # nothing but key pictures
    ],
)
def test_patterns_that_are_kept(sizes: list[int]) -> None:
    assert found(sizes) == []


@pytest.mark.parametrize("pattern", [[25], [30, 29], [30, 30, 30, 29]])
def test_one_odd_group_is_a_suspicion(pattern: list[int]) -> None:
    sizes = (pattern * 40)[:40]
    odd = [*sizes[:12], 11, *sizes[12:]]
    findings = found(odd)
    assert told(findings) == [("GOP-BREAK", "suspicion")]
    assert findings[0].evidence["pictures"] == 11 and findings[0].start == sum(odd[:12]) / 25


def test_a_cut_through_a_longer_pattern_is_one_break_though_it_shifts_the_pattern() -> None:
    sizes = [30, 30, 30, 29] * 8
    findings = found([*sizes[:9], 17, *sizes[14:]])
    assert [finding.evidence["pictures"] for finding in findings] == [17]


@given(st.lists(st.integers(2, 60), min_size=20, max_size=60, unique=True))
def test_encoders_without_a_pattern_are_left_alone(sizes: list[int]) -> None:
    assert found(sizes) == []


def test_key_pictures_at_scene_changes_are_no_break() -> None:
    assert found([50, 50, 12, 50, 33, 50, 41, 50, 50, 7, 50, 50, 28, 50]) == []


def test_encoders_that_are_known_to_adapt_are_left_alone() -> None:
    sizes = [25] * 12 + [11] + [25] * 12
    named = picture(track(sizes), traces=(Trace(0, 0, "x264 - core 164"),))
    assert list(groups.picture_groups(named, LIMITS)) == []
