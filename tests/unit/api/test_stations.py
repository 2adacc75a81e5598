"""The stations' pages: what is docked now, what is stuck, who is silent; and one station's history."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from storage.catalogue.tables import Rejection, Station, StationKey
from tests.support.taking import dock
from tests.support.web import Browser, Bureau, text_of
from tests.unit.api.test_docked import SAID

CARD = SAID["cards"][0]


def station(office: Bureau, name: str = "ST-01", *, ago: float | None = 5, **given: Any) -> None:
    """Enrolled a day ago, and heard of so many seconds ago (None: never)."""
    seen = None if ago is None else office.clock.now - timedelta(seconds=ago)
    row = Station(
        id=name, public_key=f"key-{name}", created=office.clock.now - timedelta(days=1), seen=seen,
        **({"state": SAID, "place": "一楼值班室"} | given),
    )  # fmt: skip
    with office.services.catalogue.write() as session:
        session.add(row)


def test_what_is_docked_is_shown_with_its_progress(office: Bureau) -> None:
    station(office)
    page = Browser(office, "officer").get("/stations")
    words = text_of(page)
    assert "ST-01 一楼值班室 在线" in words and "LH00012" in words and "正在上传 25%" in words
    assert "12 个文件，3 个已核验" in words and "46.0 MiB/s" in words and "约剩 0:06:41" in words
    assert "已同步" in words and "+0.4 s" in words
    assert 'width="25.0"' in page.text and 'href="/stations/dockings/01m7abc"' in page.text


def test_in_english(office: Bureau) -> None:
    station(office, state=SAID | {"cards": [CARD | {"state": "unsafe", "zh": "不行", "en": "two files had errors"}]})
    browser = Browser(office, "officer")
    browser.get("/language/en")
    words = text_of(browser.get("/stations"))
    assert "not safe" in words and "two files had errors" in words and "online" in words and "stuck 1" in words


def test_a_station_that_says_nothing_for_two_minutes_is_silent_and_comes_first(office: Bureau) -> None:
    station(office, "ST-01")
    station(office, "ST-09", ago=121)
    page = Browser(office, "officer").get("/stations")
    assert "失联" in text_of(page) and "0:02:01 前" in text_of(page)
    assert page.text.index('id="station-ST-09"') < page.text.index('id="station-ST-01"')


def test_one_that_never_reported_and_one_revoked_say_so(office: Bureau) -> None:
    station(office, "ST-01", ago=None, state=None)
    station(office, "ST-02", revoked=office.clock.now)
    words = text_of(Browser(office, "officer").get("/stations"))
    assert "未上报" in words and "还没有上报过" in words and "已停用" in words


def test_why_something_is_stuck_is_said(office: Bureau) -> None:
    problem = {"code": "journal", "zh": "采集站磁盘已满", "en": "the station's disk is full"}
    cards = [CARD | {"state": "failed", "zh": "存储卡读取出错", "en": "the card can't be read"}]
    station(office, state=SAID | {"problem": problem, "cards": cards, "clock_offset": -7200.0})
    page = Browser(office, "officer").get("/stations")
    words = text_of(page)
    assert "采集站磁盘已满" in words and "存储卡读取出错" in words and "-7200.0 s" in words and "卡住 1" in words


def test_what_a_station_says_is_shown_as_text_only(office: Bureau) -> None:
    evil = CARD | {"serial": "<script>alert(1)</script>", "model": "\x1b[31m", "state": "failed", "zh": "<img src=x>"}
    station(office, state=SAID | {"cards": [evil, 7, {"state": {}}]})
    page = Browser(office, "officer").get("/stations")
    assert page.status_code == 200
    assert "<script>alert" not in page.text and "<img src=x" not in page.text and "\x1b" not in page.text
    assert "&lt;script&gt;" in page.text and "状态不明" in text_of(page)


def test_only_the_live_part_is_asked_for_again(office: Bureau) -> None:
    station(office, "ST-01")
    station(office, "ST-02")
    browser = Browser(office, "officer")
    assert 'hx-get="/stations/live"' in browser.get("/stations").text
    part = browser.get("/stations/live").text
    assert part.count("<section") == 2 and "<html" not in part
    alone = browser.get("/stations/live?only=ST-02").text
    assert 'id="station-ST-02"' in alone and 'id="station-ST-01"' not in alone
    assert 'hx-get="/stations/live?only=ST-02"' in alone
    office.clock.forward(minutes=3)
    assert browser.get("/stations/live").text.count("失联") == 2


def test_every_thing_in_the_live_part_that_takes_the_focus_has_a_name_of_its_own(office: Bureau) -> None:
    station(office, "ST-01", state=SAID | {"cards": [CARD, CARD]})
    station(office, "ST-02")
    part = Browser(office, "officer").get("/stations/live").text
    links = part.count("<a ")
    assert links == part.count('<a id="') == 5
    names = [piece.split('"')[0] for piece in part.split('<a id="')[1:]]
    assert len(set(names)) == links


def test_overdue_and_refused_are_counted_for_each_station(office: Bureau) -> None:
    dock(office, -2, {"DCIM/lost.MP4": "b" * 64, "DCIM/lost2.MP4": "c" * 64})
    with office.services.catalogue.write() as session:
        session.add(
            Rejection(
                id="r1", door="upload", station_id="ST-01", path="DCIM/x.MP4", size=1, code="digest-mismatch",
                zh="不符", en="differs", place="spool/rejected/r1", made=office.clock.now,
            )
        )  # fmt: skip
    page = Browser(office, "admin").get("/stations")
    assert "/stations/missing?station=ST-01&amp;state=overdue" in page.text and "/rejections?station=ST-01" in page.text
    assert "未看 1" in text_of(page)
    assert 'href="/rejections' not in Browser(office, "officer").get("/stations").text


def test_a_station_has_a_page_of_its_own(office: Bureau) -> None:
    station(office)
    docking = dock(office, 0, {"DCIM/lost.MP4": "b" * 64})
    dock(office, -2, {"DCIM/lost2.MP4": "c" * 64})
    station(office, "ST-02")
    with office.services.catalogue.write() as session:
        since = office.clock.now - timedelta(days=9)
        session.add(StationKey(public_key="old-key", station_id="ST-01", since=since, until=office.clock.now))
        session.add(StationKey(public_key="new-key", station_id="ST-01", since=office.clock.now))
        session.add(StationKey(public_key="other-key", station_id="ST-02", since=office.clock.now))
    page = Browser(office, "officer").get("/station/ST-01")
    words = text_of(page)
    assert "old-key" in words and "new-key" in words and "other-key" not in words
    assert f"/stations/dockings/{docking}" in page.text and "有接入 2 天" in words
    assert "1 个文件逾期未入库" in words and "0.1.0" in words
    assert 'hx-get="/stations/live?only=ST-01"' in page.text


def test_the_dockings_are_narrowed_by_station_and_device(office: Bureau) -> None:
    mine, other = dock(office, 0, {}), dock(office, 0, {}, device="LH00099")
    browser = Browser(office, "officer")
    page = browser.get("/stations?device=0099").text
    assert other in page and mine not in page
    assert "没有符合条件的接入" in text_of(browser.get("/stations?station=ST-77"))


@pytest.mark.parametrize("name", ["live", "dockings", "upload", "一楼/2"])
def test_no_name_of_a_station_is_hidden_by_another_page(office: Bureau, name: str) -> None:
    station(office, name)
    browser = Browser(office, "officer")
    (address,) = set(re.findall(r'href="(/station/[^"]+)"', browser.get("/stations").text))
    page = browser.get(address)
    assert page.status_code == 200 and name in text_of(page)


def test_a_station_that_is_not_there(office: Bureau) -> None:
    browser = Browser(office, "officer")
    for address in ("/station/ST-99", "/station/%00", "/station/" + "x" * 65):
        assert browser.get(address).status_code in {404, 422}, address


def test_nobody_sees_it_without_signing_in(office: Bureau) -> None:
    station(office)
    browser = Browser(office)
    for address in ("/stations", "/station/ST-01", "/stations/live"):
        answer = browser.get(address)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/signin")


def test_an_empty_office_is_told_what_to_do(office: Bureau) -> None:
    words = text_of(Browser(office, "officer").get("/stations"))
    assert "还没有登记采集站" in words and "还没有接入记录" in words
