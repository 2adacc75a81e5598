"""The ANALYSE job: check a recording's continuity, within its files, across them and across the device's dockings."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.check import check_files
from pipeline.continuity.docking import DockedCopy, check_card_date, check_history, check_vanished
from pipeline.continuity.profile import Profile
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import of_findings, worst
from pipeline.derive import json_digest
from pipeline.history import kept, manifest_lines, mates
from pipeline.intake import original_key
from pipeline.jobs import Finish, Progress
from pipeline.profiles import for_device
from pipeline.tier import queue_keeping
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Analysis, Docking, Job, Original, Recording
from storage.clock import Clock, iso, new_id
from storage.errors import IntegrityError
from storage.records import Actor, CustodyEvent, Finding, JobKind, MediaKind, Verdict

SERVICE = Actor("service", "analyse")


class Analyse:
    """Handler of the job ANALYSE. Its subject is the recording."""

    def __init__(
        self,
        catalogue: Catalogue,
        tiers: Mapping[str, BlobStore],
        thresholds: Thresholds,
        clock: Clock,
        *,
        hand_over: timedelta = timedelta(hours=24),
    ) -> None:
        """`hand_over`: how long listed files may take to arrive (UP-24H)."""
        self._catalogue, self._tiers, self._thresholds, self._clock = catalogue, tiers, thresholds, clock
        self._hand_over = hand_over

    def run(self, job: Job, progress: Progress) -> Finish:
        """Check all originals of the recording that are there now; a later segment brings a job of its own."""
        with self._catalogue.read() as session:
            known = _known(session, job.subject)
        report = self._check(known, progress)
        now = self._clock()
        findings = [finding for copy in known.own for finding in check_history(copy, known.history)]
        findings += _card_dates(known, report)
        findings += check_vanished(known.awaited, known.arrived, now, self._hand_over)
        report["docking"] = {"findings": [finding.as_json() for finding in findings]}
        verdict = worst([*_verdicts(report), of_findings(findings)])

        def finish(session: Session) -> None:
            self._look_again(session, job.subject, known, now)
            self._write(session, job.subject, known.originals, report, verdict)

        return finish

    def _check(self, known: _Known, progress: Progress) -> dict[str, Any]:
        with contextlib.ExitStack() as stack:
            paths = [
                stack.enter_context(self._tiers[original.tier].local_path(original_key(original.sha256)))
                for original in known.originals
            ]
            report = check_files(
                paths,
                names=[original.name for original in known.originals],
                thresholds=self._thresholds,
                device=known.device,
                beside=[line.path for line in known.history],
                progress=progress,
            ).as_json()
        for original, file in zip(known.originals, report["files"], strict=True):
            if file["sha256"] != original.sha256:
                raise _changed(original)
        return report

    def _look_again(self, session: Session, recording_id: str, known: _Known, now: datetime) -> None:
        """When the time of those listed files runs out that belong to the recording and are not here yet."""
        due = [line.time + self._hand_over for line in known.awaited if line.sha256 not in known.arrived]
        later = [moment for moment in due if moment >= now]
        if later:
            at = max(later) + timedelta(minutes=1)
            key = f"analyse:{recording_id}:{iso(at)}"
            job_table.enqueue(session, JobKind.ANALYSE, recording_id, key=key, now=now, run_at=at)

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


@dataclass(frozen=True, slots=True)
class _Known:
    """What the catalogue knows of a recording: its originals, as their own dockings listed them (`own`), every line of
    the device's manifests (`history`), those that belong to the recording (`awaited`), digests of those that are here
    (`arrived`), and the device's profile.
    """

    originals: Sequence[Original]
    own: Sequence[DockedCopy]
    history: Sequence[DockedCopy]
    awaited: Sequence[DockedCopy]
    arrived: Collection[str]
    device: Profile | None


def _known(session: Session, recording_id: str) -> _Known:
    originals = _originals(session, recording_id)
    dockings = [each.docking_id for each in originals if each.docking_id]
    serials = session.scalars(select(Docking.device_serial).where(Docking.id.in_(dockings)).distinct()).all()
    history = manifest_lines(session, serials)
    mine = {(each.docking_id, each.sha256) for each in originals}
    own = [line for line in history if (line.docking, line.sha256) in mine]
    awaited = mates(own, history)
    return _Known(
        originals=originals,
        own=own,
        history=history,
        awaited=awaited,
        arrived=kept(session, {line.sha256 for line in awaited}),
        device=for_device(session, session.get_one(Recording, recording_id).device_serial),
    )


def _card_dates(known: _Known, report: Mapping[str, Any]) -> list[Finding]:
    """The dates of the card against those inside the files."""
    listed = {line.sha256: line for line in known.own}
    findings: list[Finding] = []
    for file in report["files"]:
        media, line = file["media"], listed.get(file["sha256"])
        told = media.get("created") or (media["created_local"] + "Z" if media.get("created_local") else None)
        if line is not None and told:
            findings += check_card_date(line, datetime.fromisoformat(told), media.get("duration") or 0.0)
    return findings


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
