"""Accounts: one-time passwords, changes, roles; the ledger learns logins and roles, never names or passwords."""

from __future__ import annotations

import pytest

from pipeline.access import NoRight
from pipeline.accounts import Accounts, hash_password, one_time_password, verify_password
from pipeline.sessions import Sessions
from storage.errors import Conflict, NotFound, Refused
from storage.records import Actor, Role
from tests.support.web import PASSWORD, SETUP, Bureau

BOSS = Actor("user", "admin")


@pytest.fixture
def accounts(office: Bureau) -> Accounts:
    return Accounts(office.services.catalogue, office.clock)


def test_a_new_account_starts_with_a_password_to_be_changed(accounts: Accounts) -> None:
    password = accounts.create("chen.hao", " 陈浩 ", [Role.OFFICER], by=BOSS, certificate="35-0042")
    user = accounts.find("chen.hao")
    assert user is not None
    assert (user.name, user.roles, user.must_change, user.disabled) == ("陈浩", ["officer"], True, False)
    assert verify_password(password, user.password)
    assert password not in user.password


def test_changing_it_ends_the_sessions_and_the_duty(office: Bureau, accounts: Accounts) -> None:
    one_time = accounts.create("chen", "陈浩", [Role.OFFICER], by=BOSS)
    sessions = Sessions(office.services.catalogue, office.clock)
    cookie, _ = sessions.sign_in("chen", one_time, "127.0.0.1")
    user = accounts.find("chen")
    assert user is not None
    accounts.change_password(user.id, one_time, "a-long-new-password")
    assert sessions.find(cookie) is None
    assert not accounts.get(user.id).must_change
    sessions.sign_in("chen", "a-long-new-password", "127.0.0.1")


@pytest.mark.parametrize("new", ["short", "officer-officer", "aaaaaaaaaaaa", PASSWORD, "x" * 300])
def test_a_weak_new_password_is_refused(office: Bureau, accounts: Accounts, new: str) -> None:
    with pytest.raises(Refused):
        accounts.change_password(office.users["officer"], PASSWORD, new)
    assert verify_password(PASSWORD, office.user("officer").password)


def test_the_present_password_is_asked_for(office: Bureau, accounts: Accounts) -> None:
    with pytest.raises(Refused, match="present password"):
        accounts.change_password(office.users["officer"], "not-the-password", "a-long-new-password")


@pytest.mark.parametrize("login", ["", "a", "Chen", "陈浩", "a b", "-chen", "x" * 33, "chen\n"])
def test_a_malformed_login_is_refused(accounts: Accounts, login: str) -> None:
    with pytest.raises(Refused):
        accounts.create(login, "陈浩", [Role.OFFICER], by=BOSS)


def test_a_taken_login_and_no_roles_are_refused(accounts: Accounts) -> None:
    with pytest.raises(Conflict):
        accounts.create("officer", "陈浩", [Role.OFFICER], by=BOSS)
    with pytest.raises(Refused):
        accounts.create("chen", "陈浩", [], by=BOSS)
    with pytest.raises(Refused):
        accounts.create("chen", "  ", [Role.OFFICER], by=BOSS)


def test_nobody_raises_themselves(office: Bureau, accounts: Accounts) -> None:
    with pytest.raises(NoRight):
        accounts.set_roles(office.users["admin"], [Role.ADMIN, Role.APPROVER], by=BOSS)
    with pytest.raises(NoRight):
        accounts.set_disabled(office.users["admin"], True, by=BOSS)


def test_one_administrator_stays(office: Bureau, accounts: Accounts) -> None:
    with pytest.raises(Refused, match="administrator"):
        accounts.set_disabled(office.users["admin"], True, by=SETUP)
    with pytest.raises(Refused, match="administrator"):
        accounts.set_roles(office.users["admin"], [Role.OFFICER], by=SETUP)
    assert office.user("admin").roles == ["admin"]


def test_disabling_ends_the_sessions_and_enabling_lets_in_again(office: Bureau, accounts: Accounts) -> None:
    sessions = Sessions(office.services.catalogue, office.clock)
    cookie, _ = sessions.sign_in("officer", PASSWORD, "127.0.0.1")
    accounts.set_disabled(office.users["officer"], True, by=BOSS)
    assert sessions.find(cookie) is None
    with pytest.raises(Refused):
        sessions.sign_in("officer", PASSWORD, "127.0.0.1")
    accounts.set_disabled(office.users["officer"], False, by=BOSS)
    sessions.sign_in("officer", PASSWORD, "127.0.0.1")


def test_a_reset_gives_another_one_time_password(office: Bureau, accounts: Accounts) -> None:
    password = accounts.reset(office.users["officer"], by=BOSS)
    user = office.user("officer")
    assert user.must_change
    assert verify_password(password, user.password)
    with pytest.raises(NotFound):
        accounts.reset("nobody", by=BOSS)


def test_the_ledger_learns_what_changed_and_no_person(office: Bureau, accounts: Accounts) -> None:
    password = accounts.create("chen", "陈浩", [Role.OFFICER], by=BOSS, unit="执法大队", certificate="35-0042")
    user = accounts.find("chen")
    assert user is not None
    accounts.set_roles(user.id, [Role.APPROVER, Role.OFFICER], by=BOSS)
    accounts.set_disabled(user.id, True, by=BOSS)
    events = office.events("user:chen")
    assert [(event, actor) for event, actor, _ in events] == [
        ("user.created", "user:admin"),
        ("user.changed", "user:admin"),
        ("user.changed", "user:admin"),
    ]
    assert events[1][2]["roles"] == ["officer", "approver"]
    for secret in ("陈浩", "执法大队", "35-0042", password):
        assert secret not in str(events)


def test_one_time_passwords_differ_and_can_be_read_aloud() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    assert not set("".join(made)) & set("0O1lIi")


def test_hashes_are_argon2_and_salted() -> None:
    first, second = hash_password(PASSWORD), hash_password(PASSWORD)
    assert first.startswith("$argon2id$")
    assert first != second
    assert not verify_password("x" * 100_000, first)
