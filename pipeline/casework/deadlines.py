"""Deadlines 时限 of the rules UP-DAY, UP-24H and FILE-30WD (docs/rules.md says what each is counted from). Pure.

Moments are in UTC where they came in so; a deadline is the first moment at which it is too late. Days are those of the
bureau's time zone: a period of working days ends with its last one, at local midnight, and the day from which it is
counted does not count (民法典 第二百零一条).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from pipeline.casework.workdays import Calendar
from pipeline.policy import DeadlinePolicy


class Rule(StrEnum):
    UP_DAY = "UP-DAY"
    UP_24H = "UP-24H"
    FILE_30WD = "FILE-30WD"


class Basis(StrEnum):
    """What a deadline is counted from."""

    RECORDING = "recording"  # 录制结束: the recording's end, by its own clock
    DOCKING = "docking"  # 首次列入清单: the docking that first listed a file
    RECEIVED = "received"  # 入库: where a recording does not know its time
    CLOSING = "closing"  # 结案: the case's closing


@dataclass(frozen=True, slots=True)
class Deadline:
    """`due` is counted from `since`. `special`: the three working days of a recorded reason (table Delay).
    `estimated`: holidays on the way to it are not announced yet, so it may still move.
    """

    rule: Rule
    basis: Basis
    since: datetime
    due: datetime
    special: bool = False
    estimated: bool = False

    def missed(self, done: datetime) -> bool:
        """Whether what was done at `done` came too late; for what is not done yet, the present."""
        return done >= self.due


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The bureau's deadlines: its policy over its calendar."""

    policy: DeadlinePolicy
    calendar: Calendar

    def same_day(self, since: datetime, basis: Basis = Basis.RECORDING) -> Deadline:
        """UP-DAY: until the end of the local day of `since`."""
        due = self.calendar.end_of(self.calendar.local_day(since)).astimezone(UTC)
        return Deadline(Rule.UP_DAY, basis, since, due)

    def hand_over(self, since: datetime, basis: Basis, *, delayed: bool = False) -> Deadline:
        """UP-24H: so many hours after `since`; with a recorded reason, until the end of the third working day, if
        that is later."""
        due = since + timedelta(hours=self.policy.upload_hours)
        if not delayed:
            return Deadline(Rule.UP_24H, basis, since, due)
        last = self.calendar.working_day_after(self.day_of(since), self.policy.upload_special_working_days)
        special = self.calendar.end_of(last.day).astimezone(UTC)
        return Deadline(Rule.UP_24H, basis, since, max(due, special), special=True, estimated=last.estimated)

    def file(self, since: datetime, basis: Basis) -> Deadline:
        """FILE-30WD: until the end of the 30th working day after the local day of `since`."""
        last = self.calendar.working_day_after(self.day_of(since), self.policy.file_working_days)
        due = self.calendar.end_of(last.day).astimezone(UTC)
        return Deadline(Rule.FILE_30WD, basis, since, due, estimated=last.estimated)

    def day_of(self, since: datetime) -> date:
        """The local day that a reason for a delay is recorded for."""
        return self.calendar.local_day(since)

    def soon(self, deadline: Deadline) -> datetime:
        """When to remind of `deadline` ahead of it, never before it began; the deadline itself where the policy wants
        no such reminder."""
        if deadline.rule is not Rule.FILE_30WD:
            return max(deadline.since, deadline.due - timedelta(hours=self.policy.upload_soon_hours))
        if not self.policy.file_soon_working_days:
            return deadline.due
        ahead = self.policy.file_working_days - self.policy.file_soon_working_days
        if ahead < 1:
            return deadline.since
        last = self.calendar.working_day_after(self.day_of(deadline.since), ahead)
        return self.calendar.end_of(last.day).astimezone(UTC)


def end_of_recording(started: datetime, seconds: float | None) -> datetime:
    """The recording's end by its own clock; a length that is unknown or impossible counts nothing."""
    length = seconds if seconds is not None and 0 <= seconds < 366 * 86400 else 0.0
    return started + timedelta(seconds=length)
