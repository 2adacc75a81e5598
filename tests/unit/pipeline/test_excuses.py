"""Excuses (中断说明): an officer explains, another person decides, the finding stays."""

from __future__ import annotations

import pytest

from pipeline.access import NoRight
from pipeline.excuses import Excuses, needing_words
from storage.catalogue.tables import Excuse, Recording
from storage.errors import Conflict, NotFound, Refused
from tests.support.web import Bureau, Kept, keep

GAP = "REC-CONTINUOUS/GAP-PTS"
WORDS = "进入防爆区域，按规定停止录像"


@pytest.fixture
def excuses(office: Bureau) -> Excuses:
    return Excuses(office.services.catalogue, office.services.policy.viewing.approvers, office.clock)


def test_an_explanation_is_made_and_accepted_by_another(office: Bureau, excuses: Excuses, kept: Kept) -> None:
    before = needing_words(_report(office, kept))
    made = excuses.make(office.users["officer"], kept.recording, GAP, WORDS)
    excuses.decide(office.users["approver"], made, True)
    with office.services.catalogue.read() as session:
        row = session.get_one(Excuse, made)
    assert (row.accepted, row.decided_by) == (True, office.users["approver"])
    assert needing_words(_report(office, kept)) == before
    first, second = office.events(f"recording:{kept.recording}")[-2:]
    assert (first[0], first[1], first[2]["finding"]) == ("excuse.made", "user:officer", GAP)
    assert (second[0], second[1], second[2]["accepted"]) == ("excuse.decided", "user:approver", True)
    assert WORDS not in str((first, second))


@pytest.mark.parametrize("login", ["colleague", "approver", "admin"])
def test_only_the_recordings_officer_explains(office: Bureau, excuses: Excuses, kept: Kept, login: str) -> None:
    with pytest.raises(NoRight):
        excuses.make(office.users[login], kept.recording, GAP, WORDS)


def test_any_officer_explains_an_unregistered_devices_recording(office: Bureau, excuses: Excuses) -> None:
    kept = keep(office, officer=None)
    excuses.make(office.users["colleague"], kept.recording, GAP, WORDS)


@pytest.mark.parametrize("code", ["REC-WHEN/CLOCK", "NO-SUCH/FINDING"])
def test_only_what_needs_words_is_explained(office: Bureau, excuses: Excuses, kept: Kept, code: str) -> None:
    with pytest.raises(Refused):
        excuses.make(office.users["officer"], kept.recording, code, WORDS)


def test_it_is_decided_once_by_an_approver(office: Bureau, excuses: Excuses, kept: Kept) -> None:
    made = excuses.make(office.users["officer"], kept.recording, GAP, WORDS)
    for login in ("officer", "admin", "auditor"):
        with pytest.raises(NoRight):
            excuses.decide(office.users[login], made, True)
    excuses.decide(office.users["approver"], made, False)
    with pytest.raises(Conflict):
        excuses.decide(office.users["approver2"], made, True)
    with pytest.raises(NotFound):
        excuses.decide(office.users["approver"], "0" * 26, True)


def test_too_few_words_are_refused(office: Bureau, excuses: Excuses, kept: Kept) -> None:
    with pytest.raises(Refused):
        excuses.make(office.users["officer"], kept.recording, GAP, " 没电 ")


def test_a_recording_without_a_report_needs_no_words() -> None:
    assert needing_words(None) == []


def _report(office: Bureau, kept: Kept) -> dict[str, object] | None:
    with office.services.catalogue.read() as session:
        return session.get_one(Recording, kept.recording).report
