"""Cases: opening, putting recordings to them, and KEEP-LONG."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from pipeline.access import NoRight
from pipeline.cases import Cases
from storage.catalogue.tables import Job, Recording
from storage.errors import Conflict, NotFound, Refused
from storage.records import CaseFlag
from tests.support.web import Bureau, Kept


@pytest.fixture
def cases(office: Bureau) -> Cases:
    return Cases(office.services.catalogue, office.services.policy.retention, office.clock)


def recording(office: Bureau, kept: Kept) -> Recording:
    with office.services.catalogue.read() as session:
        return session.get_one(Recording, kept.recording)


def test_a_recording_joins_a_case_and_its_chain_says_so(office: Bureau, cases: Cases, kept: Kept) -> None:
    case = cases.open(office.users["officer"], "应急罚〔2026〕12号", "李某某违规储存")
    cases.add(office.users["officer"], case, kept.recording)
    assert recording(office, kept).case_id == case
    assert recording(office, kept).retention == "five_years"
    event, actor, payload = office.events(f"recording:{kept.recording}")[-1]
    assert (event, actor, payload) == (
        "case.changed",
        "user:officer",
        {"case": case, "number": "应急罚〔2026〕12号"},
    )
    assert "李某某" not in str(office.events(f"case:{case}"))


def test_a_flag_makes_every_recording_of_the_case_long_term(office: Bureau, cases: Cases, kept: Kept) -> None:
    case = cases.open(office.users["officer"], "12", "案由")
    cases.add(office.users["officer"], case, kept.recording)
    cases.flag(office.users["approver"], case, [CaseFlag.OBJECTION])
    row = recording(office, kept)
    assert (row.retention, row.keep_until) == ("long_term", None)
    assert "retention.set" in [event for event, _, _ in office.events(f"recording:{kept.recording}")]
    with office.services.catalogue.read() as session:
        kinds = set(session.scalars(select(Job.kind).where(Job.subject == kept.original)))
    assert {"tier", "master"} <= kinds


def test_a_recording_that_joins_a_flagged_case_becomes_long_term(office: Bureau, cases: Cases, kept: Kept) -> None:
    case = cases.open(office.users["officer"], "12", "案由", [CaseFlag.MEASURES])
    cases.add(office.users["officer"], case, kept.recording)
    assert recording(office, kept).retention == "long_term"


def test_grounds_are_only_added(office: Bureau, cases: Cases) -> None:
    case = cases.open(office.users["officer"], "12", "案由", [CaseFlag.OTHER])
    cases.flag(office.users["officer"], case, [CaseFlag.MEASURES])
    cases.flag(office.users["officer"], case, [])
    assert office.events(f"case:{case}")[-1][2]["flags"] == ["measures", "other"]
    assert len(office.events(f"case:{case}")) == 2


def test_a_recording_is_in_one_case_only(office: Bureau, cases: Cases, kept: Kept) -> None:
    first, second = (cases.open(office.users["officer"], number, "案由") for number in ("1", "2"))
    cases.add(office.users["officer"], first, kept.recording)
    cases.add(office.users["officer"], first, kept.recording)
    with pytest.raises(Conflict):
        cases.add(office.users["officer"], second, kept.recording)
    joined = [event for event, _, _ in office.events(f"recording:{kept.recording}") if event == "case.changed"]
    assert len(joined) == 1


@pytest.mark.parametrize("login", ["admin", "auditor"])
def test_administrators_and_auditors_handle_no_cases(office: Bureau, cases: Cases, login: str) -> None:
    with pytest.raises(NoRight):
        cases.open(office.users[login], "12", "案由")


def test_bad_input_is_refused(office: Bureau, cases: Cases, kept: Kept) -> None:
    case = cases.open(office.users["officer"], "12", "案由")
    with pytest.raises(Conflict):
        cases.open(office.users["officer"], " 12 ", "另一案由")
    for number, title in (("", "案由"), ("13", " "), ("1" * 65, "案由")):
        with pytest.raises(Refused):
            cases.open(office.users["officer"], number, title)
    with pytest.raises(NotFound):
        cases.add(office.users["officer"], case, "0" * 26)
    with pytest.raises(NotFound):
        cases.add(office.users["officer"], "0" * 26, kept.recording)
