"""The other pages: desk, cases, stations, ledger, statistics, administration. What they show and whom they refuse."""

from __future__ import annotations

import re

import pytest

from storage.catalogue.tables import Device, DockedFile, Docking, Job, Recording, Station, User
from storage.clock import iso, new_id
from storage.records import Actor
from tests.support.web import PASSWORD, Browser, Bureau, Kept, keep, text_of

EVERYBODY = ("/", "/recordings", "/cases", "/requests", "/stations", "/statistics", "/password", "/api/docs")


@pytest.mark.parametrize("address", EVERYBODY)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_empty_bureau_has_every_page_in_both_languages(office: Bureau, address: str, lang: str) -> None:
    browser = Browser(office, "officer")
    browser.get(f"/language/{lang}")
    answer = browser.get(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("address", [*EVERYBODY, "/ledger", "/admin/users", "/admin/jobs", "/api/openapi.json"])
def test_no_page_without_a_session(office: Bureau, address: str) -> None:
    assert Browser(office).client.get(address, headers={"accept": "*/*"}).status_code == 401


@pytest.mark.parametrize("address", ["/admin/users", "/admin/devices", "/admin/jobs"])
@pytest.mark.parametrize("login", ["officer", "approver", "auditor", "archivist"])
def test_administration_is_for_administrators(office: Bureau, address: str, login: str) -> None:
    browser = Browser(office, login)
    assert browser.get(address).status_code == 403
    assert "/admin/" not in browser.get("/").text


@pytest.mark.parametrize("login", ["officer", "archivist"])
def test_the_ledger_pages_are_for_those_who_check(office: Bureau, login: str) -> None:
    browser = Browser(office, login)
    assert browser.get("/ledger").status_code == 403
    assert browser.get("/ledger/entries/0").status_code == 403
    assert 'href="/ledger"' not in browser.get("/").text


def test_the_ledger_shows_checkpoint_and_entries(office: Bureau, kept: Kept) -> None:
    office.publish()
    browser = Browser(office, "auditor")
    page = browser.get("/ledger").text
    assert "liuhen.local/log" in page
    assert f"recording:{kept.recording}" in page
    index = int(re.findall(r'href="/ledger/entries/(\d+)"', page)[0])
    entry = browser.get(f"/ledger/entries/{index}")
    assert "liuhen.entry/1" in entry.text
    assert kept.original in entry.text.replace("&#34;", '"')
    assert browser.get(f"/ledger/entries/{index + 1}").status_code == 404
    assert browser.get("/ledger/entries/-1").status_code == 404
    assert "没有条目" in browser.get("/ledger?event=disc.burned").text


def test_hash_tiles_are_open_to_everybody_entries_to_the_ledgers_readers(office: Bureau, kept: Kept) -> None:
    size = office.publish()
    browser = Browser(office)
    checkpoint = browser.get("/ledger/checkpoint")
    assert checkpoint.status_code == 200
    lines = checkpoint.text.splitlines()
    assert lines[0] == "liuhen.local/log"
    assert int(lines[1]) >= size
    assert browser.get(f"/ledger/tile/0/000.p/{lines[1]}").status_code == 200
    bundle = f"/ledger/tile/entries/000.p/{lines[1]}"
    for refused in (browser, Browser(office, "officer")):
        answer = refused.get(bundle)
        assert answer.status_code in (303, 403)
        assert kept.original.encode() not in answer.content
    assert kept.original.encode() in Browser(office, "auditor").get(bundle).content


@pytest.mark.parametrize(
    "name", ["../../keys/ledger.pem", "..%2f..%2fkeys%2fledger.pem", "0/000.p/0", "0/000.p/256", "64/000", "0/..", "x"]
)
def test_nothing_else_of_the_disk_is_open(office: Bureau, kept: Kept, name: str) -> None:
    office.publish()
    answer = Browser(office).get(f"/ledger/tile/{name}")
    assert answer.status_code in (307, 404)
    assert b"PRIVATE" not in answer.content


def test_a_case_is_opened_filled_and_flagged(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "officer")
    answer = browser.post("/cases", {"number": "应急罚〔2026〕12号", "title": "违规储存"})
    case = answer.headers["location"].split("?")[0]
    assert browser.post(f"/recordings/{kept.recording}/case", {"case": case.rpartition("/")[2]}).status_code == 303
    shown = browser.get(case).text
    assert kept.recording in shown
    assert "KEEP-5Y" in shown
    assert browser.post(f"{case}/flags", {"flags": ["objection", "measures"]}).status_code == 303
    assert "KEEP-LONG" in browser.get(case).text
    assert "长期" in text_of(browser.get(f"/recordings/{kept.recording}"))
    assert "应急罚" in browser.get("/cases?q=2026").text
    assert "应急罚" in browser.get("/recordings?case=违规").text


def test_a_taken_number_is_told_and_the_form_keeps_its_words(office: Bureau) -> None:
    browser = Browser(office, "officer")
    browser.post("/cases", {"number": "12", "title": "甲"})
    answer = browser.post("/cases", {"number": "12", "title": "乙方案由"})
    assert answer.status_code == 409
    assert "乙方案由" in answer.text
    assert browser.post("/cases", {"number": "", "title": "乙"}).status_code in (400, 422)
    assert browser.get("/cases/" + "0" * 26).status_code == 404


def test_auditors_get_no_form_for_cases(office: Bureau) -> None:
    auditor = Browser(office, "auditor")
    assert 'name="number"' not in auditor.get("/cases").text
    assert auditor.post("/cases", {"number": "1", "title": "案由"}).status_code == 403


def test_stations_show_what_a_docking_brought(office: Bureau, kept: Kept) -> None:
    docking = new_id()
    with office.services.catalogue.write() as session:
        session.add(Station(id="ST-01", public_key="k" * 44, place="一楼大厅", created=office.clock.now))
        session.flush()
        session.add(
            Docking(
                id=docking,
                station_id="ST-01",
                device_serial="LH00012",
                manifest=b'{"device":{"serial":"LH00012","model":"DSJ-V8"}}',
                manifest_sha256="a" * 64,
                signature="s",
                station_time=office.clock.now,
                received=office.clock.now,
                token="t",
            )
        )
        session.flush()
        for path, sha256 in (("DCIM/a.MP4", kept.original), ("DCIM/b.MP4", "b" * 64)):
            session.add(
                DockedFile(
                    docking_id=docking,
                    path=path,
                    device_serial="LH00012",
                    size=1,
                    sha256=sha256,
                    modified=office.clock.now,
                )
            )
    browser = Browser(office, "officer")
    page = browser.get("/stations").text
    assert "一楼大厅" in page
    assert "未齐" in page
    shown = text_of(browser.get(f"/stations/dockings/{docking}"))
    assert "DSJ-V8" in shown
    assert "已入库" in shown
    assert "未上传" in shown
    assert browser.get("/stations/dockings/nothing").status_code == 404
    assert "没有符合条件的接入" in browser.get("/stations?station=ST-99").text


def test_the_desk_shows_late_recordings(office: Bureau, kept: Kept) -> None:
    browser = Browser(office, "officer")
    assert "逾期入库" not in browser.get("/").text
    with office.services.catalogue.write() as session:
        row = session.get_one(Recording, kept.recording)
        row.started = row.received.replace(day=row.received.day - 2)
    assert "逾期入库" in browser.get("/").text


def test_the_desk_shows_work_in_progress(office: Bureau, kept: Kept) -> None:
    assert "连续性检测" in Browser(office, "officer").get("/").text


def test_the_desk_tells_administrators_of_failed_work(office: Bureau, kept: Kept) -> None:
    with office.services.catalogue.write() as session:
        session.query(Job).update({"state": "failed"})
    assert "1 项任务失败" in Browser(office, "admin").get("/").text
    assert "项任务失败" not in Browser(office, "officer").get("/").text


def test_work_planned_for_later_years_is_not_todays(office: Bureau, kept: Kept) -> None:
    with office.services.catalogue.write() as session:
        session.query(Job).update({"run_at": office.clock.now.replace(year=2031)})
    assert "没有进行中的任务" in Browser(office, "officer").get("/").text


def test_statistics_count(office: Bureau, kept: Kept) -> None:
    keep(office, device="LH00099", verdict="continuous", findings=[], officer=None)
    office.grant("colleague", kept.recording)
    page = text_of(Browser(office, "archivist").get("/statistics"))
    assert "2 音像记录" in page
    assert "2026-11 2" in page
    assert "李明 1" in page


def test_an_administrator_adds_a_user_who_signs_in(office: Bureau) -> None:
    admin = Browser(office, "admin")
    form = {"login": "chen", "name": "陈浩", "roles": ["officer", "legal"], "unit": "二中队"}
    shown = admin.post("/admin/users", form)
    assert shown.status_code == 200
    password = re.findall(r'<code class="secret">([^<]+)</code>', shown.text)[0]
    assert password not in admin.get("/admin/users").text
    newcomer = Browser(office)
    signed = newcomer.post("/signin", {"login": "chen", "password": password})
    assert signed.status_code == 303
    assert newcomer.get("/").headers["location"] == "/password"
    assert [event[1] for event in office.events("user:chen")] == ["user:admin"]


def test_a_bad_new_user_is_told_why(office: Bureau) -> None:
    admin = Browser(office, "admin")
    answer = admin.post("/admin/users", {"login": "Chen", "name": "陈浩", "roles": ["officer"]})
    assert answer.status_code == 400
    assert "小写字母" in answer.text
    assert 'value="陈浩"' in answer.text
    assert admin.post("/admin/users", {"login": "chen", "name": "陈浩", "roles": ["god"]}).status_code == 422


def test_an_administrator_resets_disables_and_gives_roles(office: Bureau) -> None:
    admin, officer = Browser(office, "admin"), Browser(office, "officer")
    target = f"/admin/users/{office.users['officer']}"
    assert admin.post(f"{target}/roles", {"roles": ["officer", "archivist"]}).status_code == 303
    assert office.user("officer").roles == ["officer", "archivist"]
    assert 'class="secret"' in admin.post(f"{target}/password").text
    assert officer.get("/").status_code == 303
    assert admin.post(f"{target}/disable").status_code == 303
    assert Browser(office).post("/signin", {"login": "officer", "password": PASSWORD}).status_code == 401
    assert admin.post(f"{target}/enable").status_code == 303
    assert admin.post(f"{target}/delete").status_code == 404


def test_an_administrator_changes_nothing_of_their_own(office: Bureau) -> None:
    admin = Browser(office, "admin")
    own = f"/admin/users/{office.users['admin']}"
    assert admin.post(f"{own}/roles", {"roles": ["admin", "approver"]}).status_code == 403
    assert admin.post(f"{own}/disable").status_code == 403
    assert office.user("admin").roles == ["admin"]


@pytest.mark.parametrize("what", ["password", "disable", "roles"])
def test_others_administer_nobody(office: Bureau, what: str) -> None:
    approver = Browser(office, "approver")
    answer = approver.post(f"/admin/users/{office.users['officer']}/{what}", {"roles": ["admin"]})
    assert answer.status_code == 403
    assert office.user("officer").roles == ["officer"]
    assert approver.post("/admin/users", {"login": "x1", "name": "x", "roles": ["admin"]}).status_code == 403
    with office.services.catalogue.read() as session:
        assert session.query(User).filter(User.login == "x1").count() == 0


def test_a_device_is_registered_to_its_officer(office: Bureau) -> None:
    admin = Browser(office, "admin")
    form = {"serial": "LH00500", "officer": office.users["colleague"]}
    assert admin.post("/admin/devices", form).status_code == 303
    with office.services.catalogue.read() as session:
        assert session.get_one(Device, "LH00500").officer_id == office.users["colleague"]
    since = iso(office.clock.now)
    assert office.events("device:LH00500")[-1][2] == {"device": "LH00500", "officer": "colleague", "since": since}
    kept = keep(office, device="LH00500", officer=None)
    assert "LH00500" in admin.get("/admin/devices").text
    assert kept.recording
    assert admin.post("/admin/devices", {"serial": " ", "officer": ""}).status_code == 400
    assert admin.post("/admin/devices", {**form, "officer": office.users["admin"]}).status_code == 400
    assert admin.post("/admin/devices", {**form, "officer": ""}).status_code == 303
    assert office.events("device:LH00500")[-1] == (
        "device.assigned",
        str(Actor("user", "admin")),
        {"device": "LH00500", "officer": None, "since": since},
    )


def test_the_jobs_page_filters(office: Bureau, kept: Kept) -> None:
    admin = Browser(office, "admin")
    assert kept.recording[:12] in admin.get("/admin/jobs?state=queued").text
    assert "没有任务" in admin.get("/admin/jobs?state=failed").text


def test_an_unexpected_error_is_a_page_without_its_inside(office: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret of the inside")

    monkeypatch.setattr("storage.catalogue.worklist.unfinished_jobs", broken)
    browser = Browser(office, "officer")
    browser.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "不受影响" in answer.text
    assert "secret" not in answer.text
