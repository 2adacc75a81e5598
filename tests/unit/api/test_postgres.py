"""The pages' queries on PostgreSQL: the same answers as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.records import RequestKind
from tests.support.web import Browser, Bureau, bureau, keep

pytestmark = pytest.mark.services


@pytest.fixture
def server_office(tmp_path: Path, postgres_url: str) -> Iterator[Bureau]:
    with bureau(tmp_path / "data", database_url=postgres_url) as made:
        yield made


def test_every_page_answers(server_office: Bureau) -> None:
    kept = keep(server_office)
    office = server_office
    office.grant("approver", kept.recording)
    office.grant("approver", kept.recording, RequestKind.EXPORT)
    office.publish()
    approver, admin = Browser(office, "approver"), Browser(office, "admin")
    pages = ["/", "/cases?q=a", "/requests?state=approved", "/stations", "/statistics", "/ledger", "/ledger/entries/0"]
    for address in [*pages, f"/recordings/{kept.recording}"]:
        assert approver.get(address).status_code == 200, address
    for address in ("/admin/users", "/admin/devices", "/admin/jobs", "/metrics", "/healthz"):
        assert admin.get(address).status_code == 200, address
    assert approver.get(f"/recordings/{kept.recording}/media/{kept.original}/access").content == kept.access


def test_filters_answer_as_on_sqlite(server_office: Bureau) -> None:
    kept = keep(server_office, device="LH00012", name="DCIM/100%_TEST.MP4")
    browser = Browser(server_office, "officer")
    queries = ["q=lh000", "q=100%25_", "officer=officer", f"q={kept.original[:20]}", "since=2026-11-20&sort=verdict"]
    for query in queries:
        assert browser.json("GET", f"/api/recordings?{query}").json()["total"] == 1, query
    assert browser.json("GET", "/api/recordings?q=100x").json()["total"] == 0


def test_a_nul_character_is_refused_before_the_database(server_office: Bureau) -> None:
    browser = Browser(server_office, "officer")
    assert browser.get("/recordings?q=%00").status_code == 422
    assert browser.post("/cases", {"number": "1\0", "title": "案由"}).status_code == 422
    assert browser.json("POST", "/api/session", {"login": "\0", "password": "x"}).status_code == 422
