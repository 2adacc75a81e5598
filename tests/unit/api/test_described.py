"""What sidecars say, on the recording's page."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from pipeline import descriptions
from pipeline.descriptions import of_bytes
from pipeline.erasure import ERASED, Erasing
from pipeline.known import known_of
from storage.catalogue.tables import Description, Job
from storage.records import Actor
from tests.support.web import Browser, Bureau, Kept

DOOR = Actor("service", "watch")


def describe(office: Bureau, kept: Kept, content: bytes, says: dict[str, str], fault: tuple[str, str] | None) -> str:
    told = of_bytes("DCIM/a.json", content, says, fault)
    descriptions.record(office.services.catalogue, kept.original, told, by=DOOR, now=office.clock.now)
    with office.services.catalogue.read() as session:
        return descriptions.of_recording(session, kept.recording)[-1][1].id


def page(office: Bureau, kept: Kept) -> str:
    return str(Browser(office, "officer").get(f"/recordings/{kept.recording}").text)


def test_a_recording_without_sidecars_does_not_speak_of_them(office: Bureau, kept: Kept) -> None:
    assert "随附说明" not in page(office, kept)


def test_what_one_says_is_shown_as_a_claim_and_escaped(office: Bureau, kept: Kept) -> None:
    describe(office, kept, b"{}", {"officer": "王强", "place": "<script>alert(1)</script>"}, None)
    words = page(office, kept)
    assert "<dt>执法人员</dt><dd>王强</dd>" in words and "仅供参考" in words and "收到随附说明" in words
    assert "<script>alert(1)" not in words


def test_one_that_comes_after_the_analysis_has_it_made_again_and_is_held_against_the_media(
    office: Bureau, kept: Kept
) -> None:
    made = describe(office, kept, b"{}", {"start": "2026-11-20 10:05:00", "serial": "LH00077"}, None)
    media = {"created": "2026-11-20T01:30:00Z", "duration": 12.0, "device": {"serial": "LH00012"}}
    with office.services.catalogue.read() as session:
        assert session.scalars(select(Job.key).where(Job.key.endswith(f":described:{made}"))).one()
        known = known_of(session, kept.recording)
    report = {"files": [{"sha256": kept.original, "media": media}]}
    found = [each.code for each in known.docked(report, office.clock.now, timedelta(hours=24))]
    assert found == ["REC-TRUE/SIDECAR-DEVICE", "REC-WHEN/SIDECAR-START"]


def test_why_one_could_not_be_read_is_shown(office: Bureau, kept: Kept) -> None:
    describe(office, kept, b"{", {}, ("不是可读的 JSON", "not readable as JSON"))
    assert "不是可读的 JSON" in page(office, kept)


def test_an_administrator_erases_what_one_says(office: Bureau, kept: Kept) -> None:
    made = describe(office, kept, b'{"officer": "\xe7\x8e\x8b"}', {"officer": "王强"}, None)
    Erasing(office.services.catalogue, office.clock).erase(f"description:{made}", by="admin", reason="当事人要求删除")
    with office.services.catalogue.read() as session:
        row = session.get_one(Description, made)
    assert (row.content, row.says, row.sha256, row.salt) == (ERASED, ERASED, ERASED, "")
    assert "王强" not in page(office, kept)
