"""The coverage page: from a case or for any time, with devices chosen, in both languages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.taking import recordings, take_in, work
from tests.support.web import Browser, Bureau, text_of

if TYPE_CHECKING:
    from pipeline.samples import Footage

TIMES = {"start": "2026-11-18T09:30:00", "end": "2026-11-18T09:31:00"}


@pytest.fixture
def filed(office: Bureau, footage: Footage) -> str:
    """A case with segments 1 and 3 of the sample recording, 09:30:00 to 12 and 24 to 36."""
    for file in footage.missing:
        take_in(office, file)
    work(office)
    officer = office.users["officer"]
    cases = Browser(office).app.state.web.cases
    case: str = cases.open(officer, "示应急罚〔2026〕1号", "现场检查")
    cases.add(officer, case, recordings(office)[0].id)
    return case


def test_a_case_gives_the_times_and_the_chart_shows_what_is_missing(office: Bureau, filed: str) -> None:
    browser = Browser(office, "officer")
    assert f"/coverage?case={filed}" in browser.get(f"/cases/{filed}").text
    page = browser.get(f"/coverage?case={filed}")
    words = text_of(page)
    assert page.status_code == 200 and page.text.count('class="missing"') == 2
    assert "2026-11-18 09:30:12 2026-11-18 09:30:24 0:00:12" in words
    assert "LH00012" in words and f"/recordings/{recordings(office)[0].id}" in page.text


def test_any_time_can_be_asked_for_without_a_case(office: Bureau, filed: str) -> None:
    browser = Browser(office, "auditor")
    words = text_of(browser.get("/coverage", params=TIMES))
    assert "有 2 个时段没有设备录制" in words and "40.0 %" in words
    words = text_of(browser.get("/coverage", params=TIMES | {"device": "OTHER"}))
    assert "没有任何设备的录制" in words
    browser.get("/language/en")
    assert "spans that no device recorded: 2" in text_of(browser.get("/coverage", params=TIMES))


def test_an_accepted_break_is_taken_out(office: Bureau, filed: str) -> None:
    excuses, recording = Browser(office).app.state.web.excuses, recordings(office)[0].id
    made = excuses.make(office.users["officer"], recording, "REC-CONTINUOUS/SEGMENT-MISSING", "进入防爆区域，停止录像")
    browser = Browser(office, "officer")
    assert "09:30:12 2026" in text_of(browser.get("/coverage", params=TIMES)), "not accepted yet"
    excuses.decide(office.users["approver"], made, True)
    page = browser.get("/coverage", params=TIMES)
    assert 'class="excused"' in page.text and "有 1 个时段没有设备录制" in text_of(page)
    assert "进入防爆区域，停止录像" in text_of(page) and "赵审" in text_of(page)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "2026-11-18T09:30", "end": "2026-11-18T09:00"},
        {"start": "soon", "end": "2026-11-18T09:00"},
        {"start": "2026-11-18T09:30", "end": "2027-11-18T09:00"},
        {"start": "2026-11-18T09:30"},
    ],
)
def test_a_wrong_time_is_said_beside_the_form(office: Bureau, wrong: dict[str, str]) -> None:
    answer = Browser(office, "officer").get("/coverage", params=wrong)
    assert answer.status_code == 400 and 'role="alert"' in answer.text and wrong["start"] in answer.text


def test_it_asks_first_and_tells_of_no_case_that_is_not_there(office: Bureau) -> None:
    browser = Browser(office, "officer")
    assert "填写执法活动的起止时间" in text_of(browser.get("/coverage"))
    assert browser.get("/coverage?case=none").status_code == 404
    assert Browser(office).get("/coverage").status_code in (303, 401)


def test_programs_get_the_same_account(office: Bureau, filed: str) -> None:
    browser = Browser(office, "officer")
    told = browser.json("GET", f"/api/coverage?start={TIMES['start']}&end={TIMES['end']}").json()
    assert told["covered_fraction"] == 0.4 and len(told["gaps"]) == 2
    assert told["gaps"][0]["start"].startswith("2026-11-18T09:30:12")
    assert [each["device"] for each in told["devices"]] == ["LH00012"]
    assert browser.json("GET", "/api/coverage?start=soon&end=later").status_code == 400
    assert browser.json("GET", "/api/coverage?start=&end=").status_code == 404
    assert Browser(office).json("GET", "/api/coverage?start=&end=").status_code == 401
