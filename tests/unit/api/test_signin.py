"""Signing in and out, the password page, tokens, languages."""

from __future__ import annotations

from pipeline.accounts import Accounts
from pipeline.sessions import BOTH
from storage.records import Role
from tests.support.web import PASSWORD, SETUP, Browser, Bureau, text_of


def test_a_page_asks_to_sign_in_and_leads_back(office: Bureau) -> None:
    browser = Browser(office)
    answer = browser.get("/recordings?verdict=interrupted")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        "/signin?next=%2Frecordings%3Fverdict%3Dinterrupted",
    )
    shown = browser.get(answer.headers["location"])
    assert 'value="/recordings?verdict=interrupted"' in shown.text
    signed = browser.post(
        "/signin", {"login": "officer", "password": PASSWORD, "next": "/recordings?verdict=interrupted"}
    )
    assert signed.headers["location"] == "/recordings?verdict=interrupted"
    assert browser.get("/recordings").status_code == 200


def test_the_cookie_is_for_this_site_and_no_script(office: Bureau) -> None:
    signed = Browser(office).post("/signin", {"login": "officer", "password": PASSWORD})
    cookie = signed.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "secure" not in cookie


def test_a_link_cannot_send_people_elsewhere(office: Bureau) -> None:
    for target in ("https://example.org/", "//example.org", "/\\example.org", "javascript:alert(1)", "/a\nb"):
        signed = Browser(office).post("/signin", {"login": "officer", "password": PASSWORD, "next": target})
        assert signed.headers["location"] == "/"


def test_a_wrong_password_says_so_and_keeps_the_login(office: Bureau) -> None:
    answer = Browser(office).post("/signin", {"login": "officer", "password": "wrong"})
    assert answer.status_code == 401
    assert "登录名或密码不正确" in answer.text
    assert 'value="officer"' in answer.text
    assert "set-cookie" not in answer.headers


def test_too_many_wrong_passwords_must_wait(office: Bureau) -> None:
    browser = Browser(office)
    for _ in range(BOTH):
        browser.post("/signin", {"login": "officer", "password": "wrong"})
    answer = browser.post("/signin", {"login": "officer", "password": PASSWORD})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_a_one_time_password_opens_nothing_but_its_change(office: Bureau) -> None:
    one_time = Accounts(office.services.catalogue, office.clock).create("chen", "陈浩", [Role.OFFICER], by=SETUP)
    browser = Browser(office)
    browser.post("/signin", {"login": "chen", "password": one_time})
    for address in ("/", "/recordings", "/admin/users"):
        answer = browser.get(address)
        assert (answer.status_code, answer.headers["location"]) == (303, "/password")
    assert browser.json("GET", "/api/recordings").status_code == 403
    token = browser.json("GET", "/api/session").json()["csrf"]
    wrong = {"old": one_time, "new": "a-long-new-password", "again": "another-new-password", "csrf": token}
    assert browser.post("/password", wrong).status_code == 400
    changed = browser.post("/password", {**wrong, "again": wrong["new"]})
    assert changed.headers["location"] == "/signin?note=password"
    assert browser.get("/").headers["location"] == "/signin"
    browser.post("/signin", {"login": "chen", "password": "a-long-new-password"})
    assert browser.get("/").status_code == 200


def test_a_weak_password_is_refused_on_the_page(office: Bureau) -> None:
    browser = Browser(office, "officer")
    answer = browser.post("/password", {"old": PASSWORD, "new": "short", "again": "short"})
    assert answer.status_code == 400
    assert "10" in text_of(answer)


def test_signing_out_ends_the_session(office: Bureau) -> None:
    browser = Browser(office, "officer")
    assert browser.client.post("/signout").status_code == 403  # without the token it changes nothing
    assert browser.get("/").status_code == 200
    assert browser.post("/signout").headers["location"] == "/signin?note=signedout"
    assert browser.get("/").status_code == 303


def test_the_password_page_needs_a_session(office: Bureau) -> None:
    assert Browser(office).get("/password").status_code == 303
    assert Browser(office).post("/password", {"old": "a", "new": "b", "again": "b"}).status_code == 303


def test_every_form_in_another_session_is_refused(office: Bureau) -> None:
    browser, other = Browser(office, "officer"), Browser(office, "colleague")
    browser.token = other.token
    answer = browser.post("/cases", {"number": "1", "title": "案由"})
    assert answer.status_code == 403
    assert "刷新" in answer.text


def test_the_language_is_a_choice_that_stays(office: Bureau) -> None:
    browser = Browser(office, "officer")
    assert '<html lang="zh-CN">' in browser.get("/").text
    answer = browser.get("/language/en?next=/recordings")
    assert answer.headers["location"] == "/recordings"
    page = browser.get("/recordings").text
    assert '<html lang="en">' in page
    assert "Recordings" in page
    assert "音像记录" not in page
    browser.get("/language/zh")
    assert "音像记录" in browser.get("/recordings").text
    assert "set-cookie" not in browser.get("/language/xx").headers


def test_a_language_link_cannot_send_people_elsewhere(office: Bureau) -> None:
    assert Browser(office).get("/language/en?next=https://example.org").headers["location"] == "/"
