"""The pages' queries on PostgreSQL: the same answers as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import invitation, key_messages
from ingest.answers import HttpError
from ingest.enrolment import Enrolment
from storage.catalogue.tables import Device
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


def test_stations_devices_and_officers(server_office: Bureau) -> None:
    """One code, many stations at once: one gets it. Then what people do with devices and certificates."""
    office, admin = server_office, Browser(server_office, "admin")
    catalogue, clock = office.services.catalogue, office.clock
    code = Enrolment(catalogue, clock).invite("ST-01", "", office.services.log_key.vkey).code
    key = invitation.key_of(invitation.read(code))

    def enrol(_: int) -> int:
        try:
            Enrolment(catalogue, clock).enrol(key_messages.enrol(key, Ed25519PrivateKey.generate()))
        except HttpError as error:
            return error.status
        return 201

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(enrol, range(4))) == [201, 409, 409, 409]
    kept = keep(office, device="UNKNOWN-1")
    with catalogue.write() as session:
        session.add(Device(serial="UNKNOWN-1", created=clock.now))
    forms = {
        "/admin/devices": {"serial": "LH00012", "officer": office.users["colleague"], "since": "2026-11-01"},
        "/admin/devices/identify": {"unknown": "UNKNOWN-1", "serial": "LH00012"},
        "/admin/officers": {"login": "colleague", "certificate": "浙A1", "valid_until": "2026-11-01"},
        "/admin/stations/revoke": {"station": "ST-01"},
    }
    for address, form in forms.items():
        assert admin.post(address, form).status_code == 303, address
    for address in ("/admin/stations", "/admin/devices", "/admin/officers", "/admin/officers.csv", "/"):
        assert admin.get(address).status_code == 200, address
    assert "王芳" in admin.get(f"/recordings/{kept.recording}").text
