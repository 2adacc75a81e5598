"""From a picture to a report: runs every check, says what could not be checked, draws the verdict."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pipeline.continuity import (
    bitstream,
    boundaries,
    cadence,
    container,
    guard,
    joints,
    photos,
    profile,
    provenance,
    segments,
    series,
    signature,
    signers,
    squeezed,
    stillness,
    timeline,
    unchecked,
    uncounted,
)
from pipeline.continuity.model import Picture, Track
from pipeline.continuity.profile import Profile
from pipeline.continuity.report import FileReport, SeriesReport
from pipeline.continuity.thresholds import Thresholds
from storage.clock import iso
from storage.records import Axis, Finding, NotChecked, Severity, Verdict

CHECKS = (
    *timeline.CHECKS,
    *cadence.CHECKS,
    *squeezed.CHECKS,
    *bitstream.CHECKS,
    *container.CHECKS,
    *provenance.CHECKS,
    *stillness.CHECKS,
    *signature.CHECKS,
)

_MOST_ALIKE = 50  # findings of one code in a report; the rest are counted
_ORDER = (Verdict.UNREADABLE, Verdict.ALTERED, Verdict.INTERRUPTED, Verdict.REVIEW, Verdict.CONTINUOUS)


def judge(picture: Picture, sha256: str, limits: Thresholds, device: Profile | None = None) -> FileReport:
    """The report on one file. `device`: the profile of the device it is said to come from."""
    if picture.problem:
        findings: tuple[Finding, ...] = (_unreadable(picture.problem),)
        verdict = Verdict.UNREADABLE
    else:
        found = list(signers.in_its_light(_found(picture, limits, device), picture))
        findings = tuple(_bounded([*found, *joints.joints(found, picture, limits)]))
        verdict = of_findings(findings)
    return FileReport(picture.name, sha256, media(picture), verdict, findings, tuple(not_checked(picture, device)))


def _checks(picture: Picture) -> Sequence[Callable[[Picture, Thresholds], Iterator[Finding]]]:
    """All checks that this picture has something for."""
    if picture.content is None:
        return CHECKS
    from pipeline.continuity import deep  # brings numpy: only where something was decoded

    return (*CHECKS, *deep.CHECKS)


def _found(picture: Picture, limits: Thresholds, device: Profile | None) -> Iterator[Finding]:
    if device is None:
        yield from (finding for check in _checks(picture) for finding in guard.run(check, picture, limits))
        return
    own = profile.limits_for(device, limits)
    yield from profile.in_its_light((f for check in _checks(picture) for f in guard.run(check, picture, own)), device)
    yield from guard.run(profile.compare, picture, device)


def of_findings(findings: Iterable[Finding]) -> Verdict:
    """Altered before interrupted before review: what weighs most names the whole."""
    found = list(findings)
    broken = {finding.axis for finding in found if finding.severity is Severity.VIOLATION}
    if broken - {Axis.TIMELINE}:
        return Verdict.ALTERED
    if broken:
        return Verdict.INTERRUPTED
    return Verdict.REVIEW if any(f.severity is Severity.SUSPICION for f in found) else Verdict.CONTINUOUS


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    return min(verdicts, key=_ORDER.index, default=Verdict.CONTINUOUS)


def _unreadable(problem: tuple[str, str]) -> Finding:
    return Finding(
        code="REC-TRUE/UNREADABLE",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh=f"无法读取：{problem[0]}",
        en=f"unreadable: {problem[1]}",
    )


def _bounded(findings: Iterable[Finding]) -> Iterable[Finding]:
    """At most _MOST_ALIKE of each code: a crafted file must not make a report of gigabytes."""
    count: Counter[str] = Counter()
    for finding in findings:
        count[finding.code] += 1
        if count[finding.code] <= _MOST_ALIKE:
            yield finding
    for code, number in count.items():
        if number > _MOST_ALIKE:
            yield _more(code, number - _MOST_ALIKE)


def _more(code: str, number: int) -> Finding:
    return Finding(
        code=f"{code}/MORE",
        axis=Axis.FILE,
        severity=Severity.NOTE,
        zh=f"同类发现另有 {number} 处，未逐一列出。",
        en=f"{number} more findings of this kind are not listed",
        evidence={"not_listed": number},
    )


def not_checked(picture: Picture, device: Profile | None = None) -> list[NotChecked]:
    """What this version or this file leaves open, so that silence is never taken for a pass."""
    if picture.problem:
        return [NotChecked("all", "the file could not be read", "文件无法读取，均未检查")]
    skipped = [*_by_nature(picture), *(profile.reservations(picture, device) if device else _NO_PROFILE)]
    if not picture.isolated:
        why = f"the file was read without isolation: {picture.why_not}"
        skipped.append(NotChecked("sandbox", why, "未能在隔离环境中读取该文件"))
    if "Liuhen:ExifToolFailed" in picture.metadata.tags:
        skipped.append(NotChecked("metadata", "exiftool could not read this file", "元数据无法读取"))
    return skipped


def _by_nature(picture: Picture) -> Iterable[NotChecked]:
    yield from signers.not_checked(picture)
    if picture.photo:
        yield NotChecked("picture", "photos are not decoded in this version", "照片画面：本版本不解码")
        return
    yield from unchecked.of_content(picture)
    for track in picture.of_kind("video"):
        yield from uncounted.of_video(track)
    for track in picture.of_kind("audio"):
        yield from uncounted.of_audio(track)
    yield from unchecked.of_container(picture)
    if not picture.telemetry.fixes and not picture.telemetry.counters:
        why = picture.telemetry.unread or "the file holds no GPS or sensor data that could be read"
        zh = "未能在限定时间内读取" if picture.telemetry.unread else "文件中没有可读取的"
        yield NotChecked("telemetry", why, f"GPS 与传感器数据：{zh}")


_NO_PROFILE = (
    NotChecked(
        "device-profile",
        "no profile of the device is at hand: traces of software are suspicions only",
        "设备特征：没有该设备的档案，软件痕迹只作疑点",
    ),
)


def media(picture: Picture) -> dict[str, Any]:
    """Facts about the file as plain JSON: the `media` object of a report."""
    return {
        "kind": picture.kind,
        "size": picture.size,
        "format": picture.format or None,
        "duration": _rounded(picture.media_duration if picture.media_duration is not None else picture.duration),
        "created": iso(picture.moment) if picture.moment else None,
        "created_local": _local(picture),
        "device": {
            "make": picture.metadata.make or None,
            "model": picture.metadata.model or None,
            "serial": picture.metadata.serial or None,
        },
        "position": _position(picture),
        "streams": [_stream(track) for track in picture.tracks],
        "isolated": picture.isolated,
    }


def _local(picture: Picture) -> str | None:
    """The camera's own time where its zone is not known, such as 2013-06-04T13:37:29."""
    taken = picture.metadata.taken
    return taken[0].strftime("%Y-%m-%dT%H:%M:%S") if taken and not taken[1] else None


