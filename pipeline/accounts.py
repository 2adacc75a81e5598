"""Users: making accounts, roles, passwords (argon2), disabling. Signing in is `pipeline.sessions`.

A new account and a reset one get a one-time password that is shown once and must be changed at the first sign-in.
The ledger learns the login, the roles and what changed; never a name, never anything of a password.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pipeline.access import NoRight
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import User, WebSession
from storage.clock import Clock, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.records import Actor, CustodyEvent, Role

MIN_PASSWORD = 10  # characters; length is what counts (NIST SP 800-63B asks for 8)
MAX_PASSWORD = 256  # argon2 takes any length; an attacker's megabyte it needn't
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is misread: it goes from screen to paper to keyboard


class Accounts:
    """The users' table as use cases. `by` is who does it: an administrator, or Actor("service", "setup")."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def create(
        self,
        login: str,
        name: str,
        roles: Collection[Role],
        *,
        by: Actor,
        unit: str = "",
        certificate: str = "",
    ) -> str:
        """Make an account and return its one-time password. Raises Refused (bad login or roles) or Conflict (taken)."""
        _check_login(login)
        if not name.strip():
            raise Refused("请填写姓名。", "a name is needed")
        password = one_time_password()
        user = User(
            id=new_id(),
            login=login,
            name=name.strip(),
            unit=unit.strip(),
            certificate=certificate.strip(),
            roles=_role_list(roles),
            password=hash_password(password),
            must_change=True,
            created=self._clock(),
        )
        with self._catalogue.write() as session:
            if session.scalar(select(User.id).where(User.login == login)) is not None:
                raise Conflict(f"登录名 {login} 已被使用，请换一个。", f"the login {login} is taken: choose another")
            session.add(user)
            self._record(session, "user.created", login, by, {"user": user.id, "roles": user.roles})
        return password

    def reset(self, user_id: str, *, by: Actor) -> str:
        """Give a new one-time password and end the user's sessions."""
        password = one_time_password()
        with self._catalogue.write() as session:
            user = _get(session, user_id)
            user.password, user.must_change = hash_password(password), True
            _end_sessions(session, user_id)
            self._record(session, "user.changed", user.login, by, {"user": user.id, "change": "password-reset"})
        return password

    def change_password(self, user_id: str, old: str, new: str) -> None:
        """The user's own change; it ends every session of theirs. Raises Refused where `old` is wrong or `new` weak."""
        with self._catalogue.read() as session:
            user = _get(session, user_id)
        if not verify_password(old, user.password):
            raise Refused("当前密码不正确，密码未修改。", "the present password is wrong; nothing was changed")
        _check_new(new, old, user)
        hashed = hash_password(new)
        with self._catalogue.write() as session:
            row = _get(session, user_id)
            row.password, row.must_change = hashed, False
            _end_sessions(session, user_id)
            who = Actor("user", row.login)
            self._record(session, "user.changed", row.login, who, {"user": row.id, "change": "password"})

    def set_roles(self, user_id: str, roles: Collection[Role], *, by: Actor) -> None:
        """Replace the user's roles. Raises Refused for one's own, or when no administrator would be left."""
        with self._catalogue.write() as session:
            user = _get(session, user_id)
            _refuse_own(user, by)
            user.roles = _role_list(roles)
            _keep_an_admin(session)
            payload = {"user": user.id, "change": "roles", "roles": user.roles}
            self._record(session, "user.changed", user.login, by, payload)

    def set_disabled(self, user_id: str, disabled: bool, *, by: Actor) -> None:
        """Stop or allow sign-in; stopping ends their sessions. Accounts are never deleted: the chain names them."""
        with self._catalogue.write() as session:
            user = _get(session, user_id)
            _refuse_own(user, by)
            user.disabled = disabled
            _keep_an_admin(session)
            if disabled:
                _end_sessions(session, user_id)
            change = "disabled" if disabled else "enabled"
            self._record(session, "user.changed", user.login, by, {"user": user.id, "change": change})

    def find(self, login: str) -> User | None:
        with self._catalogue.read() as session:
            return session.scalar(select(User).where(User.login == login))

    def all(self) -> Sequence[User]:
        with self._catalogue.read() as session:
            return session.scalars(select(User).order_by(User.login)).all()

    def get(self, user_id: str) -> User:
        """Raises NotFound."""
        with self._catalogue.read() as session:
            return _get(session, user_id)

    def _record(self, session: Session, event: str, login: str, by: Actor, payload: dict[str, Any]) -> None:
        made = CustodyEvent(
            id=new_id(), event=event, time=self._clock(), actor=by, subject=f"user:{login}", payload=payload
        )
        custody.record(session, made)


def one_time_password() -> str:
    """Four groups of four, 79 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))


def hash_password(password: str) -> str:
    return _hasher().hash(password)


def verify_password(password: str, hashed: str) -> bool:
    """Takes as long for an over-long password as for any other."""
    return _hasher().verify(password[:MAX_PASSWORD], hashed)


@cache
def _hasher() -> PasswordHash:
    return PasswordHash((Argon2Hasher(),))


def _check_login(login: str) -> None:
    if not _LOGIN.fullmatch(login):
        raise Refused(
            "登录名须为2至32位小写字母、数字或 . _ -，以字母或数字开头。",
            "a login has 2 to 32 lower-case letters, digits or . _ - and begins with a letter or digit",
        )


def _check_new(new: str, old: str, user: User) -> None:
    if not MIN_PASSWORD <= len(new) <= MAX_PASSWORD:
        raise Refused(
            f"新密码须为{MIN_PASSWORD}至{MAX_PASSWORD}个字符。",
            f"the new password needs {MIN_PASSWORD} to {MAX_PASSWORD} characters",
        )
    if new == old:
        raise Refused("新密码不能与当前密码相同。", "the new password must differ from the present one")
    if user.login in new.lower() or len(set(new)) < 5:
        raise Refused(
            "新密码过于简单：不能包含登录名，且至少有5个不同字符。",
            "the new password is too simple: it must not contain the login and needs 5 different characters",
        )


def _role_list(roles: Collection[Role]) -> list[str]:
    if not roles:
        raise Refused("请至少选择一个角色。", "choose at least one role")
    return [role.value for role in Role if role in roles]


def _refuse_own(user: User, by: Actor) -> None:
    if by == Actor("user", user.login):
        raise NoRight(
            "不能修改本人的角色或停用本人账号，请由其他管理员操作。",
            "nobody changes their own roles or disables themselves: ask another administrator",
        )


def _keep_an_admin(session: Session) -> None:
    session.flush()
    able = session.scalars(select(User).where(User.disabled.is_(False))).all()
    if not any(Role.ADMIN in user.roles for user in able):
        raise Refused("至少保留一名可用的系统管理员。", "one administrator who can sign in must remain")


def _get(session: Session, user_id: str) -> User:
    user = session.get(User, user_id)
    if user is None:
        raise NotFound("没有这个用户。", "there is no such user")
    return user


def _end_sessions(session: Session, user_id: str) -> None:
    session.execute(delete(WebSession).where(WebSession.user_id == user_id))
