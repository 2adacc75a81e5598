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

_QUIET, _QUIETEST = 0.1, 0.25  # of the usual step, and luma: still, whatever little an encoder adds; noise is more
_MOST_STILL = 0.3  # of the time: a stream that repeats more outside the run does so by habit (a phone of 2004: 85 %)
_ABRUPT = 8.0  # times the steps within: motion that ends and begins from one picture to the next
_LEAST_MOTION = 0.5  # luma, the step before and after: less is little that could stop …
_SOME_MOTION, _JUMP = 0.1, 3.0  # … but where the picture moves on by so many times the steps: time passed it by
_FEWEST = 12  # pictures
_SHOWING = 8.0  # luma, standard deviation: a picture of something, no covered lens
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
    quiet: NDArray[np.bool_] = ((sight.flags & REPEATED) > 0) | (sight.step < min(_QUIETEST, _QUIET * usual))
    quiet[0] = False
    return quiet


def runs(marks: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, one after the last) of each run of true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]]).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _stands_out(sight: Sight, quiet: NDArray[np.bool_], first: int, last: int, limits: Thresholds) -> bool:
    if float(np.median(sight.spread[first:last])) < _SHOWING:
        return False
    elsewhere = np.concatenate([quiet[:first], quiet[last:]])
    if len(elsewhere) < 2 * _NEIGHBOURS or float(elsewhere.mean()) > _MOST_STILL:
        return False
    still = float(np.median(sight.step[first:last]))
    beside = [_motion(sight.step[max(1, first - _NEIGHBOURS) : first]), _motion(sight.step[last + 1 :][:_NEIGHBOURS])]
    known = [motion for motion in beside if motion is not None]
    if len(known) < 2 and float(sight.time[last - 1] - sight.time[first]) < _EDGE * limits.frozen:
        return False
    sudden = all(motion >= max(_SOME_MOTION, _ABRUPT * still) for motion in known)
    jumps = last < len(sight.step) and float(sight.step[last]) >= _JUMP * max(known, default=np.inf)
    return bool(known) and sudden and (jumps or min(known) >= _LEAST_MOTION)


def _motion(steps: NDArray[np.float32]) -> float | None:
    return float(np.median(steps)) if len(steps) >= 2 else None


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
