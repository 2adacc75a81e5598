"""The outermost layer: headers, sizes, origins, the brake."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.guard import CSP, STATIONS, Guard, Limits
from api.metrics import Metrics
from tests.support.web import Browser, Bureau


@pytest.mark.parametrize("address", ["/signin", "/static/liuhen.css", "/healthz", "/nothing", "/api/recordings"])
def test_every_answer_carries_the_security_headers(office: Bureau, address: str) -> None:
    headers = Browser(office).get(address).headers
    assert headers["content-security-policy"] == CSP
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


def test_the_policy_allows_no_inline_script_and_no_other_site() -> None:
    assert "default-src 'self'" in CSP
    assert "unsafe" not in CSP
    assert "http" not in CSP


def test_pages_hold_no_inline_script_or_style(office: Bureau) -> None:
    browser = Browser(office, "admin")
    for address in ("/", "/recordings", "/admin/users", "/ledger", "/statistics"):
        page = browser.get(address).text
        assert "<style" not in page
        assert " style=" not in page
        assert " onclick" not in page
        assert page.count("<script") == page.count('<script src="/static/')


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://example.org"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_another_site_is_refused(office: Bureau, headers: dict[str, str]) -> None:
    answer = Browser(office).post("/signin", {"login": "officer", "password": "x"}, headers=headers)
    assert answer.status_code == 403


def test_a_form_from_this_site_goes_through(office: Bureau) -> None:
    headers = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    assert Browser(office).post("/signin", {"login": "officer", "password": "x"}, headers=headers).status_code == 401


def test_an_overlong_body_is_refused_before_it_is_read(office: Bureau) -> None:
    browser = Browser(office, limits=Limits(body=1000))
    assert browser.post("/signin", {"login": "officer", "password": "x" * 2000}).status_code == 413


def test_an_overlong_body_without_a_length_is_cut_off(office: Bureau) -> None:
    browser = Browser(office, limits=Limits(body=1000))

    def pieces() -> Iterator[bytes]:
        yield b"login=officer&password="
        for _ in range(100):
            yield b"x" * 100

    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert browser.client.post("/signin", content=pieces(), headers=headers).status_code >= 400


def test_a_body_that_never_comes_whole_is_ended_and_an_answer_may_take_its_time() -> None:
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        heard.append((await receive())["type"])
        last = await receive()
        heard.append("late" if "late" in last else last["type"])

    def told(*messages: Message) -> Receive:
        waiting = list(messages)

        async def receive() -> Message:
            if not waiting:
                await asyncio.sleep(0.2)
                return {"type": "http.disconnect", "late": True}
            return waiting.pop(0)

        return receive

    async def send(message: Message) -> None:
        raise AssertionError(message)

    guard = Guard(app, Limits(seconds=0.05), Metrics())
    scope = {"type": "http", "method": "POST", "path": "/signin", "headers": [], "client": ("::1", 1)}
    dripping = told({"type": "http.request", "body": b"login=", "more_body": True})
    asyncio.run(guard(scope, dripping, send))
    asyncio.run(
        asyncio.wait_for(guard(scope, told({"type": "http.request", "body": b"", "more_body": False}), send), 5)
    )
    assert heard == ["http.request", "http.disconnect", "http.request", "late"]


def test_a_flood_of_changes_is_braked_and_looking_is_not(office: Bureau) -> None:
    browser = Browser(office, limits=Limits(changes=3))
    answers = [browser.client.post("/signout").status_code for _ in range(5)]
    assert answers[3:] == [429, 429]
    assert browser.get("/signin").status_code == 200


@pytest.mark.parametrize("address", STATIONS)
def test_what_stations_send_has_its_own_limits(office: Bureau, address: str) -> None:
    """A photograph, a long manifest or report; a card of a thousand photographs; a hundred stations at one address."""
    browser = Browser(office, limits=Limits(body=100, changes=1))
    answers = [browser.client.post(address, content=bytes(1000)) for _ in range(3)]
    assert not {answer.status_code for answer in answers} & {404, 405, 413, 429}, answers[0].text
