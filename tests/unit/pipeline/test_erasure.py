"""Personal data is erased for good, and the ledger neither notices nor minds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from api.cli import make_cli
from pipeline.erasure import ERASED, Erasing
from pipeline.excuses import Excuses
from pipeline.verify import DataCheck, DataPlace
from storage.catalogue.tables import AccessRequest, Case, Erasure, Excuse, User
from storage.errors import NotFound, Refused, Transient
from storage.ledger import commitment
from storage.records import RequestKind
from tests.support.web import Browser, Bureau, Kept

PURPOSE = "核对当事人赵某某在厂房东侧的陈述"
WHY = "当事人要求删除其姓名"


def on_disk(office: Bureau, words: str) -> list[str]:
    """The database's files that hold `words`, as the bytes lie there."""
    files = office.services.settings.data.glob("liuhen.db*")
    return [file.name for file in files if words.encode() in file.read_bytes()]


def ask(office: Bureau, kept: Kept, purpose: str = PURPOSE) -> str:
    request = office.services.access.request(office.users["officer"], kept.recording, RequestKind.VIEW, purpose)
    office.services.access.decide(office.users["approver"], request, True, "同意王某某调阅")
    office.publish()
    return request


def erase(office: Bureau, subject: str, by: str = "admin") -> list[str]:
    return Erasing(office.services.catalogue, office.clock).erase(subject, by=by, reason=WHY)


def logged(office: Bureau, kept: Kept, event: str) -> dict[str, Any]:
    return [payload for e, _, payload in office.events(f"recording:{kept.recording}") if e == event][-1]


def ledger_wrongs(office: Bureau) -> list[str]:
    services = office.services
    place = DataPlace(services.catalogue, services.tiers, services.settings.ledger, services.log_key.vkey)
    return [wrong.en for wrong in DataCheck(place).wrongs()]


def test_before_it_is_erased_the_words_can_be_shown_and_checked(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    with office.services.catalogue.read() as session:
        row = session.get_one(AccessRequest, request)
    commitment.verify(logged(office, kept, "request.made")["purpose"], row.purpose, bytes.fromhex(row.salt))
    assert on_disk(office, PURPOSE)


def test_salt_and_words_are_gone_from_the_files_of_the_database(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    with office.services.catalogue.read() as session:
        salt = session.get_one(AccessRequest, request).salt
    erase(office, f"request:{request}")
    for words in (PURPOSE, "同意王某某调阅", salt):
        assert on_disk(office, words) == []


def test_the_ledger_verifies_as_before(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    before = ledger_wrongs(office)
    gone = erase(office, f"request:{request}")
    office.publish()
    assert ledger_wrongs(office) == before
    made, decided = logged(office, kept, "request.made"), logged(office, kept, "request.decided")
    assert gone == [made["purpose"]["commitment"], decided["reason"]["commitment"]]


def test_the_event_says_what_was_erased_and_not_what_it_was(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    gone = erase(office, f"request:{request}")
    payload = logged(office, kept, "personal.erased")
    assert payload["commitments"] == gone
    assert (payload["of"], payload["fields"]) == (f"request:{request}", ["purpose", "reason"])
    assert WHY not in str(payload)
    with office.services.catalogue.read() as session:
        row = session.scalars(select(Erasure)).one()
    commitment.verify(payload["reason"], row.reason, bytes.fromhex(row.salt))


def test_pages_say_that_it_is_erased(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    erase(office, f"request:{request}")
    shown = Browser(office, "officer").get(f"/requests/{request}").text
    assert ERASED in shown and PURPOSE not in shown


def test_twice_is_once(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    erase(office, f"request:{request}")
    assert erase(office, f"request:{request}") == []
    assert sum(e == "personal.erased" for e, _, _ in office.events(f"recording:{kept.recording}")) == 1


def test_an_explanation_is_erased(office: Bureau, kept: Kept) -> None:
    excuses = Excuses(office.services.catalogue, office.services.policy.viewing.approvers, office.clock)
    text = "因保护举报人李某某而中断"
    excuse = excuses.make(office.users["officer"], kept.recording, "REC-CONTINUOUS/GAP-PTS", text)
    erase(office, f"excuse:{excuse}")
    with office.services.catalogue.read() as session:
        row = session.get_one(Excuse, excuse)
    assert (row.text, row.salt) == (ERASED, "")
    assert on_disk(office, text) == []


def test_the_name_of_somebody_who_left_is_erased(office: Bureau) -> None:
    with pytest.raises(Refused, match="in use"):
        erase(office, "user:colleague")
    with office.services.catalogue.write() as session:
        session.get_one(User, office.users["colleague"]).disabled = True
    erase(office, "user:colleague")
    assert on_disk(office, "王芳") == []


def test_a_cases_title_is_erased(office: Bureau) -> None:
    with office.services.catalogue.write() as session:
        session.add(
            Case(
                id="c1", number="N1", title="钱某某案", flags=[], opened=office.clock.now,
                created_by=office.users["officer"],
            )
        )  # fmt: skip
    erase(office, "case:c1")
    assert on_disk(office, "钱某某案") == []


@pytest.mark.parametrize("by", ["officer", "nobody"])
def test_only_administrators_erase(office: Bureau, kept: Kept, by: str) -> None:
    request = ask(office, kept)
    with pytest.raises(Refused, match="administrator"):
        erase(office, f"request:{request}", by)
    assert on_disk(office, PURPOSE)


def test_what_is_not_there_or_not_decided_is_refused(office: Bureau, kept: Kept) -> None:
    for subject in ("request:x", "recording:x", "x", ""):
        with pytest.raises(NotFound):
            erase(office, subject)
    open_request = office.services.access.request(office.users["officer"], kept.recording, RequestKind.VIEW, PURPOSE)
    with pytest.raises(Refused, match="not decided"):
        erase(office, f"request:{open_request}")


def test_a_reader_that_is_at_it_is_told_of_and_the_next_run_finishes(office: Bureau, kept: Kept) -> None:
    request = ask(office, kept)
    with office.services.catalogue.read() as session:
        session.scalars(select(AccessRequest)).all()
        with pytest.raises(Transient):
            erase(office, f"request:{request}")
    erase(office, f"request:{request}")
    assert on_disk(office, PURPOSE) == []


def test_the_command_erases(office: Bureau, kept: Kept, tmp_path: Path) -> None:
    request = ask(office, kept)
    words = ["admin", "erase", f"request:{request}", "--by", "admin", "--reason", WHY]
    done = CliRunner().invoke(make_cli(), [*words, "--data", str(office.services.settings.data)])
    assert done.exit_code == 0, done.output
    assert "commitment" in done.stdout
    assert on_disk(office, PURPOSE) == []
