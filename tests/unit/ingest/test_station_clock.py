"""What a manifest says of the clocks."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest import station_clock
from ingest.card import CardFile, list_card
from ingest.manifest import CameraClock
from ingest.station_clock import StationClock, camera_clock, kernel_clock

NOW = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)


def files(folder: Path, *moments: datetime) -> tuple[CardFile, ...]:
    for number, moment in enumerate(moments):
        (folder / f"{number}.MP4").write_bytes(b"")
        os.utime(folder / f"{number}.MP4", (0, moment.timestamp()))
    return list_card(folder).files


def test_the_kernel_says_whether_its_clock_is_synchronised() -> None:
    synchronised, error = kernel_clock()
    assert synchronised in (True, False)  # every Linux knows
    assert (error is not None) == synchronised
    assert error is None or 0 <= error < 1000


def test_a_clock_that_is_set_while_the_agent_runs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Setting the real one would disturb the machine: the difference of the two clocks stands in for it."""
    real, ahead = station_clock._lead, 0.0
    monkeypatch.setattr(station_clock, "_lead", lambda: real() + ahead)
    clock = StationClock()
    assert clock.line().jumped == 0
    ahead = 3600.0
    assert clock.line().jumped == pytest.approx(3600, abs=0.1)
    assert clock.line().jumped == pytest.approx(3600, abs=0.1), "counted once"
    ahead = -60.0
    assert clock.line().jumped == pytest.approx(-60, abs=0.1)


def test_a_camera_that_says_its_time_is_believed_to_the_millisecond(tmp_path: Path) -> None:
    said = camera_clock(files(tmp_path, NOW), "2026-11-20T01:02:00.500Z", NOW)
    assert said == CameraClock(offset=-2.5, bound="exact", source="device.json")


@pytest.mark.parametrize("said", ["", "yesterday", "2026-13-01T00:00:00Z"])
def test_else_the_newest_file_bounds_it_from_below(tmp_path: Path, said: str) -> None:
    taken = files(tmp_path, NOW - timedelta(hours=5), NOW + timedelta(minutes=3))
    assert camera_clock(taken, said, NOW) == CameraClock(offset=180.0, bound="at-least", source="newest-file")


def test_an_empty_card_tells_nothing(tmp_path: Path) -> None:
    assert camera_clock(files(tmp_path), "", NOW) is None
