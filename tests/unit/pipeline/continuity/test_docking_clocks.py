from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipeline.continuity.docking_clocks import DockingTimes, check_clocks

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)
RIGHT = DockingTimes("d2", "ST-01", NOON, NOON + timedelta(seconds=1))
STATION, CAMERA, NONCE = "REC-WHEN/DOCK-STATION-CLOCK", "REC-WHEN/DOCK-CAMERA-CLOCK", "REC-TRUE/DOCK-NONCE"


def found(times: DockingTimes) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in check_clocks(times)]


def test_clocks_that_agree_say_nothing() -> None:
    assert found(RIGHT) == []
    assert found(replace(RIGHT, jumped=1.5, camera=-30.0)) == []


def test_a_list_signed_after_it_came_shows_a_clock_that_is_ahead() -> None:
    assert found(replace(RIGHT, signed=NOON + timedelta(minutes=10))) == [(STATION, "suspicion")]


def test_a_list_that_came_late_is_innocent() -> None:
    assert found(replace(RIGHT, signed=NOON - timedelta(hours=9))) == []


def test_a_list_overtaken_by_one_signed_hours_later_shows_a_clock_set_back() -> None:
    other = ("d1", NOON - timedelta(hours=3), NOON - timedelta(hours=3))
    assert found(replace(RIGHT, signed=NOON - timedelta(hours=9), overtaken_by=other)) == [(STATION, "suspicion")]


def test_a_clock_put_right_after_it_was_ahead_does_not_tell_against_the_lists_after_it() -> None:
    other = ("d1", NOON + timedelta(days=1), NOON - timedelta(hours=3))
    assert found(replace(RIGHT, overtaken_by=other)) == []


def test_a_clock_that_was_set_while_the_station_ran_is_a_note() -> None:
    assert found(replace(RIGHT, jumped=-3600.0)) == [(STATION, "note")]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (300.0, [(CAMERA, "note")]),
        (-300.0, [(CAMERA, "note")]),
        (40_000.0, [(CAMERA, "suspicion")]),
        (8 * 3600.0, []),  # the camera keeps another zone
        (8 * 3600.0 + 300, [(CAMERA, "note")]),
        (-86400.0 * 400, [(CAMERA, "suspicion")]),
    ],
)
def test_the_cameras_clock_by_the_stations(seconds: float, expected: list[tuple[str, str]]) -> None:
    assert found(replace(RIGHT, camera=seconds)) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-3 * 86400.0, []),  # the last recording ended three days ago
        (-400.0, []),
        (7.8 * 3600, []),  # the card keeps the local time of UTC+8, the last recording ended 12 minutes ago
        (14 * 3600.0 + 60, []),
        (14 * 3600.0 + 200, [(CAMERA, "note")]),
        (86400.0, [(CAMERA, "suspicion")]),
    ],
)
def test_the_newest_file_bounds_the_cameras_clock_from_one_side_only(
    seconds: float, expected: list[tuple[str, str]]
) -> None:
    assert found(replace(RIGHT, camera=seconds, camera_bound="at-least")) == expected


def test_one_nonce_in_two_lists_is_told() -> None:
    assert found(replace(RIGHT, twin="d9")) == [(NONCE, "suspicion")]
