"""Does the encoder's account of the decoder's buffer add up? And do the clocks in the stream run with the timeline?

An encoder that keeps to a buffer says at each key picture how full it is (H.264 buffering period, MPEG-2 vbv_delay).
From one statement to the next the level falls by the bits of the pictures between and rises with time: to the bit.
Where pictures are taken out, put in or replaced, the account no longer adds up, whatever the counters say.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.continuity.coding import Coding, Level
from pipeline.continuity.model import Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Sum:
    """From one statement to the next, seconds: how far the level is off what it should be, and how far it may be."""

    before: Level
    after: Level
    off: float
    allowed: float


def buffer_levels(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/BUFFER: the encoder's account of the buffer does not add up in one place.

    By the standard (H.264 C.3.1, MPEG-2 annex C) it must nowhere be off; a constant difference is headers that are
    counted otherwise. Where the account is off elsewhere too, the encoder does not keep it and it proves nothing.
    """
    for track in picture.of_kind("video"):
        if not track.coding or track.coding.bit_rate <= 0:
            continue
        sums = _sums(track, track.coding)
        if len(sums) < limits.buffer_steps or not _alive(sums):
            continue
        usual = statistics.median(each.off for each in sums)
        off = [each for each in sums if abs(each.off - usual) > each.allowed]
        if _few(off, sums, limits):
            for each in off:
                yield _unbalanced(track, each, each.off - usual)


def _few(off: Sequence[object], steps: Sequence[object], limits: Thresholds) -> bool:
    """Few enough to be places in an account that is kept everywhere else. Moving a piece breaks it three times."""
    return len(off) <= min(len(steps) / 2, max(limits.few_breaks, limits.buffer_breaks * len(steps)))


def _sums(track: Track, coding: Coding) -> list[_Sum]:
    """The first is left out: encoders start with a level of their own."""
    return [_sum(track, coding, before, after) for before, after in pairwise(coding.levels)][1:]


def _sum(track: Track, coding: Coding, before: Level, after: Level) -> _Sum:
    sizes = track.packets.size[before.packet : after.packet]
    elapsed = after.elapsed
    if elapsed <= 0:
        times = time_of(track, before.packet), time_of(track, after.packet)
        elapsed = times[1] - times[0] if times[0] is not None and times[1] is not None else 0.0
    due = before.delay + elapsed - 8 * sum(sizes) / coding.bit_rate
    if before.full:
        due = min(due, before.full)
    return _Sum(before, after, after.delay - due, 1e-4 + 16 * len(sizes) / coding.bit_rate)


def _alive(sums: Sequence[_Sum]) -> bool:
    """A level that hardly ever moves, such as full always, says nothing."""
    return len({round(each.after.delay, 5) for each in sums}) > len(sums) / 2


def _unbalanced(track: Track, each: _Sum, off: float) -> Finding:
    number = each.after.packet
    zh, en = at(track, number)
    return Finding(
        code="REC-CONTINUOUS/BUFFER",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=time_of(track, each.before.packet),
        end=time_of(track, number),
        zh=f"{zh}的关键帧之前，编码器的缓冲区账目不符（相差 {abs(off) * 1000:.1f} 毫秒）：有画面被移除、插入或替换。",
        en=f"{en}, before a key picture, the encoder's account of its buffer is off by {off * 1000:+.1f} ms: pictures "
        "were removed, put in or replaced",
        evidence=evidence(
            track, number, packet_before=each.before.packet, off=round(off, 6), allowed=round(each.allowed, 6)
        ),
    )


def stream_clock(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/STREAM-CLOCK: the time of day in the stream jumps where the timeline goes on, or stays behind.

    Group headers of MPEG-2 and MPEG-4 and camcorders' messages in H.264 tell it, to the second. Where it does not run
    with the timeline it is no clock.
    """
    for track in picture.of_kind("video"):
        steps = list(_clock_steps(track))
        off = [step for step in steps if abs(step[2] - step[3]) > limits.stream_clock]
        runs = len(steps) >= limits.buffer_steps and any(told for _, _, told, _ in steps)
        if not runs or not _few(off, steps, limits):
            continue
        for before, after, told, shown in off:
            yield _jumped(track, (before, after), told, shown)


def _clock_steps(track: Track) -> Iterator[tuple[int, int, float, float]]:
    """(packet before, packet, seconds by the stream's clock, seconds by the timeline)."""
    for (before, old), (after, new) in pairwise(track.coding.stamps if track.coding else ()):
        start, end = time_of(track, before), time_of(track, after)
        if start is not None and end is not None:
            told = (new - old + _DAY / 2) % _DAY - _DAY / 2  # midnight
            yield before, after, told, end - start


def _jumped(track: Track, packets: tuple[int, int], told: float, shown: float) -> Finding:
    zh, en = at(track, packets[1])
    return Finding(
        code="REC-CONTINUOUS/STREAM-CLOCK",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=time_of(track, packets[0]),
        end=time_of(track, packets[1]),
        zh=f"{zh}码流内的时钟走了 {told:.1f} 秒，而时间轴只走了 {shown:.1f} 秒：此处有内容被移除、插入或调换。",
        en=f"{en} the clock in the stream has gone on by {told:.1f} s, the timeline by {shown:.1f} s: something was "
        "removed, put in or moved",
        evidence=evidence(track, packets[1], packet_before=packets[0], clock=round(told, 3), timeline=round(shown, 3)),
    )


CHECKS = (buffer_levels, stream_clock)
