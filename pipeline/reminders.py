"""提醒: each deadline that comes near and each that passes is told once, as a custody event (UP-24H, FILE-30WD).

`deadline.due` ahead of it, `deadline.overdue` when it is over. A reminder's row and its event are one transaction, and
the row's key names rule, stage and what it is about: a crash, a second process or a second run tells nothing twice. A
run works in portions and ends after so many events; the next one comes a minute later. What passed and came in before
the policy's horizon is never told, so the first run over an old archive stays quiet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from pipeline import handover
from pipeline.casework.deadlines import Deadline, Deadlines, Rule
from pipeline.handover import Late, State, Waiting
from pipeline.jobs import Finish, Progress
from storage.catalogue import custody
from storage.catalogue import handover as rows
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.handover import Narrowed, Place, Taken
from storage.catalogue.tables import Job, Reminder, Utc
from storage.clock import Clock, iso
from storage.records import Actor, CustodyEvent

SERVICE = Actor("service", "reminders")
PORTION = 200  # rows that are looked at, and events that are written, at a time
MOST = 2000  # events of one run
_INSERT = text(
    "INSERT INTO reminders (key, rule, subject, due, made, event_id) "
    "VALUES (:key, :rule, :subject, :due, :made, :event_id) ON CONFLICT (key) DO NOTHING"
).bindparams(bindparam("due", type_=Utc()), bindparam("made", type_=Utc()))


@dataclass(frozen=True, slots=True)
class Telling:
    """One reminder. Its key makes it happen once; it is the event's identifier too, so that a restored database, which
    has forgotten the rows and took the entries back, tells nothing again.
    """

    stage: State
    subject: str
    about: str
    deadline: Deadline
    payload: dict[str, Any]

    @property
    def key(self) -> str:
        return f"{self.deadline.rule}:{self.stage}:{self.about}"


class Reminders:
    """The handler of the job `remind`."""

    def __init__(self, catalogue: Catalogue, deadlines: Deadlines, clock: Clock) -> None:
        self._catalogue, self._deadlines, self._clock = catalogue, deadlines, clock
        self._more = False

    def run(self, job: Job, progress: Progress) -> Finish:
        """Tell what there is to tell, up to MOST events."""
        told = 0
        for portion in self._portions(self._clock()):
            told += self._tell(portion)
            progress(min(told / MOST, 0.99))
            if told >= MOST:
                break
        self._more = told >= MOST
        return lambda session: None

    def when(self, session: Session, now: datetime) -> datetime:
        """Every so many minutes by the policy; in a minute when the last run here left something undone."""
        return now + timedelta(minutes=1 if self._more else self._deadlines.policy.remind_minutes)

    def _portions(self, now: datetime) -> Iterator[list[Telling]]:
        since = now - timedelta(days=self._deadlines.policy.remind_back_days)
        yield from self._listed(now, since)
        yield from self._late(since)
        yield from self._unfiled(now, since)

    def _listed(self, now: datetime, since: datetime) -> Iterator[list[Telling]]:
        with self._catalogue.read() as session:
            found = handover.waiting(session, self._deadlines, now, Narrowed())
        telling = [
            _of_docking(each) for each in found if each.state is not State.WAITING and each.deadline.due >= since
        ]
        for start in range(0, len(telling), PORTION):
            yield telling[start : start + PORTION]

    def _late(self, since: datetime) -> Iterator[list[Telling]]:
        hours, after = self._deadlines.policy.upload_hours, None
        while True:
            with self._catalogue.read() as session:
                found = rows.late(session, hours, since, after=after, limit=PORTION)
                judged = handover.judged(session, self._deadlines, found)
            yield [_of_recording(each) for each in judged if each.state is State.OVERDUE]
            if len(found) < PORTION:
                return
            after = _place(found[-1])

    def _unfiled(self, now: datetime, since: datetime) -> Iterator[list[Telling]]:
        received, made = handover.filing_window(self._deadlines, now, now - since)
        untold = f"{Rule.FILE_30WD}:{State.OVERDUE}:recording:"
        after: Place | None = None
        while True:
            with self._catalogue.read() as session:
                found = rows.unfiled(session, received, made, after=after, untold=untold, limit=PORTION)
            judged = [handover.filing(each, self._deadlines, now) for each in found]
            yield [
                _of_recording(each)
                for each in judged
                if each.state is not State.WAITING and max(each.deadline.due, each.of.received) >= since
            ]
            if len(found) < PORTION:
                return
            after = _place(found[-1])

    def _tell(self, portion: list[Telling]) -> int:
        """Write those of the portion that nobody told before; how many."""
        with self._catalogue.read() as session:
            keys = [each.key for each in portion]
            known = set(session.scalars(select(Reminder.key).where(Reminder.key.in_(keys))))
        new = [each for each in portion if each.key not in known]
        if not new:
            return 0
        with self._catalogue.write() as session:
            return sum(self._record(session, each) for each in new)

    def _record(self, session: Session, telling: Telling) -> bool:
        """False when another process was quicker."""
        now, event_id = self._clock(), telling.key
        row = {
            "key": telling.key,
            "rule": telling.deadline.rule.value,
            "subject": telling.subject,
            "due": telling.deadline.due,
            "made": now,
            "event_id": event_id,
        }
        if not session.execute(_INSERT, row).rowcount:  # type: ignore[attr-defined]
            return False
        name = "deadline.overdue" if telling.stage is State.OVERDUE else "deadline.due"
        custody.record(session, CustodyEvent(event_id, name, now, SERVICE, telling.subject, telling.payload))
        return True


def _place(of: Taken) -> Place:
    return of.received, of.id


def _counted(deadline: Deadline) -> dict[str, Any]:
    """What the event says of the deadline, so that anybody can count again."""
    return {
        "rule": deadline.rule.value,
        "due": iso(deadline.due),
        "since": iso(deadline.since),
        "basis": deadline.basis.value,
        "special": deadline.special,
        "estimated": deadline.estimated,
    }


def _of_docking(found: Waiting) -> Telling:
    payload = _counted(found.deadline) | {"docking": found.of.docking, "files": found.of.files}
    return Telling(found.state, f"device:{found.of.device}", f"docking:{found.of.docking}", found.deadline, payload)


def _of_recording(found: Late) -> Telling:
    subject = f"recording:{found.of.id}"
    payload = _counted(found.deadline) | {"received": iso(found.of.received)}
    return Telling(found.state, subject, subject, found.deadline, payload)
