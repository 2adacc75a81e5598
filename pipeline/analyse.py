"""The ANALYSE job: check a recording's continuity, within its files, across them and across the device's dockings."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.check import check_files
from pipeline.continuity.docking import DockedCopy, check_history
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import of_findings, worst
from pipeline.derive import json_digest
from pipeline.intake import original_key
from pipeline.jobs import Finish, Progress
from pipeline.tier import queue_keeping
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Analysis, DockedFile, Docking, Job, Original, Recording
from storage.clock import Clock, new_id
from storage.errors import IntegrityError
from storage.records import Actor, CustodyEvent, JobKind, MediaKind, Verdict

SERVICE = Actor("service", "analyse")


class Analyse:
    """Handler of the job ANALYSE. Its subject is the recording."""

    def __init__(
        self, catalogue: Catalogue, tiers: Mapping[str, BlobStore], thresholds: Thresholds, clock: Clock
    ) -> None:
        self._catalogue, self._tiers, self._thresholds, self._clock = catalogue, tiers, thresholds, clock

    def run(self, job: Job, progress: Progress) -> Finish:
        """Check all originals of the recording that are there now; a later segment brings a job of its own."""
        with self._catalogue.read() as session:
            originals = _originals(session, job.subject)
            own, history = _history(session, originals)
        report = self._check(originals, progress)
        findings = [finding for copy in own for finding in check_history(copy, history)]
        report["docking"] = {"findings": [finding.as_json() for finding in findings]}
        verdict = worst([*_verdicts(report), of_findings(findings)])
        return lambda session: self._write(session, job.subject, originals, report, verdict)

    def _check(self, originals: Sequence[Original], progress: Progress) -> dict[str, Any]:
        with contextlib.ExitStack() as stack:
            paths = [
                stack.enter_context(self._tiers[original.tier].local_path(original_key(original.sha256)))
                for original in originals
            ]
            names = [original.name for original in originals]
            report = check_files(paths, names=names, thresholds=self._thresholds, progress=progress).as_json()
        for original, file in zip(originals, report["files"], strict=True):
            if file["sha256"] != original.sha256:
                raise _changed(original)
        return report

    def _write(
        self,
        session: Session,
        recording_id: str,
        originals: Sequence[Original],
        report: dict[str, Any],
        verdict: Verdict,
    ) -> None:
        recording = session.get_one(Recording, recording_id)
        if {each.sha256 for each in _originals(session, recording_id)} != {each.sha256 for each in originals}:
            return  # a segment arrived meanwhile; its own job sees all of them
        if recording.report == report:
            return
        now = self._clock()
        session.add(Analysis(id=new_id(), recording_id=recording_id, verdict=verdict.value, report=report, made=now))
        recording.report, recording.verdict = report, verdict.value
        recording.kind, recording.started, recording.duration = _facts(report)
        custody.record(session, _analysed(recording, report, verdict, now))
        for file in report["files"]:
            if file["verdict"] != Verdict.UNREADABLE:
                sha256 = file["sha256"]
                job_table.enqueue(session, JobKind.ACCESS, sha256, key=f"access:{sha256}", now=now)
        queue_keeping(session, recording, now)


def _changed(original: Original) -> IntegrityError:
    return IntegrityError(
        f"原件 {original.name} 的存储内容与入库时不符（{original.sha256}），未作检测；请立即核验数据目录。",
        f"the stored bytes of {original.name} are not what was received ({original.sha256}); nothing was concluded "
        "from them: verify the data directory at once",
    )


def _originals(session: Session, recording_id: str) -> Sequence[Original]:
    query = select(Original).where(Original.recording_id == recording_id)
    return session.scalars(query.order_by(Original.sequence, Original.name, Original.sha256)).all()


def _history(session: Session, originals: Sequence[Original]) -> tuple[list[DockedCopy], list[DockedCopy]]:
    """The originals as their own dockings listed them, and every line of every manifest of the device."""
    mine = {(each.docking_id, each.sha256) for each in originals}
    dockings = [each.docking_id for each in originals if each.docking_id]
    serials = select(Docking.device_serial).where(Docking.id.in_(dockings))
    rows = session.execute(
        select(DockedFile, Docking.station_time)
        .join(Docking, Docking.id == DockedFile.docking_id)
        .where(DockedFile.device_serial.in_(serials))
        .order_by(Docking.station_time, DockedFile.path)
    ).all()
    lines = [DockedCopy(file.docking_id, time, file.path, file.sha256, file.modified) for file, time in rows]
    return [line for line in lines if (line.docking, line.sha256) in mine], lines


def _verdicts(report: Mapping[str, Any]) -> list[Verdict]:
    """Of every file and series. One unreadable file among readable ones is a matter to review, not the whole."""
    files = [Verdict(file["verdict"]) for file in report["files"]]
    if any(verdict is not Verdict.UNREADABLE for verdict in files):
        files = [Verdict.REVIEW if verdict is Verdict.UNREADABLE else verdict for verdict in files]
        return files + [Verdict(series["verdict"]) for series in report["series"] if series["verdict"] != "unreadable"]
    return files


def _facts(report: Mapping[str, Any]) -> tuple[str, datetime | None, float | None]:
    """Kind, start and length in seconds of the recording, over all its files."""
    media = [file["media"] for file in report["files"]]
    kinds = [each["kind"] for each in media if each.get("kind") not in (None, "unknown")]
    created = [datetime.fromisoformat(each["created"]) for each in media if each.get("created")]
    durations = [each["duration"] for each in media if each.get("duration") is not None]
    kind = kinds[0] if kinds else MediaKind.UNKNOWN.value
    return kind, min(created, default=None), sum(durations) if durations else None


def _analysed(recording: Recording, report: Mapping[str, Any], verdict: Verdict, now: datetime) -> CustodyEvent:
    found = [
        finding for part in (*report["files"], *report["series"], report["docking"]) for finding in part["findings"]
    ]
    return CustodyEvent(
        id=new_id(),
        event="analysis.made",
        time=now,
        actor=SERVICE,
        subject=f"recording:{recording.id}",
        payload={"verdict": verdict.value, "report_sha256": json_digest(report), "findings": len(found)},
    )
