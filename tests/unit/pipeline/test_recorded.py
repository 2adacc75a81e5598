"""An activity's account over the devices of stored recordings: gaps, accepted breaks, cameras in local time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.recorded import of
from storage.catalogue.tables import Excuse, Recording
from storage.errors import Refused

ZONE = ZoneInfo("Asia/Shanghai")
NINE = datetime(2026, 11, 18, 9, tzinfo=ZONE)
TEN = NINE + timedelta(hours=1)


def finding(code: str, start: float | None, end: float | None) -> dict[str, Any]:
    return {"code": code, "severity": "violation", "start": start, "end": end, "zh": "缺", "en": "gone", "evidence": {}}


def recording(
    name: str, device: str, minute: float, minutes: float, *findings: dict[str, Any], received: float = 600.0
) -> Recording:
    """Begins so many minutes after nine; received `received` minutes after nine."""
    start = NINE + timedelta(minutes=minute)
    media = {"created": start.isoformat(), "duration": minutes * 60, "kind": "video"}
    file = {"path": f"{name}.MP4", "media": media, "findings": [*findings]}
    return Recording(
        id=name, device_serial=device, started=start, duration=minutes * 60,
        received=NINE + timedelta(minutes=received), report={"files": [file], "series": []},
    )  # fmt: skip


def excuse(recording: str, code: str) -> Excuse:
    return Excuse(recording_id=recording, finding_code=code, text="进入防爆区域", accepted=True)


def minutes(spans: Any) -> list[tuple[float, float]]:
    return [((each.start - NINE) / timedelta(minutes=1), (each.end - NINE) / timedelta(minutes=1)) for each in spans]


def test_what_no_device_recorded_is_a_gap_and_one_covers_for_the_other() -> None:
    found = of(NINE, TEN, [recording("a", "A", 0, 30), recording("b", "B", 20, 20)], [])
    assert minutes(found.coverage.gaps) == [(40, 60)]
    assert [(lane.device, minutes(lane.spans)) for lane in found.lanes] == [("A", [(0, 30)]), ("B", [(20, 40)])]


GAP = finding("REC-CONTINUOUS/GAP-PTS", 600, 900)


def test_a_hole_in_a_recording_is_a_gap_until_its_explanation_is_accepted() -> None:
    holed = recording("a", "A", 0, 60, GAP)
    assert minutes(of(NINE, TEN, [holed], []).coverage.gaps) == [(10, 15)]
    found = of(NINE, TEN, [holed], [excuse("a", GAP["code"])])
    assert found.coverage.whole and minutes(found.coverage.excused) == [(10, 15)]
    assert [(each.recording.id, each.excuse.text) for each in found.breaks] == [("a", "进入防爆区域")]


def test_another_recordings_explanation_excuses_nothing() -> None:
    rows = [recording("a", "A", 0, 60, GAP), recording("b", "B", 0, 10)]
    assert minutes(of(NINE, TEN, rows, [excuse("b", GAP["code"])]).coverage.gaps) == [(10, 15)]


def test_a_break_between_segments_counts_from_the_first_one() -> None:
    first = recording("a", "A", 0, 20)
    report = first.report or {}
    later = {**report["files"][0], "path": "a2.MP4"}
    later["media"] = later["media"] | {"created": (NINE + timedelta(minutes=30)).isoformat()}
    between = {"files": ["a.MP4", "a2.MP4"], "findings": [finding("REC-CONTINUOUS/SEGMENT-GAP", 1200, 1800)]}
    first.report = {"files": [*report["files"], later], "series": [between]}
    found = of(NINE, TEN, [first], [excuse("a", "REC-CONTINUOUS/SEGMENT-GAP")])
    assert minutes(found.coverage.gaps) == [(50, 60)] and minutes(found.coverage.excused) == [(20, 30)]


def test_dates_that_lie_after_the_receipt_are_local_time() -> None:
    """The camera writes 09:00 of its own clock as if it were UTC: eight hours late."""
    eight = 8 * 60
    found = of(NINE, TEN, [recording("a", "A", eight, 60, received=90)], [])
    assert found.coverage.whole and found.lanes[0].local
    afternoon = recording("a", "A", eight, 60, received=eight + 120)
    assert not of(NINE, TEN, [afternoon], []).coverage.whole, "a true recording of the afternoon covers no morning"
    assert of(NINE, TEN, [afternoon], [], local=True).coverage.whole


def test_what_has_no_date_is_told_and_not_counted() -> None:
    bare = recording("a", "A", 0, 60)
    bare.report, bare.started = None, None
    found = of(NINE, TEN, [bare], [])
    assert [each.id for each in found.undated] == ["a"] and minutes(found.coverage.gaps) == [(0, 60)]


@pytest.mark.parametrize("end", [NINE, NINE - timedelta(hours=1), NINE + timedelta(days=8)])
def test_an_impossible_activity_is_refused(end: datetime) -> None:
    with pytest.raises(Refused):
        of(NINE, end, [], [])
