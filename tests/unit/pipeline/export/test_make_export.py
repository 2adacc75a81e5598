"""The EXPORT job where something is wrong: no disc is made, and the error says why."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.access import Access
from pipeline.export.disc import MakeExport
from pipeline.jobs import JobRunner
from storage.catalogue.tables import AccessRequest, Analysis, Derivative, Entry, Export, Job, Original
from storage.errors import IntegrityError, LiuhenError, Refused, Transient
from storage.records import Actor, JobKind, JobState, RequestKind
from tests.support.exported import Bureau, export, fill, image, open_bureau


@pytest.fixture
def bureau(tmp_path: Path) -> Iterator[Bureau]:
    opened = open_bureau(tmp_path / "data")
    fill(opened, tmp_path)
    yield opened
    opened.close()


def handler(bureau: Bureau) -> MakeExport:
    return MakeExport(
        bureau.catalogue, bureau.tiers, bureau.sequencer, bureau.settings, bureau.policy.retention, bureau.clock
    )


def run(bureau: Bureau, request: str = "") -> None:
    handler(bureau).run(Job(subject=request or bureau.request), lambda _: None)


def stored(bureau: Bureau, kind: str) -> Path:
    found = sorted((bureau.settings.data / "blobs/five_years" / kind).rglob("*"))
    return next(path for path in found if path.is_file() and path.suffix != ".lock")


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


def test_the_job_runs_to_its_end(bureau: Bureau) -> None:
    """Queued by the approval, run by the runner: the row, the entry and the job's end in one transaction."""
    runner = JobRunner(bureau.catalogue, {JobKind.EXPORT: handler(bureau).run}, bureau.clock)
    with bureau.catalogue.read() as session:
        job_id = session.scalars(select(Job.id).where(Job.kind == JobKind.EXPORT)).one()
    assert runner.run(job_id)
    with bureau.catalogue.read() as session:
        job = session.get_one(Job, job_id)
        assert (job.state, job.error) == (JobState.DONE, "")
        assert session.scalars(select(Export)).one().request_id == bureau.request
        assert len(session.scalars(select(Entry).where(Entry.event == "export.made")).all()) == 1
    assert list(bureau.settings.spool.iterdir()) == []


def test_a_second_run_registers_nothing_twice(bureau: Bureau) -> None:
    first = export(bureau)
    finish = handler(bureau).run(Job(subject=bureau.request), lambda _: None)
    with bureau.catalogue.write() as session:
        finish(session)
    with bureau.catalogue.read() as session:
        assert session.scalars(select(Export)).one().sha256 == first.sha256
        assert len(session.scalars(select(Entry).where(Entry.event == "export.made")).all()) == 1


def test_the_image_of_the_row_is_stored(bureau: Bureau) -> None:
    row = export(bureau)
    assert image(bureau, row).stat().st_size == row.size


def test_a_request_to_view_gives_no_disc(bureau: Bureau) -> None:
    access = Access(bureau.catalogue, bureau.policy.viewing, bureau.clock)
    request = access.request(bureau.users["requester"], bureau.recording, RequestKind.VIEW, "核对现场情况")
    access.decide(bureau.users["approver"], request, approve=True)
    with pytest.raises(Refused):
        run(bureau, request)


@pytest.mark.parametrize("state", ["pending", "rejected"])
def test_an_unapproved_request_gives_no_disc(bureau: Bureau, state: str) -> None:
    with bureau.catalogue.write() as session:
        session.get_one(AccessRequest, bureau.request).state = state
    with pytest.raises(Refused):
        run(bureau)


@pytest.mark.parametrize("kind", ["originals", "derivatives"])
def test_a_damaged_file_gives_no_disc(bureau: Bureau, kind: str) -> None:
    damage(stored(bureau, kind))
    with pytest.raises(IntegrityError) as caught:
        run(bureau)
    assert "未制作光盘" in caught.value.zh
    assert list(bureau.settings.spool.iterdir()) == []


def test_a_missing_file_gives_no_disc(bureau: Bureau) -> None:
    stored(bureau, "originals").unlink()
    with pytest.raises(LiuhenError):
        run(bureau)


def test_an_edited_root_gives_no_disc(bureau: Bureau) -> None:
    with bureau.catalogue.write() as session:
        session.scalars(select(Original)).first().root = "0" * 64  # type: ignore[union-attr]
    with pytest.raises(IntegrityError):
        run(bureau)


def test_an_approval_that_the_ledger_does_not_know_gives_no_disc(bureau: Bureau) -> None:
    """Whoever can write to the database can say "approved" there; the ledger was never told."""
    access = Access(bureau.catalogue, bureau.policy.viewing, bureau.clock)
    request = access.request(bureau.users["requester"], bureau.recording, RequestKind.EXPORT, "想要一份留存")
    bureau.publish()
    with bureau.catalogue.write() as session:
        session.get_one(AccessRequest, request).state = "approved"
    with pytest.raises(IntegrityError) as caught:
        run(bureau, request)
    assert "批准" in caught.value.zh


def test_a_removed_original_gives_no_disc(bureau: Bureau) -> None:
    with bureau.catalogue.write() as session:
        gone = session.scalars(select(Original).where(Original.sequence == 2)).one()
        for copy in session.scalars(select(Derivative).where(Derivative.original_sha256 == gone.sha256)):
            session.delete(copy)
        session.flush()
        session.delete(gone)
    with pytest.raises(IntegrityError) as caught:
        run(bureau)
    assert "原件" in caught.value.zh


def test_an_edited_verdict_gives_no_disc(bureau: Bureau) -> None:
    with bureau.catalogue.write() as session:
        session.scalars(select(Analysis)).one().verdict = "continuous"
    with pytest.raises(IntegrityError) as caught:
        run(bureau)
    assert "结论" in caught.value.zh


def test_an_edited_report_gives_no_disc(bureau: Bureau) -> None:
    with bureau.catalogue.write() as session:
        session.scalars(select(Analysis)).one().report = {"files": []}
    with pytest.raises(IntegrityError) as caught:
        run(bureau)
    assert "检测报告" in caught.value.zh


def test_an_edited_entry_gives_no_disc(bureau: Bureau) -> None:
    with bureau.catalogue.write() as session:
        row = session.scalars(select(Entry).where(Entry.event == "analysis.made")).one()
        row.body = (row.body or b"").replace(b"interrupted", b"continuous")
    with pytest.raises(IntegrityError):
        run(bureau)


def test_a_removed_entry_gives_no_disc(bureau: Bureau) -> None:
    with bureau.catalogue.write() as session:
        session.delete(session.scalars(select(Entry).where(Entry.event == "excuse.made")).one())
    with pytest.raises(IntegrityError) as caught:
        run(bureau)
    assert "保管链" in caught.value.zh


def test_events_are_waited_for(bureau: Bureau) -> None:
    """One that is recorded but not published yet is published by then, and on the disc."""
    bureau.record("view.opened", {"grant": "g", "request": "r", "original": "o"}, Actor("user", "requester"))
    bureau.sequencer.start()
    row = export(bureau)
    with bureau.catalogue.read() as session:
        made = session.scalars(select(Entry).where(Entry.event == "view.opened")).one()
    assert made.index is not None
    assert row.size


def test_too_little_space_is_tried_again_later(bureau: Bureau) -> None:
    settings = bureau.settings.model_copy(update={"min_free": shutil.disk_usage("/").total * 2})
    made = MakeExport(bureau.catalogue, bureau.tiers, bureau.sequencer, settings, bureau.policy.retention, bureau.clock)
    with pytest.raises(Transient):
        made.run(Job(subject=bureau.request), lambda _: None)
