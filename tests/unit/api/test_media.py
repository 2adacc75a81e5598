"""Media bytes: only under a live grant of this user for this recording, and never without a trace."""

from __future__ import annotations

import pytest

from pipeline.accounts import Accounts
from storage.catalogue.tables import Grant
from storage.records import RequestKind
from tests.support.web import SETUP, Browser, Bureau, Kept, keep


def address(kept: Kept, kind: str = "access") -> str:
    return f"/recordings/{kept.recording}/media/{kept.original}/{kind}"


@pytest.mark.parametrize("kind", ["access", "poster"])
@pytest.mark.parametrize("login", ["officer", "approver", "auditor", "archivist", "admin"])
def test_without_a_grant_no_byte_leaves_for_anybody(office: Bureau, kept: Kept, login: str, kind: str) -> None:
    office.grant("colleague", kept.recording)
    answer = Browser(office, login).get(address(kept, kind))
    assert answer.status_code == 403
    assert kept.access[:64] not in answer.content
    assert kept.poster[:64] not in answer.content
    assert office.looks(kept.recording) == 0


def test_without_a_session_no_byte_leaves(office: Bureau, kept: Kept) -> None:
    browser = Browser(office)
    assert browser.client.get(address(kept), headers={"accept": "video/*"}).status_code == 401
    assert browser.get(address(kept)).status_code == 303


def test_with_a_grant_the_access_copy_comes_whole(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    answer = Browser(office, "colleague").get(address(kept))
    assert (answer.status_code, answer.content) == (200, kept.access)
    assert answer.headers["content-type"] == "video/mp4"
    assert answer.headers["cache-control"] == "no-store, private"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert office.looks(kept.recording) == 1


def test_the_poster_is_media_too(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    answer = Browser(office, "colleague").get(address(kept, "poster"))
    assert (answer.content, answer.headers["content-type"]) == (kept.poster, "image/jpeg")
    assert office.looks(kept.recording) == 1


def test_an_approved_request_for_another_recording_opens_nothing(office: Bureau, kept: Kept) -> None:
    other = keep(office, device="LH00099")
    office.grant("colleague", other.recording)
    browser = Browser(office, "colleague")
    assert browser.get(address(kept)).status_code == 403
    mixed = f"/recordings/{other.recording}/media/{kept.original}/access"
    assert browser.get(mixed).status_code == 404


def test_an_export_grant_opens_no_player(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording, RequestKind.EXPORT)
    assert Browser(office, "colleague").get(address(kept)).status_code == 403


def test_an_expired_grant_opens_nothing(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    office.clock.forward(hours=24)
    browser = Browser(office, "colleague")
    assert browser.get(address(kept)).status_code == 403
    assert office.looks(kept.recording) == 0


def test_a_disabled_user_sees_nothing_more(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    browser = Browser(office, "colleague")
    Accounts(office.services.catalogue, office.clock).set_disabled(office.users["colleague"], True, by=SETUP)
    assert browser.get(address(kept)).status_code == 303


@pytest.mark.parametrize("kind", ["original", "master", "../access", "x"])
def test_originals_and_masters_are_not_streamed(office: Bureau, kept: Kept, kind: str) -> None:
    office.grant("colleague", kept.recording)
    assert Browser(office, "colleague").get(address(kept, kind)).status_code == 404


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-", 0, 70_000),
        ("bytes=0-99", 0, 100),
        ("bytes=100-199", 100, 200),
        ("bytes=69000-", 69_000, 70_000),
        ("bytes=69000-99999999", 69_000, 70_000),
        ("bytes=-500", 69_500, 70_000),
        ("bytes=-99999999", 0, 70_000),
        ("bytes=69999-69999", 69_999, 70_000),
    ],
)
def test_a_range_is_answered_exactly(office: Bureau, kept: Kept, asked: str, start: int, end: int) -> None:
    office.grant("colleague", kept.recording)
    answer = Browser(office, "colleague").get(address(kept), headers={"range": asked})
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/70000"
    assert answer.headers["content-length"] == str(end - start)
    assert answer.content == kept.access[start:end]


@pytest.mark.parametrize("asked", ["bytes=70000-", "bytes=80000-90000", "bytes=5-2", "bytes=-0"])
def test_a_range_outside_is_refused_without_a_look(office: Bureau, kept: Kept, asked: str) -> None:
    office.grant("colleague", kept.recording)
    answer = Browser(office, "colleague").get(address(kept), headers={"range": asked})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */70000")
    assert office.looks(kept.recording) == 0


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=-", "lines=1-2", "bytes=a-b", "bytes= 1 - 2"])
def test_other_ranges_give_the_whole_file(office: Bureau, kept: Kept, asked: str) -> None:
    office.grant("colleague", kept.recording)
    answer = Browser(office, "colleague").get(address(kept), headers={"range": asked})
    assert (answer.status_code, answer.content) == (200, kept.access)


def test_if_range_of_another_file_gives_the_whole(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    browser = Browser(office, "colleague")
    tag = browser.get(address(kept)).headers["etag"]
    same = browser.get(address(kept), headers={"range": "bytes=1-2", "if-range": tag})
    other = browser.get(address(kept), headers={"range": "bytes=1-2", "if-range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


def test_seeking_is_one_look_and_reopening_another(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    browser = Browser(office, "colleague")
    browser.get(address(kept), headers={"range": "bytes=0-"})
    for start in (5000, 60_000, 20_000):
        browser.get(address(kept), headers={"range": f"bytes={start}-"})
    assert office.looks(kept.recording) == 1
    browser.get(address(kept), headers={"range": "bytes=0-"})
    assert office.looks(kept.recording) == 2


def test_the_trace_is_durable_before_the_first_byte(
    office: Bureau, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.grant("colleague", kept.recording)
    store = office.services.tiers["five_years"]
    opened, seen = store.open, []

    def watched(*args: object, **given: object) -> object:
        pieces = opened(*args, **given)  # type: ignore[arg-type]

        def pieces_after() -> object:
            seen.append(office.looks(kept.recording))
            yield from pieces

        return pieces_after()

    monkeypatch.setattr(store, "open", watched)
    assert Browser(office, "colleague").get(address(kept)).status_code == 200
    assert seen == [1]


def test_a_stream_stops_when_its_grant_runs_out(office: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = keep(office, media=b"m" * (3 << 20))
    office.grant("colleague", kept.recording)
    store = office.services.tiers["five_years"]
    opened = store.open

    def slow(*args: object, **given: object) -> object:
        for piece in opened(*args, **given):  # type: ignore[arg-type]
            yield piece
            office.clock.forward(hours=13)

    monkeypatch.setattr(store, "open", slow)
    answer = Browser(office, "colleague").get(address(kept))
    assert len(answer.content) == 2 << 20


def test_a_hostile_media_type_is_never_served_as_a_page(office: Bureau) -> None:
    kept = keep(office, media=b"<script>alert(1)</script>", media_type="text/html")
    office.grant("colleague", kept.recording)
    answer = Browser(office, "colleague").get(address(kept))
    assert answer.headers["content-type"] == "application/octet-stream"


def test_a_grant_in_the_database_of_another_user_stays_theirs(office: Bureau, kept: Kept) -> None:
    office.grant("colleague", kept.recording)
    with office.services.catalogue.read() as session:
        assert {grant.user_id for grant in session.query(Grant)} == {office.users["colleague"]}
    assert Browser(office, "officer").get(address(kept)).status_code == 403
