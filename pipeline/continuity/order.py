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

from pipeline.continuity.coding import BOTTOM, FIELD, IDR, RESET, UNCOUNTED
from pipeline.continuity.model import DISCARD, UNKNOWN, Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_DEEPEST = 16  # pictures that may be decoded before one that is shown earlier (H.264 A.3.1: MaxDpbFrames)
_ONE_PLACE = 40  # packets within which breaks are one

Counted = tuple[int, int]  # count, packet


@dataclass(frozen=True, slots=True)
class Step:
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
        pairs = _pairs(track)
        if len(pairs) < limits.order_steps:
            continue
        usual = Counter(after[0] - before[0] for before, after in pairs).most_common(1)[0][0]
        breaks = _breaks(track, pairs, usual)
        places = _places(breaks)
        few = max(limits.few_breaks, limits.few_breaks_share * len(pairs))
        if usual > 0 and len(places) <= few and len(breaks) <= min(_DEEPEST * few, len(pairs) / 5):
            for place in places:
                yield _break(track, place, usual)


def _pairs(track: Track) -> list[tuple[Counted, Counted]]:
    """Neighbours within runs of one count, in its order as far as decoding reorders pictures."""
    pairs: list[tuple[Counted, Counted]] = []
    last: int | None = None  # packet of the last picture of the run before
    runs = list(runs_of(track))
    depth = _depth(runs)
    for run in runs:
        ordered = _ordered(run, depth)
        if last is not None and track.coding and track.coding.codec == "mpeg2":
            ordered.insert(0, (-1, last))  # each group counts from 0
        pairs += pairwise(ordered)
        last = ordered[-1][1]
    return pairs


def runs_of(track: Track) -> Iterator[list[Counted]]:
    """The pictures from where the count begins to where it begins anew, in order of decoding.

    The second field of a frame is left out.
    """
    if not track.slices or not track.coding or not track.coding.order_modulus:
        return
    run: list[Counted] = []
    first, frame_num = 0, -1  # flags and frame_num of a first field
    columns = zip(track.slices.order, track.slices.flags, track.slices.frame_num, strict=True)
    for number, (count, flags, found) in enumerate(columns):
        if count == UNCOUNTED:
            continue
        if flags & (IDR | RESET) and run:
            yield run
            run = []
        if first & flags & FIELD and (first ^ flags) & BOTTOM and frame_num == found:
            first = 0
            continue
        first, frame_num = flags, found
        run.append((count, number))
    if run:
        yield run


def _depth(runs: Sequence[Sequence[Counted]]) -> int:
    """How many later pictures are decoded before an earlier one, in all but a few places."""
    depths: Counter[int] = Counter()
    for run in runs:
        highest = -(1 << 40)
        for number, (count, _) in enumerate(run):
            depth = 0
            if count < highest:
                while depth < min(number, _DEEPEST) and run[number - 1 - depth][0] > count:
                    depth += 1
            highest = max(highest, count)
            depths[depth] += 1
    total = sum(depths.values())
    return next(depth for depth in range(_DEEPEST + 1) if sum(depths[d] for d in range(depth + 1)) >= 0.97 * total)


def _ordered(run: Sequence[Counted], depth: int) -> list[Counted]:
    """By count, but moved by no more than `depth` places, as a decoder's output is."""
    if not depth:
        return list(run)
    waiting: list[Counted] = []
    ordered: list[Counted] = []
    for each in run:
        if ordered and each < ordered[-1]:  # too late for its place: what was before is over
            ordered += sorted(waiting)
            waiting = [each]
        elif len(waiting) < depth:
            heapq.heappush(waiting, each)
        else:
            ordered.append(heapq.heappushpop(waiting, each))
    return ordered + sorted(waiting)


def _step(track: Track, before: Counted, after: Counted) -> Step:
    packets = track.packets
    ends = before[1], after[1]
    timed = all(packets.pts[n] != UNKNOWN and not packets.flags[n] & DISCARD for n in ends)
    seconds = (packets.pts[ends[1]] - packets.pts[ends[0]]) * track.tick if timed else None
    return Step(*ends, after[0] - before[0], seconds)


def _breaks(track: Track, pairs: Sequence[tuple[Counted, Counted]], usual: int) -> list[Step]:
    odd = [_step(track, before, after) for before, after in pairs if after[0] - before[0] != usual]
    unit = _unit(track, pairs, usual) if odd else 0.0
    modulus, timed = (track.coding.order_modulus, track.coding.order_tick > 0) if track.coding else (0, False)
    slack = max(1.0 if timed else 0.5, 0.5 * usual)  # half a picture; times are rounded to a count, up or down
    if unit > 0:  # a picture without a time of its own, such as one that an edit list hides, can't be compared
        odd = [step for step in odd if step.seconds is not None]
    return [step for step in odd if not _in_time(step, unit, modulus, slack)]


def _unit(track: Track, pairs: Sequence[tuple[Counted, Counted]], usual: int) -> float:
    """Seconds of one count: as the stream says, else by the median of the usual steps; 0 where there are no times."""
    if track.coding and track.coding.order_tick:
        return track.coding.order_tick
    alike = [pair for pair in pairs if pair[1][0] - pair[0][0] == usual]
    seconds = (_step(track, *pair).seconds for pair in alike[:: max(1, len(alike) // 999)])
    timed = sorted(each for each in seconds if each is not None)
    return timed[len(timed) // 2] / usual if timed and usual else 0.0


def _in_time(step: Step, unit: float, modulus: int, slack: float) -> bool:
    """Whether the step is as long as its timestamps say, give or take `slack` counts; counts wrap at the modulus.

    Both go back where pictures were reordered more deeply than nearly everywhere else, as encoders do that choose.
    """
    if step.seconds is None or unit <= 0 or step.seconds == 0 or (step.seconds < 0 <= step.counts):
        return False
    off = (step.seconds / unit - step.counts) % modulus
    return min(off, modulus - off) <= max(slack, 0.02 * abs(step.counts))


def _places(breaks: Sequence[Step]) -> list[list[Step]]:
    """Breaks close together are one place: around a joint the orders of both sides mix."""
    places: list[list[Step]] = []
    for step in sorted(breaks, key=lambda step: step.after):
        if places and step.after - places[-1][-1].after <= _ONE_PLACE:
            places[-1].append(step)
        else:
            places.append([step])
    return places


def _break(track: Track, place: Sequence[Step], usual: int) -> Finding:
    step = max(place, key=lambda step: abs(step.counts - usual))
    number, missing = step.after, step.counts // usual - 1
    zh, en = at(track, number)
    what_zh = f"约 {missing} 帧画面被移除" if missing > 0 else "画面被重复、调换或拼接"
    what_en = f"about {missing} pictures were removed" if missing > 0 else "pictures were repeated, moved or joined"
    times = [time for step in place for n in (step.before, step.after) if (time := time_of(track, n)) is not None]
    return Finding(
        code="REC-CONTINUOUS/PICTURE-ORDER",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if step.seconds is not None else Severity.SUSPICION,
        start=min(times, default=None),
        end=max(times, default=None),
        zh=f"{zh}编码器的画面计数跳变（{step.counts}，通常为 {usual}），与时间戳不符：{what_zh}。",
        en=f"{en} the encoder's picture count jumps by {step.counts} where {usual} is usual, time does not: {what_en}",
        evidence=evidence(
            track, number, packet_before=step.before, counts=step.counts, usual=usual, breaks=len(place),
            modulus=track.coding.order_modulus if track.coding else 0,
            seconds=None if step.seconds is None else round(step.seconds, 6),
        ),
    )  # fmt: skip


CHECKS = (picture_order,)
