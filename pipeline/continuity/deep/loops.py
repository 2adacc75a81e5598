"""Passages shown twice: a stretch of footage copied over another, or a loop."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import Sight
from pipeline.continuity.deep.frozen import runs
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

# How many of 64 signs differ. Copies encoded again (x264, CRF 23 to 30): change 2–9 in the middle, 90 % up to 15; look
# 0–2. Other passages of the same scene: change 21–37, look 0 where the camera stands still, 6 and more where it moves.
_ALIKE, _ALIKE_SHARE, _ALIKE_MEAN = 15, 0.8, 10.5
_LOOK, _LOOK_SHARE = 4, 0.9
_MOVING = 0.25  # luma, mean step: a still scene repeats itself without help
_SHOWN = 0.6  # of a passage's pictures must have changed at all
_FEWEST = 20  # pictures
_CHUNK, _CHUNK_LONG, _LONG = 16, 21, 200_000  # bits looked up at once; more of them in streams of so many pictures
_COMMON = 60  # pictures that share a chunk: more of them say nothing
_SEEDS = 4  # pictures that match at one distance before it is looked at closely
_MOST_DISTANCES = 200
_HABIT = 3  # distances at which one passage returns: a scene that repeats itself (a fan, a lamp), no copy


def repeated_passages(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/REPEATED-PASSAGE: the picture changes in the same way twice, for a second or longer.

    Compared are the signs of 64 sums over each picture's change, so a still scene can't match and a moving one only if
    it is the same footage.
    """
    sight = picture.content.sight if picture.content else None
    if sight is None or len(sight.time) < 50:
        return
    least = max(_FEWEST, round(limits.loop / _interval(sight)))
    found = [passage for lag in _distances(sight.change, least) for passage in _passages(sight, lag, least)]
    for first, last, lag in _apart(found):
        same = sum(1 for other in found if other[0] < last and first < other[1])
        if same < _HABIT:
            yield _finding(sight, first, last, lag)


def _interval(sight: Sight) -> float:
    return max(1e-3, float(np.median(np.diff(sight.time))))


def _distances(prints: NDArray[np.uint64], least: int) -> list[int]:
    """Numbers of pictures by which many pictures are like an earlier one, those with the most first."""
    width = _CHUNK if len(prints) < _LONG else _CHUNK_LONG
    mask = np.uint64((1 << width) - 1)
    places = np.flatnonzero(prints)
    lags = []
    for shift in range(0, 64 - width + 1, width):
        chunk = (prints[places] >> np.uint64(shift)) & mask
        order = np.argsort(chunk, kind="stable")
        first, second = _pairs(chunk[order], places[order])
        apart = second - first
        near = np.bitwise_count(prints[first] ^ prints[second]) <= _ALIKE
        lags.append(apart[near & (apart >= least)])
    values, counts = np.unique(np.concatenate(lags), return_counts=True)
    likely = np.argsort(-counts, kind="stable")[:_MOST_DISTANCES]
    return [int(values[n]) for n in likely if counts[n] >= _SEEDS]


def _pairs(chunk: NDArray[np.uint64], places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of places with the same chunk (sorted), but for chunks that too many share."""
    edges = np.flatnonzero(np.diff(chunk)) + 1
    starts, sizes = np.concatenate([[0], edges]), np.diff(np.concatenate([[0], edges, [len(chunk)]]))
    first, second = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for size in np.unique(sizes[(sizes > 1) & (sizes <= _COMMON)]):
        rows = places[starts[sizes == size][:, None] + np.arange(size)]
        one, other = np.triu_indices(size, 1)
        first.append(rows[:, one].ravel())
        second.append(rows[:, other].ravel())
    return np.concatenate(first), np.concatenate(second)


def _passages(sight: Sight, lag: int, least: int) -> Iterator[tuple[int, int, int]]:
    """(first, one after the last, distance): stretches whose pictures are like those `lag` later."""
    shown = (sight.change[:-lag] != 0) & (sight.change[lag:] != 0)
    change = np.bitwise_count(sight.change[:-lag] ^ sight.change[lag:])
    look = np.bitwise_count(sight.look[:-lag] ^ sight.look[lag:])
    for first, last in runs(_mostly((change <= _ALIKE) & (look <= _LOOK) & shown, shown)):
        moving = float(sight.step[first:last].mean()) >= _MOVING
        if last - first >= least and moving and _same(change[first:last], look[first:last], shown[first:last]):
            yield first, last, lag


def _same(change: NDArray[np.uint8], look: NDArray[np.uint8], shown: NDArray[np.bool_]) -> bool:
    change = change[shown]
    if shown.mean() < _SHOWN or change.mean() > _ALIKE_MEAN:
        return False
    return bool((change <= _ALIKE).mean() >= _ALIKE_SHARE and (look <= _LOOK).mean() >= _LOOK_SHARE)


def _mostly(like: NDArray[np.bool_], shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Like pictures and short interruptions between them: up to two pictures, and those without any change."""
    kept = like.copy()
    for first, last in runs(~like):
        if first > 0 and last < len(like) and (last - first <= 2 or not shown[first:last].any()):
            kept[first:last] = True
    return kept


def _apart(found: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """The longest passages that don't overlap."""
    kept: list[tuple[int, int, int]] = []
    for passage in sorted(found, key=lambda each: each[0] - each[1]):
        if all(passage[1] <= other[0] or passage[0] >= other[1] for other in kept):
            kept.append(passage)
    return sorted(kept)


def _finding(sight: Sight, first: int, last: int, lag: int) -> Finding:
    start, end = float(sight.time[first]), float(sight.time[last])
    again = float(sight.time[first + lag])
    return Finding(
        code="REC-CONTINUOUS/REPEATED-PASSAGE",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(again, 6),
        end=round(again + end - start, 6),
        zh=f"{clock(again)} 起 {end - start:.1f} 秒的画面与 {clock(start)} 起的画面相同：内容被重复使用。",
        en=f"the {end - start:.1f} s from {clock(again)} show the same pictures as those from {clock(start)}",
        evidence={"stream": sight.stream, "first": round(start, 3), "again": round(again, 3), "pictures": last - first},
    )


CHECKS = (repeated_passages,)
