"""The JSON interface: the same rules as the pages, and whatever is sent, an answer that its description allows."""

from __future__ import annotations

from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.signin import SESSION_COOKIE
from storage.records import RequestKind
from tests.support.web import PASSWORD, Browser, Bureau, Kept

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_a_program_signs_in_asks_decides_and_leaves(office: Bureau, kept: Kept) -> None:
    officer, approver = Browser(office), Browser(office)
    for browser, login in ((officer, "colleague"), (approver, "approver")):
        answer = browser.json("POST", "/api/session", {"login": login, "password": PASSWORD})
        assert answer.status_code == 201
        browser.token = answer.json()["csrf"]
    asked = officer.json("POST", "/api/requests", {"recording": kept.recording, "kind": "view", "purpose": "案件审核"})
    assert asked.status_code == 201
    decided = approver.json("POST", f"/api/requests/{asked.json()['id']}/decision", {"approve": True})
    assert decided.json()["state"] == "approved"
    shown = officer.json("GET", f"/api/requests/{asked.json()['id']}").json()
    assert (shown["decided_by"], shown["purpose"]) == ("approver", "案件审核")
    assert shown["grant"]["expires"].startswith("2026-11-21T01:02:03")
    assert officer.get(f"/recordings/{kept.recording}/media/{kept.original}/access").content == kept.access
    assert officer.json("DELETE", "/api/session").status_code == 204
    assert officer.json("GET", "/api/requests").status_code == 401


def test_a_recording_as_json_tells_everything_but_media(office: Bureau, kept: Kept) -> None:
    body = Browser(office, "officer").json("GET", f"/api/recordings/{kept.recording}").json()
    assert (body["verdict"], body["duration"], body["segments"]) == ("interrupted", 12.0, 1)
    assert body["originals"][0]["sha256"] == kept.original
    assert {made["kind"] for made in body["originals"][0]["derivatives"]} == {"access", "poster"}
    assert body["custody"][0]["event"] == "original.received"
    assert body["report"]["files"][0]["findings"][0]["code"] == "REC-CONTINUOUS/GAP-PTS"


def test_the_list_filters_and_pages(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "officer")
    assert browser.json("GET", "/api/recordings?verdict=interrupted").json()["total"] == 1
    assert browser.json("GET", "/api/recordings?verdict=continuous").json()["total"] == 0
    assert browser.json("GET", "/api/recordings?offset=1").json()["recordings"] == []
    assert browser.json("GET", "/api/recordings?limit=0").status_code == 422


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("POST", "/api/requests", {"recording": "0", "kind": "view", "purpose": "案件审核"}),
        ("POST", "/api/requests/0/decision", {"approve": True}),
        ("DELETE", "/api/session", None),
    ],
)
def test_changes_need_the_token_in_the_header(office: Bureau, method: str, address: str, body: Any) -> None:
    browser = Browser(office, "approver")
    browser.token = ""
    assert browser.json(method, address, body).status_code == 403
    assert browser.json("GET", "/api/session").status_code == 200


def test_refusals_have_words_in_both_languages(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "approver")
    own = office.services.access.request(office.users["approver"], kept.recording, RequestKind.VIEW, "案件审核")
    answer = browser.json("POST", f"/api/requests/{own}/decision", {"approve": True})
    assert answer.status_code == 403
    assert set(answer.json()["error"]) == {"zh", "en"}
    assert browser.json("GET", "/api/nothing").json()["error"]["en"]


def test_the_description_is_for_the_signed_in(office: Bureau) -> None:
    assert Browser(office).json("GET", "/api/openapi.json").status_code == 401
    described = Browser(office, "officer").json("GET", "/api/openapi.json").json()
    assert set(described["paths"]) == {
        "/api/session",
        "/api/coverage",
        "/api/missing",
        "/api/recordings",
        "/api/recordings/{recording_id}",
        "/api/requests",
        "/api/requests/{request_id}",
        "/api/requests/{request_id}/decision",
    }
    assert "/api/requests/{request_id}" in Browser(office, "officer").get("/api/docs").text


@pytest.mark.parametrize("login", ["approver", None])
def test_whatever_is_sent_the_answer_is_as_described(
    office: Bureau, kept: Kept, login: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sessions.verify_password", lambda password, hashed: False)  # slow on purpose
    browser, reader = Browser(office, login), Browser(office, "officer")
    headers = {"x-csrf-token": browser.token, "accept": "application/json"}
    cookies = dict(browser.client.cookies)
    schema = schemathesis.openapi.from_asgi(
        "/api/openapi.json",
        browser.app,
        headers={"cookie": f"{SESSION_COOKIE}={reader.client.cookies[SESSION_COOKIE]}"},
    )
    operations: list[Any] = [cast(Any, found).ok() for found in schema.get_all_operations()]
    assert len(operations) == 11
    for operation in operations:
        if operation.method.upper() != "DELETE":  # it would end the session of all the others
            _send_anything(operation, headers, cookies)


def _send_anything(operation: Any, headers: dict[str, str], cookies: dict[str, str]) -> None:
    cases = st.one_of([operation.as_strategy(mode) for mode in GenerationMode])

    @settings(
        max_examples=25,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(cases)
    def send(case: Any) -> None:
        answer = case.call(headers=headers, cookies=cookies)
        case.validate_response(answer, checks=CHECKS)

    send()
