"""What the counters and clocks of a transport stream prove. Packet n of the film stands at byte 100 n."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.continuity import transport
from pipeline.continuity.structure import ClockStep, CounterBreak, Structure, TableChange, Transport
from storage.records import Finding
from tests.support.pictures import LIMITS, picture, steady, told, video

FILM = video(steady(10))


def found(seconds: list[float] | None = None, **facts: Any) -> list[Finding]:
    structure = Structure("mpegts", transport=Transport(188, 2000, **facts))
    file = picture(video(seconds) if seconds else FILM, structure=structure)
    return [finding for check in transport.CHECKS for finding in check(file, LIMITS)]


def broken(*pids: int, packet: int = 800, offset: int = 10_000) -> tuple[CounterBreak, ...]:
    return tuple(CounterBreak(pid, packet + n, offset + 100 * n, 1, 9) for n, pid in enumerate(pids))


def step(
    seconds: float, *, packet: int = 803, offset: int = 10_100, usual: float = 0.04, declared: bool = False
) -> ClockStep:
    return ClockStep(256, packet, offset, seconds, usual, declared)


def test_a_whole_stream_and_none_tell_nothing() -> None:
    assert found() == []
    assert [finding for check in transport.CHECKS for finding in check(picture(FILM), LIMITS)] == []


def test_counters_that_break_together_are_a_cut() -> None:
    (cut,) = found(breaks=broken(0, 256, 257))
    assert told([cut]) == [("TS-COUNTER", "violation")] and (cut.start, cut.end) == (3.96, 4.0)


def test_one_counter_and_the_clock_are_a_cut_too() -> None:
    (cut,) = found(breaks=broken(256), clock=(step(3.0),))
    assert told([cut]) == [("TS-COUNTER", "violation")] and cut.evidence["clock_step"] == 3.0


def test_one_counter_alone_is_a_lost_packet() -> None:
    assert told(found(breaks=broken(256))) == [("TS-COUNTER", "suspicion")]


def test_breaks_far_apart_are_two_places() -> None:
    findings = found(breaks=broken(256, 257) + broken(256, 257, packet=1500, offset=20_000))
    assert [finding.start for finding in findings] == [3.96, 7.96]


def test_a_join_is_where_time_runs_back() -> None:
    (join,) = found([*steady(4), *steady(6)], breaks=broken(256, 257), clock=(step(-4.0),))
    assert told([join]) == [("TS-COUNTER", "violation")]


@pytest.mark.parametrize(
    ("seconds", "declared", "expected"),
    [
        (-0.027, False, "note"),
        (-0.3, False, "suspicion"),
        (-5.0, False, "violation"),
        (-5.0, True, "suspicion"),
        (0.3, False, None),
        (2.0, False, "suspicion"),
    ],
)
def test_clocks_that_step_alone(seconds: float, declared: bool, expected: str | None) -> None:
    """A broadcast multiplexer once stepped back 27 ms; a leap that the pictures don't share proves no gap."""
    findings = found(clock=(step(seconds, declared=declared),))
    assert told(findings) == ([("TS-CLOCK", expected)] if expected else [])


def test_a_leap_that_the_pictures_share_is_a_cut() -> None:
    (leap,) = found([*steady(4), *steady(4, start=7)], clock=(step(3.0, offset=10_000),))
    assert told([leap]) == [("TS-CLOCK", "violation")] and (leap.start, leap.end) == (3.96, 7.0)


def test_a_clock_that_comes_rarely_does_not_leap() -> None:
    assert found(clock=(step(2.0, usual=1.0),)) == []


def test_arrival_and_programme_clock_disagree() -> None:
    assert told(found(disagreements=(step(5.0),))) == [("ARRIVAL-CLOCK", "violation")]
    assert told(found(disagreements=(step(5.0, declared=True),))) == [("ARRIVAL-CLOCK", "suspicion")]
    assert told(found(disagreements=(step(0.2),))) == [("ARRIVAL-CLOCK", "suspicion")]
    assert found(disagreements=(step(0.02),)) == []


def test_arrival_times_that_leap() -> None:
    assert told(found(arrival=(step(2.0),))) == [("ARRIVAL-CLOCK", "suspicion")]
    assert found(arrival=(step(0.2),)) == []


def test_tables_that_change() -> None:
    (change,) = found(tables=(TableChange(4096, 900, 12_000, 1, 0),))
    assert told([change]) == [("TS-TABLES", "suspicion")] and change.start == 4.8


def test_what_is_no_packet_or_half_of_one() -> None:
    assert told(found(lost=((9000, 77),), lost_count=1)) == [("TS-SYNC", "suspicion")]
    assert told(found(rest=77)) == [("TRUNCATED", "suspicion")]
    assert told(found(headless=(256,))) == [("HEAD-CUT", "suspicion")]
    assert told(found(headless=(256,), lost=((0, 77),), lost_count=1)) == [("TS-SYNC", "suspicion")]
    assert told(found(errors=3)) == [("DAMAGED", "suspicion")]
    assert told(found(stopped="too many")) == [("READ-STOPPED", "suspicion")]
    assert found(padding=5000) == []
