"""The stations' page in a real browser: it renews itself and leaves the keyboard where it was."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from storage.catalogue.tables import Rejection, Station
from tests.pages.test_pages import CONTRAST
from tests.support.taking import dock
from tests.unit.api.test_docked import SAID

if TYPE_CHECKING:
    from tests.pages.conftest import Site
    from tests.support.web import Bureau

pytestmark = pytest.mark.pages
CARD = SAID["cards"][0]
PHASES = ("sending", "hashing", "safe", "unsafe", "quarantined", "gone", "wiped", "strange")


def put(office: Bureau, **changed: Any) -> None:
    """The station ST-01, enrolled if it is not yet, says this of itself."""
    with office.services.catalogue.write() as session:
        row = session.get(Station, "ST-01") or Station(id="ST-01", public_key="k", created=office.clock.now)
        row.seen, row.state = office.clock.now, SAID | changed
        session.add(row)


def test_the_page_renews_itself_and_the_focus_stays(site: Site) -> None:
    put(site.office, cards=[CARD, CARD | {"serial": "LH00013"}])
    page = site.page("officer")
    page.clock.install()
    page.goto("/stations")
    second = page.locator(".cameras li").nth(1)
    second.get_by_role("link", name="清单").focus()
    put(site.office, cards=[CARD | {"sent": 500}, CARD | {"serial": "LH00013", "state": "unsafe", "zh": "读取出错"}])
    page.clock.fast_forward(10_000)
    expect(page.locator(".cameras li").first).to_contain_text("正在上传 50%")
    expect(second).to_contain_text("读取出错")
    expect(second.get_by_role("link", name="清单")).to_be_focused()
    page.clock.fast_forward(10_000)
    expect(second.get_by_role("link", name="清单")).to_be_focused()


def test_every_state_can_be_read_and_nothing_overflows(site: Site) -> None:
    cards = [CARD | {"state": state, "zh": "原因", "serial": f"LH{'0' * 40}"} for state in PHASES]
    put(site.office, cards=cards, problem={"code": "server", "zh": "连不上服务器", "en": "no server"})
    dock(site.office, -2, {"DCIM/lost.MP4": "b" * 64})
    with site.office.services.catalogue.write() as session:
        session.add(Station(id="ST-02", public_key="", created=site.office.clock.now - timedelta(days=1), state=SAID))
        session.add(
            Rejection(
                id="r1", door="upload", station_id="ST-01", path="DCIM/x.MP4", size=1, code="digest-mismatch",
                zh="不符", en="differs", place="spool/rejected/r1", made=site.office.clock.now,
            )
        )  # fmt: skip
    page = site.page("admin")
    narrow = site.page("admin", viewport={"width": 390, "height": 800})
    addresses = ("/stations", "/station/ST-01", "/rejections", "/rejections/r1", "/stations/delay", "/")
    for address in addresses:
        page.goto(address)
        assert page.evaluate(CONTRAST) == [], address
        narrow.goto(address)
        assert narrow.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_the_bytes_of_a_refused_file_can_be_had(site: Site) -> None:
    kept = site.office.services.settings.spool / "rejected" / "r1"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(b"broken")
    with site.office.services.catalogue.write() as session:
        session.add(
            Rejection(
                id="r1", door="browser", path="x.MP4", size=6, code="rejected", zh="不符", en="differs",
                place="spool/rejected/r1", made=site.office.clock.now,
            )
        )  # fmt: skip
    page = site.page("admin")
    page.get_by_text("1 个拒收文件尚未查看").get_by_role("link").click()
    page.locator("#rejections tbody a").first.click()
    with page.expect_download() as started:
        page.get_by_role("button", name="下载收到的字节").click()
    assert started.value.path().read_bytes() == b"broken"
    page.get_by_role("button", name="登记为已查看").click()
    expect(page.get_by_role("status")).to_contain_text("已登记查看")
