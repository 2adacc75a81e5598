"""管理: stations with their codes, devices with their wearers, officers with their certificates. And who is refused."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import invitation, key_messages
from ingest.enrolment import Enrolment
from pipeline.accounts import Accounts
from storage.catalogue import assignments
from storage.catalogue.tables import Device, EnrolmentCode, Recording
from storage.records import Actor, Role
from tests.support.web import Browser, Bureau, keep, text_of

PAGES = ("/admin/stations", "/admin/devices", "/admin/officers", "/admin/officers.csv")
DEEDS = {
    "/admin/stations/invite": {"station": "ST-01"},
    "/admin/stations/revoke": {"station": "ST-01"},
    "/admin/devices": {"serial": "LH00012"},
    "/admin/devices/identify": {"unknown": "UNKNOWN-1", "serial": "LH00012"},
    "/admin/officers": {"login": "colleague", "certificate": "浙A1"},
}


def code_on(text: str) -> str:
    return str(re.findall(r'class="secret">([^<]+)<', text)[0])


@pytest.mark.parametrize("login", ["officer", "approver", "auditor", "archivist"])
def test_only_administrators_come_here(office: Bureau, login: str) -> None:
    browser = Browser(office, login)
    for address in PAGES:
        assert browser.get(address).status_code == 403, address
    for address, form in DEEDS.items():
        assert browser.post(address, form).status_code == 403, address
    assert not any(office.events(subject) for subject in ("station:ST-01", "device:LH00012", "user:colleague"))


@pytest.mark.parametrize("address", DEEDS)
def test_nothing_is_done_without_the_forms_token(office: Bureau, address: str) -> None:
    admin = Browser(office, "admin")
    admin.token = "another"
    assert admin.post(address, DEEDS[address]).status_code == 403


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_empty_pages_say_what_to_do_next(office: Bureau, lang: str) -> None:
    admin = Browser(office, "admin")
    admin.get(f"/language/{lang}")
    words = {
        "zh": ("还没有采集站", "还没有设备", "执法人员名录"),
        "en": ("no stations yet", "no devices yet", "List of"),
    }
    for address, word in zip(PAGES, words[lang], strict=False):
        answer = admin.get(address)
        assert answer.status_code == 200
        assert word in answer.text, address


def test_a_code_is_shown_once_and_enrols_a_station(office: Bureau) -> None:
    admin = Browser(office, "admin")
    shown = admin.post("/admin/stations/invite", {"station": "ST-01", "place": "一楼大厅", "hours": "2"})
    code = code_on(shown.text)
    ledger = invitation.fingerprint(office.services.log_key.vkey)
    assert ledger in shown.text
    assert f"--code {code} --out ST-01.json" in shown.text
    listed = admin.get("/admin/stations")
    assert code not in listed.text
    assert "ST-01" in listed.text
    with office.services.catalogue.read() as session:
        row = session.query(EnrolmentCode).one()
    assert (row.expires, row.made_by) == (office.clock.now + timedelta(hours=2), "admin")
    key = Ed25519PrivateKey.generate()
    asked = key_messages.enrol(invitation.key_of(invitation.read(code)), key)
    headers = {"Liuhen-Signature": asked.first, "Liuhen-Code-Signature": asked.second}
    answer = Browser(office).client.post("/api/enrolments", content=asked.body, headers=headers)
    assert answer.status_code == 201
    assert answer.json()["station"] == "ST-01"
    assert "没有未使用的登记码" in admin.get("/admin/stations").text


@pytest.mark.parametrize(
    "form", [{"station": ""}, {"station": "a\nb"}, {"station": "ST-01", "hours": "0"}, {"station": "x", "hours": "169"}]
)
def test_a_bad_invitation_is_told_why(office: Bureau, form: dict[str, str]) -> None:
    answer = Browser(office, "admin").post("/admin/stations/invite", form)
    assert answer.status_code in (400, 422)
    assert "secret" not in answer.text
    with office.services.catalogue.read() as session:
        assert session.query(EnrolmentCode).count() == 0


def test_a_station_is_revoked_and_its_page_says_so(office: Bureau, tmp_path_factory: pytest.TempPathFactory) -> None:
    admin, services = Browser(office, "admin"), office.services
    out = tmp_path_factory.mktemp("keys") / "k.json"
    Enrolment(services.catalogue, office.clock).add("站 #1/甲", "", out, services.log_key.vkey)
    assert admin.post("/admin/stations/revoke", {"station": "站 #1/甲"}).status_code == 303
    assert "已停用" in text_of(admin.get("/admin/stations"))
    assert office.events("station:站 #1/甲")[-1][:2] == ("station.revoked", "user:admin")
    assert admin.post("/admin/stations/revoke", {"station": "ST-99"}).status_code == 404


def test_a_device_is_assigned_with_a_date_and_keeps_its_history(office: Bureau) -> None:
    admin = Browser(office, "admin")
    first = {"serial": "LH00500", "officer": office.users["officer"], "since": "2026-11-01T08:00"}
    second = {"serial": "LH00500", "officer": office.users["colleague"], "since": "2026-11-10"}
    assert admin.post("/admin/devices", first).status_code == 303
    assert admin.post("/admin/devices", second).status_code == 303
    shown = text_of(admin.get("/admin/devices"))
    assert "2026-11-01 08:00:00 李明" in shown
    assert "2026-11-10 00:00:00 王芳" in shown
    with office.services.catalogue.read() as session:
        rows = assignments.history(session, ["LH00500"])["LH00500"]
    assert [row.made_by for row in rows] == ["admin", "admin"]
    assert rows[1].since.isoformat() == "2026-11-01T00:00:00+00:00"  # eight in the morning in Shanghai


@pytest.mark.parametrize("since", ["2026-11-21T00:00", "1999-01-01", "gestern", "0001-01-01T00:00"])
def test_a_bad_date_of_an_assignment_is_told_and_the_form_keeps_its_words(office: Bureau, since: str) -> None:
    answer = Browser(office, "admin").post("/admin/devices", {"serial": "LH00500", "since": since})
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert 'value="LH00500"' in answer.text
    assert office.events("device:LH00500") == []


def test_the_recording_says_who_wore_the_camera_since_when(office: Bureau) -> None:
    admin = Browser(office, "admin")
    form = {"serial": "LH00012", "officer": office.users["colleague"], "since": "2026-11-02T08:00"}
    admin.post("/admin/devices", form)
    kept = keep(office, officer="colleague")
    shown = text_of(Browser(office, "officer").get(f"/recordings/{kept.recording}"))
    assert "王芳" in shown
    assert "自 2026-11-02 08:00:00 佩戴" in shown


def test_an_unknown_card_is_named_on_the_page(office: Bureau) -> None:
    kept, admin = keep(office, device="UNKNOWN-1a2b"), Browser(office, "admin")
    with office.services.catalogue.write() as session:
        session.add(Device(serial="UNKNOWN-1a2b", created=office.clock.now))
    assert "未识别的存储卡" in admin.get("/admin/devices").text
    refused = admin.post("/admin/devices/identify", {"unknown": "UNKNOWN-1a2b", "serial": "UNKNOWN-3"})
    assert refused.status_code == 400
    assert admin.post("/admin/devices/identify", {"unknown": "UNKNOWN-9", "serial": "LH00012"}).status_code == 404
    named = {"unknown": "UNKNOWN-1a2b", "serial": "LH00012"}
    assert admin.post("/admin/devices/identify", named).status_code == 303
    assert "未识别的存储卡" not in admin.get("/admin/devices").text
    with office.services.catalogue.read() as session:
        assert session.get_one(Recording, kept.recording).device_serial == "LH00012"


CERTIFIED = {
    "login": "colleague",
    "certificate": "浙A1234",
    "valid_from": "2024-01-01",
    "valid_until": "2026-12-31",
    "unit": "执法大队",
    "post": "中队长",
    "category": "应急管理",
    "area": "=全市",
}


def test_the_list_of_officers_is_kept_and_exported(office: Bureau) -> None:
    admin = Browser(office, "admin")
    assert admin.post("/admin/officers", CERTIFIED).status_code == 303
    admin.post("/admin/devices", {"serial": "LH00012", "officer": office.users["colleague"]})
    shown = text_of(admin.get("/admin/officers"))
    for word in ("浙A1234", "执法大队", "中队长", "应急管理", "2024-01-01 – 2026-12-31", "即将到期", "LH00012"):
        assert word in shown, word
    answer = admin.get("/admin/officers.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    mine = next(line for line in lines if line["登录名"] == "colleague")
    assert (mine["执法证号"], mine["有效期至"], mine["状态"]) == ("浙A1234", "2026-12-31", "即将到期")
    assert not mine["执法区域"].startswith("="), "a spreadsheet must not take it for a formula"
    assert [line["登录名"] for line in lines] == ["colleague", "officer"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"valid_from": "2027-01-01"}, 400),
        ({"valid_until": "morgen"}, 400),
        ({"post": "长" * 101}, 400),
        ({"login": "auditor"}, 404),
        ({"login": "nobody"}, 404),
    ],
)
def test_bad_certificates_are_refused(office: Bureau, change: dict[str, str], status: int) -> None:
    answer = Browser(office, "admin").post("/admin/officers", {**CERTIFIED, **change})
    assert answer.status_code == status
    assert 'role="alert"' in answer.text
    assert office.user("colleague").certificate == ""


def test_nobody_certifies_themselves(office: Bureau) -> None:
    by = Actor("service", "setup")
    Accounts(office.services.catalogue, office.clock).set_roles(office.users["admin"], list(Role), by=by)
    admin = Browser(office, "admin")
    assert admin.post("/admin/officers", {**CERTIFIED, "login": "admin"}).status_code == 403
    assert 'name="login" value="admin"' not in admin.get("/admin/officers").text


def test_the_desk_warns_administrators_sixty_days_before(office: Bureau) -> None:
    admin = Browser(office, "admin")
    assert "/admin/officers" not in admin.get("/").text
    admin.post("/admin/officers", CERTIFIED)
    admin.post("/admin/officers", {**CERTIFIED, "login": "officer", "valid_until": "2026-11-01"})
    assert "1 名人员已过期，1 名即将到期" in admin.get("/").text
    assert "名人员已过期" not in Browser(office, "officer").get("/").text
