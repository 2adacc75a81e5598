"""Working days by the State Council's notices, those typed in, and what is said of years nobody knows yet."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from pipeline.casework.workdays import Calendar, Reckoned
from pipeline.policy import CalendarPolicy, Notice

SHANGHAI = ZoneInfo("Asia/Shanghai")
PLAIN = Calendar(SHANGHAI)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        ((2026, 2, 13), True),  # a Friday
        ((2026, 2, 14), True),  # Saturday, worked for the Spring Festival
        ((2026, 2, 15), False),
        ((2026, 2, 16), False),  # Spring Festival, Monday to the next Monday
        ((2026, 2, 23), False),
        ((2026, 2, 24), True),
        ((2026, 2, 28), True),  # Saturday, worked for it too
        ((2026, 9, 20), True),  # Sunday, worked for the National Day
        ((2026, 10, 1), False),
        ((2026, 10, 7), False),
        ((2026, 10, 8), True),
        ((2026, 10, 10), True),  # Saturday, worked
        ((2026, 10, 11), False),
        ((2026, 1, 1), False),
        ((2026, 1, 4), True),  # Sunday, worked for New Year
        ((2026, 12, 31), True),
    ],
)
def test_holidays_of_2026_and_the_days_worked_for_them(day: tuple[int, int, int], works: bool) -> None:
    assert PLAIN.is_working(date(*day)) is works
    assert PLAIN.is_known(date(*day))


@pytest.mark.parametrize(
    ("since", "count", "until"),
    [
        ((2026, 2, 12), 3, (2026, 2, 24)),  # 13th, the worked Saturday, then after the festival
        ((2026, 2, 27), 3, (2026, 3, 3)),  # the worked Saturday 28th, Monday, Tuesday
        ((2026, 9, 30), 3, (2026, 10, 10)),  # 8th, 9th, worked Saturday
        ((2026, 11, 20), 3, (2026, 11, 25)),  # a Friday
        ((2026, 11, 21), 1, (2026, 11, 23)),  # a Saturday
        ((2025, 12, 31), 3, (2026, 1, 6)),  # over New Year: the worked Sunday 4th, 5th, 6th
    ],
)
def test_counting_leaves_the_first_day_out(
    since: tuple[int, int, int], count: int, until: tuple[int, int, int]
) -> None:
    assert PLAIN.working_day_after(date(*since), count) == Reckoned(date(*until), estimated=False)


def test_a_year_without_a_notice_is_counted_by_the_week_and_says_so() -> None:
    over = PLAIN.working_day_after(date(2026, 12, 30), 3)
    assert over == Reckoned(date(2027, 1, 4), estimated=True)  # 31st, Friday the 1st (perhaps off), Monday
    assert not PLAIN.is_known(date(2003, 12, 31))
    assert PLAIN.working_day_after(date(2026, 12, 30), 1) == Reckoned(date(2026, 12, 31), estimated=False)


def typed(**year: object) -> Calendar:
    notice = {"rule": "国办发明电〔2026〕7号", **year}
    return Calendar(SHANGHAI, CalendarPolicy.model_validate({"notices": [notice]}).notices)


def test_a_notice_typed_in_makes_its_year_known() -> None:
    calendar = typed(year=2027, days_off=["2027-01-01..2027-01-03"], working_days=[date(2027, 1, 9)])
    assert calendar.working_day_after(date(2026, 12, 30), 3) == Reckoned(date(2027, 1, 5), estimated=False)
    assert calendar.is_working(date(2027, 1, 9)) and not calendar.is_working(date(2027, 1, 10))


def test_single_days_typed_in_change_nothing_else() -> None:
    calendar = typed(days_off=["2026-11-23"])
    assert not calendar.is_working(date(2026, 11, 23))
    assert not calendar.is_working(date(2026, 10, 1)) and calendar.is_working(date(2026, 11, 24))
    assert not calendar.is_known(date(2027, 11, 23))


@pytest.mark.parametrize(
    "wrong",
    [
        {"rule": ""},
        {"rule": "x", "days_off": ["2027-02-30"]},
        {"rule": "x", "days_off": ["2027-01-05..2027-01-03"]},
        {"rule": "x", "days_off": ["2027-01-01..2028-01-03"]},
        {"rule": "x", "days_off": ["2027-01-01"], "working_days": ["2027-01-01"]},
        {"rule": "x", "holidays": []},
        {"days_off": ["2027-01-01"]},
        {"rule": "x", "days_off": "2027-01-01"},
    ],
)
def test_a_notice_with_a_mistake_in_it_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Notice.model_validate(wrong)


def test_less_than_one_day_is_no_period() -> None:
    with pytest.raises(ValueError, match="at least one"):
        PLAIN.working_day_after(date(2026, 1, 5), 0)
