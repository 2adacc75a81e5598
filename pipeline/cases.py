"""案卷: opening a case, putting recordings to it, and the grounds (KEEP-LONG) that make them long-term.

The ledger gets the case's number and flags, not its title, which may name a party.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.access import NoRight, active_user
from pipeline.casework.retention import retention_class
from pipeline.policy import RetentionPolicy
from pipeline.tier import set_retention
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Case, Recording, User
from storage.clock import Clock, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.records import Actor, CaseFlag, CustodyEvent, RetentionClass, Role

WORKERS = frozenset({Role.OFFICER, Role.APPROVER, Role.LEGAL, Role.ARCHIVIST})
"""Who may open and change cases; auditors and administrators look and keep, they don't handle evidence."""


class Cases:
    def __init__(self, catalogue: Catalogue, policy: RetentionPolicy, clock: Clock) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._clock = clock

    def open(self, user_id: str, number: str, title: str, flags: Collection[CaseFlag] = ()) -> str:
        """Open a case and return its identifier. Raises Refused (no right, empty number) or Conflict (number taken)."""
        number, title = number.strip(), title.strip()
        if not 1 <= len(number) <= 64 or not 1 <= len(title) <= 200:
            raise Refused(
                "请填写案号（64字以内）和案由（200字以内）。",
                "a case needs a number (up to 64 characters) and a title (up to 200)",
            )
        with self._catalogue.write() as session:
            user = _worker(session, user_id)
            if session.scalar(select(Case.id).where(Case.number == number)) is not None:
                raise Conflict(f"案号 {number} 已存在。", f"the case number {number} exists already")
            case = Case(
                id=new_id(),
                number=number,
                title=title,
                flags=_in_order(flags),
                opened=self._clock(),
                created_by=user.id,
            )
            session.add(case)
            payload = {"case": case.id, "number": number, "flags": case.flags}
            self._record(session, "case.opened", user, f"case:{case.id}", payload)
            return case.id

    def add(self, user_id: str, case_id: str, recording_id: str) -> None:
        """Put a recording to a case; the case's grounds then hold for it. Raises Conflict if it is in another case."""
        with self._catalogue.write() as session:
            user = _worker(session, user_id)
            case, recording = _case(session, case_id), session.get(Recording, recording_id)
            if recording is None:
                raise NotFound("没有这份音像记录。", "there is no such recording")
            if recording.case_id == case.id:
                return
            if recording.case_id is not None:
                raise Conflict("该音像记录已归入其他案卷。", "the recording is in another case already")
            recording.case_id = case.id
            payload = {"case": case.id, "number": case.number}
            self._record(session, "case.changed", user, f"recording:{recording.id}", payload)
            self._raise_class(session, case, recording, user)

    def flag(self, user_id: str, case_id: str, flags: Collection[CaseFlag]) -> None:
        """Add grounds of KEEP-LONG; every recording of the case becomes long-term. Grounds are never taken back."""
        with self._catalogue.write() as session:
            user = _worker(session, user_id)
            case = _case(session, case_id)
            together = _in_order({*flags, *(CaseFlag(flag) for flag in case.flags)})
            if together == case.flags:
                return
            case.flags = together
            payload = {"case": case.id, "flags": together}
            self._record(session, "case.changed", user, f"case:{case.id}", payload)
            for recording in session.scalars(select(Recording).where(Recording.case_id == case.id)):
                self._raise_class(session, case, recording, user)

    def _raise_class(self, session: Session, case: Case, recording: Recording, user: User) -> None:
        wanted = retention_class([CaseFlag(flag) for flag in case.flags])
        if wanted is RetentionClass.LONG_TERM and recording.retention != wanted:
            set_retention(
                session,
                recording,
                wanted,
                grounds=case.flags,
                actor=Actor("user", user.login),
                now=self._clock(),
                policy=self._policy,
            )

    def _record(self, session: Session, name: str, user: User, subject: str, payload: dict[str, Any]) -> None:
        actor = Actor("user", user.login)
        event = CustodyEvent(id=new_id(), event=name, time=self._clock(), actor=actor, subject=subject, payload=payload)
        custody.record(session, event)


def _worker(session: Session, user_id: str) -> User:
    user = active_user(session, user_id)
    if not WORKERS.intersection(user.roles):
        raise NoRight("您没有办理案卷的权限。", "your roles don't include work on cases")
    return user


def _case(session: Session, case_id: str) -> Case:
    case = session.get(Case, case_id)
    if case is None:
        raise NotFound("没有这个案卷。", "there is no such case")
    return case


def _in_order(flags: Collection[CaseFlag]) -> list[str]:
    return [flag.value for flag in CaseFlag if flag in flags]
