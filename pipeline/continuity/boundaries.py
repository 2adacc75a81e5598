"""Is time missing or doubled between the segments of one recording?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from pipeline.continuity.dates import compact
from pipeline.continuity.series import Member, Series
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_ZONE = 900  # seconds: time zones differ by quarters of an hour


def segment_gaps(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENT-GAP, SEGMENT-OVERLAP: the next segment's start against this one's start and duration.

    Most cameras date a segment by its start, some by its end; a name with the recording's start in it tells which. When
    only the less usual reading makes everything fit, a break is a suspicion and no proof. Cameras that give all
    segments one date (some GoPros) can't be checked this way.
    """
    if series.photos or not _dated(series):
        return
    by_end = _dates_are_ends(series)
    doubtful = not by_end and _name_tells(series) is None and _all_fit(series, limits, by_end=True)
    for before, after in series.pairs:
        if after.sequence == before.sequence + 1:
            yield from _boundary(series, before, after, _gap(before, after, by_end=by_end), limits, doubtful=doubtful)


def unchecked(series: Series) -> bool:
    """Whether the dates of the segments say nothing of the time between them."""
    return not series.photos and len(series.members) > 1 and not _dated(series)


def _dated(series: Series) -> bool:
    dates = [member.picture.created for member in series.members]
    known = all(date is not None for date in dates) and all(m.picture.media_duration for m in series.members)
    return known and len(set(dates)) > 1


def _gap(before: Member, after: Member, *, by_end: bool) -> float:
    """Seconds without footage between the two; negative where they overlap."""
    apart = float((after.picture.created or 0) - (before.picture.created or 0))
    return apart - ((after if by_end else before).picture.media_duration or 0.0)


def _all_fit(series: Series, limits: Thresholds, *, by_end: bool) -> bool:
    near = [p for p in series.pairs if p[1].sequence == p[0].sequence + 1]
    return all(abs(_gap(*pair, by_end=by_end)) <= limits.segment_gap_suspicion for pair in near)


def _dates_are_ends(series: Series) -> bool:
    return _name_tells(series) == "end"


def _name_tells(series: Series) -> str | None:
    """ "start" or "end": which of them the first segment's date is, by the recording's start in its name."""
    first = series.members[0]
    found = re.search(r"(?<!\d)(\d{8})[_-]?(\d{6})(?!\d)", PurePath(first.picture.name).stem)
    told = compact(found[1] + found[2]) if found else None
    if told is None or first.sequence > 1 or first.picture.created is None:
        return None
    off = first.picture.created - told.timestamp()
    for which, rest in (("start", off), ("end", off - (first.picture.media_duration or 0.0))):
        if abs((rest + _ZONE / 2) % _ZONE - _ZONE / 2) <= 2.5:
            return which
    return None


def _boundary(
    series: Series, before: Member, after: Member, gap: float, limits: Thresholds, *, doubtful: bool
) -> Iterator[Finding]:
    if abs(gap) <= limits.segment_gap_suspicion:
        return
    far = abs(gap) > limits.segment_gap
    first = series.members[0].picture.created or 0
    start = float((before.picture.created or 0) - first) + (before.picture.media_duration or 0.0)
    names = PurePath(before.picture.name).name, PurePath(after.picture.name).name
    zh, en = (
        (
            f"{names[0]} 与 {names[1]} 之间缺少 {gap:.1f} 秒录像",
            f"{gap:.1f} s are missing between {names[0]} and {names[1]}",
        )
        if gap > 0
        else (f"{names[0]} 与 {names[1]} 重叠 {-gap:.1f} 秒", f"{names[0]} and {names[1]} overlap by {-gap:.1f} s")
    )
    yield Finding(
        code="REC-CONTINUOUS/SEGMENT-GAP" if gap > 0 else "REC-CONTINUOUS/SEGMENT-OVERLAP",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if far and not doubtful else Severity.SUSPICION,
        start=round(min(start, start + gap), 3),
        end=round(max(start, start + gap), 3),
        zh=f"{zh}（录像开始后 {clock(start)}）。",
        en=f"{en} ({clock(start)} into the recording)",
        evidence={
            "before": before.picture.name,
            "after": after.picture.name,
            "created": [before.picture.created, after.picture.created],
            "duration": before.picture.media_duration,
            "gap": round(gap, 3),
        },
    )
