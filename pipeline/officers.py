"""执法人员名录 (REC-CERTIFIED): officers with their certificates, and what a certificate says of a recording.

The ledger gets a commitment to what is on record of a certificate, never its number.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date, tzinfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.access import NoRight
from pipeline.casework.certificates import Certificate, check
from storage.catalogue import assignments, custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.recordings import WITHOUT_REPORT
from storage.catalogue.tables import Job, Recording, User
from storage.clock import Clock, new_id
from storage.errors import NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, CustodyEvent, Finding, JobKind, JobState, Role, Severity

MAX_WORDS = 100


@dataclass(frozen=True, slots=True)
class Licence:
    """What the list of officers says of one: certificate, unit, post, what it covers (执法类别), where (执法区域)."""

    certificate: str = ""
    valid_from: date | None = None
    valid_until: date | None = None
    unit: str = ""
    post: str = ""
    category: str = ""
    area: str = ""

    @property
    def validity(self) -> Certificate:
        return Certificate(self.certificate, self.valid_from, self.valid_until)

    def as_json(self) -> dict[str, str | None]:
        said = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in said.items()}


@dataclass(frozen=True, slots=True)
class Officer:
    """One line of the list. `devices`: serials of the cameras worn now."""

    user: User
    licence: Licence
    devices: Sequence[str]


def licence_of(user: User) -> Licence:
    return Licence(
        certificate=user.certificate,
        valid_from=user.certificate_from,
        valid_until=user.certificate_until,
        unit=user.unit,
        post=user.post,
        category=user.category,
        area=user.area,
    )


def committed(licence: Licence) -> str:
    """What the ledger's commitment is to: the licence as JSON, its fields in the order above."""
    return json.dumps(licence.as_json(), ensure_ascii=False, separators=(",", ":"))


class Officers:
    """`zone`: the bureau's, in which a recording's day is reckoned."""

    def __init__(self, catalogue: Catalogue, clock: Clock, zone: tzinfo) -> None:
        self._catalogue, self._clock, self.zone = catalogue, clock, zone

    def all(self) -> list[Officer]:
        """Everybody who has the role of an officer, in use first."""
        with self._catalogue.read() as session:
            users = session.scalars(select(User).order_by(User.disabled, User.login)).all()
            officers = [user for user in users if Role.OFFICER in user.roles]
            return [Officer(user, licence_of(user), assignments.worn_by(session, user.id)) for user in officers]

    def certify(self, login: str, licence: Licence, *, by: Actor) -> None:
        """Put the officer's certificate on record. Recordings for which it matters are concluded on anew.

        Raises Refused (words too long, dates the wrong way round, one's own), NotFound.
        """
        licence = _checked(licence)
        with self._catalogue.write() as session:
            user = session.scalar(select(User).where(User.login == login).with_for_update())
            if user is None or Role.OFFICER not in user.roles:
                raise NotFound(f"没有执法人员 {login}。", f"there is no officer {login}")
            if by == Actor("user", login):
                raise NoRight(
                    "不能修改本人的执法证信息，请由其他管理员操作。",
                    "nobody certifies themselves: ask another administrator",
                )
            before = licence_of(user).validity
            self._write(session, user, licence, by)
            self._conclude_anew(session, user, before, licence.validity)

    def _write(self, session: Session, user: User, licence: Licence, by: Actor) -> None:
        made = commitment.make(committed(licence))
        user.certificate, user.certificate_salt = licence.certificate, made.salt.hex()
        user.certificate_from, user.certificate_until = licence.valid_from, licence.valid_until
        user.unit, user.post, user.category, user.area = licence.unit, licence.post, licence.category, licence.area
        payload = {"user": user.id, "change": "certificate", "certificate": made.as_json()}
        event = CustodyEvent(new_id(), "user.certified", self._clock(), by, f"user:{user.login}", payload)
        custody.record(session, event)

    def _conclude_anew(self, session: Session, user: User, before: Certificate, after: Certificate) -> None:
        mine = select(Recording).where(Recording.officer_id == user.id, Recording.verdict.is_not(None))
        for recording in session.scalars(mine.options(WITHOUT_REPORT)):
            day = assignments.moment_of(session, recording).astimezone(self.zone).date()
            if before.on(day) != after.on(day):
                conclude_anew(session, recording, self._clock)


def conclude_anew(session: Session, recording: Recording, clock: Clock) -> None:
    """Queue a look at what is known besides the files; they are not read again. One that waits already is enough."""
    queued = select(Job.id).where(Job.subject == recording.id, Job.kind == JobKind.ANALYSE, Job.run_at <= clock())
    if session.scalar(queued.where(Job.state == JobState.QUEUED).limit(1)) is not None:
        return
    args = {"again": True}
    key = f"conclude:{recording.id}:{new_id()}"
    job_table.enqueue(session, JobKind.ANALYSE, recording.id, key=key, now=clock(), args=args)


def certified(session: Session, recording: Recording, zone: tzinfo, missing: Severity | None) -> list[Finding]:
    """REC-CERTIFIED for the recording's officer on the day of the recording; nothing where the officer is not known."""
    user = session.get(User, recording.officer_id) if recording.officer_id else None
    if user is None:
        return []
    day = assignments.moment_of(session, recording).astimezone(zone).date()
    return list(check(licence_of(user).validity, user.login, day, missing))


def _checked(licence: Licence) -> Licence:
    words = {each.name: getattr(licence, each.name) for each in fields(licence)}
    words = {name: value.strip() for name, value in words.items() if isinstance(value, str)}
    if any(len(word) > MAX_WORDS or not (word.isprintable()) for word in words.values()):
        raise Refused(
            f"每项须在{MAX_WORDS}字以内，不含控制字符。", f"each field has up to {MAX_WORDS} printable characters"
        )
    if licence.valid_from and licence.valid_until and licence.valid_until < licence.valid_from:
        raise Refused("有效期止日早于起日，请检查。", "the certificate ends before it begins: check the dates")
    return Licence(valid_from=licence.valid_from, valid_until=licence.valid_until, **words)
