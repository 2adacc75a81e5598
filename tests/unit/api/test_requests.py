"""Requests: who sees them, who decides, what the pages say."""

from __future__ import annotations

import pytest

from storage.records import RequestKind
from tests.support.web import Browser, Bureau, Kept, text_of


@pytest.fixture
def request_id(office: Bureau, kept: Kept) -> str:
    return office.services.access.request(office.users["colleague"], kept.recording, RequestKind.VIEW, "投诉复查甲")


def test_an_approver_approves_and_the_requester_may_look(office: Bureau, kept: Kept, request_id: str) -> None:
    approver = Browser(office, "approver")
    assert "投诉复查甲" in approver.get(f"/requests/{request_id}").text
    answer = approver.post(f"/requests/{request_id}/decision", {"approve": "true", "reason": "同意"})
    assert answer.headers["location"] == f"/requests/{request_id}?note=approved"
    requester = Browser(office, "colleague").get(f"/requests/{request_id}")
    assert "已批准" in text_of(requester)
    assert f"/recordings/{kept.recording}#player" in requester.text


def test_a_rejection_shows_its_reason(office: Bureau, request_id: str) -> None:
    approver = Browser(office, "approver")
    assert approver.post(f"/requests/{request_id}/decision", {"approve": "false"}).status_code == 400
    approver.post(f"/requests/{request_id}/decision", {"approve": "false", "reason": "与案件无关"})
    assert "与案件无关" in Browser(office, "colleague").get(f"/requests/{request_id}").text


@pytest.mark.parametrize("login", ["officer", "admin", "archivist"])
def test_others_do_not_learn_of_it(office: Bureau, request_id: str, login: str) -> None:
    browser = Browser(office, login)
    assert browser.get(f"/requests/{request_id}").status_code == 404
    assert browser.post(f"/requests/{request_id}/decision", {"approve": "true"}).status_code == 404
    assert "投诉复查甲" not in browser.get("/requests").text
    assert browser.json("GET", f"/api/requests/{request_id}").status_code == 404


def test_an_auditor_looks_and_cannot_decide(office: Bureau, request_id: str) -> None:
    auditor = Browser(office, "auditor")
    assert "投诉复查甲" in auditor.get("/requests").text
    assert 'name="approve"' not in auditor.get(f"/requests/{request_id}").text
    assert auditor.post(f"/requests/{request_id}/decision", {"approve": "true"}).status_code == 403


def test_the_requester_cannot_decide(office: Bureau, kept: Kept) -> None:
    own = office.services.access.request(office.users["approver"], kept.recording, RequestKind.VIEW, "本人调阅")
    approver = Browser(office, "approver")
    shown = approver.get(f"/requests/{own}")
    assert 'name="approve"' not in shown.text
    assert "不得审批本人" in shown.text
    answer = approver.post(f"/requests/{own}/decision", {"approve": "true"})
    assert answer.status_code == 403
    assert "本人" in answer.text
    assert "本人调阅" not in approver.get("/").text.split("待我审核")[0]


def test_it_is_decided_once(office: Bureau, request_id: str) -> None:
    first, second = Browser(office, "approver"), Browser(office, "approver2")
    first.post(f"/requests/{request_id}/decision", {"approve": "true"})
    assert second.post(f"/requests/{request_id}/decision", {"approve": "false", "reason": "不同意"}).status_code == 409
    assert "已批准" in text_of(second.get(f"/requests/{request_id}"))


def test_the_token_is_needed(office: Bureau, request_id: str) -> None:
    approver = Browser(office, "approver")
    approver.token = "x"
    assert approver.post(f"/requests/{request_id}/decision", {"approve": "true"}).status_code == 403
    assert "待审批" in text_of(approver.get(f"/requests/{request_id}"))


def test_the_list_filters_by_state(office: Bureau, request_id: str) -> None:
    approver = Browser(office, "approver")
    assert "投诉复查甲" in approver.get("/requests?state=pending").text
    assert "投诉复查甲" not in approver.get("/requests?state=approved").text
    assert "投诉复查甲" in approver.get("/requests?state=nonsense").text


def test_an_export_in_the_making_says_so(office: Bureau, kept: Kept) -> None:
    made = office.grant("colleague", kept.recording, RequestKind.EXPORT)
    assert "正在制作" in Browser(office, "colleague").get(f"/requests/{made}").text


def test_an_expired_grant_offers_no_player(office: Bureau, kept: Kept) -> None:
    made = office.grant("colleague", kept.recording)
    office.clock.forward(hours=25)
    shown = Browser(office, "colleague").get(f"/requests/{made}")
    assert "已到期" in shown.text
    assert "#player" not in shown.text


def test_an_empty_list_says_what_to_do(office: Bureau) -> None:
    assert "写明用途" in Browser(office, "officer").get("/requests").text
