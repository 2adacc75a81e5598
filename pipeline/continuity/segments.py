"""Segments of one recording against each other, beyond their numbers and dates: is each in its place, and of it?"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import PurePath

from pipeline.continuity.model import Fix, Picture
from pipeline.continuity.series import Member, Series
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity


def out_of_order(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SEGMENT-ORDER: a segment begins before the one whose number comes before its own.

    Both dates are inside the files and from one clock: numbers were changed, or the clock was set back in between.
    """
    dated = [member for member in series.members if member.picture.created is not None]
    for before, after in pairwise(dated if not series.photos else []):
        back = (before.picture.created or 0) - (after.picture.created or 0)
        if back > limits.segment_gap and after.sequence > before.sequence:
            yield Finding(
                code="REC-TRUE/SEGMENT-ORDER",
                axis=Axis.TIMELINE,
                severity=Severity.VIOLATION,
                zh=f"{_name(after)} 的编号在 {_name(before)} 之后，开始时间却早 {back} 秒：分段被改名或调换。",
                en=f"{_name(after)} comes after {_name(before)} by its number and begins {back} s before it: "
                "segments were renamed or exchanged",
                evidence={
                    "before": before.picture.name,
                    "after": after.picture.name,
                    "created": [before.picture.created, after.picture.created],
                },
            )


def same_content(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SAME-CONTENT: two segments hold the same pictures and sound, packet for packet."""
    seen: dict[bytes, Member] = {}
    for member in series.members if not series.photos else ():
        content = _content(member.picture)
        if content and content in seen:
            yield Finding(
                code="REC-TRUE/SAME-CONTENT",
                axis=Axis.FILE,
                severity=Severity.VIOLATION,
                zh=f"{_name(member)} 与 {_name(seen[content])} 的内容相同，其中之一是另一段的副本。",
                en=f"{_name(member)} and {_name(seen[content])} have the same content: one is a copy of the other",
                evidence={"files": [seen[content].picture.name, member.picture.name]},
            )
        seen.setdefault(content, member)


def _content(picture: Picture) -> bytes:
    """The sizes of all packets: no two recordings of a hundred packets have the same. Uncompressed sound has."""
    told = [track.packets.size for track in picture.tracks if len(set(track.packets.size)) > 10]
    return b"".join(sizes.tobytes() for sizes in told) if sum(map(len, told)) >= 100 else b""


def other_maker(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/DEVICE-CHANGED: segments of one recording name different makes or models."""
    devices = {(m.picture.metadata.make, m.picture.metadata.model): m.picture.name for m in series.members}
    named = {f"{make} {model}".strip(): name for (make, model), name in devices.items() if make or model}
    if len(named) > 1 and not series.photos:
        listed = sorted(named)
        yield Finding(
            code="REC-TRUE/DEVICE-CHANGED",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION,
            zh=f"同一录像的分段来自不同型号的设备：{'、'.join(listed)}。",
            en=f"segments of one recording come from devices of different models: {', '.join(listed)}",
            evidence={"devices": named},
        )


def receiver_gaps(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENT-GPS-GAP: by the satellite receiver's clock, time is missing between two segments.

    It does not depend on the dates in the headers, which anybody can set.
    """
    for before, after in series.pairs if not series.photos else ():
        ends, begins = _receiver_time(before.picture, last=True), _receiver_time(after.picture, last=False)
        if ends is None or begins is None or after.sequence != before.sequence + 1:
            continue
        gap = begins - ends
        if abs(gap) > limits.telemetry_drift:
            zh, en = ("相隔", "apart") if gap > 0 else ("重叠", "over each other")
            yield Finding(
                code="REC-CONTINUOUS/SEGMENT-GPS-GAP",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                zh=f"按卫星时间，{_name(before)} 与 {_name(after)} {zh} {abs(gap):.1f} 秒。",
                en=f"by the receiver's clock, {_name(before)} and {_name(after)} lie {abs(gap):.1f} s {en}",
                evidence={"before": before.picture.name, "after": after.picture.name, "gap": round(gap, 3)},
            )


def _receiver_time(picture: Picture, *, last: bool) -> float | None:
    """The receiver's time at the end (`last`) or the beginning of the footage, from its nearest position."""
    fixes = [fix for fix in picture.telemetry.fixes if fix.at is not None and fix.locked is not False]
    shown = [track for track in picture.of_kind("video") if track.start is not None and track.end is not None]
    if not fixes or not shown:
        return None
    nearest: Fix = fixes[-1] if last else fixes[0]
    edge = max(t.end or 0.0 for t in shown) if last else min(t.start or 0.0 for t in shown)
    return nearest.time + edge - (nearest.at or 0.0)


def counts_go_on(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENT-COUNT: a sensor's running count does not go on from one segment to the next.

    Only in cameras that count through: one that begins at 0 in every segment says nothing.
    """
    for before, after in series.pairs if not series.photos else ():
        totals = {counter.sensor: counter.total for counter in before.picture.telemetry.counters}
        firsts = {c.sensor: c.first for c in after.picture.telemetry.counters if c.first > 0 and c.sensor in totals}
        jumps = {sensor: first - totals[sensor] for sensor, first in firsts.items() if first != totals[sensor]}
        if len(jumps) > 1 and after.sequence == before.sequence + 1:
            yield Finding(
                code="REC-CONTINUOUS/SEGMENT-COUNT",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                zh=f"{_name(before)} 与 {_name(after)} 之间传感器的累计采样数不连续，之间可能缺少内容。",
                en=f"the sensors' running counts do not go on from {_name(before)} to {_name(after)}: "
                "something may be missing between them",
                evidence={"before": before.picture.name, "after": after.picture.name, "samples": jumps},
            )


def perhaps_more(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENTS-AFTER: the last segment is as long as the others, so that more may have followed."""
    lengths = [m.picture.media_duration for m in series.members]
    known = [length for length in lengths if length]
    if series.photos or len(known) < 3 or len(known) < len(lengths):
        return
    if max(known) - min(known) <= limits.segment_gap_suspicion:
        last = series.members[-1]
        yield Finding(
            code="REC-CONTINUOUS/SEGMENTS-AFTER",
            axis=Axis.TIMELINE,
            severity=Severity.NOTE,
            zh=f"最后一段 {_name(last)} 与其他各段一样长，其后可能还有分段。",
            en=f"the last segment, {_name(last)}, is as long as the others: more may have followed",
            evidence={"last": last.picture.name, "durations": [round(length, 1) for length in known]},
        )


def _name(member: Member) -> str:
    return PurePath(member.picture.name).name


CHECKS = (out_of_order, same_content, other_maker, receiver_gaps, counts_go_on, perhaps_more)
