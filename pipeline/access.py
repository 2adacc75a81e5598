"""调阅申请审批 (rule VIEW-APPROVE): request with a purpose → decision by somebody else → a grant that expires → looks.

There is no other way to a byte of media, for nobody: no role, not the administrator's either, stands above a grant.
Each step writes its custody event in the transaction that changes the state; the caller wakes the sequencer afterwards.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.policy import ViewingPolicy
from storage.catalogue import custody, jobs
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import AccessRequest, Grant, Recording, User
from storage.clock import Clock, iso, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, CustodyEvent, JobKind, RequestKind, RequestState

MIN_WORDS = 4  # characters of a purpose: fewer say nothing
MAX_WORDS = 2000
SAME_LOOK = timedelta(seconds=60)  # a pause longer than this makes the next range request a new look


class NoRight(Refused):
    """The user may not do this, whatever they send: another role, or another person, has to."""


class Access:
    """Who may see what, until when. Users, recordings and requests are given by their identifiers."""

    def __init__(self, catalogue: Catalogue, viewing: ViewingPolicy, clock: Clock) -> None:
        self._catalogue = catalogue
        self._viewing = viewing
        self._clock = clock
        self._looks: dict[tuple[str, str], datetime] = {}
        self._lock = threading.Lock()

    def request(self, user_id: str, recording_id: str, kind: RequestKind, purpose: str) -> str:
        """File a request and return its identifier. Only the purpose's commitment goes into the ledger.

        Raises Refused (purpose too short, account disabled), NotFound, Conflict (the same is pending already).
        """
        purpose = _words(purpose)
        made = commitment.make(purpose)
        with self._catalogue.write() as session:
            user = active_user(session, user_id)
            if session.get(Recording, recording_id) is None:
                raise _no_recording()
            _refuse_second(session, user_id, recording_id, kind)
            row = AccessRequest(
                id=new_id(),
                kind=kind.value,
                recording_id=recording_id,
                requester_id=user_id,
                purpose=purpose,
                salt=made.salt.hex(),
                made=self._clock(),
            )
            session.add(row)
            payload = {"request": row.id, "kind": kind.value, "purpose": made.as_json()}
            self._record(session, "request.made", user, recording_id, payload)
            return row.id

    def decide(self, approver_id: str, request_id: str, approve: bool, reason: str = "") -> Grant | None:
        """Approve or reject, once. An approval returns the grant; one for export also queues the making of the disc.

        Raises Refused (no approver's role, own request, disabled account, rejection without a reason), NotFound,
        Conflict (already decided).
        """
        with self._catalogue.write() as session:
            approver = active_user(session, approver_id)
            row = self._undecided(session, approver, request_id)
            if not approve and not reason.strip():
                raise Refused("驳回申请须写明理由。", "a rejection needs a reason")
            now = self._clock()
            row.state = (RequestState.APPROVED if approve else RequestState.REJECTED).value
            row.decided_by, row.decided, row.reason = approver.id, now, reason.strip()
            grant = self._grant(session, row, now) if approve else None
            self._record(session, "request.decided", approver, row.recording_id, _decision(row, grant))
            return grant

    def grant_for(self, user_id: str, recording_id: str, kind: RequestKind) -> Grant | None:
        """This user's grant for this recording that runs longest, or None. An expired one is none."""
        with self._catalogue.read() as session:
            return session.scalar(
                select(Grant)
                .where(
                    Grant.user_id == user_id,
                    Grant.recording_id == recording_id,
                    Grant.kind == kind.value,
                    Grant.expires > self._clock(),
                )
                .order_by(Grant.expires.desc())
                .limit(1)
            )

    def look(self, grant: Grant, original: str, derivative: str, *, start: int = 0) -> bool:
        """Record that media is about to be shown: the trace is durable before the first byte leaves.

        One look is one opening: a request that begins at byte 0, or the first one after a minute's pause. Range
        requests in between belong to the look before them. Returns whether an event was written. Raises Refused when
        the grant has run out.
        """
        now = self._clock()
        self._refuse_expired(grant, now)
        if start > 0 and self._continues((grant.id, derivative), now):
            return False
        with self._catalogue.write() as session:
            user = active_user(session, grant.user_id)
            payload = {
                "grant": grant.id,
                "request": grant.request_id,
                "original": original,
                "derivative": derivative,
            }
            self._record(session, "view.opened", user, grant.recording_id, payload)
        with self._lock:
            self._looks[grant.id, derivative] = now
        return True

    def glance(self, grant: Grant, pictures: Mapping[str, int]) -> None:
        """Record that single pictures are about to be shown: how many of which original (SHA-256).

        Raises Refused when the grant has run out.
        """
        self._refuse_expired(grant, self._clock())
        with self._catalogue.write() as session:
            user = active_user(session, grant.user_id)
            for original, count in pictures.items():
                payload = {"grant": grant.id, "request": grant.request_id, "original": original, "pictures": count}
                self._record(session, "view.opened", user, grant.recording_id, payload)

    def downloaded(self, grant: Grant, sha256: str) -> None:
        """Record that an export's disc image is about to be handed over. Raises Refused when the grant has run out."""
        self._refuse_expired(grant, self._clock())
        with self._catalogue.write() as session:
            user = active_user(session, grant.user_id)
            payload = {"grant": grant.id, "request": grant.request_id, "sha256": sha256}
            self._record(session, "export.downloaded", user, grant.recording_id, payload)

    def _continues(self, key: tuple[str, str], now: datetime) -> bool:
        """Whether this range request belongs to a look that is going on; it then keeps it going."""
        with self._lock:
            self._looks = {kept: at for kept, at in self._looks.items() if now - at <= SAME_LOOK}
            if key not in self._looks:
                return False
            self._looks[key] = now
            return True

    def _undecided(self, session: Session, approver: User, request_id: str) -> AccessRequest:
        row = session.get(AccessRequest, request_id, with_for_update=True)
        if row is None:
            raise NotFound("没有这份调阅申请。", "there is no such request")
        if row.requester_id == approver.id:
            raise NoRight(
                "不得审批本人提出的申请，请由他人审批。", "nobody decides their own request: ask somebody else"
            )
        if not self._viewing.approvers.intersection(approver.roles):
            raise NoRight("您没有调阅审批权限。", "you don't hold a role that may decide requests")
        if row.state != RequestState.PENDING:
            raise Conflict("这份申请已经审批过，结果不变。", "this request was decided already; that decision stands")
        return row

    def _grant(self, session: Session, row: AccessRequest, now: datetime) -> Grant:
        grant = Grant(
            id=new_id(),
            request_id=row.id,
            user_id=row.requester_id,
            recording_id=row.recording_id,
            kind=row.kind,
            expires=now + timedelta(hours=self._viewing.grant_hours),
        )
        session.add(grant)
        if row.kind == RequestKind.EXPORT:
            jobs.enqueue(session, JobKind.EXPORT, row.id, key=f"export:{row.id}", now=now)
        return grant

    def _refuse_expired(self, grant: Grant, now: datetime) -> None:
        if grant.expires <= now:
            raise NoRight("调阅许可已到期，请重新申请。", "the grant has run out: make a new request")

    def _record(self, session: Session, name: str, user: User, recording_id: str, payload: dict[str, Any]) -> None:
        custody.record(
            session,
            CustodyEvent(
                id=new_id(),
                event=name,
                time=self._clock(),
                actor=Actor("user", user.login),
                subject=f"recording:{recording_id}",
                payload=payload,
            ),
        )


def active_user(session: Session, user_id: str) -> User:
    """The user as the database has them now. Raises NoRight for one who is unknown or disabled."""
    user = session.get(User, user_id)
    if user is None or user.disabled:
        raise NoRight(
            "该账号不存在或已停用，请联系管理员。", "the account is unknown or disabled: see an administrator"
        )
    return user


def _decision(row: AccessRequest, grant: Grant | None) -> dict[str, Any]:
    """The decision's payload. The reason is committed to under the purpose's salt: both are erased together."""
    return {
        "request": row.id,
        "kind": row.kind,
        "approved": grant is not None,
        "grant": grant.id if grant else None,
        "expires": iso(grant.expires) if grant else None,
        "reason": commitment.make(row.reason, bytes.fromhex(row.salt)).as_json(),
    }


def _words(text: str) -> str:
    text = text.strip()
    if not MIN_WORDS <= len(text) <= MAX_WORDS:
        raise Refused(
            f"请写明用途（{MIN_WORDS}至{MAX_WORDS}字），例如：案件审核、投诉复查。",
            f"state a purpose of {MIN_WORDS} to {MAX_WORDS} characters, such as: case review, complaint",
        )
    return text


def _refuse_second(session: Session, user_id: str, recording_id: str, kind: RequestKind) -> None:
    pending = select(AccessRequest.id).where(
        AccessRequest.requester_id == user_id,
        AccessRequest.recording_id == recording_id,
        AccessRequest.kind == kind.value,
        AccessRequest.state == RequestState.PENDING.value,
    )
    if session.scalar(pending.limit(1)) is not None:
        raise Conflict(
            "您已提出同样的申请，正在等待审批。", "you have made this request already; it waits for approval"
        )


def _no_recording() -> NotFound:
    return NotFound("没有这份音像记录。", "there is no such recording")
