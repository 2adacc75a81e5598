"""What people do, in a real browser: sign in, change the language, ask, approve, look, explain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from tests.support.web import PASSWORD, Kept

if TYPE_CHECKING:
    from tests.pages.conftest import Site

pytestmark = pytest.mark.pages
PAGES = (
    *("/", "/recordings", "/recordings/{}", "/requests", "/ledger", "/admin/users", "/stations/missing"),
    *("/admin/stations", "/admin/devices", "/admin/officers"),
)
COVERED = "/coverage?start=2026-11-20T06:00&end=2026-11-20T07:00"


def player_gets(page: Page, condition: str) -> None:
    """Wait until the player's `condition` (on the variable p) holds. Asked from outside: the pages allow no eval."""
    while not page.evaluate(f"(() => {{ const p = document.querySelector('[data-player]'); return {condition}; }})()"):
        page.wait_for_timeout(50)


def allow(site: Any, kept: Kept, login: str = "colleague") -> None:
    site.office.grant(login, kept.recording)


def test_signing_in_leads_to_the_page_that_was_asked_for(site: Site, kept: Kept) -> None:
    page = site.page()
    page.goto(f"/recordings/{kept.recording}")
    expect(page).to_have_title(re.compile("登录"))
    expect(page.get_by_label("登录名")).to_be_focused()
    page.keyboard.type("officer")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/recordings/{kept.recording}")
    expect(page.get_by_role("heading", level=1)).to_contain_text("LH00012")


def test_a_wrong_password_is_said_beside_the_form(site: Site) -> None:
    page = site.page()
    page.goto("/signin")
    page.get_by_label("登录名").fill("officer")
    page.get_by_label("密码").fill("wrong")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_contain_text("不正确")
    expect(page.get_by_label("登录名")).to_have_value("officer")
    site.complaints.clear()  # the browser reports the 401 itself


def test_the_language_changes_on_the_same_page_and_stays(site: Site, kept: Kept) -> None:
    page = site.page("officer")
    page.goto("/recordings?verdict=interrupted")
    page.get_by_role("link", name="English").click()
    expect(page).to_have_url(re.compile(r"/recordings\?verdict=interrupted$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Recordings")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.goto(f"/recordings/{kept.recording}")
    expect(page.get_by_role("heading", name="Is it whole")).to_be_visible()
    page.get_by_role("link", name="中文").click()
    expect(page.get_by_role("heading", name="是否完整")).to_be_visible()


def test_request_approval_and_playing(site: Site, kept: Kept) -> None:
    officer, approver = site.page("colleague"), site.page("approver")
    officer.goto(f"/recordings/{kept.recording}")
    expect(officer.locator("video")).to_have_count(0)
    officer.get_by_label("用途").fill("投诉复查：核对执法过程")
    officer.get_by_role("button", name="提交申请").click()
    expect(officer.get_by_role("status")).to_contain_text("等待他人审批")

    approver.reload()
    approver.get_by_role("row", name="投诉复查").get_by_role("link", name="审批").click()
    approver.get_by_label("意见").fill("同意")
    approver.get_by_role("button", name="批准").click()
    expect(approver.get_by_role("status")).to_contain_text("已批准")

    officer.reload()
    expect(officer.locator(".watermark span").first).to_contain_text("王芳 colleague")
    officer.evaluate("document.querySelector('[data-player]').play()")
    player_gets(officer, "p.currentTime > 0.2")
    assert site.office.looks(kept.recording) >= 1
    officer.reload()
    expect(officer.locator("#chain")).to_contain_text("王芳")


def test_without_a_grant_the_media_address_gives_a_refusal(site: Site, kept: Kept) -> None:
    page = site.page("admin")
    page.goto(f"/recordings/{kept.recording}/media/{kept.original}/access")
    expect(page.get_by_role("alert")).to_contain_text("调阅须先申请并经他人批准")
    assert site.office.looks(kept.recording) == 0
    site.complaints.clear()  # the browser reports the 403 itself


def test_a_click_on_the_timeline_goes_to_its_moment(site: Site, kept: Kept) -> None:
    allow(site, kept)
    page = site.page("colleague")
    page.goto(f"/recordings/{kept.recording}")
    page.locator(".timeline .s-violation").click()
    player_gets(page, "p.currentTime === 6 && p.readyState >= 2")


def test_a_click_on_a_finding_goes_to_its_moment(site: Site, kept: Kept) -> None:
    allow(site, kept)
    page = site.page("colleague")
    page.goto(f"/recordings/{kept.recording}")
    page.get_by_role("link", name="0:00:06.0 – 0:00:07.5").click()
    player_gets(page, "p.currentTime === 6")


def test_the_keyboard_reaches_the_timeline_and_seeks(site: Site, kept: Kept) -> None:
    allow(site, kept)
    page = site.page("colleague")
    page.goto(f"/recordings/{kept.recording}")
    page.locator(".timeline .s-violation").focus()
    page.keyboard.press("Enter")
    player_gets(page, "p.currentTime === 6")
    assert site.office.looks(kept.recording) >= 1


def test_the_keyboard_alone_finds_its_way(site: Site, kept: Kept) -> None:
    page = site.page("officer")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="跳到正文")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("/")
    page.keyboard.type("LH00012")
    page.keyboard.press("Enter")
    page.wait_for_url("**/recordings?q=LH00012")
    expect(page.locator("#results tbody tr")).to_have_count(1)


