"""What is late, and by when it is due: the catalogue's facts under the deadlines of the policy (UP-24H, FILE-30WD)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from pipeline.casework.deadlines import Basis, Deadline, Deadlines, end_of_recording
from pipeline.casework.workdays import Calendar
from pipeline.policy import Policy
from storage.catalogue import handover as rows
from storage.catalogue.handover import Listed, Narrowed, Taken
from storage.catalogue.tables import Delay, DockedFile

LATE_WINDOW = timedelta(days=30)
UNFILED_WINDOW = timedelta(days=366)
Known = Mapping[tuple[str, date], Delay]


class State(StrEnum):
    OVERDUE = "overdue"  # 已逾期
    SOON = "soon"  # 即将到期
    WAITING = "waiting"  # 未到期


@dataclass(frozen=True, slots=True)
class Waiting:
    """Files that one docking listed and that are not here, their deadline, and the reason recorded for its day."""

    of: Listed
    day: date
    deadline: Deadline
    state: State
    delay: Delay | None


@dataclass(frozen=True, slots=True)
class Late:
    """A recording that came in after its deadline, or is not filed by it."""

    of: Taken
    deadline: Deadline
    state: State


def deadlines_of(policy: Policy, zone: ZoneInfo) -> Deadlines:
    return Deadlines(policy.deadlines, Calendar(zone, policy.calendar.notices))


def waiting(session: Session, deadlines: Deadlines, now: datetime, narrowed: Narrowed) -> list[Waiting]:
    """Every docking with listed files that are not here, the first due first."""
    found = rows.listed(session, narrowed)
    known = rows.delays(session, {each.device for each in found})
    return sorted(
        (_waiting(each, deadlines, now, known) for each in found),
        key=lambda each: (each.deadline.due, each.of.docking),
    )


def _waiting(of: Listed, deadlines: Deadlines, now: datetime, known: Known) -> Waiting:
    day = deadlines.day_of(of.listed)
    delay = known.get((of.device, day))
    deadline = deadlines.hand_over(of.listed, Basis.DOCKING, delayed=delay is not None)
    return Waiting(of, day, deadline, state_of(deadlines, deadline, now), delay)


def state_of(deadlines: Deadlines, deadline: Deadline, now: datetime) -> State:
    if deadline.missed(now):
        return State.OVERDUE
    return State.SOON if now >= deadlines.soon(deadline) else State.WAITING


def files_of(
    session: Session, narrowed: Narrowed, found: Sequence[Waiting], offset: int, limit: int
) -> list[tuple[Waiting, DockedFile]]:
    """One page of the files of `found`, in its order, those of one docking by path."""
    chosen: list[tuple[Waiting, int]] = []
    passed = 0
    for each in found:
        if passed < offset + limit and passed + each.of.files > offset:
            chosen.append((each, passed))
        passed += each.of.files
    files = rows.files(session, narrowed, [each.of.docking for each, _ in chosen])
    lines = [(each, file) for each, _ in chosen for file, _ in files.get(each.of.docking, [])]
    before = offset - chosen[0][1] if chosen else 0
    return lines[before : before + limit]


def count(found: Iterable[Waiting], *states: State) -> int:
    """How many files wait in these states."""
    return sum(each.of.files for each in found if each.state in states)


def late(
    session: Session, deadlines: Deadlines, now: datetime, *, officer: str = "", limit: int = 50
) -> tuple[list[Late], int]:
    """Recordings that came in late in the last 30 days (UP-24H), newest first, and how many (of at most 1,000)."""
    hours = deadlines.policy.upload_hours
    found = rows.late(session, hours, now - LATE_WINDOW, officer=officer, newest=True, limit=1000)
    told = [each for each in judged(session, deadlines, found) if each.state is State.OVERDUE]
    return told[:limit], len(told)


def judged(session: Session, deadlines: Deadlines, found: list[Taken]) -> list[Late]:
    """Received recordings against UP-24H with the reasons recorded for them; those without a time are left out."""
    known = rows.delays(session, {each.device for each in found})
    return [_judged(each, deadlines, known) for each in found if each.started is not None]


def _judged(of: Taken, deadlines: Deadlines, known: Known) -> Late:
    end = _end(of)
    delayed = (of.device, deadlines.day_of(end)) in known
    deadline = deadlines.hand_over(end, Basis.RECORDING, delayed=delayed)
    return Late(of, deadline, State.OVERDUE if deadline.missed(of.received) else State.WAITING)


def unfiled(
    session: Session, deadlines: Deadlines, now: datetime, *, officer: str = "", limit: int = 50
) -> tuple[list[Late], int]:
    """Recordings whose time to be filed (FILE-30WD) is over, for a year at most, or nearly so, the first due first;
    and how many, of the last 10,000 received."""
    since, until = filing_window(deadlines, now, UNFILED_WINDOW)
    found = rows.unfiled(session, since, until, officer=officer, newest=True, limit=10_000)
    told = [each for each in (filing(one, deadlines, now) for one in found) if each.state is not State.WAITING]
    return sorted(told, key=lambda each: (each.deadline.due, each.of.id))[:limit], len(told)


def filing_window(deadlines: Deadlines, now: datetime, back: timedelta) -> tuple[datetime, datetime]:
    """When recordings came in, and until when they were made, whose time to be filed ran out in the time `back`, or is
    near. Working days take less than twice their number and a month of days, the longest holidays included; a working
    day is at least a day."""
    policy = deadlines.policy
    ahead = max(0, policy.file_working_days - policy.file_soon_working_days)
    return now - back - timedelta(days=30 + 2 * policy.file_working_days), now - timedelta(days=ahead)


def filing(of: Taken, deadlines: Deadlines, now: datetime) -> Late:
    """FILE-30WD: from the case's closing; without a case from the recording's end, or from when it came in."""
    if of.closed is not None:
        deadline = deadlines.file(of.closed, Basis.CLOSING)
    elif of.started is not None:
        deadline = deadlines.file(_end(of), Basis.RECORDING)
    else:
        deadline = deadlines.file(of.received, Basis.RECEIVED)
    return Late(of, deadline, state_of(deadlines, deadline, now))


def _end(of: Taken) -> datetime:
    assert of.started is not None  # noqa: S101 - asked before
    return end_of_recording(of.started, of.duration)
