"""Uploading in a real browser: files and a folder, a reload in the middle, a pause, refusals."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from storage.catalogue.tables import Upload
from storage.ledger.proof import verify_receipt
from tests.support.docking import sha256, stored

if TYPE_CHECKING:
    from tests.pages.conftest import Site

pytestmark = pytest.mark.pages


@pytest.fixture(autouse=True)
def publishing(site: Site) -> Iterator[None]:
    site.office.services.sequencer.start()
    yield


def card(folder: Path, **contents: bytes) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = []
    for name, content in contents.items():
        files.append(folder / f"{name}.MP4")
        files[-1].write_bytes(content)
    return files


def choose(page: Page, files: list[Path] | Path, device: str = "LH00012") -> None:
    page.get_by_label("设备编号").fill(device)
    folder = isinstance(files, Path)
    page.locator("[data-files]").nth(int(folder)).set_input_files(files)


def start(page: Page) -> None:
    page.get_by_role("button", name="开始上传").click()


def committed(site: Site) -> int:
    with site.office.services.catalogue.read() as session:
        return sum(upload.offset for upload in session.query(Upload))


def slowed(page: Page, bytes_per_second: int) -> None:
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", limits)


def test_chosen_files_become_originals_and_their_receipts_are_saved(site: Site, tmp_path: Path) -> None:
    contents = {"录像_0001": os.urandom(3_000_000), "录像_0002": os.urandom(700_000), "empty": b""}
    page = site.page("officer")
    page.goto("/stations")
    page.get_by_role("link", name="浏览器上传").click()
    choose(page, card(tmp_path / "card", **contents))
    start(page)
    expect(page.locator("[data-rows] [data-state]").get_by_text("已入库")).to_have_count(3)
    expect(page.locator("[data-total-text]")).to_contain_text("3 / 3 个文件")
    for name, content in contents.items():
        row = page.get_by_role("row", name=f"{name}.MP4")
        expect(row.locator("[data-digest]")).to_have_attribute("title", sha256(content))
        with page.expect_download() as saved:
            row.get_by_role("link", name="保存回执").click()
        receipt = saved.value.path().read_bytes()
        event = verify_receipt(receipt, site.office.services.log_key.vkey).entry.event
        assert event.payload["sha256"] == sha256(content)
        assert saved.value.suggested_filename == f"{name}.MP4.tlog-proof"
        assert stored(site.office.services.settings.data, content) == content
    page.reload()
    expect(page.get_by_role("link", name="保存回执")).to_have_count(3)


def test_a_folder_keeps_its_paths(site: Site, tmp_path: Path) -> None:
    card(tmp_path / "DCIM", a=os.urandom(1000))
    card(tmp_path / "DCIM" / "100MEDIA", b=os.urandom(1000))
    page = site.page("archivist")
    page.goto("/stations/upload")
    choose(page, tmp_path / "DCIM", "LH00077")
    start(page)
    expect(page.locator("[data-rows] [data-state]").get_by_text("已入库")).to_have_count(2)
    expect(page.get_by_text("DCIM/100MEDIA/b.MP4")).to_be_visible()


def test_an_upload_goes_on_after_a_reload(site: Site, tmp_path: Path) -> None:
    content = os.urandom(12_000_000)
    files = card(tmp_path / "card", 录像=content)
    page = site.page("officer")
    page.goto("/stations/upload")
    slowed(page, 2_000_000)
    choose(page, files)
    start(page)
    while page.evaluate("document.querySelector('[data-rows] [data-progress]').value") < 0.3:
        page.wait_for_timeout(50)
    page.on("dialog", lambda dialog: dialog.accept())  # “an upload is under way: leave?”
    page.reload()
    until(lambda: 0 < committed(site) < len(content))
    page.reload()
    expect(page.get_by_role("heading", name="未传完")).to_be_visible()
    before = committed(site)
    slowed(page, -1)
    choose(page, files)
    sent: list[int] = []
    page.on("request", lambda request: sent.append(int(request.headers.get("upload-offset", -1))))
    start(page)
    expect(page.locator("[data-rows] [data-state]")).to_have_text("已入库")
    assert [offset for offset in sent if offset >= 0] == [before]
    assert stored(site.office.services.settings.data, content) == content


def until(condition: object) -> None:
    assert callable(condition)
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def test_a_pause_and_going_on(site: Site, tmp_path: Path) -> None:
    content = os.urandom(9_000_000)
    page = site.page("officer")
    page.goto("/stations/upload")
    slowed(page, 2_000_000)
    choose(page, card(tmp_path / "card", a=content))
    start(page)
    while page.evaluate("document.querySelector('[data-rows] [data-progress]').value") < 0.2:
        page.wait_for_timeout(50)
    page.get_by_role("button", name="全部暂停").click()
    expect(page.locator("[data-rows] [data-state]")).to_have_text("已暂停")
    until(lambda: committed(site) > 0)
    slowed(page, -1)
    page.get_by_role("button", name="继续").click()
    expect(page.locator("[data-rows] [data-state]")).to_have_text("已入库")
    assert stored(site.office.services.settings.data, content) == content
    site.complaints[:] = [each for each in site.complaints if "423" not in each]


def test_what_the_server_refuses_is_said_beside_the_file(site: Site, tmp_path: Path) -> None:
    page = site.page("officer")
    page.goto("/stations/upload")
    choose(page, card(tmp_path / "card", a=os.urandom(1000)), "LH\u200100012\u0007")
    start(page)
    expect(page.locator("[data-rows] [data-state]")).to_have_text("未接收")
    expect(page.locator("[data-rows] [data-why]")).to_contain_text("设备编号不可接受")
    choose(page, [], "LH00012")
    start(page)
    expect(page.locator("[data-rows] [data-state]")).to_have_text("已入库")
    site.complaints.clear()  # the browser reports the 422 itself


def test_a_session_that_ended_stops_the_upload_with_a_word(site: Site, tmp_path: Path) -> None:
    page = site.page("officer")
    page.goto("/stations/upload")
    page.context.clear_cookies()
    choose(page, card(tmp_path / "card", a=os.urandom(1000)))
    start(page)
    expect(page.get_by_role("alert")).to_contain_text("请重新登录")
    site.complaints.clear()


def test_the_page_speaks_english_and_works_by_keyboard(site: Site, tmp_path: Path) -> None:
    page = site.page("officer")
    page.goto("/stations/upload")
    page.get_by_role("link", name="English").click()
    page.get_by_label(re.compile("Serial of the camera")).focus()
    page.keyboard.type("LH00012")
    page.keyboard.press("Tab")
    expect(page.locator("[data-files]").first).to_be_focused()
    page.locator("[data-files]").first.set_input_files(card(tmp_path / "card", a=os.urandom(1000)))
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Start")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("[data-rows] [data-state]")).to_have_text("kept")
