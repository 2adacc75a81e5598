"""The list of recordings: finding, sorting, paging, CSV."""

from __future__ import annotations

import csv
import io

import pytest

from api.pages.lists import PER_PAGE, as_csv
from tests.support.web import Browser, Bureau, Kept, keep, text_of


@pytest.fixture
def three(office: Bureau) -> dict[str, Kept]:
    """Three recordings by device, received in this order."""
    made = {}
    for device, officer, verdict, name in (
        ("LH00012", "officer", "interrupted", "DCIM/LH00012_0001.MP4"),
        ("LH00077", "colleague", "continuous", "DCIM/100%_TEST.MP4"),
        ("CAM-3", None, "unreadable", "IMG_0001.JPG"),
    ):
        made[device] = keep(office, device=device, officer=officer, verdict=verdict, name=name, findings=[])
        office.clock.forward(days=1)
    return made


def found(browser: Browser, query: str) -> list[str]:
    """Devices of the answer, in its order, from the CSV."""
    answer = browser.get(f"/recordings.csv?{query}")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    return [row[2] for row in rows[1:]]


@pytest.mark.parametrize(
    ("query", "devices"),
    [
        ("", ["CAM-3", "LH00077", "LH00012"]),
        ("q=lh000", ["LH00077", "LH00012"]),
        ("q=100%25_", ["LH00077"]),
        ("q=%25", ["LH00077"]),
        ("q=%E7%8E%8B%E8%8A%B3", ["LH00077"]),
        ("device=cam", ["CAM-3"]),
        ("officer=officer", ["LH00012"]),
        ("officer=%E6%9D%8E", ["LH00012"]),
        ("verdict=unreadable", ["CAM-3"]),
        ("verdict=none", []),
        ("verdict=nonsense", ["CAM-3", "LH00077", "LH00012"]),
        ("since=2026-11-21", ["CAM-3", "LH00077"]),
        ("until=2026-11-20", ["LH00012"]),
        ("since=2026-11-21&until=2026-11-21", ["LH00077"]),
        ("since=yesterday&until=9999-12-31", ["CAM-3", "LH00077", "LH00012"]),
        ("sort=device&order=asc", ["CAM-3", "LH00012", "LH00077"]),
        ("sort=password&order=asc", ["LH00012", "LH00077", "CAM-3"]),
        ("q=' OR 1=1 --", []),
        ("q=nothing+at+all", []),
    ],
)
def test_filters_and_orders(office: Bureau, three: dict[str, Kept], query: str, devices: list[str]) -> None:
    assert found(Browser(office, "officer"), query) == devices


def test_digest_and_identifier_find_their_recording(office: Bureau, three: dict[str, Kept]) -> None:
    browser = Browser(office, "officer")
    assert found(browser, f"q={three['CAM-3'].original[:16]}") == ["CAM-3"]
    assert found(browser, f"q={three['LH00077'].recording}") == ["LH00077"]


def test_the_page_shows_verdicts_as_icon_and_word(office: Bureau, three: dict[str, Kept]) -> None:
    page = Browser(office, "officer").get("/recordings").text
    for word in ("连续", "中断", "无法读取"):
        assert f"</svg>{word}</span>" in page


def test_an_empty_bureau_says_what_to_do(office: Bureau) -> None:
    page = text_of(Browser(office, "officer").get("/recordings"))
    assert "还没有音像记录" in page
    assert "采集站" in page


def test_nothing_found_says_what_to_do(office: Bureau, kept: Kept) -> None:
    assert "没有符合条件的记录" in Browser(office, "officer").get("/recordings?q=zzz").text


def test_pages_hold_fifty_and_lead_on(office: Bureau, kept: Kept) -> None:
    from storage.catalogue.tables import Recording
    from storage.clock import new_id

    with office.services.catalogue.write() as session:
        for number in range(PER_PAGE):
            session.add(Recording(id=new_id(), series=f"S{number}", device_serial="BULK", received=office.clock.now))
    browser = Browser(office, "officer")
    first, second = browser.get("/recordings?q=&device="), browser.get("/recordings?page=2")
    assert "共 51 条" in text_of(first)
    assert first.text.count('<td><a href="/recordings/') == PER_PAGE
    assert second.text.count('<td><a href="/recordings/') == 1
    assert 'rel="next"' in first.text
    assert browser.get("/recordings?page=0").status_code == 422
    assert "没有符合" in browser.get("/recordings?page=9&q=zzz").text


def test_a_cell_cannot_start_a_formula(office: Bureau) -> None:
    keep(office, device="=HYPERLINK(1)")
    rows = list(csv.reader(io.StringIO(Browser(office, "officer").get("/recordings.csv").content.decode("utf-8-sig"))))
    assert rows[1][2] == "'=HYPERLINK(1)"


def test_nor_with_a_wide_sign() -> None:
    cells = ["＝1+1", "＋1", "－1", "＠SUM(1)", "\n=1", "1", ""]
    (row,) = csv.reader(io.StringIO(as_csv([cells]).decode("utf-8-sig"), newline=""))
    assert row == ["'＝1+1", "'＋1", "'－1", "'＠SUM(1)", "'\n=1", "1", ""]


def test_names_from_cards_are_text_on_the_page(office: Bureau) -> None:
    kept = keep(office, device="<script>alert(1)</script>", name='"><img src=x onerror=alert(1)>.MP4')
    browser = Browser(office, "officer")
    for address in ("/recordings", f"/recordings/{kept.recording}", "/"):
        page = browser.get(address).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page


def test_a_nul_character_is_refused(office: Bureau) -> None:
    assert Browser(office, "officer").get("/recordings?q=%00").status_code == 422


def test_without_a_session_nothing_is_listed(office: Bureau, kept: Kept) -> None:
    browser = Browser(office)
    assert browser.get("/recordings").status_code == 303
    assert browser.get("/recordings.csv").status_code == 303
    assert browser.json("GET", "/api/recordings").status_code == 401
