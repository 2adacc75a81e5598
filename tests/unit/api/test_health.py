"""/healthz and /metrics."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from storage.errors import Transient
from tests.support.web import Browser, Bureau, Kept


def test_a_healthy_service_says_ok(office: Bureau) -> None:
    answer = Browser(office).get("/healthz")
    assert (answer.status_code, answer.json()["ok"]) == (200, True)
    assert set(answer.json()["checks"]) == {"database", "ledger", "store five_years", "store long_term"}


def test_a_full_store_is_named_and_its_reason_is_not(office: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise Transient("磁盘已满：/dev/sda1", "the disk is full: /dev/sda1")

    monkeypatch.setattr(office.services.tiers["long_term"], "check", full)
    answer = Browser(office).get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["store long_term"] == "failing"
    assert answer.json()["checks"]["database"] == "ok"
    assert "sda1" not in answer.text


def test_a_damaged_checkpoint_is_unhealthy(office: Bureau) -> None:
    (office.services.settings.ledger / "checkpoint").write_text("nonsense\n")
    assert Browser(office).get("/healthz").json()["checks"]["ledger"] == "failing"


def test_metrics_are_for_this_machine_and_administrators(office: Bureau, kept: Kept) -> None:
    assert Browser(office, "officer").get("/metrics").status_code == 403
    assert Browser(office, "admin").get("/metrics").status_code == 200
    local = TestClient(Browser(office).app, client=("127.0.0.1", 50_000))
    text = local.get("/metrics").text
    assert 'liuhen_jobs{state="queued"} 1.0' in text
    assert "liuhen_ledger_entries" in text


def test_streamed_bytes_and_answers_are_counted(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    browser = Browser(office, "colleague")
    browser.get(f"/recordings/{kept.recording}/media/{kept.original}/access", headers={"range": "bytes=0-999"})
    text = TestClient(browser.app, client=("::1", 50_000)).get("/metrics").text
    assert "liuhen_media_bytes_total 1000.0" in text
    assert 'liuhen_http_answers_total{method="GET",status="206"} 1.0' in text
