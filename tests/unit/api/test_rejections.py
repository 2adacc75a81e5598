"""Refused files: listed, explained, looked into once, and their bytes had by administrators with a trace each time."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any

from storage.catalogue.tables import Rejection, Station
from tests.support.web import Browser, Bureau, text_of

BYTES = bytes(range(256)) * 40


def refuse(office: Bureau, name: str = "r1", *, place: str | None = None, **given: Any) -> Path:
    """A refused upload with its bytes where the server sets them apart."""
    kept = office.services.settings.spool / "rejected" / name
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(BYTES)
    values = {
        "id": name, "door": "upload", "station_id": "ST-01", "device_serial": "LH00012", "path": "DCIM/照片 1.JPG",
        "size": len(BYTES), "expected": "a" * 64, "received": "b" * 64, "code": "digest-mismatch",
        "zh": "内容与清单不符。", "en": "not as listed", "place": place or f"spool/rejected/{name}",
        "made": office.clock.now,
    }  # fmt: skip
    with office.services.catalogue.write() as session:
        if session.get(Station, "ST-01") is None:
            session.add(Station(id="ST-01", public_key="", created=office.clock.now))
            session.flush()
        session.add(Rejection(**(values | given)))
    return kept


def events(office: Bureau) -> list[tuple[str, str]]:
    return [(event, actor) for event, actor, _ in office.events("device:LH00012")]


def test_the_list_narrows_sorts_and_exports(office: Bureau) -> None:
    refuse(office, "r1")
    office.clock.forward(hours=1)
    refuse(office, "watch-2", door="watch", station_id=None, path="=x.MP4", code="too-large", zh="过大", en="too large")
    browser = Browser(office, "admin")
    page = browser.get("/rejections").text
    assert page.index("watch-2") < page.index("/rejections/r1")
    page = browser.get("/rejections?order=asc").text
    assert page.index("/rejections/r1") < page.index("watch-2")
    for narrowed in ("door=watch", "code=too-large", "q=x.mp4", "seen=no&code=too-large"):
        page = browser.get(f"/rejections?{narrowed}").text
        assert "watch-2" in page and "/rejections/r1" not in page, narrowed
    assert "/rejections/r1" in browser.get("/rejections?q=" + "b" * 9).text
    assert "没有符合条件的文件" in text_of(browser.get("/rejections?seen=yes"))
    rows = list(csv.reader(io.StringIO(browser.get("/rejections.csv").content.decode("utf-8-sig"))))
    assert len(rows) == 3 and rows[1][5] == "'=x.MP4" and rows[1][2] == "监视文件夹"


def test_the_reason_stands_there_in_both_languages_with_what_to_do(office: Bureau) -> None:
    refuse(office)
    words = text_of(Browser(office, "auditor").get("/rejections/r1"))
    assert "内容与清单不符。" in words and "not as listed" in words and "不要清除存储卡" in words


def test_looking_into_it_is_recorded_once(office: Bureau) -> None:
    refuse(office)
    browser = Browser(office, "admin")
    assert "1 个拒收文件尚未查看" in text_of(browser.get("/"))
    for _ in range(2):
        assert browser.post("/rejections/r1/seen").headers["location"] == "/rejections/r1?note=rejection"
    assert events(office) == [("rejection.seen", "user:admin")]
    assert "拒收文件尚未查看" not in text_of(browser.get("/"))
    assert "系统管理员" in text_of(browser.get("/rejections?seen=yes"))


def test_each_look_at_the_bytes_leaves_a_trace(office: Bureau) -> None:
    refuse(office)
    browser = Browser(office, "admin")
    for _ in range(2):
        answer = browser.post("/rejections/r1/download")
        assert answer.content == BYTES and answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-length"] == str(len(BYTES))
        assert "filename*=UTF-8''%E7%85%A7%E7%89%87%201.JPG.rejected" in answer.headers["content-disposition"]
    assert events(office) == [("rejection.downloaded", "user:admin")] * 2


def test_who_has_no_business_with_it_sees_nothing(office: Bureau) -> None:
    refuse(office)
    browser = Browser(office)
    for login in ("officer", "approver"):
        browser.sign_in(office, login)
        for address in ("/rejections", "/rejections.csv", "/rejections/r1"):
            assert browser.get(address).status_code == 403
        assert "拒收文件尚未查看" not in text_of(browser.get("/"))


def test_only_administrators_act_and_only_by_a_form_with_its_token(office: Bureau) -> None:
    refuse(office)
    browser = Browser(office)
    for action in ("seen", "download"):
        for login in ("officer", "auditor", "archivist", "approver"):
            browser.sign_in(office, login)
            assert browser.post(f"/rejections/r1/{action}").status_code == 403, login
        assert browser.get(f"/rejections/r1/{action}").status_code in {404, 405}
        browser.sign_in(office, "admin")
        browser.token = ""
        assert browser.post(f"/rejections/r1/{action}").status_code == 403
    assert events(office) == []
    browser.sign_in(office, "auditor")
    assert "/download" not in browser.get("/rejections/r1").text


WRONG_PLACES = (
    "keys/passphrase", "spool/rejected/../../keys/passphrase", "/etc/passwd", "spool/rejected/none", "spool/rejected",
    "spool/rejected/link", "spool/rejected/folder/passphrase", "spool/rejected/pipe", "\0", "",
)  # fmt: skip


def test_nothing_but_a_file_that_was_set_apart_is_given_out(office: Bureau) -> None:
    folder = refuse(office).parent
    keys = office.services.settings.keys.absolute()
    assert (keys / "passphrase").is_file()
    (folder / "link").symlink_to(keys / "passphrase")
    (folder / "folder").symlink_to(keys)
    os.mkfifo(folder / "pipe")
    browser = Browser(office, "admin")
    for place in WRONG_PLACES:
        with office.services.catalogue.write() as session:
            session.get_one(Rejection, "r1").place = place
        assert browser.post("/rejections/r1/download").status_code == 404, place
    assert events(office) == []


def test_one_that_is_not_there(office: Bureau) -> None:
    browser = Browser(office, "admin")
    assert browser.get("/rejections/none").status_code == 404
    assert browser.post("/rejections/none/seen").status_code == 404
    assert browser.post("/rejections/none/download").status_code == 404
    assert browser.get("/rejections/%00").status_code in {404, 422}


def test_an_office_without_any_says_so(office: Bureau) -> None:
    assert "没有拒收的文件" in text_of(Browser(office, "admin").get("/rejections"))
