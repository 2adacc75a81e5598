"""A recording's page: the four answers, findings and explanations, custody chain, requests from it."""

from __future__ import annotations

import pytest

from storage.catalogue.tables import AccessRequest, Recording
from tests.support.web import Browser, Bureau, Kept, finding, keep, text_of


def page(office: Bureau, kept: Kept, login: str = "officer", query: str = "") -> str:
    answer = Browser(office, login).get(f"/recordings/{kept.recording}{query}")
    assert answer.status_code == 200
    return str(answer.text)


def test_it_answers_at_a_glance(office: Bureau, kept: Kept) -> None:
    words = page(office, kept)
    for heading in ("是什么", "是否完整", "去过哪里", "我能看吗"):
        assert f"<h2>{heading}</h2>" in words
    assert "李明" in words
    assert "0:00:12" in words
    assert "没有调阅许可" in words
    assert "</svg>中断</span>" in words


def test_it_shows_every_finding_with_its_rule(office: Bureau, kept: Kept) -> None:
    words = page(office, kept)
    for code in ("REC-CONTINUOUS/GAP-PTS", "REC-TRUE/ENCODER", "REC-WHEN/CLOCK"):
        assert f"<code>{code}</code>" in words
        assert f"{code} 的中文说明" in words
    assert "0:00:02.0 – 0:00:03.5" in words
    assert '<svg class="timeline"' in words
    assert "没有签名" in words


def test_findings_come_worst_first(office: Bureau, kept: Kept) -> None:
    words = page(office, kept)
    assert words.index("<code>REC-CONTINUOUS") < words.index("<code>REC-TRUE") < words.index("<code>REC-WHEN")


def richer(office: Bureau, kept: Kept) -> None:
    """The report gets findings across segments and dockings, and what was not checked, in both languages."""
    with office.services.catalogue.write() as session:
        recording = session.get_one(Recording, kept.recording)
        report = dict(recording.report or {})
        across = finding("REC-CONTINUOUS/SEGMENT-MISSING", "violation", 12, 24)
        whole = {"files": ["a"], "verdict": "interrupted", "findings": [across]}
        whole["not_checked"] = [{"check": "segment-times", "why": "no dates", "zh": "没有日期"}]
        backdated = finding("UP-ORIGINAL/BACKDATED", "violation", None, None)
        recording.report = report | {"series": [whole], "docking": {"findings": [backdated]}}


def test_findings_across_segments_and_dockings_stand_beside_those_of_files(office: Bureau, kept: Kept) -> None:
    richer(office, kept)
    words = page(office, kept)
    for code in ("REC-CONTINUOUS/SEGMENT-MISSING", "UP-ORIGINAL/BACKDATED", "REC-CONTINUOUS/GAP-PTS"):
        assert f"<code>{code}</code>" in words
        assert words.count(f"{code} 的中文说明") >= 2  # in the table and on the timeline
    assert "各分段之间" in words and "整体" in words
    form = {"finding": "UP-ORIGINAL/BACKDATED", "text": "相机时钟未校准，已报修"}
    assert Browser(office, "officer").post(f"/recordings/{kept.recording}/excuses", form).status_code == 303


def test_what_was_not_checked_is_said_in_the_readers_language(office: Bureau, kept: Kept) -> None:
    richer(office, kept)
    assert "没有日期" in page(office, kept) and "no dates" not in page(office, kept)
    browser = Browser(office, "officer")
    browser.get("/language/en")
    words = browser.get(f"/recordings/{kept.recording}").text
    assert "no dates" in words and "没有日期" not in words


def test_it_speaks_english(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "officer")
    browser.get("/language/en")
    words = browser.get(f"/recordings/{kept.recording}").text
    assert "REC-CONTINUOUS/GAP-PTS in English" in words
    assert "的中文说明" not in words
    assert "Is it whole" in words


