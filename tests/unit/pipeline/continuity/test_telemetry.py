"""Sensors against footage: counts that do not go on, a receiver's clock that steps or drifts."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import telemetry
from pipeline.continuity.model import Break, Counter, Fix, Packets, Picture, Stream, Telemetry, Track
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video

NOON = 1_700_000_000.0


def sensors(count: int, step: float = 1.0, start: float = 0.0) -> Track:
    """A data track with a packet every `step` seconds."""
    times = array("q", [round((start + n * step) * 1000) for n in range(count)])
    columns = [array("q", [round(step * 1000)] * count), array("q", range(count)), array("i", [9] * count)]
    packets = Packets(times, times, *columns, array("B", bytes(count)))
    return Track(Stream(3, "data", "", (1, 1000), count), packets)


def film(*fixes: Fix, counters: tuple[Counter, ...] = (), seconds: float = 20, **facts: Any) -> Picture:
    tracks = (video(steady(seconds)), *facts.pop("tracks", ()))
    return picture(*tracks, telemetry=Telemetry(fixes, counters), **facts)


def found(file: Picture) -> list[Finding]:
    return [finding for check in telemetry.CHECKS for finding in check(file, LIMITS)]


def clock(*pairs: tuple[float, float]) -> list[Fix]:
    return [Fix(at, NOON + time, True) for at, time in pairs]


def test_a_receiver_that_keeps_step_is_fine() -> None:
    assert found(film(*clock(*((n * 1.001, n * 1.0) for n in range(20))))) == []


def test_a_receiver_that_steps_when_it_finds_satellites_is_fine() -> None:
    """As in a genuine GoPro MAX: 2.47 s within the first second."""
    assert found(film(*clock((0, 0), (1.001, 2.47), (2.002, 3.46), (3.003, 4.45)))) == []


def test_losing_the_satellites_for_a_while_is_fine() -> None:
    assert found(film(*clock((0, 0), (1, 1), (2, 2), (12, 12), (13, 13)))) == []


def test_a_receiver_that_repeats_its_last_time_without_satellites_is_fine() -> None:
    assert found(film(*clock((0, 0), (1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 6), (7, 7)))) == []


def test_times_without_a_position_are_not_believed() -> None:
    early = [Fix(0.0, NOON - 500, False), Fix(1.0, NOON - 499, False)]
    assert found(film(*early, *clock((2, 2), (3, 3), (4, 4)))) == []


@pytest.mark.parametrize(("jump", "word"), [(6.0, "missing"), (-6.0, "foreign")])
def test_footage_taken_out_or_put_in_is_located(jump: float, word: str) -> None:
    (step,) = found(film(*clock((0, 0), (1, 1), (2, 2), (3, 3 + jump), (4, 4 + jump))))
    assert told([step]) == [("GPS-STEP", "suspicion")] and (step.start, step.end) == (2.0, 3.0)
    assert word in step.en and "6.0" in step.zh


def test_footage_that_was_slowed_down_drifts() -> None:
    (drift,) = found(film(*clock(*((n * 1.25, n * 1.0) for n in range(20)))))
    assert told([drift]) == [("GPS-DRIFT", "suspicion")] and drift.evidence["drift"] < -3


def test_positions_without_a_place_on_the_timeline_still_cover_too_much() -> None:
    placeless = [Fix(None, NOON + n, True) for n in range(40)]
    assert told(found(film(*placeless, seconds=20))) == [("GPS-DRIFT", "suspicion")]
    assert found(film(*placeless, seconds=40)) == []


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        (NOON, []),
        (NOON + 8 * 3600, []),
        (NOON + 8 * 3600 + 60, []),
        (NOON + 20, []),
        (NOON + 300, [("GPS-DATE", "note")]),
        (NOON - 3 * 86_400, [("GPS-DATE", "suspicion")]),
    ],
)
def test_the_header_date_against_the_receiver(created: float, expected: list[tuple[str, str]]) -> None:
    file = film(*clock((0, 0), (1, 1), (2, 2)), boxes=boxes(track_box(), created=int(created)))
    assert told(found(file)) == expected


def counter(sensor: str, *breaks: Break, first: int = 0) -> Counter:
    return Counter(3, sensor, first, 2000, breaks)


def test_two_sensors_that_break_in_one_place_prove_it() -> None:
    broken = Break(4, 4.0, 800, 1400)
    counters = (counter("ACCL", broken), counter("GYRO", broken), counter("SHUT"))
    (finding,) = found(film(counters=counters, tracks=[sensors(20)]))
    assert told([finding]) == [("TELEMETRY-COUNT", "violation")] and (finding.start, finding.end) == (3.0, 5.0)
    assert "600" in finding.zh and finding.evidence["sensors"]["GYRO"] == {"expected": 800, "found": 1400}


def test_one_sensor_of_several_may_have_failed() -> None:
    counters = (counter("ACCL", Break(4, 4.0, 800, 1400)), counter("GYRO"))
    assert told(found(film(counters=counters, tracks=[sensors(20)]))) == [("TELEMETRY-COUNT", "suspicion")]


def test_a_count_that_had_begun_before_the_file_is_a_suspicion() -> None:
    counters = (counter("ACCL", first=600), counter("GYRO", first=1200))
    assert told(found(film(counters=counters, tracks=[sensors(20)]))) == [("TELEMETRY-HEAD", "suspicion")]
    assert found(film(counters=counters, tracks=[sensors(20)], name="GH020123.MP4")) == [], "a later chapter"


def test_sensors_and_footage_of_different_lengths() -> None:
    longer = film(counters=(counter("ACCL"),), tracks=[sensors(30)])
    assert [(f.start, f.end) for f in found(longer)] == [(20.0, 30.0)]
    assert told(found(film(counters=(counter("ACCL"),), tracks=[sensors(10)]))) == [("TELEMETRY-SPAN", "suspicion")]
    assert found(film(counters=(counter("ACCL"),), tracks=[sensors(22)])) == [], "within the margin"


def test_footage_put_in_has_no_sensor_data() -> None:
    track = sensors(20)
    for n in range(8, 20):
        track.packets.pts[n] += 6000
    (pause,) = found(film(counters=(counter("ACCL"),), tracks=[track], seconds=26))
    assert told([pause]) == [("TELEMETRY-SPAN", "suspicion")] and (pause.start, pause.end) == (8.0, 14.0)


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 2e9), st.sampled_from([True, False, None])), max_size=30))
def test_any_positions_are_looked_at_without_failing(points: list[tuple[float, float, bool | None]]) -> None:
    file = film(*(Fix(at, time, locked) for at, time, locked in points), boxes=boxes(track_box()))
    assert all(finding.zh and finding.en for finding in found(file))
