"""Film strips on a recording's page: content, so for those with a grant, with a trace of each look."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest

from storage.records import JobKind
from tests.support.taking import recordings, take_in, work
from tests.support.web import Browser, Bureau

if TYPE_CHECKING:
    from pipeline.samples import Footage


@pytest.fixture
def recording(office: Bureau, footage: Footage) -> str:
    """Segments 1 and 3, the second of them cut."""
    for file in (footage.segments[0], footage.cut_open):
        take_in(office, file)
    work(office)
    office.publish()
    return recordings(office)[0].id


def looks(office: Bureau, recording: str) -> list[dict[str, object]]:
    return [payload for event, _, payload in office.events(f"recording:{recording}") if event == "view.opened"]


@pytest.mark.parametrize("login", ["officer", "admin", "approver", "auditor"])
def test_without_a_grant_there_are_words_and_no_pictures(office: Bureau, recording: str, login: str) -> None:
    office.grant("colleague", recording)
    browser = Browser(office, login)
    plain = browser.get(f"/recordings/{recording}")
    assert "REC-CONTINUOUS/GAP-PTS" in plain.text and "data:image" not in plain.text
    assert "pictures=true" not in plain.text and "须获批调阅后才能查看" in plain.text
    refused = browser.get(f"/recordings/{recording}?pictures=true")
    assert refused.status_code == 403 and "data:image" not in refused.text
    assert looks(office, recording) == []


def test_with_a_grant_they_stand_at_the_findings_and_each_look_leaves_its_trace(office: Bureau, recording: str) -> None:
    request = office.grant("colleague", recording)
    browser = Browser(office, "colleague")
    assert "data:image" not in browser.get(f"/recordings/{recording}").text
    assert looks(office, recording) == []
    page = browser.get(f"/recordings/{recording}?pictures=true").text
    gap = page.partition('data-code="REC-CONTINUOUS/GAP-PTS"')[2].partition('data-code="')[0]
    pictures = re.findall(r"data:image/jpeg;base64,([^\"]+)", gap)
    assert 2 <= len(pictures) <= 6
    assert all(base64.b64decode(each).startswith(b"\xff\xd8") for each in pictures)
    assert "first-after" in gap and "colleague" in gap
    seen = looks(office, recording)
    assert len(seen) == 1 and seen[0]["request"] == request and isinstance(seen[0]["pictures"], int)
    browser.get(f"/recordings/{recording}?pictures=true")
    assert len(looks(office, recording)) == 2


def test_a_grant_that_has_run_out_opens_nothing(office: Bureau, recording: str) -> None:
    office.grant("colleague", recording)
    browser = Browser(office, "colleague")
    assert browser.get(f"/recordings/{recording}?pictures=true").status_code == 200
    office.clock.forward(hours=25)
    browser.sign_in(office, "colleague")
    assert browser.get(f"/recordings/{recording}?pictures=true").status_code == 403


def test_the_page_says_that_the_second_look_is_to_come(office: Bureau, recording: str) -> None:
    browser = Browser(office, "officer")
    assert "深度检测已排队" in browser.get(f"/recordings/{recording}").text
    work(office, JobKind.DEEP)
    assert "深度检测已排队" not in browser.get(f"/recordings/{recording}").text


def test_another_report_shows_other_places(office: Bureau, recording: str) -> None:
    office.grant("colleague", recording)
    browser = Browser(office, "colleague")
    quick = browser.get(f"/recordings/{recording}?pictures=true").text
    assert work(office, JobKind.DEEP) == 1
    deep = browser.get(f"/recordings/{recording}?pictures=true").text
    assert deep.count("data:image") > 0 and "逐帧解码画面与声音" in deep and "初检：未解码" in quick


def test_without_a_verdict_there_is_nothing_to_show(office: Bureau, footage: Footage) -> None:
    take_in(office, footage.segments[0])
    kept = recordings(office)[0].id
    office.grant("colleague", kept)
    assert Browser(office, "colleague").get(f"/recordings/{kept}?pictures=true").status_code == 200
    assert looks(office, kept) == []
