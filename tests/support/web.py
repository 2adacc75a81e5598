"""A bureau for the tests of access and pages: real services in a temporary directory, people, one recording with media.

Nothing runs in the background; `publish` puts waiting events into the ledger. The clock stands still until it is moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from api.app import make_app
from api.guard import Limits
from api.signin import SESSION_COOKIE
from pipeline.accounts import hash_password
from pipeline.bootstrap import Services, wire
from pipeline.intake import Spooled
from pipeline.originals import Arrival
from pipeline.settings import Settings
from pipeline.tier import derivative_key
from storage.catalogue import custody
from storage.catalogue.tables import Analysis, Derivative, Entry, Original, Recording, User
from storage.clock import new_id
from storage.ledger import merkle
from storage.records import Actor, Digest, RequestKind, Role
from tests.support.ledger import fresh_database

START = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
PASSWORD = "correct-horse-battery"
SETUP = Actor("service", "setup")
PEOPLE = {
    "officer": ("李明", [Role.OFFICER]),
    "colleague": ("王芳", [Role.OFFICER]),
    "approver": ("赵审", [Role.APPROVER]),
    "approver2": ("钱批", [Role.APPROVER]),
    "auditor": ("孙计", [Role.AUDITOR]),
    "archivist": ("周档", [Role.ARCHIVIST]),
    "admin": ("系统管理员", [Role.ADMIN]),
}


@dataclass
class Clock:
    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **delta: float) -> None:
        self.now += timedelta(**delta)


@dataclass
class Bureau:
    services: Services
    clock: Clock
    users: dict[str, str] = field(default_factory=dict)
    """Identifiers by login."""

    def user(self, login: str) -> User:
        with self.services.catalogue.read() as session:
            return session.get_one(User, self.users[login])

    def publish(self) -> int:
        return self.services.sequencer.publish_pending()

    def events(self, subject: str) -> list[tuple[str, str, dict[str, Any]]]:
        """(event, actor, payload) of a custody chain, oldest first."""
        with self.services.catalogue.read() as session:
            drafts = [json.loads(entry.draft) for entry in custody.chain(session, subject)]
        return [(one["event"], f"{one['actor']['kind']}:{one['actor']['id']}", one["payload"]) for one in drafts]

    def looks(self, recording: str) -> int:
        return sum(event == "view.opened" for event, _, _ in self.events(f"recording:{recording}"))

    def grant(self, login: str, recording: str, kind: RequestKind = RequestKind.VIEW) -> str:
        """A request by `login`, approved; returns the request's identifier."""
        access = self.services.access
        request = access.request(self.users[login], recording, kind, "案件审核")
        decider = "approver2" if login == "approver" else "approver"
        access.decide(self.users[decider], request, True, "同意")
        return request


@dataclass(frozen=True)
class Kept:
    """A recording in the database, its first original and that one's access copy."""

    recording: str
    original: str
    access: bytes
    poster: bytes


@contextmanager
def bureau(data: Path, **settings: Any) -> Iterator[Bureau]:
    clock = Clock()
    fresh_database(data)
    services = wire(Settings(data=data, min_free=0, **settings), clock)
    made = Bureau(services, clock)
    try:
        _add_people(made)
        made.publish()
        yield made
    finally:
        services.sequencer.stop()
        services.catalogue.close()


def _add_people(made: Bureau) -> None:
    """All with the tests' password. Its hash is made once: argon2 is slow on purpose."""
    with made.services.catalogue.write() as session:
        for login, (name, roles) in PEOPLE.items():
            user = User(id=new_id(), login=login, name=name, roles=roles, password=_hashed(), created=made.clock.now)
            session.add(user)
            made.users[login] = user.id


@cache
def _hashed() -> str:
    return hash_password(PASSWORD)


def finding(
    code: str, severity: str = "violation", start: float | None = None, end: float | None = None
) -> dict[str, Any]:
    return {
        "code": code,
        "axis": "timeline",
        "severity": severity,
        "start": start,
        "end": end,
        "evidence": {"packet": 12},
        "zh": f"{code} 的中文说明",
        "en": f"{code} in English",
    }


REPORT_FINDINGS = [
    finding("REC-CONTINUOUS/GAP-PTS", "violation", 2.0, 3.5),
    finding("REC-TRUE/ENCODER", "suspicion"),
    finding("REC-WHEN/CLOCK", "note", 0.0, 0.0),
]


