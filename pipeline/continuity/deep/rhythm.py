"""Pictures left out or repeated at a regular pace: another frame rate was made of the recording, or it was sped up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import REFRESH, REPEATED, Sight
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_LONGEST = 30  # pictures from one that is left out, or repeated, to the next
_FEWEST = 10  # of them
_MOVING = 1.0  # luma, median step: in a still scene a step twice as long can't be told from noise
_REPEATED_MOST = 0.1  # of the pictures: with more the steps have a rhythm of their own
# By how much a step exceeds the mean of its neighbours, as a logarithm: 0.69 if it is twice as long. Clips with one
# picture in 4 to 11 left out: 0.4 to 0.66, in 86 to 100 %; clips without: below 0.4, or at key pictures, or in < 75 %.
_TWICE, _SHARE = 0.4, 0.85
_ALWAYS, _MANY = 0.28, 15  # less is enough where none of so many leaves it: fast motion makes no step twice as long
_STANDING_OUT = np.log(1.2)
_KEYS = 0.5  # of the pictures in question are key pictures: those differ by themselves
_LATE = 1.4  # intervals: pictures that are missing from the timeline as well left a hole in it
_STEADY = 0.8  # of the distances between repeated pictures are the same


def thinned(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/THINNED: at every n-th picture the motion takes a double step while time takes a single one.

    Pictures were taken out evenly: footage was sped up, or its frame rate lowered and the rest put closer together.
    """
    sight = picture.content.sight if picture.content else None
    if sight is None or len(sight.time) < 2 * _FEWEST:
        return
    repeated, keys = (sight.flags & REPEATED) > 0, (sight.flags & REFRESH) > 0
    if float(np.median(sight.step[~repeated])) < _MOVING or repeated.mean() > _REPEATED_MOST:
        return
    period, phase, factor = _period(sight, repeated, np.zeros(len(keys), dtype=bool) if keys.all() else keys)
    if period and not _late(sight.time, period, phase):
        yield _thinned(sight, period, factor)


def _period(sight: Sight, repeated: NDArray[np.bool_], keys: NDArray[np.bool_]) -> tuple[int, int, float]:
    """(pictures from one double step to the next, the number of the first, its logarithm); (0, 0, 0) without any."""
    sizes = np.log(np.maximum(sight.step.astype(np.float64), 0.05))
    excess = np.full(len(sizes), np.nan)
    excess[1:-1] = sizes[1:-1] - (sizes[:-2] + sizes[2:]) / 2
    excess[repeated] = np.nan
    for period in range(3, min(_LONGEST, len(sizes) // _FEWEST) + 1):
        for phase in range(period):
            values = excess[phase::period]
            values = values[~np.isnan(values)]
            if len(values) < _FEWEST or keys[phase::period].mean() >= _KEYS:
                continue
            middle, share = float(np.median(values)), float((values > _STANDING_OUT).mean())
            always = middle >= _ALWAYS and share == 1 and len(values) >= _MANY
            if always or (middle >= _TWICE and share >= _SHARE):
                return period, phase, middle
    return 0, 0, 0.0


def _late(time: NDArray[np.float64], period: int, phase: int) -> bool:
    """Whether those pictures come later than the others do."""
    intervals = np.diff(time)
    return bool(np.median(intervals[(phase - 1) % period :: period]) > _LATE * np.median(intervals))


def _thinned(sight: Sight, period: int, factor: float) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/THINNED",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(float(sight.time[0]), 6),
        end=round(float(sight.time[-1]), 6),
        zh=f"每 {period} 帧画面的运动就跳过一帧，而时间没有跳过：画面可能被均匀删除（加速或降低帧率）。",
        en=f"every {period} pictures the motion leaves one out and time does not: "
        "pictures may have been taken out evenly (sped up, or of a higher rate)",
        evidence={"stream": sight.stream, "every": period, "step_times": round(float(np.exp(factor)), 2)},
    )


def padded(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/PADDED: every n-th picture is the one before again. Some devices do so; a note."""
    sight = picture.content.sight if picture.content else None
    places = np.flatnonzero(sight.flags & REPEATED) if sight else np.zeros(0, dtype=np.int64)
    if sight is None or len(places) <= _FEWEST:
        return
    distances, counts = np.unique(np.diff(places), return_counts=True)
    period = int(distances[counts.argmax()])
    if 2 <= period <= _LONGEST and counts.max() >= _STEADY * (len(places) - 1):
        yield Finding(
            code="REC-CONTINUOUS/PADDED",
            axis=Axis.TIMELINE,
            severity=Severity.NOTE,
            start=round(float(sight.time[places[0]]), 6),
            end=round(float(sight.time[places[-1]]), 6),
            zh=f"每 {period} 帧中有一帧与前一帧相同：画面来自较低的帧率。",
            en=f"one picture in {period} is the one before it again: they come from a lower frame rate",
            evidence={"stream": sight.stream, "every": period, "pictures": len(places)},
        )


CHECKS = (thinned, padded)
