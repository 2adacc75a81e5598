"""Segments of one recording beyond numbers and dates: exchanged, copied, of another device, apart by the receiver."""

from __future__ import annotations

from array import array
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import segments, series
from pipeline.continuity.model import Counter, Fix, Picture, Telemetry
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video

START = 1_700_000_000


def segment(number: int, start: float, seconds: float = 10.0, *, sizes: int | None = None, **facts: Any) -> Picture:
    track = video(steady(seconds))
    seed = sizes if sizes is not None else number
    for n in range(len(track.packets.size)):
        track.packets.size[n] = 500 + (n * 37 + seed * 101) % 1999
    structure = boxes(track_box(), created=START + round(start))
    return picture(track, name=f"LH00012_20231114221320_{number:04d}.MP4", boxes=structure, **facts)


def found(*pictures: Picture) -> list[Finding]:
    return [f for each in series.group(pictures) for check in segments.CHECKS for f in check(each, LIMITS)]


def test_segments_in_their_places_are_fine() -> None:
    assert found(segment(1, 0), segment(2, 10), segment(3, 20, 4)) == []


def test_segments_whose_names_were_exchanged() -> None:
    (exchanged,) = found(segment(1, 0), segment(2, 20), segment(3, 10, 4))
    assert told([exchanged]) == [("SEGMENT-ORDER", "violation")] and "10" in exchanged.zh


def test_a_copy_of_another_segment() -> None:
    signals = [signal for signal, _ in told(found(segment(1, 0), segment(2, 10, sizes=1)))]
    assert signals == ["SAME-CONTENT"]


def test_uncompressed_sound_has_no_sizes_of_its_own() -> None:
    a, b = segment(1, 0), segment(2, 10)
    for each in (a, b):
        each.tracks[0].packets.size[:] = array("i", [4096] * len(each.tracks[0].packets.size))
    assert found(a, b) == []


def test_a_segment_of_another_model() -> None:
    one, other = ({"UserData:Model": name} for name in ("Cam A", "Cam B"))
    (strange,) = found(segment(1, 0, tags=one), segment(2, 10, 4, tags=other))
    assert told([strange]) == [("DEVICE-CHANGED", "violation")]


def at(start: float) -> Telemetry:
    return Telemetry(tuple(Fix(float(n), START + start + n, True) for n in range(10)))


def test_the_receiver_knows_of_time_between_segments() -> None:
    assert found(segment(1, 0, telemetry=at(0)), segment(2, 10, 4, telemetry=at(11))) == []
    (gap,) = found(segment(1, 0, telemetry=at(0)), segment(2, 10, 4, telemetry=at(70)))
    assert told([gap]) == [("SEGMENT-GPS-GAP", "suspicion")] and gap.evidence["gap"] == 60.0


def counts(first: int, total: int) -> Telemetry:
    return Telemetry(counters=tuple(Counter(3, sensor, first, total) for sensor in ("ACCL", "GYRO")))


def test_counts_that_go_through_the_segments() -> None:
    first = segment(1, 0, telemetry=counts(0, 2000))
    assert found(first, segment(2, 10, 4, telemetry=counts(2000, 2800))) == []
    assert found(first, segment(2, 10, 4, telemetry=counts(0, 800))) == [], "begins anew in every segment"
    jumped = found(first, segment(2, 10, 4, telemetry=counts(2400, 3200)))
    assert told(jumped) == [("SEGMENT-COUNT", "suspicion")]


def test_a_last_segment_as_long_as_the_others_is_context() -> None:
    assert told(found(segment(1, 0), segment(2, 10), segment(3, 20))) == [("SEGMENTS-AFTER", "note")]


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 90)), min_size=2, max_size=6))
def test_any_order_of_segments_is_looked_at_without_failing(parts: list[tuple[int, int]]) -> None:
    assert all(finding.zh for finding in found(*(segment(number, start, 2.0) for number, start in parts)))
