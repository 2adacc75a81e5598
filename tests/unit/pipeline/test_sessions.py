"""Sessions and the brakes on guessing."""

from __future__ import annotations

import pytest

from pipeline.sessions import ADDRESS, BOTH, LOGIN, Sessions, TooMany
from storage.catalogue.tables import WebSession
from storage.errors import Refused
from tests.support.web import PASSWORD, Bureau


@pytest.fixture
def sessions(office: Bureau) -> Sessions:
    return Sessions(office.services.catalogue, office.clock)


def fail(sessions: Sessions, login: str, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Refused, match="wrong"):
            sessions.sign_in(login, "not-the-password", address)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The brakes count; how slow argon2 is doesn't matter to them."""
    monkeypatch.setattr("pipeline.sessions.verify_password", lambda password, hashed: password == PASSWORD)


def test_a_session_knows_its_user_and_ends_after_twelve_hours(office: Bureau, sessions: Sessions) -> None:
    cookie, opened = sessions.sign_in(" Officer ", PASSWORD, "127.0.0.1")
    found = sessions.find(cookie)
    assert found is not None
    assert (found.user.login, found.csrf) == ("officer", opened.csrf)
    office.clock.forward(hours=12)
    assert sessions.find(cookie) is None


def test_the_database_holds_no_cookie(office: Bureau, sessions: Sessions) -> None:
    cookie, _ = sessions.sign_in("officer", PASSWORD, "127.0.0.1")
    with office.services.catalogue.read() as session:
        rows = session.query(WebSession).all()
    assert len(rows) == 1
    assert cookie not in (rows[0].token, rows[0].csrf)


def test_signing_out_ends_one_session(sessions: Sessions) -> None:
    first, _ = sessions.sign_in("officer", PASSWORD, "127.0.0.1")
    second, _ = sessions.sign_in("officer", PASSWORD, "127.0.0.2")
    sessions.sign_out(first)
    assert sessions.find(first) is None
    assert sessions.find(second) is not None


def test_expired_sessions_are_cleared_away(office: Bureau, sessions: Sessions) -> None:
    sessions.sign_in("officer", PASSWORD, "127.0.0.1")
    office.clock.forward(hours=13)
    sessions.sign_in("approver", PASSWORD, "127.0.0.1")
    with office.services.catalogue.read() as session:
        assert session.query(WebSession).count() == 1


def test_unknown_and_wrong_get_the_same_answer(sessions: Sessions) -> None:
    words = set()
    for login in ("officer", "nobody"):
        with pytest.raises(Refused) as refused:
            sessions.sign_in(login, "not-the-password", "127.0.0.1")
        words.add(refused.value.zh)
    assert len(words) == 1


@pytest.mark.usefixtures("quick")
def test_guessing_at_one_login_is_braked_even_with_the_right_password(office: Bureau, sessions: Sessions) -> None:
    fail(sessions, "officer", "10.0.0.1", BOTH)
    with pytest.raises(TooMany) as braked:
        sessions.sign_in("officer", PASSWORD, "10.0.0.1")
    assert 0 < braked.value.seconds <= 600
    sessions.sign_in("officer", PASSWORD, "10.0.0.2")  # the officer at their own desk is not locked out
    office.clock.forward(minutes=10)
    sessions.sign_in("officer", PASSWORD, "10.0.0.1")


@pytest.mark.usefixtures("quick")
def test_guessing_from_many_addresses_is_braked(sessions: Sessions) -> None:
    for number in range(LOGIN):
        fail(sessions, "officer", f"10.0.1.{number}", 1)
    with pytest.raises(TooMany):
        sessions.sign_in("officer", PASSWORD, "10.0.2.1")


@pytest.mark.usefixtures("quick")
def test_guessing_at_many_logins_from_one_address_is_braked(sessions: Sessions) -> None:
    for number in range(ADDRESS):
        fail(sessions, f"user{number}", "10.0.0.9", 1)
    with pytest.raises(TooMany):
        sessions.sign_in("officer", PASSWORD, "10.0.0.9")


@pytest.mark.usefixtures("quick")
def test_a_right_password_forgets_the_typing_errors(sessions: Sessions) -> None:
    for _ in range(3):
        fail(sessions, "officer", "10.0.0.1", BOTH - 1)
        sessions.sign_in("officer", PASSWORD, "10.0.0.1")