def test_the_filter_works_in_place_and_in_the_address(site: Site, kept: Kept) -> None:
    page = site.page("officer")
    page.goto("/recordings")
    page.get_by_label("结论").select_option("continuous")
    page.get_by_role("button", name="筛选").click()
    expect(page.locator("#results")).to_contain_text("没有符合条件的记录")
    assert "verdict=continuous" in page.url
    page.go_back()
    page.get_by_label("结论").select_option("interrupted")
    page.get_by_role("button", name="筛选").click()
    expect(page.locator("#results tbody tr")).to_have_count(1)


def test_everything_needed_works_without_scripts(site: Site, kept: Kept) -> None:
    page = site.page("officer", java_script_enabled=False)
    page.goto("/recordings")
    page.get_by_label("结论").select_option("interrupted")
    page.get_by_role("button", name="筛选").click()
    page.locator("#results tbody a").first.click()
    page.get_by_text("说明原因").first.click()
    page.get_by_label("原因").first.fill("进入防爆区域，按规定停止录像")
    page.get_by_role("button", name="提交说明").first.click()
    expect(page.get_by_role("status")).to_contain_text("中断说明已提交")


def test_a_digest_is_copied_whole(site: Site, kept: Kept) -> None:
    page = site.page("officer", permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/recordings/{kept.recording}")
    page.locator(f'[data-copy="{kept.original}"]').first.click()
    assert page.evaluate("navigator.clipboard.readText()") == kept.original


def test_nothing_overflows_a_narrow_window(site: Site, kept: Kept) -> None:
    page = site.page("admin", viewport={"width": 390, "height": 800})
    for address in (*PAGES, COVERED):
        page.goto(address.format(kept.recording))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


@pytest.mark.parametrize("address", [*PAGES, COVERED])
def test_words_stand_out_from_their_ground(site: Site, kept: Kept, address: str) -> None:
    """WCAG AA: 4.5 : 1, measured on every text that the page shows."""
    page = site.page("admin")
    page.goto(address.format(kept.recording))
    weak = page.evaluate(CONTRAST)
    assert weak == []


def test_every_field_and_button_has_a_name(site: Site, kept: Kept) -> None:
    officers = ("/", "/recordings", f"/recordings/{kept.recording}", "/cases", "/stations/missing", COVERED)
    for login, addresses in (("officer", officers), ("admin", PAGES[-3:])):
        page = site.page(login)
        for address in addresses:
            page.goto(address)
            nameless = page.evaluate(
                """[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button')]
                .filter(e => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
                .map(e => e.outerHTML)"""
            )
            assert nameless == [], address


def test_a_station_is_invited_and_a_camera_assigned_by_keyboard(site: Site, kept: Kept) -> None:
    page = site.page("admin")
    page.goto("/admin/stations")
    page.get_by_label("名称").focus()
    for typed in ("ST-01", "Tab", "一楼大厅", "Tab", "Tab", "Enter"):
        page.keyboard.press(typed) if typed in ("Tab", "Enter") else page.keyboard.type(typed)
    expect(page.get_by_role("status")).to_contain_text("采集站 ST-01 的一次性登记码")
    expect(page.locator("nav.tabs [aria-current=page]")).to_have_text("采集站")
    page.goto("/admin/devices")
    row = page.get_by_role("row", name="LH00012")
    row.locator("summary").focus()
    page.keyboard.press("Enter")
    row.get_by_label("配发给").select_option(label="王芳 colleague")
    row.get_by_label("自（不填为现在）").fill("2026-11-02T08:00")
    row.get_by_role("button", name="保存").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("已登记")
    page.goto(f"/recordings/{kept.recording}")
    expect(page.get_by_text("自 2026-11-02 08:00:00 佩戴")).to_be_visible()


def test_the_page_prints_without_its_controls(site: Site, kept: Kept) -> None:
    page = site.page("officer")
    page.goto(f"/recordings/{kept.recording}")
    page.emulate_media(media="print")
    expect(page.locator(".menu")).to_be_hidden()
    expect(page.get_by_role("button", name="提交申请")).to_be_hidden()
    expect(page.locator("#chain")).to_be_visible()
    expect(page.locator("footer")).to_contain_text("officer")


CONTRAST = """() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length < 4 ? [...m, 1] : m; };
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const weak = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest('svg')) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) weak.push(walk.currentNode.data.trim());
  }
  return weak;
}"""
