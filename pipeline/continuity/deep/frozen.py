"""A picture that stands still while a camera's never quite does."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import HOP, REPEATED, Content, Sight
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_QUIET = 0.1  # of the usual step: still, whatever little an encoder adds
_MOST_STILL = 0.3  # of the time: a stream that repeats more outside the run does so by habit (a phone of 2004: 85 %)
_ABRUPT = 8.0  # times the steps within: motion that ends and begins from one picture to the next
_LEAST_MOTION = 0.5  # luma, the step before and after: below this there is little that could stop
_FEWEST = 12  # pictures
_EDGE = 2.0  # times as long at the very beginning or end, where cameras start and stop
_NEIGHBOURS = 5  # pictures before and after


def frozen(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/FROZEN: the picture stands still from one moment to the next, and moves again as suddenly.

    Sensor noise alone makes each picture of a camera differ; a still life filmed from a tripod differs little all the
    time, not suddenly. Streams that repeat pictures by habit are left out.
    """
    content = picture.content
    if not content or not content.sight or len(content.sight.time) < 4 * _NEIGHBOURS:
        return
    sight = content.sight
    quiet = _quiet(sight)
    for first, last in runs(quiet):
        start, end = float(sight.time[max(0, first - 1)]), float(sight.time[min(last, len(quiet) - 1)])
        if last - first >= _FEWEST and end - start >= limits.frozen and _stands_out(sight, quiet, first, last, limits):
            yield _finding(content, sight, start, end, last - first)


def _quiet(sight: Sight) -> NDArray[np.bool_]:
    steps = sight.step[(sight.flags & REPEATED) == 0]
    usual = float(np.median(steps)) if len(steps) else 0.0
    quiet: NDArray[np.bool_] = ((sight.flags & REPEATED) > 0) | (sight.step < _QUIET * usual)
    quiet[0] = False
    return quiet


def runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, one after the last) of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _stands_out(sight: Sight, quiet: NDArray[np.bool_], first: int, last: int, limits: Thresholds) -> bool:
    elsewhere = np.concatenate([quiet[:first], quiet[last:]])
    if len(elsewhere) < 2 * _NEIGHBOURS or float(elsewhere.mean()) > _MOST_STILL:
        return False
    before, after = sight.step[max(1, first - _NEIGHBOURS) : first], sight.step[last + 1 : last + 1 + _NEIGHBOURS]
    if len(before) < 2 or len(after) < 2:  # at an edge
        span = float(sight.time[last - 1] - sight.time[first])
        return span >= _EDGE * limits.frozen and _sudden(sight, first, last, before if len(before) >= 2 else after)
    return _sudden(sight, first, last, before) and _sudden(sight, first, last, after)


def _sudden(sight: Sight, first: int, last: int, beside: NDArray[np.float32]) -> bool:
    if not len(beside):
        return False
    still, moving = float(np.median(sight.step[first:last])), float(np.median(beside))
    return moving >= _LEAST_MOTION and moving >= _ABRUPT * still


def _finding(content: Content, sight: Sight, start: float, end: float, pictures: int) -> Finding:
    heard = _sound_goes_on(content, start, end)
    zh, en = ("，而声音仍在继续", " while the sound goes on") if heard else ("", "")
    return Finding(
        code="REC-CONTINUOUS/FROZEN",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(start)} 至 {clock(end)} 画面静止不动{zh}。",
        en=f"the picture stands still from {clock(start)} to {clock(end)}{en}",
        evidence={"stream": sight.stream, "pictures": pictures, "sound_goes_on": heard},
    )


def _sound_goes_on(content: Content, start: float, end: float) -> bool:
    if content.sound is None:
        return False
    first, last = (max(0, round((at - content.sound.start) / HOP)) for at in (start, end))
    zeros = content.sound.zero[first:last]
    return bool(len(zeros) and np.median(zeros) < 50)


CHECKS = (frozen,)
