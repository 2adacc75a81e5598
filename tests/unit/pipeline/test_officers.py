"""The list of officers: certificates on record, what the ledger learns of them, and recordings concluded on anew."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.access import NoRight
from pipeline.accounts import Accounts
from pipeline.devices import assign
from pipeline.erasure import ERASED, Erasing
from pipeline.officers import Licence, Officers, committed, licence_of
from storage.catalogue.tables import Analysis, Job, Recording, User
from storage.errors import NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, JobKind, Role
from tests.support.web import Bureau, Kept, bureau, keep

ADMIN = Actor("user", "admin")
LICENCE = Licence("浙A1234", date(2024, 3, 1), date(2027, 2, 28), "执法大队", "中队长", "应急管理", "全市")


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Bureau]:
    with bureau(tmp_path / "data") as made:
        yield made


@pytest.fixture
def officers(office: Bureau) -> Officers:
    return Officers(office.services.catalogue, office.clock, ZoneInfo("Asia/Shanghai"))


def work(office: Bureau) -> int:
    with office.services.catalogue.read() as session:
        rows = session.query(Job).filter(Job.kind == JobKind.ANALYSE, Job.state == "queued").all()
        waiting = [job.id for job in rows if job.args.get("again")]
    return sum(office.services.runner.run(job) for job in waiting)


def docked(office: Bureau, kept: Kept) -> list[dict[str, Any]]:
    with office.services.catalogue.read() as session:
        report = session.get_one(Recording, kept.recording).report
    assert report
    found: list[dict[str, Any]] = report["docking"]["findings"]
    return found


def analysed(office: Bureau, **given: Any) -> Kept:
    """A recording with a report as the server keeps it."""
    kept = keep(office, findings=[], verdict="continuous", **given)
    with office.services.catalogue.write() as session:
        row = session.get_one(Recording, kept.recording)
        assert row.report
        row.report = {**row.report, "deep": False, "profile": None, "docking": {"findings": [], "listed": False}}
        row.report["files"][0]["media"]["created"] = "2026-11-19T22:02:03+00:00"
        session.query(Job).filter(Job.subject == kept.recording).update({"state": "done"})
    return kept


def test_a_certificate_is_on_record_and_the_ledger_has_a_commitment_only(office: Bureau, officers: Officers) -> None:
    officers.certify("officer", LICENCE, by=ADMIN)
    user = office.user("officer")
    assert licence_of(user) == LICENCE
    event, actor, payload = office.events("user:officer")[-1]
    assert (event, actor, payload["change"]) == ("user.certified", "user:admin", "certificate")
    commitment.verify(payload["certificate"], committed(LICENCE), bytes.fromhex(user.certificate_salt))
    assert "1234" not in str(office.events("user:officer"))
    mine = {one.user.login: one for one in officers.all()}
    assert set(mine) == {"officer", "colleague"}
    assert mine["officer"].licence == LICENCE


def test_who_wears_what_is_on_the_list(office: Bureau, officers: Officers) -> None:
    for serial in ("LH00013", "LH00012"):
        assign(office.services.catalogue, office.clock, serial, office.users["officer"], by=ADMIN)
    assert [list(one.devices) for one in officers.all() if one.user.login == "officer"] == [["LH00012", "LH00013"]]


@pytest.mark.parametrize(
    "bad",
    [
        Licence("x", date(2026, 2, 1), date(2026, 1, 1)),
        Licence("x" * 101),
        Licence("x", post="a\nb"),
    ],
)
def test_bad_dates_and_words_are_refused(officers: Officers, office: Bureau, bad: Licence) -> None:
    with pytest.raises(Refused):
        officers.certify("officer", bad, by=ADMIN)
    assert licence_of(office.user("officer")) == Licence()


def test_nobody_certifies_themselves_and_only_officers_are_certified(office: Bureau, officers: Officers) -> None:
    with pytest.raises(NotFound):
        officers.certify("auditor", LICENCE, by=ADMIN)
    with pytest.raises(NotFound):
        officers.certify("nobody", LICENCE, by=ADMIN)
    Accounts(office.services.catalogue, office.clock).set_roles(
        office.users["officer"], [Role.OFFICER, Role.ADMIN], by=ADMIN
    )
    with pytest.raises(NoRight):
        officers.certify("officer", LICENCE, by=Actor("user", "officer"))


def test_an_expired_certificate_is_found_and_a_correction_takes_it_back(office: Bureau, officers: Officers) -> None:
    kept = analysed(office)
    officers.certify("officer", Licence("浙A1234", None, date(2026, 11, 19)), by=ADMIN)
    assert work(office) == 1
    # 22:02 UTC on the 19th is the 20th here
    assert [found["code"] for found in docked(office, kept)] == ["REC-CERTIFIED/CERT-INVALID"]
    with office.services.catalogue.read() as session:
        row = session.get_one(Recording, kept.recording)
        assert row.verdict == "review"
        assert session.query(Analysis).filter(Analysis.recording_id == kept.recording).count() == 2
    officers.certify("officer", LICENCE, by=ADMIN)
    assert work(office) == 1
    assert docked(office, kept) == []
    assert [event for event, _, _ in office.events(f"recording:{kept.recording}")].count("analysis.made") == 2


def test_what_changes_nothing_is_not_concluded_on_again(office: Bureau, officers: Officers) -> None:
    analysed(office)
    officers.certify("officer", LICENCE, by=ADMIN)
    work(office)
    officers.certify("officer", Licence("浙A1234", None, date(2030, 1, 1)), by=ADMIN)
    assert work(office) == 0


def test_a_new_wearer_is_held_against_their_own_certificate(office: Bureau, officers: Officers) -> None:
    kept = analysed(office)
    officers.certify("officer", LICENCE, by=ADMIN)
    work(office)
    since = office.clock.now.replace(day=1)
    assign(office.services.catalogue, office.clock, "LH00012", office.users["colleague"], by=ADMIN, since=since)
    assert work(office) == 1
    (found,) = docked(office, kept)
    assert (found["code"], found["severity"]) == ("REC-CERTIFIED/CERT-UNKNOWN", "note")
    assert found["evidence"] == {"officer": "colleague", "day": "2026-11-20"}


def test_erasing_a_person_takes_the_certificate_too(office: Bureau, officers: Officers) -> None:
    officers.certify("officer", LICENCE, by=ADMIN)
    logged = office.events("user:officer")[-1][2]["certificate"]["commitment"]
    catalogue = office.services.catalogue
    Accounts(catalogue, office.clock).set_disabled(office.users["officer"], True, by=ADMIN)
    gone = Erasing(catalogue, office.clock).erase("user:officer", by="admin", reason="离职满五年")
    assert gone == [logged]
    with catalogue.read() as session:
        user = session.get_one(User, office.users["officer"])
    assert (user.certificate, user.post, user.category, user.area) == (ERASED, ERASED, ERASED, ERASED)
    assert (user.certificate_from, user.certificate_until, user.certificate_salt) == (None, None, "")