def _position(picture: Picture) -> dict[str, float] | None:
    position = picture.metadata.position
    return {"latitude": position[0], "longitude": position[1]} if position else None


def _stream(track: Track) -> dict[str, Any]:
    facts = dataclasses.asdict(track.stream)
    kept = ("index", "kind", "codec", "packets", "frame_rate", "width", "height", "sample_rate", "channels")
    span = {"start": _rounded(track.start), "end": _rounded(track.end), "bytes": sum(track.packets.size)}
    return {name: facts[name] for name in kept if facts[name] is not None} | span


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


SERIES_CHECKS = (
    series.missing_numbers,
    series.first_missing,
    series.same_number,
    series.renamed,
    series.foreign_device,
    series.other_coding,
    boundaries.segment_gaps,
    *segments.CHECKS,
    *photos.CHECKS,
)


def judge_series(
    pictures: Sequence[Picture], reports: Sequence[FileReport], limits: Thresholds, beside: Iterable[str] = ()
) -> list[SeriesReport]:
    """The series among the files (`reports` in the order of `pictures`), each with its own findings.

    `beside`: names of further files that lay with these.
    """
    return [_judge_one(each, reports, limits) for each in series.group(pictures, beside)]


def _across(each: series.Series) -> Sequence[Callable[[series.Series, Thresholds], Iterator[Finding]]]:
    """All checks that these files have something for."""
    if not any(member.picture.content for member in each.members):
        return SERIES_CHECKS
    from pipeline.continuity import deep

    return (*SERIES_CHECKS, *deep.SERIES_CHECKS)


def _judge_one(each: series.Series, reports: Sequence[FileReport], limits: Thresholds) -> SeriesReport:
    findings = tuple(_bounded(finding for check in _across(each) for finding in guard.run(check, each, limits)))
    members = [reports[member.index] for member in each.members]
    verdict = worst([of_findings(findings), *(report.verdict for report in members)])
    open_questions = [_UNDATED] if boundaries.unchecked(each) else []
    return SeriesReport(each.key, tuple(r.path for r in members), verdict, findings, tuple(open_questions))


_UNDATED = NotChecked(
    "segment-times",
    "the segments carry no dates, or one date for all: time between them is unknown",
    "分段之间的时间：分段没有各自的日期",
)
