"""The page of `liuhen check --html` in a real browser: no network, no script, two languages, readable to all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, expect

from api.html_report import render
from pipeline.check import check_files
from pipeline.samples import Footage
from pipeline.strips import collect

pytestmark = pytest.mark.pages


@pytest.fixture(scope="module")
def written(footage: Footage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    paths = [*footage.missing, footage.cut_open, footage.photos[0]]
    report = check_files(paths).as_json()
    page = tmp_path_factory.mktemp("page") / "report.html"
    now = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
    page.write_text(render(report, collect(report, paths), zone=ZoneInfo("Asia/Shanghai"), now=now), encoding="utf-8")
    return page


def _elsewhere(url: str) -> list[str]:
    return [] if url.startswith(("data:", "file:")) else [url]


@pytest.fixture
def shown(chromium: Browser, written: Path) -> Iterator[tuple[Page, list[str]]]:
    """The page, and what it complained of or asked the network for."""
    complaints: list[str] = []
    page = chromium.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("request", lambda request: complaints.extend(_elsewhere(request.url)))
    page.goto(written.as_uri())
    yield page, complaints
    page.close()


def test_it_shows_pictures_and_timelines_and_complains_of_nothing(shown: tuple[Page, list[str]]) -> None:
    page, complaints = shown
    sizes = page.locator("img").evaluate_all("all => all.map(each => each.naturalHeight)")
    assert len(sizes) > 15 and set(sizes) == {120}
    assert page.locator("svg.timeline:visible").count() == 4
    assert complaints == []


def test_one_language_is_seen_at_a_time_and_keys_change_it(shown: tuple[Page, list[str]]) -> None:
    page, _ = shown
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("音像记录连续性检查报告Continuity report on recordings")
    assert heading.inner_text() == "音像记录连续性检查报告"
    assert page.locator("main .en:visible").count() == 0
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert heading.inner_text() == "Continuity report on recordings"
    assert page.locator("main .zh:visible").count() == 0
    page.get_by_text("中文", exact=True).click()
    assert heading.inner_text() == "音像记录连续性检查报告"


def test_evidence_is_shown_on_demand(shown: tuple[Page, list[str]]) -> None:
    page, _ = shown
    evidence = page.locator("dl.proof").first
    expect(evidence).to_be_hidden()
    page.get_by_text("显示依据").click()
    expect(evidence).to_be_visible()


def test_the_list_leads_to_the_files(shown: tuple[Page, list[str]]) -> None:
    page, _ = shown
    page.locator("table.list a").nth(2).click()
    expect(page.locator("#file-3")).to_be_in_viewport()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_sticks_out(shown: tuple[Page, list[str]], width: int) -> None:
    page, _ = shown
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_prints_without_its_buttons(shown: tuple[Page, list[str]]) -> None:
    page, _ = shown
    page.emulate_media(media="print")
    expect(page.locator(".choices")).to_be_hidden()
    expect(page.locator("svg.timeline:visible").first).to_be_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
