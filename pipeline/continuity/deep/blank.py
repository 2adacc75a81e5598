"""Stretches in which the picture shows nothing at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.continuity.content import Sight
from pipeline.continuity.deep.frozen import runs
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_UNIFORM = 1.5  # luma, standard deviation over the picture: one colour
_NOISELESS = 0.02  # luma: pictures that don't differ at all
_SHOWING = 8.0  # luma, standard deviation of an ordinary picture
_AT_ONCE = 2  # pictures within which the picture goes


def blank(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/BLANK: one colour for a while.

    A covered lens darkens over several pictures and the sensor's noise goes on: a note. From one picture to the next
    and without any noise it was not the lens: a suspicion.
    """
    sight = picture.content.sight if picture.content else None
    if sight is None or not len(sight.time):
        return
    for first, last in runs(sight.spread < _UNIFORM):
        start = float(sight.time[first])
        end = float(sight.time[last]) if last < len(sight.time) else float(sight.time[-1])
        if end - start >= limits.blank:
            yield _finding(sight, start, end, first, last)


def _finding(sight: Sight, start: float, end: float, first: int, last: int) -> Finding:
    noiseless = float(np.median(sight.step[first + 1 : last])) < _NOISELESS if last - first > 2 else False
    sudden = _sudden(sight, first - 1, -1) or _sudden(sight, last, 1)
    whole = first == 0 and last == len(sight.time)
    made = noiseless and sudden and not whole
    zh, en = (
        ("突然变为无噪点的单一颜色，不像镜头被遮挡", "suddenly, and without a sensor's noise: not like a covered lens")
        if made
        else ("可能是镜头被遮挡或环境黑暗", "the lens may have been covered or the place dark")
    )
    return Finding(
        code="REC-CONTINUOUS/BLANK",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION if made else Severity.NOTE,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(start)} 至 {clock(end)} 画面为空白，{zh}。",
        en=f"the picture is blank from {clock(start)} to {clock(end)}; {en}",
        evidence={
            "stream": sight.stream,
            "pictures": last - first,
            "luma": round(float(np.median(sight.luma[first:last])), 1),
            "noiseless": noiseless,
            "sudden": sudden,
        },
    )


def _sudden(sight: Sight, at: int, way: int) -> bool:
    """Whether an ordinary picture is within two of the blank ones."""
    near = [at + way * step for step in range(_AT_ONCE)]
    return any(0 <= number < len(sight.spread) and sight.spread[number] > _SHOWING for number in near)


CHECKS = (blank,)
