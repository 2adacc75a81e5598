"""Who may do what on the pages of docking: every role on every address, and every form without its token."""

from __future__ import annotations

import pytest

from storage.catalogue.tables import Rejection
from tests.support.web import PEOPLE, Browser, Bureau
from tests.unit.api.test_stations import station

EVERYBODY = frozenset(PEOPLE)
ADMIN = frozenset({"admin"})
KEEPERS = frozenset({"admin", "auditor", "archivist"})
UPLOADERS = frozenset({"officer", "colleague", "archivist"})

PAGES = {
    "/stations": EVERYBODY,
    "/stations/live": EVERYBODY,
    "/station/ST-01": EVERYBODY,
    "/stations/missing": EVERYBODY,
    "/stations/missing.csv": EVERYBODY,
    "/stations/delay": EVERYBODY,
    "/stations/upload": UPLOADERS,
    "/deadlines/late": EVERYBODY,
    "/deadlines/unfiled.csv": EVERYBODY,
    "/rejections": KEEPERS,
    "/rejections.csv": KEEPERS,
    "/rejections/r1": KEEPERS,
    "/admin/users": ADMIN,
    "/admin/stations": ADMIN,
    "/admin/devices": ADMIN,
    "/admin/officers": ADMIN,
    "/admin/officers.csv": ADMIN,
}
FORMS = {
    "/rejections/r1/seen": {},
    "/rejections/r1/download": {},
    "/admin/stations/invite": {"station": "ST-02"},
    "/admin/stations/revoke": {"station": "ST-01"},
    "/admin/devices": {"serial": "LH00012"},
    "/admin/devices/identify": {"unknown": "UNKNOWN-1", "serial": "LH00012"},
    "/admin/officers": {"login": "officer"},
}


@pytest.fixture
def bureau(office: Bureau) -> Bureau:
    station(office)
    words = {"zh": "不符", "en": "differs", "code": "digest-mismatch", "place": "spool/rejected/r1"}
    with office.services.catalogue.write() as session:
        row = Rejection(id="r1", door="file", station_id="ST-01", path="a", size=1, made=office.clock.now, **words)
        session.add(row)
    return office


def test_each_role_sees_what_is_its_business(bureau: Bureau) -> None:
    for login in PEOPLE:
        browser = Browser(bureau, login)
        seen = {address: browser.get(address).status_code for address in PAGES}
        assert seen == {address: 200 if login in may else 403 for address, may in PAGES.items()}, login


def test_what_changes_something_is_for_administrators(bureau: Bureau) -> None:
    for login in EVERYBODY - ADMIN:
        browser = Browser(bureau, login)
        assert {browser.post(address, dict(data)).status_code for address, data in FORMS.items()} == {403}, login
    assert bureau.events("station:ST-01") == bureau.events("device:LH00012") == []


def test_nothing_changes_without_the_forms_token_or_without_a_session(bureau: Bureau) -> None:
    forms = {**FORMS, "/stations/delay": {"device": "LH00012", "day": "2026-11-20", "reason": "出差在外"}}
    admin, stranger = Browser(bureau, "admin"), Browser(bureau, "officer")
    stranger.client.cookies.clear()
    for address, data in forms.items():
        assert admin.client.post(address, data={**data, "csrf": "x" * 43}).status_code == 403, address
        assert admin.client.post(address, data=data).status_code == 403, address
        assert stranger.client.post(address, data=data, follow_redirects=False).status_code in (303, 401, 403), address
    assert bureau.events("station:ST-01") == bureau.events("device:LH00012") == []
