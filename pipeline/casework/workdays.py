"""法定工作日: which days of the PRC are working days, from the State Council's yearly notices. Pure.

The notices come in three ways, the later over the earlier: Monday to Friday; the days that the package
`chinesecalendar` knows (2004 to its last year: holidays, and the Saturdays and Sundays worked in exchange); the notices
typed into the policy file. A year that neither the package nor a notice knows is counted Monday to Friday and every
answer that needed it says `estimated`: its holidays are not announced yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.policy import Notice

_DAY = timedelta(days=1)
_REMEMBERED = 10_000  # answers: lists ask for the same days again and again


@dataclass(frozen=True, slots=True)
class Reckoned:
    """A day that was counted to. `estimated`: a year on the way to it has no announced holidays yet."""

    day: date
    estimated: bool


class Calendar:
    """Working days in one time zone. `notices`: what the bureau typed in (policy `calendar.notices`)."""

    def __init__(self, zone: ZoneInfo, notices: Iterable[Notice] = ()) -> None:
        self.zone = zone
        self._typed: dict[date, bool] = {}
        self._years: set[int] = set()
        self._counted: dict[tuple[date, int], Reckoned] = {}
        for notice in notices:
            self._typed |= dict.fromkeys(notice.days_off, False) | dict.fromkeys(notice.working_days, True)
            if notice.year is not None:
                self._years.add(notice.year)

    def is_working(self, day: date) -> bool:
        if day in self._typed:
            return self._typed[day]
        known = None if day.year in self._years else _announced(day)
        return day.weekday() < 5 if known is None else known

    def is_known(self, day: date) -> bool:
        """Whether the day's holidays are announced, as far as the program was told."""
        return day in self._typed or day.year in self._years or _announced(day) is not None

    def working_day_after(self, day: date, count: int) -> Reckoned:
        """The `count`-th working day after `day`, which itself does not count. Raises ValueError for less than one,
        OverflowError beyond the year 9999."""
        if count < 1:
            raise ValueError("at least one working day")
        found = self._counted.get((day, count))
        if found is None:
            if len(self._counted) >= _REMEMBERED:
                self._counted.clear()
            found = self._counted[day, count] = self._count(day, count)
        return found

    def _count(self, day: date, count: int) -> Reckoned:
        estimated = False
        while count:
            day += _DAY
            estimated = estimated or not self.is_known(day)
            count -= self.is_working(day)
        return Reckoned(day, estimated)

    def local_day(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """The local midnight that ends `day`. Where the clocks skip it, the moment at which they do."""
        return datetime.combine(day + _DAY, time(), self.zone)


@lru_cache(maxsize=4096)
def _announced(day: date) -> bool | None:
    """What the package says of the day; None for a year that it does not know."""
    from chinese_calendar import is_workday  # its tables take a tenth of a second that most commands need not spend

    try:
        return bool(is_workday(day))
    except NotImplementedError:
        return None
