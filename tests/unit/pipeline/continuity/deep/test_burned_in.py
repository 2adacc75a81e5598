from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from pipeline.continuity.content import Reading
from pipeline.continuity.deep.burned_in import clock_jumps, clock_speed, clock_stands
from pipeline.continuity.deep.clock_date import clock_date
from tests.support.contents import decoded, jump, readings, sight
from tests.support.pictures import LIMITS, boxes, picture, steady, told, video

START = int(datetime(2026, 11, 18, 9, 30, tzinfo=UTC).timestamp())
EACH = [float(time) for time in np.arange(0, 40, 0.8)]
FILM = picture(video(steady(40)))


def cut(at: float, missing: float) -> list[Reading]:
    """A clock that leaves out `missing` seconds at `at`."""
    before = readings(START, [time for time in EACH if time < at])
    return before + readings(START, [time for time in EACH if time >= at], offset=0.3 + missing)


def jumps(shown: list[Reading], **parts: object) -> list[tuple[str, str]]:
    return told(list(clock_jumps(decoded(FILM, clock=shown, **parts), LIMITS)))


def test_a_clock_that_goes_right_is_no_finding() -> None:
    film = decoded(FILM, clock=readings(START, EACH))
    for check in (clock_jumps, clock_stands, clock_speed, clock_date):
        assert list(check(film, LIMITS)) == []


@pytest.mark.parametrize("missing", [1.0, 3.0, 60.0, 3600.0, -5.0])
def test_a_jump_is_located_between_two_readings(missing: float) -> None:
    finding = next(iter(clock_jumps(decoded(FILM, clock=cut(20.0, missing)), LIMITS)))
    assert finding.code == "REC-CONTINUOUS/CLOCK-JUMP"
    assert finding.start is not None and finding.end is not None and 19.1 < finding.start <= 20.0 <= finding.end < 20.9
    assert abs(finding.evidence["jump"] - missing) < 1.1


def test_a_jump_borne_out_by_the_picture_is_a_violation_at_that_picture() -> None:
    film = decoded(FILM, clock=cut(20.0, 3.0), sight=sight(1000, breaks=(jump(19.84),)))
    finding = next(iter(clock_jumps(film, LIMITS)))
    assert finding.severity == "violation"
    assert (finding.start, finding.end) == (19.8, 19.84)


def test_a_jump_without_a_trace_elsewhere_may_be_a_clock_being_set() -> None:
    assert jumps(cut(20.0, 3.0)) == [("CLOCK-JUMP", "suspicion")]


def test_a_clock_that_is_set_for_the_first_time_is_a_note() -> None:
    unset = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp())
    before = readings(unset, [time for time in EACH if time < 20])
    assert jumps(before + readings(START, [time for time in EACH if time >= 20])) == [("CLOCK-JUMP", "note")]


def test_single_misreadings_are_passed_over() -> None:
    shown = readings(START, EACH)
    shown[10] = replace(shown[10], clock=(shown[10].clock or 0) + 30)
    shown[20] = replace(shown[20], clock=None, text="???")
    shown[30] = replace(shown[30], clock=START - 86_400)
    assert jumps(shown) == []


def test_one_figure_misread_for_a_while_is_passed_over() -> None:
    shown = [
        replace(reading, clock=(reading.clock or 0) + 300) if 10 < reading.time < 18 else reading
        for reading in readings(START, EACH)
    ]
    assert jumps(shown) == []


def test_a_clock_without_date_may_pass_midnight() -> None:
    day = 86_400
    shown = [replace(reading, clock=(reading.clock or 0) % day) for reading in readings(day - 15, EACH)]
    assert jumps(shown) == []


def test_a_clock_that_stands_is_a_suspicion() -> None:
    shown = [replace(each, clock=START + 10) if 10 <= each.time < 14 else each for each in readings(START, EACH)]
    found = list(clock_stands(decoded(FILM, clock=shown), LIMITS))
    assert told(found) == [("CLOCK-STANDS", "suspicion")]
    assert found[0].start is not None and abs(found[0].start - 10) < 1
    assert jumps(shown) == []


@pytest.mark.parametrize("speed", [0.8, 1.1, 1.25, 2.0])
def test_another_speed_is_measured_and_is_no_jump(speed: float) -> None:
    shown = [Reading(time, int(START + 0.3 + time * speed), "") for time in EACH]
    found = list(clock_speed(decoded(FILM, clock=shown), LIMITS))
    assert told(found) == [("CLOCK-SPEED", "suspicion")]
    assert abs(found[0].evidence["speed"] - speed) < 0.03
    assert jumps(shown) == []


def test_a_jump_is_no_other_speed() -> None:
    assert list(clock_speed(decoded(FILM, clock=cut(20.0, 3.0)), LIMITS)) == []


def dated(created: int) -> list[tuple[str, str]]:
    film = replace(FILM, boxes=boxes(created=created))
    return told(list(clock_date(decoded(film, clock=readings(START, EACH)), LIMITS)))


def test_the_clock_may_be_local_time() -> None:
    assert dated(START - 8 * 3600) == []
    assert dated(START - 8 * 3600 + 40) == []  # a camera that dates the end
    assert dated(START) == []


def test_another_date_than_the_files_is_a_suspicion() -> None:
    assert dated(START - 8 * 3600 + 400) == [("CLOCK-DATE", "suspicion")]
    assert dated(START + 40 * 86_400) == [("CLOCK-DATE", "suspicion")]


def test_a_clock_never_set_is_a_note() -> None:
    unset = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp())
    found = list(clock_date(decoded(FILM, clock=readings(unset, EACH)), LIMITS))
    assert told(found) == [("CLOCK-UNSET", "note")]


@pytest.mark.parametrize("at", [5.59, 12.3, 20.01, 31.0])
def test_a_second_left_out_is_placed_between_two_readings(at: float) -> None:
    """Readings that fit the clock before as well as the clock after don't move the place."""
    found = list(clock_jumps(decoded(FILM, clock=cut(at, 1.0)), LIMITS))
    assert told(found) == [("CLOCK-JUMP", "suspicion")]
    assert (found[0].start or 0) - 0.01 <= at <= (found[0].end or 0) + 0.01
    assert (found[0].end or 0) - (found[0].start or 0) < 2.5 and 0.5 < found[0].evidence["jump"] < 1.5


def test_a_year_misread_to_the_end_is_no_jump() -> None:
    year = 365 * 86_400
    before = readings(START, [time for time in EACH if time < 20])
    after = [replace(each, clock=(each.clock or 0) - year) for each in readings(START, EACH) if each.time >= 20]
    assert jumps(before + after) == []
    lost = [replace(each, clock=(each.clock or 0) + 7) for each in after]
    assert jumps(before + lost) != [], "seconds are missing, too"
