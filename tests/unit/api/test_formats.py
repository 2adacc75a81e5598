"""How figures are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from api.formats import day_end, day_start, duration, local_time, short, size, span

SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00:00"),
        (59.99, "0:00:59"),
        (60, "0:01:00"),
        (3661, "1:01:01"),
        (360_000, "100:00:00"),
        (None, "—"),
        (-1, "0:00:00"),
    ],
)
def test_durations(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_times_are_the_bureaus_to_the_second() -> None:
    assert local_time(datetime(2026, 11, 20, 17, 2, 3, 999_000, tzinfo=UTC), SHANGHAI) == "2026-11-21 01:02:03"
    assert local_time(None, SHANGHAI) == "—"


@pytest.mark.parametrize(
    ("start", "end", "shown"),
    [
        (None, None, "—"),
        (1, None, "0:00:01.0"),
        (4.96, 5.0, "0:00:05.0"),
        (1, 1.5, "0:00:01.0 – 0:00:01.5"),
        (1, 62, "0:00:01.0 – 0:01:02.0"),
    ],
)
def test_spans(start: float | None, end: float | None, shown: str) -> None:
    assert span(start, end) == shown


@pytest.mark.parametrize(
    ("count", "shown"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"), (5 << 40, "5.0 TiB")]
)
def test_sizes(count: int, shown: str) -> None:
    assert size(count) == shown


def test_digests() -> None:
    assert short("a" * 64) == "aaaaaaaaaaaa…"
    assert short("short") == "short"


def test_days() -> None:
    assert day_start("2026-11-20", SHANGHAI) == datetime(2026, 11, 19, 16, tzinfo=UTC)
    assert day_end("2026-11-20", SHANGHAI) == datetime(2026, 11, 20, 16, tzinfo=UTC)
    assert day_start("2026-13-01", SHANGHAI) is None
    assert day_end("9999-12-31", SHANGHAI) is None
    assert day_end("", SHANGHAI) is None
