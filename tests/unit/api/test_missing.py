"""Files that a station listed and nobody received: on their page, with the time they have, on the desk, and with the
reason that gives them three working days."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from pipeline.erasure import Erasing
from storage.catalogue.tables import Assignment, Delay, Device, Docking, Recording
from storage.records import JobKind
from tests.support.taking import dock, take_in, work
from tests.support.web import Browser, Bureau, keep, text_of

if TYPE_CHECKING:
    from pipeline.samples import Footage

HERE, LOST, LATER = "a" * 64, "b" * 64, "c" * 64


def wear(office: Bureau, login: str | None, device: str = "LH00012") -> None:
    """The device is registered to `login`."""
    officer = office.users[login] if login else None
    with office.services.catalogue.write() as session:
        session.add(Device(serial=device, officer_id=officer, created=office.clock.now))


def test_a_listed_file_has_its_time_and_then_is_overdue(office: Bureau) -> None:
    wear(office, "officer")
    dock(office, 0, {"DCIM/0002.MP4": LOST})
    browser = Browser(office, "officer")
    words = text_of(browser.get("/stations/missing"))
    assert "DCIM/0002.MP4" in words and "还剩 24:00:00" in words and "已过时限" not in words
    assert "逾期未入库" not in text_of(browser.get("/"))
    office.clock.forward(hours=25)
    browser.sign_in(office, "officer")
    words = text_of(browser.get("/stations/missing"))
    assert "已过 1:00:00" in words and "1 个文件已过时限" in words
    assert "1 个文件逾期未入库" in text_of(browser.get("/"))
    browser.get("/language/en")
    assert "overdue 1:00:00" in text_of(browser.get("/stations/missing"))


def test_what_was_received_is_not_listed(office: Bureau, footage: Footage) -> None:
    sha256 = take_in(office, footage.segments[0])
    dock(office, 0, {"DCIM/0001.MP4": sha256})
    assert "清单中的文件都已入库" in text_of(Browser(office, "officer").get("/stations/missing"))


def test_a_file_listed_again_still_waits_from_its_first_listing_and_stands_there_once(office: Bureau) -> None:
    first = dock(office, -3, {"DCIM/0002.MP4": LOST})
    dock(office, -0.5, {"DCIM/0002.MP4": LOST})
    page = Browser(office, "officer").get("/stations/missing")
    assert "已过 48:00:00" in text_of(page) and page.text.count("DCIM/0002.MP4") == 1
    assert f"/stations/dockings/{first}" in page.text


def test_a_station_whose_clock_is_ahead_gives_no_longer_time(office: Bureau) -> None:
    docking = dock(office, 0, {"DCIM/0002.MP4": LOST})
    with office.services.catalogue.write() as session:
        session.get_one(Docking, docking).station_time = office.clock.now + timedelta(days=9)
    assert "还剩 24:00:00" in text_of(Browser(office, "officer").get("/stations/missing"))


def test_the_oldest_come_first_and_can_be_narrowed(office: Bureau) -> None:
    dock(office, -1, {"DCIM/late.MP4": LATER}, device="LH00099")
    dock(office, -2, {"DCIM/lost.MP4": LOST})
    browser = Browser(office, "admin")
    page = browser.get("/stations/missing").text
    assert page.index("lost.MP4") < page.index("late.MP4")
    narrowed = browser.get("/stations/missing?device=LH00099").text
    assert "late.MP4" in narrowed and "lost.MP4" not in narrowed
    assert "lost.MP4" not in browser.get("/stations/missing?station=ST-99").text
    assert "2 个文件尚未入库" in text_of(browser.get("/stations"))


def test_programs_get_the_same_list(office: Bureau) -> None:
    dock(office, -2, {"DCIM/lost.MP4": LOST})
    told = Browser(office, "auditor").json("GET", "/api/missing").json()
    assert told["total"] == 1 and told["files"][0]["overdue"] is True
    assert told["files"][0]["path"] == "DCIM/lost.MP4" and told["files"][0]["device"] == "LH00012"
    assert Browser(office).json("GET", "/api/missing").status_code == 401


def test_it_sorts_narrows_by_state_and_pages_over_dockings(office: Bureau) -> None:
    dock(office, -3, {f"DCIM/A{each:03}.MP4": f"{each:064x}" for each in range(60)}, device="LH00001")
    dock(office, -0.9, {"DCIM/soon.MP4": LOST}, device="LH00002")
    dock(office, 0, {"DCIM/new.MP4": LATER}, device="LH00003")
    browser = Browser(office, "auditor")
    first, second = (browser.get(f"/stations/missing?page={number}").text for number in (1, 2))
    assert first.count("DCIM/A") == 50 and "soon.MP4" not in first
    assert second.count("DCIM/A") == 10 and second.index("soon.MP4") < second.index("new.MP4")
    assert "DCIM/A050" in second and "DCIM/A049" in first
    only = browser.get("/stations/missing?state=soon").text
    assert "soon.MP4" in only and "DCIM/A" not in only and "new.MP4" not in only
    turned = browser.get("/stations/missing?sort=device&order=desc").text
    assert turned.index("new.MP4") < turned.index("soon.MP4") < turned.index("DCIM/A000")
    assert "soon.MP4" in browser.get("/stations/missing?q=SOON").text
    assert browser.get("/stations/missing?sort=%27;&state=x&page=9").status_code == 200


def test_the_table_as_csv(office: Bureau) -> None:
    dock(office, -2, {"=DCIM/lost.MP4": LOST})
    dock(office, 0, {"DCIM/other.MP4": LATER}, device="LH00099")
    answer = Browser(office, "auditor").get("/stations/missing.csv?device=LH00012")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) == 2 and rows[1][0] == "已逾期" and rows[1][6] == "'=DCIM/lost.MP4"
    assert Browser(office).get("/stations/missing.csv").status_code == 303


REASON = "在张家湾连续检查三天，当地没有采集站"


def give(browser: Browser, day: str = "2026-11-20", device: str = "LH00012", reason: str = REASON) -> int:
    status: int = browser.post("/stations/delay", {"device": device, "day": day, "reason": reason}).status_code
    return status


def test_a_reason_gives_three_working_days(office: Bureau) -> None:
    wear(office, "officer")
    dock(office, 0, {"DCIM/0002.MP4": LOST})  # on a Friday
    browser = Browser(office, "officer")
    assert "/stations/delay?device=LH00012&amp;day=2026-11-20" in browser.get("/stations/missing").text
    form = text_of(browser.get("/stations/delay?device=LH00012&day=2026-11-20"))
    assert "2026-11-26 00:00:00" in form and "未入库的文件：1 个" in form
    assert give(browser) == 303
    office.clock.forward(hours=30)
    browser.sign_in(office, "officer")
    words = text_of(browser.get("/stations/missing"))
    assert "2026-11-26 00:00:00 · 按工作日" in words and REASON in words and "已过" not in words
    assert "逾期未入库" not in text_of(browser.get("/"))


def test_the_ledger_has_the_reason_as_a_commitment_only_and_it_can_be_erased(office: Bureau) -> None:
    wear(office, "officer")
    assert give(Browser(office, "officer")) == 303
    ((event, actor, payload),) = office.events("device:LH00012")
    assert (event, actor) == ("delay.recorded", "user:officer")
    assert payload["day"] == "2026-11-20" and payload["rule"] == "UP-24H"
    assert "张家湾" not in str(payload) and len(payload["reason"]["commitment"]) == 64
    erasing = Erasing(office.services.catalogue, office.clock)
    assert len(erasing.erase(f"delay:{payload['delay']}", by="admin", reason="当事人申请删除")) == 1
    with office.services.catalogue.read() as session:
        row = session.scalars(select(Delay)).one()
        assert REASON not in row.reason and row.salt == ""


def test_a_reason_that_says_nothing_is_refused(office: Bureau) -> None:
    wear(office, "officer")
    browser = Browser(office, "officer")
    for given, status in (
        ({"reason": "短"}, 400),
        ({"reason": "x" * 2001}, 400),
        ({"day": "2026-11-21"}, 400),  # tomorrow
        ({"day": "2025-11-18"}, 400),  # over a year ago
        ({"day": "gestern"}, 400),
        ({"day": ""}, 400),
        ({"device": "LH99999"}, 404),
        ({"device": ""}, 404),
    ):
        assert give(browser, **given) == status, given
    assert office.events("device:LH00012") == []


def test_who_neither_wears_the_device_nor_keeps_the_archive_records_nothing(office: Bureau) -> None:
    wear(office, "officer")
    dock(office, 0, {"DCIM/0002.MP4": LOST})
    browser = Browser(office)
    for login in ("colleague", "approver", "auditor", "admin"):
        browser.sign_in(office, login)
        assert give(browser) == 403, login
        assert "登记原因" not in text_of(browser.get("/stations/missing"))
    assert office.events("device:LH00012") == []


def test_an_archivist_records_for_any_device_and_once(office: Bureau) -> None:
    dock(office, 0, {"DCIM/0002.MP4": LOST})
    browser = Browser(office, "archivist")
    assert give(browser) == 303
    assert give(browser) == 409
    assert len(office.events("device:LH00012")) == 1


def test_a_form_without_its_token_records_nothing(office: Bureau) -> None:
    wear(office, "officer")
    browser = Browser(office, "officer")
    browser.token = "wrong"
    assert give(browser) == 403
    assert give(Browser(office)) == 303  # to the sign-in
    assert office.events("device:LH00012") == []


def test_the_desk_shows_an_officer_their_own_deadlines_and_an_archivist_all(office: Bureau) -> None:
    wear(office, "officer")
    wear(office, "colleague", "LH00099")
    dock(office, -2, {"DCIM/mine.MP4": LOST})
    dock(office, -2, {"DCIM/theirs.MP4": LATER}, device="LH00099")
    kept = keep(office, officer="colleague", device="LH00077")
    with office.services.catalogue.write() as session:
        session.get_one(Recording, kept.recording).started = office.clock.now - timedelta(days=4)
    own = text_of(Browser(office, "officer").get("/"))
    assert "LH00012" in own and "LH00099" not in own and "LH00077" not in own
    theirs = text_of(Browser(office, "colleague").get("/"))
    assert "LH00099" in theirs and "逾期入库 1" in theirs and "LH00012" not in theirs
    every = Browser(office, "archivist").get("/")
    assert all(serial in every.text for serial in ("LH00012", "LH00099", "LH00077"))
    assert "2 个文件逾期未入库" in text_of(every) and "/stations/delay?device=LH00077&amp;day=2026-11-16" in every.text


def test_the_desk_shows_what_is_not_filed_in_time(office: Bureau) -> None:
    kept = keep(office)
    browser = Browser(office, "officer")
    assert "尚未归档" not in text_of(browser.get("/"))
    office.clock.forward(days=38)
    browser.sign_in(office, "officer")
    words = text_of(browser.get("/"))
    assert "尚未归档 1" in words and "暂估" in words and "录制结束" in words
    case = browser.app.state.web.cases.open(office.users["officer"], "2026-1", "检查")
    browser.app.state.web.cases.add(office.users["officer"], case, kept.recording)
    assert "尚未归档" not in text_of(browser.get("/"))


def test_the_service_reminds_of_what_is_overdue_and_shows_it_on_the_chain(office: Bureau) -> None:
    kept = keep(office)
    with office.services.catalogue.write() as session:
        session.get_one(Recording, kept.recording).started = office.clock.now - timedelta(days=2)
    office.services.schedule.hasten(JobKind.REMIND)
    assert work(office, JobKind.REMIND) == 1
    told = [event for event in office.events(f"recording:{kept.recording}") if event[0] == "deadline.overdue"]
    assert [(actor, payload["rule"]) for _, actor, payload in told] == [("service:reminders", "UP-24H")]
    office.publish()
    words = text_of(Browser(office, "officer").get(f"/recordings/{kept.recording}"))
    assert "超过时限" in words and "时限提醒服务" in words


def test_all_that_is_late_or_not_filed_has_a_list_of_its_own(office: Bureau) -> None:
    for number in range(12):
        kept = keep(office, officer="colleague" if number else "officer", device=f"LH{number:05}")
        with office.services.catalogue.write() as session:
            session.get_one(Recording, kept.recording).started = office.clock.now - timedelta(days=3, hours=number)
    browser = Browser(office, "archivist")
    assert 'href="/deadlines/late"' in browser.get("/").text
    page = browser.get("/deadlines/late").text
    assert page.index("LH00000 ·") < page.index("LH00011 ·") and "/stations/delay?device=LH00011" in page
    page = browser.get("/deadlines/late?order=asc").text
    assert page.index("LH00011 ·") < page.index("LH00000 ·")
    narrowed = browser.get("/deadlines/late?officer=%E6%9D%8E").text
    assert "LH00000 ·" in narrowed and "LH00001 ·" not in narrowed
    rows = list(csv.reader(io.StringIO(browser.get("/deadlines/late.csv?device=lh0001").content.decode("utf-8-sig"))))
    assert [row[4] for row in rows[1:]] == ["LH00010", "LH00011"]
    own = browser.get("/deadlines/unfiled")
    assert "没有到期或即将到期" in text_of(own)
    office.clock.forward(days=50)
    browser.sign_in(office, "officer")
    own = browser.get("/deadlines/unfiled").text
    assert "LH00000 ·" in own and "LH00001 ·" not in own and "暂估" in own
    assert len(browser.get("/deadlines/unfiled.csv").text.splitlines()) == 2
    assert browser.get("/deadlines/other").status_code == 404
    assert Browser(office).get("/deadlines/late").status_code == 303


def test_who_wore_the_device_that_day_gives_the_reason_also_when_it_has_gone_to_another(office: Bureau) -> None:
    dock(office, 0, {"DCIM/0002.MP4": LOST})
    for login, days in (("officer", -9), ("colleague", 3)):
        since = office.clock.now + timedelta(days=days)
        with office.services.catalogue.write() as session:
            if session.get(Device, "LH00012") is None:
                session.add(Device(serial="LH00012", created=since))
                session.flush()
            session.add(
                Assignment(
                    id=login, device_serial="LH00012", officer_id=office.users[login], since=since, made=since,
                    made_by="admin",
                )
            )  # fmt: skip
    office.clock.forward(days=4)
    with office.services.catalogue.write() as session:
        session.get_one(Device, "LH00012").officer_id = office.users["colleague"]
    for login in ("officer", "colleague"):
        browser = Browser(office, login)
        assert "LH00012" in text_of(browser.get("/")) and "登记原因" in text_of(browser.get("/stations/missing"))
    with office.services.catalogue.write() as session:
        session.get_one(Assignment, "officer").officer_id = office.users["colleague"]
    browser = Browser(office, "officer")
    assert give(browser) == 403 and "LH00012" not in text_of(browser.get("/"))
    assert give(Browser(office, "colleague")) == 303
