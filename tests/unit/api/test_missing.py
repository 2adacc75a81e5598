"""Files that a station listed and nobody received: on their page, with the time they have, and on the desk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.taking import dock, take_in
from tests.support.web import Browser, Bureau, text_of

if TYPE_CHECKING:
    from pipeline.samples import Footage

HERE, LOST, LATER = "a" * 64, "b" * 64, "c" * 64


def test_a_listed_file_has_its_time_and_then_is_overdue(office: Bureau) -> None:
    dock(office, 0, {"DCIM/0002.MP4": LOST})
    browser = Browser(office, "officer")
    words = text_of(browser.get("/stations/missing"))
    assert "DCIM/0002.MP4" in words and "还剩 24:00:00" in words and "已过时限" not in words
    assert "逾期未入库" not in text_of(browser.get("/"))
    office.clock.forward(hours=25)
    browser.sign_in(office, "officer")
    words = text_of(browser.get("/stations/missing"))
    assert "已过 1:00:00" in words and "1 个文件已过时限" in words
    assert "1 个文件逾期未入库" in text_of(browser.get("/"))
    browser.get("/language/en")
    assert "overdue 1:00:00" in text_of(browser.get("/stations/missing"))


def test_what_was_received_is_not_listed(office: Bureau, footage: Footage) -> None:
    sha256 = take_in(office, footage.segments[0])
    dock(office, 0, {"DCIM/0001.MP4": sha256})
    assert "清单中的文件都已入库" in text_of(Browser(office, "officer").get("/stations/missing"))


def test_a_file_listed_again_waits_from_its_last_listing_and_stands_there_once(office: Bureau) -> None:
    dock(office, -3, {"DCIM/0002.MP4": LOST})
    dock(office, -0.5, {"DCIM/0002.MP4": LOST})
    page = Browser(office, "officer").get("/stations/missing")
    assert "还剩 12:00:00" in text_of(page) and page.text.count("DCIM/0002.MP4") == 1


def test_the_oldest_come_first_and_can_be_narrowed(office: Bureau) -> None:
    dock(office, -1, {"DCIM/late.MP4": LATER}, device="LH00099")
    dock(office, -2, {"DCIM/lost.MP4": LOST})
    browser = Browser(office, "admin")
    page = browser.get("/stations/missing").text
    assert page.index("lost.MP4") < page.index("late.MP4")
    narrowed = browser.get("/stations/missing?device=LH00099").text
    assert "late.MP4" in narrowed and "lost.MP4" not in narrowed
    assert "lost.MP4" not in browser.get("/stations/missing?station=ST-99").text
    assert "2 个文件尚未入库" in text_of(browser.get("/stations"))


def test_programs_get_the_same_list(office: Bureau) -> None:
    dock(office, -2, {"DCIM/lost.MP4": LOST})
    told = Browser(office, "auditor").json("GET", "/api/missing").json()
    assert told["total"] == 1 and told["files"][0]["overdue"] is True
    assert told["files"][0]["path"] == "DCIM/lost.MP4" and told["files"][0]["device"] == "LH00012"
    assert Browser(office).json("GET", "/api/missing").status_code == 401
