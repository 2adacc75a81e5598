"""The export's download: for its requester, under a live export grant, with a trace."""

from __future__ import annotations

import hashlib
import os

import pytest

from pipeline.export.disc import export_key
from storage.catalogue.tables import Export
from storage.clock import new_id
from storage.records import RequestKind
from tests.support.web import Browser, Bureau, Kept

DISC = os.urandom(5000)


@pytest.fixture
def request_id(office: Bureau, kept: Kept) -> str:
    """An approved export request of `colleague` whose disc is made."""
    made = office.grant("colleague", kept.recording, RequestKind.EXPORT)
    digest = hashlib.sha256(DISC).hexdigest()
    source = office.services.settings.spool / "disc"
    source.write_bytes(DISC)
    office.services.tiers["five_years"].put(export_key(digest), source, sha256=digest, retain_until=None)
    source.unlink()
    with office.services.catalogue.write() as session:
        session.add(
            Export(
                id=new_id(),
                request_id=made,
                recording_id=kept.recording,
                sha256=digest,
                size=len(DISC),
                tier="five_years",
                made=office.clock.now,
            )
        )
    return made


def downloads(office: Bureau, kept: Kept) -> int:
    return [event for event, _, _ in office.events(f"recording:{kept.recording}")].count("export.downloaded")


def test_the_requester_gets_the_disc_and_the_chain_says_so(office: Bureau, kept: Kept, request_id: str) -> None:
    answer = Browser(office, "colleague").get(f"/exports/{request_id}")
    assert (answer.status_code, answer.content) == (200, DISC)
    assert answer.headers["content-disposition"] == f'attachment; filename="liuhen-{request_id}.iso"'
    assert downloads(office, kept) == 1


@pytest.mark.parametrize("login", ["officer", "approver", "admin", "auditor"])
def test_nobody_else_learns_of_it(office: Bureau, kept: Kept, request_id: str, login: str) -> None:
    assert Browser(office, login).get(f"/exports/{request_id}").status_code == 404
    assert downloads(office, kept) == 0


def test_an_expired_grant_downloads_nothing(office: Bureau, kept: Kept, request_id: str) -> None:
    office.clock.forward(hours=24)
    answer = Browser(office, "colleague").get(f"/exports/{request_id}")
    assert answer.status_code in (303, 403)  # the session is over, too
    assert Browser(office, "colleague").get(f"/exports/{request_id}").status_code == 403
    assert downloads(office, kept) == 0


def test_a_disc_in_the_making_is_not_there_yet(office: Bureau, kept: Kept) -> None:
    made = office.grant("colleague", kept.recording, RequestKind.EXPORT)
    assert Browser(office, "colleague").get(f"/exports/{made}").status_code == 409


def test_a_pending_or_viewing_request_is_no_export(office: Bureau, kept: Kept) -> None:
    access, user = office.services.access, office.users["colleague"]
    pending = access.request(user, kept.recording, RequestKind.EXPORT, "案件审核")
    viewing = office.grant("colleague", kept.recording)
    browser = Browser(office, "colleague")
    assert browser.get(f"/exports/{pending}").status_code == 403
    assert browser.get(f"/exports/{viewing}").status_code == 404
    assert browser.get("/exports/nothing").status_code == 404