def keep(
    made: Bureau,
    *,
    media: bytes | None = None,
    media_type: str = "video/mp4",
    findings: list[dict[str, Any]] | None = None,
    device: str = "LH00012",
    name: str = "DCIM/20261120_090000_0001.MP4",
    officer: str | None = "officer",
    verdict: str = "interrupted",
) -> Kept:
    """Take one original in through the real intake, and give it an analysis, an access copy and a poster."""
    content = os.urandom(3000)
    spool = made.services.settings.spool / new_id()
    spool.write_bytes(content)
    leaf = merkle.leaf_hash(content)
    sha256 = hashlib.sha256(content).hexdigest()
    made.services.intake.keep([Spooled(spool, Digest(sha256, leaf.hex(), len(content)), leaf)])
    arrival = Arrival(path=name, device=device, actor=Actor("station", "ST-01"))
    with made.services.catalogue.write() as session:
        made.services.intake.register(session, [(arrival, Digest(sha256, leaf.hex(), len(content)))])
        recording = session.get_one(Recording, session.get_one(Original, sha256).recording_id)
        recording.officer_id = made.users[officer] if officer else None
        recording.kind, recording.duration = "video", 12.0
        recording.started = made.clock.now - timedelta(hours=3)
        recording.verdict = verdict
        recording.report = report(sha256, name, REPORT_FINDINGS if findings is None else findings, verdict)
        session.add(
            Analysis(
                id=new_id(), recording_id=recording.id, verdict=verdict, report=recording.report, made=made.clock.now
            )
        )
    access = media if media is not None else os.urandom(70_000)
    poster = os.urandom(900)
    derive(made, sha256, "access", access, media_type)
    derive(made, sha256, "poster", poster, "image/jpeg")
    spool.unlink()
    return Kept(recording.id, sha256, access, poster)


def report(sha256: str, path: str, findings: list[dict[str, Any]], verdict: str) -> dict[str, Any]:
    file = {
        "path": path,
        "sha256": sha256,
        "media": {"kind": "video", "duration": 12.0, "streams": [{"kind": "video", "start": 0.0, "end": 12.0}]},
        "verdict": verdict,
        "findings": findings,
        "not_checked": [{"check": "signature", "why": "没有签名 / no signature"}],
    }
    return {"liuhen": "0.1.0", "files": [file], "series": [{"files": [path], "verdict": verdict, "findings": []}]}


def derive(made: Bureau, original: str, kind: str, content: bytes, media_type: str) -> None:
    digest = hashlib.sha256(content).hexdigest()
    source = made.services.settings.spool / digest
    source.write_bytes(content)
    made.services.tiers["five_years"].put(derivative_key(digest), source, sha256=digest, retain_until=None)
    source.unlink()
    with made.services.catalogue.write() as session:
        session.add(
            Derivative(
                id=new_id(),
                original_sha256=original,
                kind=kind,
                retention="five_years",
                sha256=digest,
                size=len(content),
                media_type=media_type,
                tier="five_years",
                proof={"frames": "identical"},
                made=made.clock.now,
            )
        )


class Browser:
    """A signed-in (or not) client that sends forms as a page would, with the token in them."""

    def __init__(
        self, made: Bureau, login: str | None = None, *, limits: Limits | None = None, app: Any = None
    ) -> None:
        self.app = app or make_app(made.services, limits or Limits(changes=100_000))
        self.client = TestClient(
            self.app, base_url="http://testserver", headers={"accept": "text/html"}, follow_redirects=False
        )
        self.token = ""
        if login:
            self.sign_in(made, login)

    def sign_in(self, made: Bureau, login: str) -> None:
        """By a session of the tests' own making: the password's check is slow on purpose and tested once."""
        cookie, signed_in = made_session(self.app, made.user(login))
        self.client.cookies.set(SESSION_COOKIE, cookie)
        self.token = signed_in.csrf

    def get(self, address: str, **given: Any) -> Any:
        return self.client.get(address, **given)

    def post(self, address: str, data: dict[str, Any] | None = None, **given: Any) -> Any:
        return self.client.post(address, data={"csrf": self.token, **(data or {})}, **given)

    def json(self, method: str, address: str, body: Any = None) -> Any:
        headers = {"accept": "application/json", "x-csrf-token": self.token}
        return self.client.request(method, address, json=body, headers=headers)


def made_session(app: Any, user: User) -> tuple[str, Any]:
    opened: tuple[str, Any] = app.state.web.sessions._open(user)
    return opened


def text_of(answer: Any) -> str:
    """The page's words without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def entries(made: Bureau) -> int:
    with made.services.catalogue.read() as session:
        return session.query(Entry).count()
