"""One docking: what the station said of the card besides its recordings."""

from __future__ import annotations

import json
from typing import Any

from storage.catalogue.tables import Docking, Station
from storage.clock import new_id
from tests.support.web import Browser, Bureau, text_of


def docked(office: Bureau, **said: Any) -> str:
    docking = new_id()
    with office.services.catalogue.write() as session:
        session.add(Station(id="ST-01", public_key="k" * 44, created=office.clock.now))
        session.flush()
        session.add(
            Docking(
                id=docking, station_id="ST-01", device_serial="LH00012", manifest=json.dumps(said).encode(),
                manifest_sha256="a" * 64, signature="s", station_time=office.clock.now, received=office.clock.now,
                token="t",
            )
        )  # fmt: skip
    return f"/stations/dockings/{docking}"


def test_a_card_in_quarantine_says_so_and_leads_the_administrator_on(office: Bureau) -> None:
    page = docked(office, device={"serial": "UNKNOWN-1", "quarantine": True}, files=[])
    assert "隔离" in text_of(Browser(office, "officer").get(page))
    assert "/admin/devices" not in Browser(office, "officer").get(page).text
    assert 'href="/admin/devices"' in Browser(office, "admin").get(page).text


def test_clocks_and_what_named_the_camera_are_shown(office: Bureau) -> None:
    page = docked(
        office,
        device={"serial": "LH00012", "named_by": "label"},
        clock={"synchronised": False, "error": None, "jumped": 3600.0},
        camera_clock={"offset": 180.0, "bound": "at-least", "source": "newest-file"},
        files=[],
    )
    words = text_of(Browser(office, "officer").get(page))
    assert "卷标" in words
    assert "+3600.0 s" in words
    assert "比采集站快 至少 180.0 s" in words
    assert "没有需要上传的文件" in words
    assert "隔离" not in words


def test_what_stayed_on_the_card_is_listed_with_the_reason(office: Bureau) -> None:
    note = {"path": "device.json", "not_uploaded": "a note about the camera, listed only"}
    page = docked(
        office,
        device={"serial": "LH00012"},
        files=[{"path": "a.MP4"}, note],
        unreadable=[{"path": "<b>.MP4", "why": "Input/output error"}],
    )
    shown = Browser(office, "officer").get(page)
    words = text_of(shown)
    assert "device.json 设备说明文件" in words
    assert "&lt;b&gt;.MP4" in shown.text
    assert "Input/output error" in words


def test_an_old_manifest_is_shown_as_it_is(office: Bureau) -> None:
    words = text_of(Browser(office, "officer").get(docked(office, device={"serial": "LH00012", "model": "LH-1"})))
    assert "LH-1" in words
    assert "未上传的文件" not in words
