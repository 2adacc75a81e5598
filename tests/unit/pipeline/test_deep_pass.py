"""The second look: which recordings are decoded, when, and what becomes of both analyses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from pipeline.bootstrap import trusted
from pipeline.policy import Deep, Policy, load
from storage.catalogue.tables import Analysis, Job, Recording
from storage.errors import Refused
from storage.records import JobKind, JobState
from tests.support.certificates import chain
from tests.support.taking import recordings, take_in, work
from tests.support.web import Bureau, bureau

if TYPE_CHECKING:
    from pipeline.samples import Footage

Open = Callable[..., Bureau]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """A bureau whose policy says this about continuity."""
    with ExitStack() as stack:

        def make(continuity: str) -> Bureau:
            (tmp_path / "data").mkdir()
            (tmp_path / "data" / "policy.yaml").write_text(f"continuity: {{{continuity}}}", encoding="utf-8")
            return stack.enter_context(bureau(tmp_path / "data"))

        yield make


def analyses(office: Bureau) -> list[Analysis]:
    with office.services.catalogue.read() as session:
        return list(session.scalars(select(Analysis).order_by(Analysis.id)))


def queued(office: Bureau) -> list[str]:
    with office.services.catalogue.read() as session:
        return list(session.scalars(select(Job.kind).where(Job.state == JobState.QUEUED, Job.kind == JobKind.DEEP)))


def codes(report: dict[str, Any]) -> set[str]:
    return {finding["code"] for file in report["files"] for finding in file["findings"]}


def test_what_the_quick_check_complains_about_is_decoded_and_both_analyses_stay(
    office: Bureau, footage: Footage
) -> None:
    take_in(office, footage.frozen)
    work(office)
    assert recordings(office)[0].verdict == "review"
    assert work(office, JobKind.DEEP) == 1
    quick, deep = analyses(office)
    assert (quick.report["deep"], deep.report["deep"]) == (False, True)
    assert codes(deep.report) > codes(quick.report)
    assert recordings(office)[0].report == deep.report
    told = [payload for event, _, payload in office.events(f"recording:{deep.recording_id}") if "analysis" in event]
    assert [each["deep"] for each in told] == [False, True]


@pytest.mark.parametrize(("policy", "count"), [("deep: off", 0), ("deep: suspicious", 0), ("deep: all", 1)])
def test_a_recording_without_a_finding_is_decoded_only_where_all_are(
    opened: Open, footage: Footage, policy: str, count: int
) -> None:
    office = opened(policy)
    for segment in footage.segments:
        take_in(office, segment)
    work(office)
    assert len(queued(office)) == count
    assert work(office, JobKind.DEEP) == count
    assert [each.verdict for each in analyses(office)] == ["continuous"] * (count + 1)


def test_nothing_is_decoded_where_the_policy_says_off(opened: Open, footage: Footage) -> None:
    office = opened("deep: off")
    take_in(office, footage.cut_closed)
    work(office)
    assert queued(office) == []


def test_photos_are_not_decoded(opened: Open, footage: Footage) -> None:
    office = opened("deep: all")
    for photo in footage.photos_missing:
        take_in(office, photo)
    work(office)
    assert queued(office) == []


def test_a_segment_that_came_meanwhile_makes_the_second_look_wait_for_the_quick_one(
    office: Bureau, footage: Footage
) -> None:
    take_in(office, footage.segments[0])
    take_in(office, footage.segments[2])
    work(office)
    take_in(office, footage.segments[1])
    assert work(office, JobKind.DEEP) == 1
    assert [each.report["deep"] for each in analyses(office)] == [False]
    work(office)
    assert recordings(office)[0].verdict == "continuous" and queued(office) == []


def test_a_later_quick_look_keeps_what_was_decoded(office: Bureau, footage: Footage) -> None:
    take_in(office, footage.frozen)
    work(office)
    work(office, JobKind.DEEP)
    with office.services.catalogue.write() as session:
        session.get_one(Recording, recordings(office)[0].id)
        session.add(_again(recordings(office)[0].id, office))
    work(office)
    assert [each.report["deep"] for each in analyses(office)] == [False, True]
    assert (recordings(office)[0].report or {})["deep"] is True


def _again(recording: str, office: Bureau) -> Job:
    now = office.clock.now
    return Job(id="again", kind=JobKind.ANALYSE.value, subject=recording, key="again", args={}, run_at=now, created=now)


def test_decoding_ends_with_its_time_and_says_so(opened: Open, footage: Footage) -> None:
    office = opened("deep: all")
    analyse = office.services.runner._handlers[JobKind.DEEP].__self__  # type: ignore[attr-defined]
    analyse._rules = type(analyse._rules)(deep=Deep.ALL, deep_seconds=0)
    take_in(office, footage.segments[0])
    work(office)
    work(office, JobKind.DEEP)
    report = recordings(office)[0].report or {}
    assert report["deep"] is True
    assert [each for each in report["files"][0]["not_checked"] if each["check"] == "decoding"]


def test_off_needs_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("continuity: {deep: off}", encoding="utf-8")
    assert load(tmp_path / "policy.yaml").continuity.deep is Deep.OFF
    (tmp_path / "policy.yaml").write_text("continuity: {deep: sometimes}", encoding="utf-8")
    with pytest.raises(Refused, match="deep"):
        load(tmp_path / "policy.yaml")


def with_trust(*names: str) -> Policy:
    return Policy.model_validate({"continuity": {"trust": list(names)}})


def test_certificates_are_found_beside_the_policy(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    leaf, between, root = chain(ec.generate_private_key(ec.SECP256R1()).public_key())
    (tmp_path / "ca.pem").write_bytes(between + root)
    assert trusted(with_trust("ca.pem"), tmp_path) == (between.decode(), root.decode())
    assert leaf.decode() not in trusted(with_trust(str(tmp_path / "ca.pem")), Path("/elsewhere"))


def test_every_file_that_is_no_certificate_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "policy.pem").write_text("not a certificate")
    with pytest.raises(Refused, match=r"absent\.pem, .*policy\.pem"):
        trusted(with_trust("absent.pem", "policy.pem"), tmp_path)


def test_a_service_does_not_start_with_a_wrong_certificate(opened: Open) -> None:
    with pytest.raises(Refused, match=r"trust.*absent\.pem"):
        opened("trust: [absent.pem]")
