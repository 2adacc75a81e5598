from datetime import UTC, datetime

from pipeline.casework.retention import keep_until, lock_until, retention_class
from pipeline.policy import RetentionPolicy
from storage.records import CaseFlag, RetentionClass


def test_any_ground_of_keep_long_makes_it_long_term() -> None:
    assert retention_class([]) is RetentionClass.FIVE_YEARS
    for flag in CaseFlag:
        assert retention_class([flag]) is RetentionClass.LONG_TERM


def test_five_years_are_calendar_years() -> None:
    start = datetime(2026, 11, 20, 9, tzinfo=UTC)
    assert keep_until(RetentionClass.FIVE_YEARS, start, RetentionPolicy()) == datetime(2031, 11, 20, 9, tzinfo=UTC)


def test_a_leap_day_ends_on_the_first_of_march() -> None:
    leap = datetime(2028, 2, 29, tzinfo=UTC)
    assert keep_until(RetentionClass.FIVE_YEARS, leap, RetentionPolicy()) == datetime(2033, 3, 1, tzinfo=UTC)


def test_long_term_is_for_good_unless_the_policy_says_otherwise() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert keep_until(RetentionClass.LONG_TERM, start, RetentionPolicy()) is None
    thirty = RetentionPolicy(long_term_years=30)
    assert keep_until(RetentionClass.LONG_TERM, start, thirty) == datetime(2056, 1, 1, tzinfo=UTC)


def test_a_store_is_given_a_date_even_for_good() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert lock_until(RetentionClass.LONG_TERM, start, RetentionPolicy()) == datetime(2126, 1, 1, tzinfo=UTC)
    assert lock_until(RetentionClass.FIVE_YEARS, start, RetentionPolicy()) == datetime(2031, 1, 1, tzinfo=UTC)