def test_without_a_grant_there_is_no_player_and_no_address_of_media(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    for login in ("officer", "admin", "approver"):
        words = page(office, kept, login)
        assert "<video" not in words
        assert "/media/" not in words


def test_with_a_grant_there_is_a_watermarked_player(office: Bureau, kept: Kept) -> None:
    request = office.grant("colleague", kept.recording)
    words = page(office, kept, "colleague")
    assert f'src="/recordings/{kept.recording}/media/{kept.original}/access"' in words
    assert f"王芳 colleague · 2026-11-20 09:02:03 · {request[-8:]}" in words


def test_looking_at_the_page_is_no_look_at_the_media(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    page(office, kept, "colleague")
    assert office.looks(kept.recording) == 0


def test_the_custody_chain_names_its_ledger_entries(office: Bureau, kept: Kept) -> None:
    assert "待入链" in page(office, kept)
    office.publish()
    words = page(office, kept, "auditor")
    assert "待入链" not in words
    assert 'href="/ledger/entries/' in words
    assert 'href="/ledger/entries/' not in page(office, kept, "officer")  # whose page they could not open


def test_a_request_goes_from_the_page_to_the_approver(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "colleague")
    address = f"/recordings/{kept.recording}/requests"
    answer = browser.post(address, {"kind": "view", "purpose": "投诉复查"})
    assert answer.headers["location"] == f"/recordings/{kept.recording}?note=requested"
    assert "等待他人审批" in browser.get(answer.headers["location"]).text
    assert "投诉复查" in Browser(office, "approver").get("/").text


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"kind": "view", "purpose": "看"}, 400),
        ({"kind": "delete", "purpose": "案件审核"}, 422),
        ({"kind": "view"}, 422),
        ({"purpose": "案件审核"}, 422),
    ],
)
def test_a_malformed_request_is_refused(office: Bureau, kept: Kept, form: dict[str, str], status: int) -> None:
    answer = Browser(office, "colleague").post(f"/recordings/{kept.recording}/requests", form)
    assert answer.status_code == status
    assert "未能完成" in answer.text
    with office.services.catalogue.read() as session:
        assert session.query(AccessRequest).count() == 0


def test_every_form_needs_the_token(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "officer")
    browser.token = ""
    for what, form in (
        ("requests", {"kind": "view", "purpose": "案件审核"}),
        ("case", {"case": "x"}),
        ("excuses", {"finding": "REC-CONTINUOUS/GAP-PTS", "text": "进入防爆区域"}),
        ("excuses/abc", {"accept": "true"}),
    ):
        assert browser.post(f"/recordings/{kept.recording}/{what}", form).status_code == 403
    assert [event for event, _, _ in office.events(f"recording:{kept.recording}")] == ["original.received"]


def test_an_officer_explains_and_an_approver_accepts(office: Bureau, kept: Kept) -> None:
    officer, approver = Browser(office, "officer"), Browser(office, "approver")
    assert "REC-CONTINUOUS/GAP-PTS 的中文说明" in officer.get("/").text
    form = {"finding": "REC-CONTINUOUS/GAP-PTS", "text": "进入防爆区域，按规定停止录像"}
    assert officer.post(f"/recordings/{kept.recording}/excuses", form).status_code == 303
    desk = approver.get("/").text
    assert "进入防爆区域" in desk
    words = approver.get(f"/recordings/{kept.recording}").text
    excuse = words.split(f"/recordings/{kept.recording}/excuses/")[1].split('"')[0]
    answer = approver.post(f"/recordings/{kept.recording}/excuses/{excuse}", {"accept": "true"})
    assert answer.status_code == 303
    assert "采纳" in text_of(officer.get(f"/recordings/{kept.recording}"))
    assert "REC-CONTINUOUS/GAP-PTS 的中文说明" in officer.get(f"/recordings/{kept.recording}").text  # it stays


def test_an_officer_cannot_accept_their_own_explanation(office: Bureau, kept: Kept) -> None:
    officer = Browser(office, "officer")
    form = {"finding": "REC-CONTINUOUS/GAP-PTS", "text": "进入防爆区域"}
    officer.post(f"/recordings/{kept.recording}/excuses", form)
    words = officer.get(f"/recordings/{kept.recording}").text
    assert f'action="/recordings/{kept.recording}/excuses/' not in words


def test_others_see_no_form_to_explain(office: Bureau, kept: Kept) -> None:
    assert 'name="finding"' in page(office, kept, "officer")
    assert 'name="finding"' not in page(office, kept, "colleague")


def test_the_receipt_can_be_taken_along(office: Bureau, kept: Kept) -> None:
    office.publish()
    browser = Browser(office, "auditor")
    answer = browser.get(f"/recordings/{kept.recording}/receipts/{kept.original}")
    assert answer.status_code == 200
    assert answer.text.startswith("c2sp.org/tlog-proof@v1")
    other = keep(office, device="LH00099")
    assert browser.get(f"/recordings/{other.recording}/receipts/{kept.original}").status_code == 404


def test_a_recording_that_is_not_checked_yet_says_so(office: Bureau, kept: Kept) -> None:
    with office.services.catalogue.write() as session:
        row = session.get_one(Recording, kept.recording)
        row.verdict, row.report, row.started, row.duration = None, None, None, None
    words = page(office, kept)
    assert "待检测" in words
    assert "检测会自动进行" in words
    assert "连续性检测" in words  # the job that will do it


@pytest.mark.parametrize("address", ["/recordings/nothing", "/recordings/NOT-AN-ID", "/recordings/" + "0" * 26])
def test_what_is_not_there_is_a_clear_page(office: Bureau, address: str) -> None:
    answer = Browser(office, "officer").get(address)
    assert answer.status_code == 404
    assert "不受影响" in answer.text
