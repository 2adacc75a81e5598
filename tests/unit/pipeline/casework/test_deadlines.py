"""Deadlines: what they are counted from, when they end, and that they hold in every time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.casework.deadlines import Basis, Deadlines, Rule, end_of_recording
from pipeline.casework.workdays import Calendar
from pipeline.policy import DeadlinePolicy

SHANGHAI = ZoneInfo("Asia/Shanghai")


def deadlines(zone: str = "Asia/Shanghai", **policy: int) -> Deadlines:
    return Deadlines(DeadlinePolicy.model_validate(policy), Calendar(ZoneInfo(zone)))


HERE = deadlines()


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SHANGHAI)  # type: ignore[misc,arg-type]


def test_the_day_ends_at_local_midnight() -> None:
    assert HERE.same_day(local(2026, 11, 20, 23, 59, 59)).due == local(2026, 11, 21)
    assert HERE.same_day(local(2026, 11, 21)).due == local(2026, 11, 22)


def test_a_hand_over_has_a_day_and_with_a_reason_three_working_days() -> None:
    end = local(2026, 11, 20, 17, 30)  # a Friday
    assert HERE.hand_over(end, Basis.RECORDING).due == local(2026, 11, 21, 17, 30)
    delayed = HERE.hand_over(end, Basis.RECORDING, delayed=True)
    assert (delayed.due, delayed.special, delayed.estimated) == (local(2026, 11, 26), True, False)


def test_a_reason_never_shortens_the_time() -> None:
    generous = deadlines(upload_hours=200)
    end = local(2026, 11, 17, 8)
    assert generous.hand_over(end, Basis.DOCKING, delayed=True).due == end + timedelta(hours=200)


def test_over_the_spring_festival() -> None:
    before = HERE.hand_over(local(2026, 2, 14, 20), Basis.RECORDING, delayed=True)  # the worked Saturday
    assert before.due == local(2026, 2, 27)  # 24th, 25th, 26th


def test_filing_takes_thirty_working_days() -> None:
    filed = HERE.file(local(2026, 9, 1, 10), Basis.CLOSING)  # with the worked days 20 September and 10 October
    assert (filed.rule, filed.due, filed.estimated) == (Rule.FILE_30WD, local(2026, 10, 20), False)
    assert HERE.file(local(2026, 12, 1, 10), Basis.CLOSING).estimated


def test_it_is_missed_from_its_very_moment() -> None:
    due = HERE.hand_over(local(2026, 11, 20, 17, 30), Basis.RECORDING)
    assert not due.missed(due.due - timedelta(milliseconds=1)) and due.missed(due.due)


def test_reminders_come_ahead_by_the_policy() -> None:
    end = local(2026, 11, 20, 17, 30)
    hand_over, filed = HERE.hand_over(end, Basis.DOCKING), HERE.file(end, Basis.RECORDING)
    assert HERE.soon(hand_over) == hand_over.due - timedelta(hours=4)
    assert HERE.calendar.working_day_after(HERE.day_of(HERE.soon(filed)) - timedelta(days=1), 5).day == (
        HERE.day_of(filed.due) - timedelta(days=1)
    )
    silent = deadlines(upload_soon_hours=0, file_soon_working_days=0)
    assert [silent.soon(each) for each in (hand_over, filed)] == [hand_over.due, filed.due]
    eager = deadlines(upload_soon_hours=300, file_soon_working_days=40)
    assert [eager.soon(each) for each in (hand_over, filed)] == [end, end]


@pytest.mark.parametrize("seconds", [None, -5.0, float("nan"), float("inf"), 1e300])
def test_an_impossible_length_counts_nothing(seconds: float | None) -> None:
    assert end_of_recording(local(2026, 11, 20), seconds) == local(2026, 11, 20)


MOMENTS = st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ZONES = st.sampled_from(
    ["Asia/Shanghai", "UTC", "America/New_York", "Asia/Kathmandu", "America/Sao_Paulo", "Pacific/Apia", "Asia/Beirut"]
)


@given(MOMENTS, ZONES)
def test_each_deadline_comes_after_what_it_is_counted_from(moment: datetime, zone: str) -> None:
    there = deadlines(zone)
    day, plain = there.same_day(moment), there.hand_over(moment, Basis.RECORDING)
    special, filed = there.hand_over(moment, Basis.RECORDING, delayed=True), there.file(moment, Basis.RECORDING)
    assert moment < day.due <= moment + timedelta(hours=26 if zone != "Pacific/Apia" else 50)
    assert plain.due - moment == timedelta(hours=24)
    assert plain.due <= special.due < filed.due
    assert all(moment <= there.soon(each) <= each.due for each in (day, plain, special, filed))


@given(MOMENTS, MOMENTS, ZONES)
def test_who_ends_later_is_due_no_earlier(one: datetime, other: datetime, zone: str) -> None:
    there = deadlines(zone)
    first, second = min(one, other), max(one, other)
    for count in (
        there.same_day,
        lambda moment: there.hand_over(moment, Basis.DOCKING, delayed=True),
        lambda moment: there.file(moment, Basis.CLOSING),
    ):
        assert count(first).due <= count(second).due


@given(st.dates(date(2005, 1, 1), date(2035, 1, 1)), st.integers(1, 60))
def test_the_last_day_works_and_exactly_so_many_do(day: date, count: int) -> None:
    calendar = HERE.calendar
    last = calendar.working_day_after(day, count)
    between = [day + timedelta(days=each) for each in range(1, (last.day - day).days + 1)]
    assert calendar.is_working(last.day)
    assert sum(map(calendar.is_working, between)) == count
    assert last.estimated is (not all(map(calendar.is_known, between)))
