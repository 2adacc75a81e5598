"""The jobs ANALYSE and DEEP: check a recording's continuity, within its files, across them and across the device's
dockings. ANALYSE reads without decoding, so that the verdict comes fast; DEEP decodes as well, when nothing else is to
be done, and adds what it finds as a new analysis.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.check import check_files
from pipeline.continuity.profile import Profile
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import of_findings, worst
from pipeline.derive import json_digest
from pipeline.intake import original_key
from pipeline.jobs import Finish, Progress
from pipeline.known import Known, known_of
from pipeline.officers import certified
from pipeline.policy import Deep
from pipeline.tier import queue_keeping
from pipeline.wearers import set_officer
from storage.blobs.contract import BlobStore
from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Analysis, Job, Original, Recording
from storage.clock import Clock, iso, new_id
from storage.errors import IntegrityError
from storage.records import Actor, CustodyEvent, JobKind, MediaKind, Severity, Verdict

SERVICE = Actor("service", "analyse")
T = TypeVar("T")
_NICE = 10  # of the second look: pages and quick checks come first


@dataclass(frozen=True, slots=True)
class Rules:
    """How recordings are checked. `hand_over`: how long listed files may take to arrive (UP-24H). `trusted`:
    certificates (PEM) that vouch for signing cameras. `deep_seconds`: of processor time for decoding one file. `zone`:
    the bureau's. `uncertified`: what a missing certificate of the officer weighs (REC-CERTIFIED).
    """

    thresholds: Thresholds = field(default_factory=Thresholds)
    hand_over: timedelta = timedelta(hours=24)
    trusted: tuple[str, ...] = ()
    deep: Deep = Deep.OFF
    deep_seconds: int = 7200
    zone: tzinfo = UTC
    uncertified: Severity | None = Severity.NOTE


class Analyse:
    """Handlers of the jobs ANALYSE and DEEP. Their subject is the recording."""

    def __init__(self, catalogue: Catalogue, tiers: Mapping[str, BlobStore], rules: Rules, clock: Clock) -> None:
        self._catalogue, self._tiers, self._rules, self._clock = catalogue, tiers, rules, clock

    def run(self, job: Job, progress: Progress) -> Finish:
        """Check all originals of the recording that are there now; a later segment brings a job of its own."""
        return self._again(job) if job.args.get("again") else self._look(job, progress, deep=False)

    def deep(self, job: Job, progress: Progress) -> Finish:
        """Decode them as well; nothing is done where others have come since the quick check: they bring a new one."""
        with self._catalogue.read() as session:
            now_there = known_of(session, job.subject).digests
        if now_there != frozenset(job.args["originals"]):
            return lambda session: None
        return _gently(lambda: self._look(job, progress, deep=True))

    def _look(self, job: Job, progress: Progress, *, deep: bool) -> Finish:
        with self._catalogue.read() as session:
            known = known_of(session, job.subject)
        report = self._check(known, progress, deep=deep)

        def finish(session: Session) -> None:
            self._look_again(session, job.subject, known)
            if known_of(session, job.subject).digests == known.digests:
                self._write(session, job.subject, known, report)

        return finish

    def _again(self, job: Job) -> Finish:
        """Conclude anew from what the catalogue knows besides the files; they are not read."""

        def finish(session: Session) -> None:
            seen = dict(session.get_one(Recording, job.subject).report or {})
            if seen.pop("docking", None) is not None:
                self._write(session, job.subject, known_of(session, job.subject), seen, decode=False)

        return finish

    def _check(self, known: Known, progress: Progress, *, deep: bool) -> dict[str, Any]:
        rules = self._rules
        with contextlib.ExitStack() as stack:
            paths = [
                stack.enter_context(self._tiers[original.tier].local_path(original_key(original.sha256)))
                for original in known.originals
            ]
            report = check_files(
                paths,
                names=[original.name for original in known.originals],
                thresholds=rules.thresholds,
                device=known.device,
                beside=[line.path for line in known.history],
                progress=progress,
                trusted=rules.trusted,
                deep=deep,
                deep_seconds=rules.deep_seconds,
            ).as_json()
        for original, file in zip(known.originals, report["files"], strict=True):
            if file["sha256"] != original.sha256:
                raise _changed(original)
        return report | {"deep": deep, "profile": _used(known.device)}

    def _look_again(self, session: Session, recording_id: str, known: Known) -> None:
        """When the time of files that belong to the recording and are not here yet runs out."""
        now = self._clock()
        later = [moment for moment in known.due(self._rules.hand_over) if moment >= now]
        if later:
            at = max(later) + timedelta(minutes=1)
            key = f"analyse:{recording_id}:{iso(at)}"
            job_table.enqueue(session, JobKind.ANALYSE, recording_id, key=key, now=now, run_at=at)

    def _write(
        self, session: Session, recording_id: str, known: Known, seen: dict[str, Any], *, decode: bool = True
    ) -> None:
        recording, now = session.get_one(Recording, recording_id), self._clock()
        report = _with_older(session, recording, seen)
        newest = known_of(session, recording_id)
        recording.kind, recording.started, recording.duration = _facts(report)
        set_officer(session, recording, now, SERVICE)
        found = newest.docked(report, now, self._rules.hand_over)
        found += certified(session, recording, self._rules.zone, self._rules.uncertified)
        docking = {"findings": [finding.as_json() for finding in found], "listed": bool(newest.own)}
        report = report | {"docking": docking}
        if recording.report == report:
            return
        verdict = worst([*_verdicts(report), of_findings(found)])
        session.add(Analysis(id=new_id(), recording_id=recording_id, verdict=verdict.value, report=report, made=now))
        recording.report, recording.verdict = report, verdict.value
        custody.record(session, _analysed(recording, report, verdict, now))
        for file in report["files"]:
            if file["verdict"] != Verdict.UNREADABLE:
                sha256 = file["sha256"]
                job_table.enqueue(session, JobKind.ACCESS, sha256, key=f"access:{sha256}", now=now)
        if decode and not report["deep"] and _worth_decoding(self._rules.deep, report):
            self._queue_deep(session, recording, known, now)
        queue_keeping(session, recording, now)

    def _queue_deep(self, session: Session, recording: Recording, known: Known, now: datetime) -> None:
        key = f"deep:{recording.id}:{json_digest(recording.report or {})}"
        args = {"originals": sorted(known.digests)}
        job_table.enqueue(session, JobKind.DEEP, recording.id, key=key, now=now, args=args)


def _gently(work: Callable[[], T]) -> T:
    """In a thread of lower priority, which the children and threads that it starts take over (setpriority(2))."""
    with ThreadPoolExecutor(1, initializer=_give_way) as thread:
        return thread.submit(work).result()


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _used(profile: Profile | None) -> dict[str, Any] | None:
    """Which device profile the files were held against; None: none."""
    if profile is None:
        return None
    return {
        "serial": profile.serial,
        "model": profile.model,
        "files": len(profile.files),
        "learned": profile.learned,
        "borrowed": profile.borrowed,
    }


def _with_older(session: Session, recording: Recording, seen: dict[str, Any]) -> dict[str, Any]:
    """What was decoded before still holds when a quick check sees again what the quick check before it saw."""
    if seen["deep"] or not (recording.report or {}).get("deep"):
        return seen
    made = select(Analysis).where(Analysis.recording_id == recording.id).order_by(Analysis.id.desc())
    before = next((each.report for each in session.scalars(made) if not each.report.get("deep")), {})
    same = all(before.get(name) == value for name, value in seen.items())
    return {**(recording.report or {})} if same else seen


def _worth_decoding(deep: Deep, report: Mapping[str, Any]) -> bool:
    """Decoding shows where a recording that was written anew is cut, and of others what no counter shows."""
    lasting = any(
        file["verdict"] != Verdict.UNREADABLE and file["media"].get("kind") in (MediaKind.VIDEO, MediaKind.AUDIO)
        for file in report["files"]
    )
    if deep is Deep.SUSPICIOUS:
        found = [finding for part in (*report["files"], *report["series"]) for finding in part["findings"]]
        return lasting and any(finding["severity"] != Severity.NOTE for finding in found)
    return lasting and deep is Deep.ALL


def _changed(original: Original) -> IntegrityError:
    return IntegrityError(
        f"原件 {original.name} 的存储内容与入库时不符（{original.sha256}），未作检测；请立即核验数据目录。",
        f"the stored bytes of {original.name} are not what was received ({original.sha256}); nothing was concluded "
        "from them: verify the data directory at once",
    )


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
    payload = {"verdict": verdict.value, "report_sha256": json_digest(report), "findings": len(found)}
    return CustodyEvent(
        id=new_id(),
        event="analysis.made",
        time=now,
        actor=SERVICE,
        subject=f"recording:{recording.id}",
        payload=payload | {"deep": report["deep"]},
    )
