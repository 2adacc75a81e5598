"""Uploading in a browser: who may, whose uploads are whose, and what the page says. The scripts are in tests/pages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.ledger.proof import verify_receipt
from tests.support.docking import BODY, b64, sha256, stored
from tests.support.web import Browser, Bureau, bureau, text_of

PLACE = "/api/browser/uploads"
DATA = os.urandom(5000)


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Bureau]:
    with bureau(tmp_path / "data") as made:
        made.services.sequencer.start()
        yield made


@pytest.fixture
def officer(office: Bureau) -> Browser:
    return Browser(office, "officer")


def tus(browser: Browser, method: str, address: str, content: bytes = b"", **more: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    headers = {"Tus-Resumable": "1.0.0", "X-CSRF-Token": browser.token} | named
    return browser.client.request(method, address, content=content, headers=headers)


def begin(browser: Browser, path: str = "DCIM/录像.MP4", device: str = "LH00012", length: int = len(DATA)) -> Any:
    told = {"path": path, "device": device, "modified": "2026-11-20T00:31:07.000Z"}
    metadata = ",".join(f"{name} {b64(value)}" for name, value in told.items())
    return tus(browser, "POST", PLACE, Upload_Length=str(length), Upload_Metadata=metadata)


def send(browser: Browser, address: str, content: bytes = DATA, offset: int = 0) -> Any:
    return tus(browser, "PATCH", address, content, Content_Type=BODY, Upload_Offset=str(offset))


def test_a_file_from_a_browser_becomes_an_original_by_its_user(office: Bureau, officer: Browser) -> None:
    begun = begin(officer)
    assert begun.status_code == 201
    address = begun.headers["Location"]
    assert send(officer, address, DATA[:2000]).headers["Upload-Offset"] == "2000"
    last = send(officer, address, DATA[2000:], 2000)
    assert last.status_code == 204
    receipt = officer.get(last.headers["Liuhen-Receipt"])
    event = verify_receipt(receipt.content, office.services.log_key.vkey).entry.event
    assert (event.actor.kind, event.actor.id) == ("user", "officer")
    assert event.payload["sha256"] == sha256(DATA)
    assert (event.payload["device"], event.payload["docking"], event.payload["station"]) == ("LH00012", None, None)
    assert stored(office.services.settings.data, DATA) == DATA
    assert "attachment" in receipt.headers["Content-Disposition"]
    page = text_of(officer.get("/stations/upload"))
    assert "DCIM/录像.MP4" in page and "保存回执" in page


def test_an_unfinished_upload_stands_on_the_page_to_be_gone_on_with(officer: Browser) -> None:
    address = begin(officer).headers["Location"]
    send(officer, address, DATA[:2000])
    page = officer.get("/stations/upload").text
    assert f'data-unfinished="{address}"' in page
    assert 'data-modified="2026-11-20T00:31:07.000Z"' in page
    assert tus(officer, "DELETE", address).status_code == 204
    assert "data-unfinished=" not in officer.get("/stations/upload").text


def test_another_persons_uploads_and_receipts_do_not_exist(office: Bureau, officer: Browser) -> None:
    address = begin(officer).headers["Location"]
    colleague = Browser(office, "colleague", app=officer.app)
    assert tus(colleague, "HEAD", address).status_code == 404
    assert send(colleague, address).status_code == 404
    assert tus(colleague, "DELETE", address).status_code == 404
    receipt = send(officer, address).headers["Liuhen-Receipt"]
    assert officer.get(receipt).status_code == 200
    assert colleague.get(receipt).status_code == 404
    assert "录像" not in text_of(colleague.get("/stations/upload"))
    stations = address.replace("/browser/", "/")
    assert tus(officer, "HEAD", stations).status_code == 401


def test_without_session_token_or_role_nothing_is_taken(office: Bureau, officer: Browser) -> None:
    address = begin(officer).headers["Location"]
    nobody = Browser(office, app=officer.app)
    assert send(nobody, address).status_code == 401
    token, officer.token = officer.token, "guessed"
    refused = send(officer, address)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "stale-page")
    officer.token = token
    for login in ("approver", "auditor", "admin"):
        other = Browser(office, login, app=officer.app)
        assert begin(other).json()["error"]["code"] == "no-right"
        assert other.get("/stations/upload").status_code == 403
    assert begin(Browser(office, "archivist", app=officer.app)).status_code == 201
    assert nobody.get("/stations/upload").status_code == 303


def test_another_sites_page_can_not_upload(officer: Browser) -> None:
    address = begin(officer).headers["Location"]
    for name, value in (("Origin", "https://evil.example"), ("Sec_Fetch_Site", "cross-site")):
        assert (
            tus(officer, "PATCH", address, DATA, Content_Type=BODY, Upload_Offset="0", **{name: value}).status_code
            == 403
        )
    assert tus(officer, "HEAD", address).headers["Upload-Offset"] == "0"


def test_a_body_may_be_larger_than_a_form_and_changes_are_not_counted(officer: Browser) -> None:
    content = os.urandom(600_000)
    address = begin(officer, length=len(content)).headers["Location"]
    for offset in range(0, len(content), 2000):
        assert send(officer, address, content[offset : offset + 2000], offset).status_code == 204


@pytest.mark.parametrize(("path", "device"), [("../x", "LH00012"), ("x\r\ny", "LH00012"), ("x", ""), ("x", "LH\x1b")])
def test_names_that_can_not_be_kept_are_refused_with_the_reason(officer: Browser, path: str, device: str) -> None:
    refused = begin(officer, path, device)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "wrong-name")


def test_an_empty_file_and_the_same_bytes_again(officer: Browser) -> None:
    empty = begin(officer, "empty.MP4", length=0)
    assert empty.headers["Liuhen-Receipt"].endswith(hashlib.sha256(b"").hexdigest())
    receipts = []
    for name in ("a", "b"):
        answer = send(officer, begin(officer, name).headers["Location"])
        receipts.append(officer.get(answer.headers["Liuhen-Receipt"]).content)
    assert receipts[0] == receipts[1]


def test_the_empty_page_says_what_to_do(officer: Browser) -> None:
    page = text_of(officer.get("/stations/upload"))
    assert "填写设备编号" in page
    assert "浏览器上传" in text_of(officer.get("/stations"))
