"""中断说明: an officer explains a finding, another person accepts or rejects it (REC-CONTINUOUS, REC-FORBIDDEN).

The finding itself is never edited: both steps are custody events beside it. The ledger gets a commitment to the text.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy.orm import Session

from pipeline.access import NoRight, active_user
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Excuse, Recording, User
from storage.clock import Clock, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, CustodyEvent, Role, Severity

MAX_WORDS = 2000


class Excuses:
    """`approvers` are the roles of the viewing policy: who decides on viewing also decides on explanations."""

    def __init__(self, catalogue: Catalogue, approvers: Collection[Role], clock: Clock) -> None:
        self._catalogue = catalogue
        self._approvers = frozenset(approvers)
        self._clock = clock

    def make(self, user_id: str, recording_id: str, finding_code: str, text: str) -> str:
        """Explain a finding; returns the excuse's identifier. Only officers explain, their own recordings or those of
        devices that nobody is registered for. Raises Refused or NotFound.
        """
        text = text.strip()
        if not 4 <= len(text) <= MAX_WORDS:
            raise Refused("请写明中断原因（4至2000字）。", "explain in 4 to 2000 characters")
        made = commitment.make(text)
        with self._catalogue.write() as session:
            user = active_user(session, user_id)
            recording = _recording_with(session, recording_id, finding_code)
            _refuse_stranger(user, recording)
            row = Excuse(
                id=new_id(),
                recording_id=recording_id,
                finding_code=finding_code,
                text=text,
                salt=made.salt.hex(),
                made_by=user.id,
                made=self._clock(),
            )
            session.add(row)
            payload = {"excuse": row.id, "finding": finding_code, "text": made.as_json()}
            self._record(session, "excuse.made", user, recording_id, payload)
            return row.id

    def decide(self, user_id: str, excuse_id: str, accept: bool) -> None:
        """Accept or reject, once, by somebody else. Raises Refused, NotFound, Conflict."""
        with self._catalogue.write() as session:
            user = active_user(session, user_id)
            row = session.get(Excuse, excuse_id, with_for_update=True)
            if row is None:
                raise NotFound("没有这份中断说明。", "there is no such explanation")
            self._refuse_decision(user, row)
            row.decided_by, row.decided, row.accepted = user.id, self._clock(), accept
            payload = {"excuse": row.id, "finding": row.finding_code, "accepted": accept}
            self._record(session, "excuse.decided", user, row.recording_id, payload)

    def _refuse_decision(self, user: User, row: Excuse) -> None:
        if row.made_by == user.id:
            raise NoRight("不得审核本人提出的中断说明。", "nobody decides on their own explanation")
        if not self._approvers.intersection(user.roles):
            raise NoRight("您没有审核中断说明的权限。", "you don't hold a role that may decide on explanations")
        if row.accepted is not None:
            raise Conflict("这份中断说明已经审核过，结果不变。", "this explanation was decided already")

    def _record(self, session: Session, name: str, user: User, recording_id: str, payload: dict[str, Any]) -> None:
        event = CustodyEvent(
            id=new_id(),
            event=name,
            time=self._clock(),
            actor=Actor("user", user.login),
            subject=f"recording:{recording_id}",
            payload=payload,
        )
        custody.record(session, event)


def needing_words(report: dict[str, Any] | None) -> list[dict[str, Any]]:
    """The findings of a check report that somebody must answer: violations and suspicions, in the report's order."""
    if report is None:
        return []
    groups = [*report.get("files", ()), *report.get("series", ()), report.get("docking", {})]
    return [
        finding
        for group in groups
        for finding in group.get("findings", ())
        if finding["severity"] in (Severity.VIOLATION, Severity.SUSPICION)
    ]


def _recording_with(session: Session, recording_id: str, finding_code: str) -> Recording:
    recording = session.get(Recording, recording_id)
    if recording is None:
        raise NotFound("没有这份音像记录。", "there is no such recording")
    if finding_code not in {finding["code"] for finding in needing_words(recording.report)}:
        raise Refused("该音像记录没有这项待说明的发现。", "the recording has no such finding that needs an explanation")
    return recording


def _refuse_stranger(user: User, recording: Recording) -> None:
    if Role.OFFICER not in user.roles or recording.officer_id not in (None, user.id):
        raise NoRight("中断说明由该记录的执法人员提出。", "only the recording's officer explains its findings")
