"""调阅申请审批 (VIEW-APPROVE): who may decide, what a grant opens, what the ledger learns."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from pipeline.access import NoRight
from pipeline.accounts import Accounts
from storage.catalogue.tables import AccessRequest, Job
from storage.errors import Conflict, IntegrityError, NotFound, Refused
from storage.ledger import commitment
from storage.records import Actor, RequestKind, RequestState, Role
from tests.support.web import SETUP, Bureau, Kept, keep

VIEW, EXPORT = RequestKind.VIEW, RequestKind.EXPORT


def ask(office: Bureau, kept: Kept, login: str = "colleague", kind: RequestKind = VIEW) -> str:
    return office.services.access.request(office.users[login], kept.recording, kind, "案件审核")


def decide(office: Bureau, request: str, login: str = "approver", approve: bool = True, reason: str = "同意") -> object:
    return office.services.access.decide(office.users[login], request, approve, reason)


def row(office: Bureau, request: str) -> AccessRequest:
    with office.services.catalogue.read() as session:
        return session.get_one(AccessRequest, request)


def test_an_approved_request_opens_the_recording_to_its_requester(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    decide(office, request)
    grant = office.services.access.grant_for(office.users["colleague"], kept.recording, VIEW)
    assert grant is not None
    assert grant.request_id == request
    assert grant.expires == office.clock.now + timedelta(hours=24)


@pytest.mark.parametrize("login", ["admin", "approver", "auditor", "officer"])
def test_the_grant_is_nobody_elses(office: Bureau, kept: Kept, login: str) -> None:
    decide(office, ask(office, kept))
    assert office.services.access.grant_for(office.users[login], kept.recording, VIEW) is None


def test_the_grant_is_for_no_other_recording_and_no_other_kind(office: Bureau, kept: Kept) -> None:
    other = keep(office, name="DCIM/20261120_100000_0001.MP4", device="LH00099")
    decide(office, ask(office, kept))
    access = office.services.access
    assert access.grant_for(office.users["colleague"], other.recording, VIEW) is None
    assert access.grant_for(office.users["colleague"], kept.recording, EXPORT) is None


def test_a_grant_ends_at_its_hour(office: Bureau, kept: Kept) -> None:
    decide(office, ask(office, kept))
    office.clock.forward(hours=24, seconds=-1)
    assert office.services.access.grant_for(office.users["colleague"], kept.recording, VIEW) is not None
    office.clock.forward(seconds=1)
    assert office.services.access.grant_for(office.users["colleague"], kept.recording, VIEW) is None


def test_nobody_decides_their_own_request(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept, "approver")
    with pytest.raises(NoRight) as refused:
        decide(office, request, "approver")
    assert "本人" in refused.value.zh
    assert row(office, request).state == RequestState.PENDING
    decide(office, request, "approver2")
    assert row(office, request).state == RequestState.APPROVED


@pytest.mark.parametrize("login", ["admin", "auditor", "archivist", "officer"])
def test_only_the_policys_roles_decide(office: Bureau, kept: Kept, login: str) -> None:
    request = ask(office, kept)
    with pytest.raises(NoRight):
        decide(office, request, login)
    assert row(office, request).state == RequestState.PENDING


def test_a_disabled_approver_decides_nothing(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    Accounts(office.services.catalogue, office.clock).set_disabled(office.users["approver"], True, by=SETUP)
    with pytest.raises(NoRight):
        decide(office, request)


def test_a_role_taken_away_counts_at_once(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    Accounts(office.services.catalogue, office.clock).set_roles(office.users["approver"], [Role.OFFICER], by=SETUP)
    with pytest.raises(NoRight):
        decide(office, request)


def test_a_request_is_decided_once(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    decide(office, request, approve=False, reason="与案件无关")
    with pytest.raises(Conflict):
        decide(office, request, "approver2")
    assert office.services.access.grant_for(office.users["colleague"], kept.recording, VIEW) is None


def test_a_rejection_needs_a_reason(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    with pytest.raises(Refused, match="reason"):
        decide(office, request, approve=False, reason="  ")
    assert row(office, request).state == RequestState.PENDING


@pytest.mark.parametrize("purpose", ["", "   看 看 ", "看一下", "字" * 2001])
def test_a_purpose_must_say_something(office: Bureau, kept: Kept, purpose: str) -> None:
    with pytest.raises(Refused, match="purpose"):
        office.services.access.request(office.users["colleague"], kept.recording, VIEW, purpose.replace(" ", ""))


def test_the_same_request_twice_is_one_too_many(office: Bureau, kept: Kept) -> None:
    first = ask(office, kept)
    with pytest.raises(Conflict):
        ask(office, kept)
    ask(office, kept, kind=EXPORT)
    decide(office, first, approve=False, reason="与案件无关")
    assert ask(office, kept) != first


def test_what_does_not_exist_is_not_found(office: Bureau, kept: Kept) -> None:
    with pytest.raises(NotFound):
        office.services.access.request(office.users["colleague"], "0" * 26, VIEW, "案件审核")
    with pytest.raises(NotFound):
        decide(office, "0" * 26)


def test_an_approved_export_is_queued_with_the_decision(office: Bureau, kept: Kept) -> None:
    view, export = ask(office, kept), ask(office, kept, kind=EXPORT)
    decide(office, view)
    decide(office, export)
    with office.services.catalogue.read() as session:
        jobs = session.scalars(select(Job).where(Job.kind == "export")).all()
    assert [(job.subject, job.key) for job in jobs] == [(export, f"export:{export}")]


def test_the_chain_tells_each_step_and_no_purpose(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    grant = office.services.access.decide(office.users["approver"], request, True, "同意，限本案")
    assert grant is not None
    made, decided = office.events(f"recording:{kept.recording}")[-2:]
    assert (made[0], made[1]) == ("request.made", "user:colleague")
    assert (made[2]["request"], made[2]["kind"]) == (request, "view")
    assert (decided[0], decided[1]) == ("request.decided", "user:approver")
    assert (decided[2]["approved"], decided[2]["grant"]) == (True, grant.id)
    assert "案件审核" not in str(made)
    assert "限本案" not in str(decided)


def test_what_was_committed_to_can_be_shown_later(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    decide(office, request, reason="同意，限本案")
    kept_row, salt = row(office, request), bytes.fromhex(row(office, request).salt)
    made, decided = office.events(f"recording:{kept.recording}")[-2:]
    commitment.verify(made[2]["purpose"], kept_row.purpose, salt)
    commitment.verify(decided[2]["reason"], kept_row.reason, salt)
    with pytest.raises(IntegrityError):
        commitment.verify(made[2]["purpose"], "其他用途", salt)


def test_a_refused_decision_leaves_no_trace_and_no_grant(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    before = office.events(f"recording:{kept.recording}")
    with pytest.raises(NoRight):
        decide(office, request, "admin")
    assert office.events(f"recording:{kept.recording}") == before


def test_each_opening_is_a_look_and_ranges_belong_to_it(office: Bureau, kept: Kept) -> None:
    decide(office, ask(office, kept))
    access = office.services.access
    grant = access.grant_for(office.users["colleague"], kept.recording, VIEW)
    assert grant is not None

    def look(start: int) -> bool:
        return access.look(grant, kept.original, "d" * 64, start=start)

    assert look(0)
    assert not look(4096)
    office.clock.forward(seconds=59)
    assert not look(8192)
    office.clock.forward(seconds=59)
    assert not look(4096)  # it goes on from the last range, not from the opening
    office.clock.forward(seconds=61)
    assert look(4096)
    assert look(0)
    assert office.looks(kept.recording) == 3
    event, actor, payload = office.events(f"recording:{kept.recording}")[-1]
    assert (event, actor) == ("view.opened", "user:colleague")
    assert payload == {
        "grant": grant.id,
        "request": grant.request_id,
        "original": kept.original,
        "derivative": "d" * 64,
    }


def test_a_range_of_another_file_is_a_look_of_its_own(office: Bureau, kept: Kept) -> None:
    decide(office, ask(office, kept))
    grant = office.services.access.grant_for(office.users["colleague"], kept.recording, VIEW)
    assert grant is not None
    assert office.services.access.look(grant, kept.original, "d" * 64)
    assert office.services.access.look(grant, kept.original, "e" * 64, start=100)


def test_an_expired_grant_looks_at_nothing(office: Bureau, kept: Kept) -> None:
    decide(office, ask(office, kept))
    grant = office.services.access.grant_for(office.users["colleague"], kept.recording, VIEW)
    assert grant is not None
    office.clock.forward(hours=25)
    with pytest.raises(NoRight):
        office.services.access.look(grant, kept.original, "d" * 64)
    with pytest.raises(NoRight):
        office.services.access.downloaded(grant, "e" * 64)
    assert office.looks(kept.recording) == 0


def test_events_join_the_recordings_chain_in_the_ledger(office: Bureau, kept: Kept) -> None:
    decide(office, ask(office, kept))
    assert office.publish() >= 2
    assert office.publish() == 0


def test_a_service_is_no_user(office: Bureau, kept: Kept) -> None:
    with pytest.raises(NoRight):
        office.services.access.request(str(Actor("service", "setup")), kept.recording, VIEW, "案件审核")
