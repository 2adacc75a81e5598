"""Do the pictures follow in the order in which the encoder counted them?

H.264 and HEVC count pictures for display (PicOrderCnt), MPEG-2 within each group (temporal_reference), MPEG-4 visual
and H.263 say when each is. A count that jumps where time goes on, or the other way round, shows what was taken out.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.continuity.coding import BOTTOM, FIELD, IDR, RESET, SPLICE, UNCOUNTED
from pipeline.continuity.model import DISCARD, UNKNOWN, Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_DEEP = 16  # pictures that may be decoded before one that is shown earlier (H.264 A.3.1: MaxDpbFrames)


@dataclass(frozen=True, slots=True)
class _Step:
    """From one picture to the next in the encoder's order: packets, counts, seconds (None where not known)."""

    before: int
    after: int
    counts: int
    seconds: float | None


def picture_order(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/PICTURE-ORDER: the encoder's picture count jumps, and not because time does.

    Some encoders count pictures, others (phones) time: a step must agree with the usual step or with the timestamps.
    Both must do so nearly everywhere, else the count proves nothing.
    """
    for track in picture.of_kind("video"):
        steps = _steps(track)
        if len(steps) < limits.order_steps:
            continue
        usual = Counter(step.counts for step in steps).most_common(1)[0][0]
        breaks = _breaks(track, steps, usual)
        if usual <= 0 or len(breaks) > max(limits.few_breaks, limits.few_breaks_share * len(steps)):
            continue
        for step in breaks:
            yield _break(track, step, usual)


def _steps(track: Track) -> list[_Step]:
    """Within runs of one count, in its order as far as decoding can reorder pictures."""
    steps: list[_Step] = []
    for run in _runs(track):
        ordered = _ordered(run)
        steps += [_step(track, before, after) for before, after in pairwise(ordered)]
    return steps


def _runs(track: Track) -> Iterator[list[tuple[int, int]]]:
    """(count, packet) of the pictures from where the count begins to where it begins anew, in order of decoding.

    The second field of a frame is left out.
    """
    if not track.slices or not track.coding or not track.coding.order_modulus:
        return
    run: list[tuple[int, int]] = []
    first = 0  # flags and frame_num of a first field
    frame_num = -1
    for number, (count, flags) in enumerate(zip(track.slices.order, track.slices.flags, strict=True)):
        if count == UNCOUNTED:
            continue
        if flags & (IDR | RESET) and run:
            yield run
            run = []
        pair = first & FIELD and flags & FIELD and (first ^ flags) & BOTTOM
        if pair and frame_num == track.slices.frame_num[number]:
            first = 0
            continue
        first, frame_num = flags, track.slices.frame_num[number]
        run.append((count, number))
    yield run


def _ordered(run: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """By count, but moved by no more than _DEEP places."""
    if all(before < after for before, after in pairwise(run)):
        return list(run)
    waiting: list[tuple[int, int]] = []
    ordered = []
    for each in run:
        if len(waiting) < _DEEP:
            heapq.heappush(waiting, each)
        else:
            ordered.append(heapq.heappushpop(waiting, each))
    return ordered + [heapq.heappop(waiting) for _ in range(len(waiting))]


def _step(track: Track, before: tuple[int, int], after: tuple[int, int]) -> _Step:
    packets = track.packets
    ends = before[1], after[1]
    timed = all(packets.pts[n] != UNKNOWN and not packets.flags[n] & DISCARD for n in ends)
    seconds = (packets.pts[ends[1]] - packets.pts[ends[0]]) * track.tick if timed else None
    return _Step(*ends, after[0] - before[0], seconds)


def _breaks(track: Track, steps: Sequence[_Step], usual: int) -> list[_Step]:
    odd = [step for step in steps if step.counts != usual]
    unit = _unit(track, steps, usual) if odd else 0.0
    modulus = track.coding.order_modulus if track.coding else 0
    return [step for step in odd if not _in_time(step, unit, modulus)]


def _unit(track: Track, steps: Sequence[_Step], usual: int) -> float:
    """Seconds of one count: as the stream says, else by the median of the usual steps; 0 where there are no times."""
    if track.coding and track.coding.order_tick:
        return track.coding.order_tick
    timed = sorted(step.seconds for step in steps if step.seconds is not None and step.counts == usual)
    return timed[len(timed) // 2] / usual if timed and usual else 0.0


def _in_time(step: _Step, unit: float, modulus: int) -> bool:
    """Whether the step is as long as its timestamps say, give or take half a picture; counts wrap at the modulus."""
    if step.seconds is None or unit <= 0 or step.seconds <= 0:
        return False
    off = (step.seconds / unit - step.counts) % modulus
    return min(off, modulus - off) <= max(0.5, 0.02 * abs(step.counts))


def _break(track: Track, step: _Step, usual: int) -> Finding:
    number, missing = step.after, step.counts // usual - 1
    zh, en = at(track, number)
    what_zh = f"约 {missing} 帧画面被移除" if missing > 0 else "画面被重复、调换或拼接"
    what_en = f"about {missing} pictures were removed" if missing > 0 else "pictures were repeated, moved or joined"
    modulus = track.coding.order_modulus if track.coding else 0
    return Finding(
        code="REC-CONTINUOUS/PICTURE-ORDER",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if step.seconds is not None else Severity.SUSPICION,
        start=time_of(track, step.before),
        end=time_of(track, number),
        zh=f"{zh}编码器的画面计数跳变（{step.counts}，通常为 {usual}），与时间戳不符：{what_zh}。",
        en=f"{en} the encoder's picture count jumps by {step.counts} where {usual} is usual, time does not: {what_en}",
        evidence=evidence(
            track, number, packet_before=step.before, counts=step.counts, usual=usual, modulus=modulus,
            seconds=None if step.seconds is None else round(step.seconds, 6),
        ),
    )  # fmt: skip


def splice_marks(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SPLICE-MARK: the stream itself says that what was before is gone (HEVC BLA, MPEG broken_link).

    Cutters set these marks; a camera has no use for them, except at the very start.
    """
    for track in picture.of_kind("video"):
        flags = track.slices.flags if track.slices else ()
        marked = [number for number, flag in enumerate(flags) if flag & SPLICE and number]
        if marked:
            yield _marked(track, marked)


def _marked(track: Track, marked: Sequence[int]) -> Finding:
    zh, en = at(track, marked[0])
    return Finding(
        code="REC-CONTINUOUS/SPLICE-MARK",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=time_of(track, marked[0]),
        end=time_of(track, marked[-1]),
        zh=f"{zh}码流带有剪接标记（共 {len(marked)} 处），说明此前的画面已不在。",
        en=f"{en} the stream carries an editor's splice mark ({len(marked)} in all): what came before is gone",
        evidence=evidence(track, marked[0], packets=list(marked[:20])),
    )


CHECKS = (picture_order, splice_marks)
