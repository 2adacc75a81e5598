"""保管期限: how long a recording is kept, from the rules KEEP-5Y and KEEP-LONG. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from pipeline.policy import RetentionPolicy
from storage.records import CaseFlag, RetentionClass

FOR_GOOD_YEARS = 100


def retention_class(flags: Collection[CaseFlag]) -> RetentionClass:
    """KEEP-LONG: any one of its four grounds makes the case's recordings long-term; else KEEP-5Y."""
    return RetentionClass.LONG_TERM if flags else RetentionClass.FIVE_YEARS


def keep_until(retention: RetentionClass, start: datetime, policy: RetentionPolicy) -> datetime | None:
    """The first moment at which disposal may be asked for; None: never.

    `start` is the later of arrival and the case's closing. A 29 February start ends on 1 March.
    """
    years = policy.five_years_years if retention is RetentionClass.FIVE_YEARS else policy.long_term_years
    return None if years is None else _years_after(start, years)


def lock_until(retention: RetentionClass, start: datetime, policy: RetentionPolicy) -> datetime:
    """The date for the store's lock. Stores need one, so "for good" is written as a hundred years."""
    return keep_until(retention, start, policy) or _years_after(start, FOR_GOOD_YEARS)


def _years_after(start: datetime, years: int) -> datetime:
    try:
        return start.replace(year=start.year + years)
    except ValueError:  # 29 February
        return start.replace(year=start.year + years, month=3, day=1)
