"""Signing in: one password check, brakes on guessing, and sessions kept on the server.

The cookie is a random token; the database keeps its SHA-256, so that a stolen database signs nobody in. Sign-ins are
written to the program's log, not to the ledger.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import structlog
from sqlalchemy import delete, select

from pipeline.accounts import hash_password, verify_password
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import User, WebSession
from storage.clock import Clock
from storage.errors import Refused, Transient

LIFETIME = timedelta(hours=12)  # a working day; then sign in again
WINDOW = timedelta(minutes=10)  # wrong passwords within this time are counted; at a limit the next attempts must wait
BOTH = 5  # for one login from one address
LOGIN = 20  # for one login from anywhere: higher, so that a stranger elsewhere can't easily lock a colleague out
ADDRESS = 30  # from one address: a whole office may stand behind it
log = structlog.get_logger()


class TooMany(Transient):
    """Too many wrong passwords: wait. `seconds` until it makes sense to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(
            f"密码错误次数过多，请{seconds // 60 + 1}分钟后再试。",
            f"too many wrong passwords: try again in {seconds // 60 + 1} minutes",
        )
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A live session: who, and the token that each of their changing requests must carry."""

    user: User
    csrf: str
    expires: datetime


class Sessions:
    """Thread-safe. The brakes are in this process's memory: each server process counts its own failures."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock
        self._failures: dict[str, list[datetime]] = {}
        self._lock = threading.Lock()

    def sign_in(self, login: str, password: str, address: str) -> tuple[str, SignedIn]:
        """Check the password, open a session, return its cookie. Raises Refused (wrong, disabled) or TooMany.

        The answer and its time are the same for an unknown login, a wrong password and a disabled account.
        """
        login = login.strip().lower()[:64]
        keys = {f"both:{login}@{address}": BOTH, f"login:{login}": LOGIN, f"address:{address}": ADDRESS}
        self._brake(keys)
        with self._catalogue.read() as session:
            user = session.scalar(select(User).where(User.login == login))
        right = verify_password(password, user.password if user else _nobodys_hash())
        if user is None or user.disabled or not right:
            self._failed(keys)
            log.warning("sign-in refused", login=login, address=address)
            raise Refused("登录名或密码不正确。", "the login or the password is wrong")
        with self._lock:
            self._failures.pop(f"both:{login}@{address}", None)
        log.info("signed in", login=login, address=address)
        return self._open(user)

    def find(self, cookie: str) -> SignedIn | None:
        """The session behind a cookie, or None: unknown, expired, or its user disabled."""
        with self._catalogue.read() as session:
            row = session.get(WebSession, _digest(cookie))
            if row is None or row.expires <= self._clock():
                return None
            user = session.get(User, row.user_id)
        if user is None or user.disabled:
            return None
        return SignedIn(user, row.csrf, row.expires)

    def sign_out(self, cookie: str) -> None:
        with self._catalogue.write() as session:
            session.execute(delete(WebSession).where(WebSession.token == _digest(cookie)))

    def _open(self, user: User) -> tuple[str, SignedIn]:
        cookie, now = secrets.token_urlsafe(32), self._clock()
        row = WebSession(
            token=_digest(cookie),
            user_id=user.id,
            csrf=secrets.token_urlsafe(24),
            created=now,
            expires=now + LIFETIME,
        )
        with self._catalogue.write() as session:
            session.execute(delete(WebSession).where(WebSession.expires <= now))
            session.add(row)
        return cookie, SignedIn(user, row.csrf, row.expires)

    def _brake(self, limits: Mapping[str, int]) -> None:
        now = self._clock()
        with self._lock:
            self._failures = {key: kept for key, times in self._failures.items() if (kept := _recent(times, now))}
            full = [
                times[-limit] for key, limit in limits.items() if len(times := self._failures.get(key, [])) >= limit
            ]
        if full:
            raise TooMany(int((max(full) + WINDOW - now).total_seconds()))

    def _failed(self, keys: Iterable[str]) -> None:
        now = self._clock()
        with self._lock:
            for key in keys:
                self._failures.setdefault(key, []).append(now)


def _recent(times: list[datetime], now: datetime) -> list[datetime]:
    return [at for at in times if now - at < WINDOW]


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


@cache
def _nobodys_hash() -> str:
    """What an unknown login's password is checked against, so that the time taken doesn't tell."""
    return hash_password(secrets.token_urlsafe(16))
