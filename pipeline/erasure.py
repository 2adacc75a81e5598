"""Erasing personal data (删除个人信息) while the ledger stays whole.

The ledger holds salted commitments only (`storage.ledger.commitment`); salt and words stand in the database. Both are
overwritten there, the database is rebuilt so that no page and no write-ahead log keeps them, and an event says which
commitments nobody can open any more. What was handed out before (discs, print-outs, backups) is out of reach.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.officers import committed, licence_of
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import AccessRequest, Case, Delay, Description, Erasure, Excuse, Original, User
from storage.clock import Clock, new_id
from storage.errors import NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, CustodyEvent, Role

ERASED = "（已删除 erased）"
"""What stands in the place of erased words, on pages, in answers and on discs made later."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be erased. `words`: the fields and what they hold; `salted`: those the ledger has commitments to."""

    row: Any
    chain: str
    words: Mapping[str, str]
    salted: bool = True


class Erasing:
    """The use case. Only an administrator erases, with a reason."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue, self._clock = catalogue, clock

    def erase(self, subject: str, *, by: str, reason: str) -> list[str]:
        """Erase the words of `subject`: request:ID (purpose and reason), excuse:ID (text), delay:ID, erasure:ID
        (reason), description:ID (a sidecar), case:ID (title), user:LOGIN of a disabled account (name, unit,
        certificate). `by`: an administrator's login.

        Returns the commitments that can't be opened any more. When this returns, no file of the database holds the
        words. Twice is once. Raises Refused, NotFound, Transient (others read the database: the words are
        overwritten, but run it again, with the service stopped, to rebuild the files).
        """
        if len(reason.strip()) < 4:
            raise Refused("请写明删除理由（至少4字）。", "give a reason of at least 4 characters")
        with self._catalogue.write() as session:
            admin = _admin(session, by)
            found = _find(session, subject)
            erased = all(text in ("", ERASED) for text in found.words.values())
            gone = [] if erased else _overwrite(found)
            if not erased:
                row = self._note(session, subject, found, admin, reason.strip())
                self._log(session, row, found, gone, admin)
        self._catalogue.scrub()  # also when a run before this one died, or was refused, right here
        return gone

    def _note(self, session: Session, subject: str, found: _Found, admin: User, reason: str) -> Erasure:
        row = Erasure(
            id=new_id(),
            subject=subject,
            fields=list(found.words),
            reason=reason,
            salt=os.urandom(commitment.SALT_SIZE).hex(),
            made_by=admin.id,
            made=self._clock(),
        )
        session.add(row)
        return row

    def _log(self, session: Session, row: Erasure, found: _Found, gone: list[str], admin: User) -> None:
        payload = {
            "erasure": row.id,
            "of": row.subject,
            "fields": row.fields,
            "commitments": gone,
            "reason": commitment.make(row.reason, bytes.fromhex(row.salt)).as_json(),
        }
        actor = Actor("user", admin.login)
        custody.record(session, CustodyEvent(new_id(), "personal.erased", row.made, actor, found.chain, payload))


def _admin(session: Session, login: str) -> User:
    user = session.scalar(select(User).where(User.login == login))
    if user is None or user.disabled or Role.ADMIN not in user.roles:
        raise Refused(f"{login} 不是在用的系统管理员。", f"{login} is no active administrator")
    return user


def _find(session: Session, subject: str) -> _Found:
    kind, _, name = subject.partition(":")
    look = _KINDS.get(kind)
    found = look(session, name) if look else None
    if found is None:
        raise NotFound(
            f"没有 {subject}；可写 request:、excuse:、delay:、description:、erasure:、case: 加编号或 user: 登录名。",
            f"there is no {subject}: write request:, excuse:, delay:, description:, erasure: or case: and an "
            "identifier, user: and a login",
        )
    return found


def _request(session: Session, name: str) -> _Found | None:
    row = session.get(AccessRequest, name)
    if row is None:
        return None
    if row.state == "pending":
        raise Refused("申请尚未审批，不能删除其用途。", "the request is not decided yet: its purpose can't be erased")
    return _Found(row, f"recording:{row.recording_id}", {"purpose": row.purpose, "reason": row.reason})


def _excuse(session: Session, name: str) -> _Found | None:
    row = session.get(Excuse, name)
    return None if row is None else _Found(row, f"recording:{row.recording_id}", {"text": row.text})


def _delay(session: Session, name: str) -> _Found | None:
    row = session.get(Delay, name)
    return None if row is None else _Found(row, f"device:{row.device_serial}", {"reason": row.reason})


def _description(session: Session, name: str) -> _Found | None:
    row = session.get(Description, name)
    if row is None:
        return None
    chain = f"recording:{session.get_one(Original, row.original_sha256).recording_id}"
    return _Found(row, chain, {"sha256": row.sha256, "content": row.content, "says": row.says})


def _erasure(session: Session, name: str) -> _Found | None:
    row = session.get(Erasure, name)
    return (
        None if row is None else _Found(row, f"user:{session.get_one(User, row.made_by).login}", {"reason": row.reason})
    )


def _case(session: Session, name: str) -> _Found | None:
    row = session.get(Case, name)
    return None if row is None else _Found(row, f"case:{row.id}", {"title": row.title}, salted=False)


def _user(session: Session, name: str) -> _Found | None:
    row = session.scalar(select(User).where(User.login == name))
    if row is None:
        return None
    if not row.disabled:
        raise Refused("账号仍在使用，请先停用。", "the account is in use: disable it first")
    fields = ("name", "unit", "certificate", "post", "category", "area")
    words = {name: getattr(row, name) for name in fields if name in fields[:3] or getattr(row, name)}
    return _Found(row, f"user:{row.login}", words, salted=False)


_KINDS: Mapping[str, Callable[[Session, str], _Found | None]] = {
    "request": _request,
    "excuse": _excuse,
    "description": _description,
    "delay": _delay,
    "erasure": _erasure,
    "case": _case,
    "user": _user,
}


def _overwrite(found: _Found) -> list[str]:
    """Put ERASED in the words' place and drop the salt; the commitments that were open until now."""
    gone = []
    if found.salted:
        salt = bytes.fromhex(found.row.salt)
        gone = [commitment.make(text, salt).digest for text in found.words.values()]
        found.row.salt = ""
    if isinstance(found.row, User):
        gone += _drop_certificate(found.row)
    for name, text in found.words.items():
        setattr(found.row, name, ERASED if text else "")
    return gone


def _drop_certificate(user: User) -> list[str]:
    """The certificate's dates and the salt of its commitment; the commitment, where there was one."""
    salt = bytes.fromhex(user.certificate_salt)
    gone = [commitment.make(committed(licence_of(user)), salt).digest] if salt else []
    user.certificate_from = user.certificate_until = None
    user.certificate_salt = ""
    return gone
