"""What a clerk sees of a recording that was tampered with: words, pictures once approved, coverage of a case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from storage.catalogue.tables import Device
from storage.records import JobKind
from tests.support.taking import dock, recordings, take_in, work

if TYPE_CHECKING:
    from pipeline.samples import Footage
    from tests.pages.conftest import Site

pytestmark = pytest.mark.pages


@pytest.fixture
def cut(site: Site, footage: Footage) -> str:
    """Segments 1 and 3, and the second with three seconds taken out; checked twice."""
    for file in (footage.segments[0], footage.cut_open, footage.segments[2]):
        take_in(site.office, file)
    work(site.office)
    work(site.office, JobKind.DEEP)
    site.office.publish()
    return recordings(site.office)[0].id


def test_the_words_are_there_for_all_and_the_pictures_for_those_approved(site: Site, cut: str) -> None:
    clerk, approver = site.page("colleague"), site.page("approver")
    clerk.goto(f"/recordings/{cut}")
    gap = clerk.locator('[data-code="REC-CONTINUOUS/GAP-PTS"]')
    expect(gap).to_contain_text("0:00:04.0 至 0:00:07.0 缺少约 75 帧画面")
    expect(clerk.locator("#findings img")).to_have_count(0)
    clerk.get_by_role("link", name="申请调阅", exact=True).click()
    clerk.get_by_label("用途").fill("复核录像中断的原因")
    clerk.get_by_role("button", name="提交申请").click()

    approver.reload()
    approver.get_by_role("row", name="复核录像中断的原因").get_by_role("link", name="审批").click()
    approver.get_by_role("button", name="批准").click()

    clerk.goto(f"/recordings/{cut}")
    clerk.get_by_role("link", name="显示发现处的画面").click()
    expect(gap.locator("img").first).to_be_visible()
    assert clerk.evaluate(
        "[...document.querySelectorAll('#findings img')].every(i => i.complete && i.naturalHeight === 120)"
    )
    clerk.get_by_role("link", name="收起画面").click()
    expect(clerk.locator("#findings img")).to_have_count(0)
    assert site.office.looks(cut) >= 1
    approver.goto(f"/recordings/{cut}")
    expect(approver.locator("#chain")).to_contain_text("王芳")
    expect(approver.get_by_role("link", name="显示发现处的画面")).to_have_count(0)


def test_evidence_is_folded_and_opens(site: Site, cut: str) -> None:
    page = site.page("officer")
    page.goto(f"/recordings/{cut}")
    gap = page.locator('[data-code="REC-CONTINUOUS/GAP-PTS"]')
    expect(gap.get_by_text("前一个字节位置")).to_be_hidden()
    gap.get_by_text("依据").click()
    expect(gap.get_by_text("前一个字节位置")).to_be_visible()
    expect(page.locator("#checked")).to_contain_text("逐帧解码画面与声音")
    expect(page.locator("#checked .c-open")).to_have_count(3)  # no signature, no profile, no list


def test_it_reads_in_english_on_a_telephone(site: Site, cut: str) -> None:
    page = site.page("officer", viewport={"width": 390, "height": 800})
    page.goto("/language/en")
    page.goto(f"/recordings/{cut}")
    expect(page.get_by_role("heading", name="What was checked and what was not")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    shown = page.locator("#findings").inner_text() + page.locator("#checked").inner_text()
    assert re.findall("[\u4e00-\u9fff]+", shown) == []


def test_a_case_shows_what_no_device_recorded(site: Site, footage: Footage) -> None:
    for file in footage.missing:
        take_in(site.office, file)
    work(site.office)
    page = site.page("officer")
    page.goto("/cases")
    page.get_by_label("案号", exact=True).fill("示应急罚〔2026〕2号")
    page.get_by_label("案由", exact=True).fill("现场检查")
    page.get_by_role("button", name="立卷").click()
    page.goto(f"/recordings/{recordings(site.office)[0].id}")
    page.locator("select[name=case]").select_option(label="示应急罚〔2026〕2号 现场检查")
    page.get_by_role("button", name="归入").click()
    page.get_by_role("link", name="示应急罚〔2026〕2号").click()
    page.get_by_role("link", name="录制覆盖").click()
    expect(page.locator("#chart")).to_contain_text("2026-11-18 09:30:12")
    page.get_by_label("活动结束").fill("2026-11-18T09:30:36")
    page.get_by_role("button", name="查看覆盖").click()
    expect(page.locator("#chart tbody tr")).to_have_count(1)
    page.locator("#chart a").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("LH00012")


def test_a_listed_file_that_never_came_is_told_where_one_looks(site: Site) -> None:
    office = site.office
    with office.services.catalogue.write() as session:
        session.add(Device(serial="LH00012", officer_id=office.users["officer"], created=office.services.clock()))
    dock(office, -2, {"DCIM/0002.MP4": "b" * 64})
    page = site.page("officer")
    expect(page.get_by_text("1 个文件逾期未入库")).to_be_visible()
    page.get_by_text("1 个文件逾期未入库").get_by_role("link").click()
    expect(page.locator("#missing tbody tr")).to_contain_text("DCIM/0002.MP4")
    expect(page.locator("#missing")).to_contain_text("已过")
