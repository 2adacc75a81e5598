"""Coverage of an activity: words, zones, rounding, and what a report says was recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline import activity
from pipeline.casework.coverage import Span, coverage, finding_span, recorded_spans
from storage.errors import Refused

ZONE = ZoneInfo("Asia/Shanghai")
START = datetime(2026, 11, 18, 9, 30, tzinfo=ZONE)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def test_a_hole_is_told_in_the_activitys_own_time() -> None:
    recorded = [Span(at(0).astimezone(UTC), at(10)), Span(at(12), at(30))]
    (gap,) = coverage(START, at(30), recorded).gaps
    assert gap.zh == "09:40:00 至 09:42:00 没有设备录制（0:02:00）。"
    assert gap.en == "no device recorded from 09:40:00 to 09:42:00 (0:02:00)"


def test_two_devices_cover_for_each_other() -> None:
    found = coverage(START, at(30), [Span(at(0), at(20), "LH1"), Span(at(15), at(40), "LH2")])
    assert found.whole and found.covered_fraction == 1.0
    assert found.covered == (Span(at(0), at(30), "LH1、LH2"),)


def test_an_excused_break_is_out_of_the_account() -> None:
    found = coverage(START, at(30), [Span(at(0), at(10)), Span(at(20), at(30))], [Span(at(10), at(20), "涉密场所")])
    assert found.whole and found.covered_fraction == 1.0
    assert found.excused == (Span(at(10), at(20), "涉密场所"),)


def test_rounding_of_dates_is_no_hole() -> None:
    recorded = [Span(at(0), at(10)), Span(at(10) + timedelta(seconds=1), at(30))]
    assert coverage(START, at(30), recorded).whole


def test_over_midnight_days_are_named() -> None:
    (gap,) = coverage(START, START + timedelta(days=1), []).gaps
    assert "2026-11-18 09:30:00 至 2026-11-19 09:30:00" in gap.zh


def test_an_activity_has_an_order_and_a_zone() -> None:
    with pytest.raises(ValueError):
        coverage(at(1), at(0), [])
    with pytest.raises(ValueError):
        coverage(datetime(2026, 1, 1), datetime(2026, 1, 2), [])  # noqa: DTZ001


def file(created: str | None, seconds: float, *findings: dict[str, Any], kind: str = "video") -> dict[str, Any]:
    media = {"created": created, "duration": seconds, "kind": kind}
    return {"path": "a.mp4", "media": media, "findings": list(findings)}


GAP = {"code": "REC-CONTINUOUS/GAP-PTS", "severity": "violation", "start": 60.0, "end": 90.0}


def test_a_report_tells_what_was_recorded_and_where_it_proves_a_hole() -> None:
    report = {
        "files": [
            file("2026-11-18T01:30:00.000Z", 120, GAP),
            file(None, 9),
            file("2026-11-18T01:30:00Z", 1, kind="photos"),
        ]
    }
    assert recorded_spans(report) == [Span(at(0), at(1), "a.mp4"), Span(at(1.5), at(2), "a.mp4")]
    assert finding_span(report["files"][0], GAP) == Span(at(1), at(1.5))
    assert finding_span(report["files"][1], GAP) is None


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-11-18T09:30/2026-11-18T10:00", at(30)),
        ("2026-11-18T09:30/10:00", at(30)),
        ("2026-11-18 09:30:00/10:00:00", at(30)),
        ("2026-11-18T01:30:00Z/2026-11-18T02:00:00Z", at(30)),
    ],
)
def test_how_an_activity_is_written(text: str, end: datetime) -> None:
    assert activity.parse(text, ZONE) == (START, end)


@pytest.mark.parametrize(
    "text", ["", "2026-11-18T09:30", "a/b", "2026-11-18T10:00/09:00", "2026-11-18T10:00/", "09:00/10:00"]
)
def test_an_unclear_activity_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        activity.parse(text, ZONE)


def test_a_camera_that_writes_local_time_into_its_headers() -> None:
    report = {"files": [file("2026-11-18T09:30:00.000Z", 1800)]}
    found, local = activity.of_report(report, at(0), at(30))
    assert local and found.whole
    found, local = activity.of_report({"files": [file("2026-11-18T01:30:00.000Z", 1800)]}, at(0), at(30))
    assert not local and found.whole
    found, local = activity.of_report({"files": []}, at(0), at(30))
    assert not local and found.covered_fraction == 0.0
