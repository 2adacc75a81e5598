"""What sensors wrote beside the footage, against the footage: their running counts and a satellite receiver's clock.

Losing the satellites is normal, and a receiver may step by 2.5 s when it finds them (seen in a genuine file).
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.continuity.clocks import FARTHEST, off_by_zone
from pipeline.continuity.model import Break, Fix, Picture, Track
from pipeline.continuity.series import series_key
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock, date
from storage.records import Axis, Finding, Severity

_FEWEST = 4  # fixes or packets that make a clock


def counts_broken(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TELEMETRY-COUNT: a sensor's running count of samples does not go on (GPMF TSMP).

    The camera writes with each packet how many samples there have been since it began, so a packet taken out, put in
    or moved shows. One sensor by itself may have failed; two that break at one packet did not.
    """
    at_packet: dict[tuple[int, int], dict[str, Break]] = defaultdict(dict)
    for counter in picture.telemetry.counters:
        for each in counter.breaks:
            at_packet[counter.stream, each.packet][counter.sensor] = each
    for (stream, packet), sensors in sorted(at_packet.items()):
        counted = sum(counter.stream == stream for counter in picture.telemetry.counters)
        place = _around(picture, stream, packet)
        yield _count_broken(stream, packet, sensors, place, proven=len(sensors) > 1 or counted == 1)


def _around(picture: Picture, stream: int, packet: int) -> tuple[float, float] | None:
    """From the packet before to the end of this one: within it lies what broke the count."""
    track = next((track for track in picture.tracks if track.stream.index == stream), None)
    if track is None or not 0 < packet < len(track.packets.pts):
        return None
    before, own = (track.packets.pts[number] * track.tick for number in (packet - 1, packet))
    return round(min(before, own), 6), round(own + track.median_interval, 6)


def _count_broken(
    stream: int, packet: int, sensors: dict[str, Break], place: tuple[float, float] | None, *, proven: bool
) -> Finding:
    name, first = next(iter(sensors.items()))
    lost = first.found - first.expected
    start, end = place or (first.at, first.at)
    zh, en = ("跳过", "skips") if lost > 0 else ("倒退", "goes back")
    return Finding(
        code="REC-CONTINUOUS/TELEMETRY-COUNT",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if proven else Severity.SUSPICION,
        start=start,
        end=end,
        zh=f"{clock(start)} 至 {clock(end)} 之间传感器（{name}）的累计采样数{zh} {abs(lost)} 个："
        "此处有内容被取出、插入或调换。",
        en=f"between {clock(start)} and {clock(end)} the running count of the sensors ({name}) {en} by {abs(lost)} "
        "samples: something was taken out, put in or moved here",
        evidence={
            "stream": stream,
            "packet": packet,
            "sensors": {key: {"expected": each.expected, "found": each.found} for key, each in sensors.items()},
        },
    )


def counts_begin_late(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TELEMETRY-HEAD: the sensors had counted before the file's first packet.

    A later chapter of a recording goes on counting; a file that is none has lost its head.
    """
    counters = picture.telemetry.counters
    later_chapter = (series_key(picture.name).sequence or 0) > 1
    if counters and not later_chapter and min(counter.first for counter in counters) > 0:
        yield Finding(
            code="REC-CONTINUOUS/TELEMETRY-HEAD",
            axis=Axis.TIMELINE,
            severity=Severity.SUSPICION,
            start=0.0,
            end=0.0,
            zh=f"文件开始前传感器已累计采样（{counters[0].sensor}：{counters[0].first} 个），开头部分可能被剪去。",
            en=f"the sensors had counted {counters[0].first} samples ({counters[0].sensor}) before the file begins: "
            "its head may have been cut off",
            evidence={"first": {counter.sensor: counter.first for counter in counters}},
        )


def telemetry_span(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TELEMETRY-SPAN: sensors that write without a pause begin, end or pause elsewhere than the footage.

    Longer than the footage: footage is missing. Shorter, or with a pause: footage was put in.
    """
    shown = [track for track in picture.of_kind("video") if track.start is not None]
    if not shown:
        return
    start, end = min(t.start or 0.0 for t in shown), max(t.end or 0.0 for t in shown)
    for track in _sensor_tracks(picture):
        for at, apart in ((start, (track.start or 0.0) - start), (end, (track.end or 0.0) - end)):
            if abs(apart) > limits.telemetry_drift:
                yield _span(track, min(at, at + apart), max(at, at + apart))
        limit = max(limits.telemetry_drift, limits.video_gap_suspicion_medians * track.median_interval)
        for (before, _), (after, _) in pairwise(track.shown):
            if after - before > limit:
                yield _span(track, before + track.median_interval, after)


def _sensor_tracks(picture: Picture) -> list[Track]:
    """Tracks of sensors that never pause: those that keep a running count."""
    counted = {counter.stream for counter in picture.telemetry.counters}
    return [t for t in picture.tracks if t.stream.index in counted and len(t.shown) >= _FEWEST]


def _span(track: Track, start: float, end: float) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/TELEMETRY-SPAN",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(start, 3),
        end=round(end, 3),
        zh=f"{clock(start)} 至 {clock(end)} 画面与传感器数据只有其一，二者不是同时录制的全部内容。",
        en=f"from {clock(start)} to {clock(end)} there is footage without sensor data, or sensor data without footage",
        evidence={"stream": track.stream.index, "telemetry": [track.start, track.end]},
    )


def receiver_steps(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/GPS-STEP: the receiver's clock and the footage advance by different times between two positions.

    GPS-DRIFT: they drift apart by as much over the whole file, without a step: footage that was slowed down, sped up
    or thinned out.
    """
    fixes = [fix for fix in _fresh(picture.telemetry.fixes) if fix.at is not None]
    steps = [pair for pair in pairwise(fixes) if abs(_advance(*pair)) > limits.telemetry_drift]
    spacing = statistics.median(abs((b.at or 0.0) - (a.at or 0.0)) for a, b in pairwise(fixes)) if steps else 0.0
    for before, after in steps:
        yield _step(before, after, spacing)
    if not steps and len(fixes) >= _FEWEST:
        yield from _drift(fixes, limits)
    if not fixes:
        yield from _unplaced(picture, limits)


def _fresh(fixes: Sequence[Fix]) -> list[Fix]:
    """With a position, and not the last one told again: some devices repeat it while they see no satellites."""
    locked = [fix for fix in fixes if fix.locked is not False]
    return [fix for n, fix in enumerate(locked) if n == 0 or fix.time != locked[n - 1].time]


def _advance(before: Fix, after: Fix) -> float:
    """Seconds by which the receiver's clock advanced more than the footage did."""
    return (after.time - before.time) - ((after.at or 0.0) - (before.at or 0.0))


def _step(before: Fix, after: Fix, spacing: float) -> Finding:
    """`spacing`: of the positions; the step lies within the packet that follows it at the latest."""
    more = _advance(before, after)
    start, end = before.at or 0.0, after.at or 0.0
    zh, en = (
        ("缺少约", "about {} s are missing") if more > 0 else ("重复或插入约", "about {} s are repeated or foreign")
    )
    return Finding(
        code="REC-CONTINUOUS/GPS-STEP",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=round(min(start, end), 6),
        end=round(max(end, min(start, end) + spacing), 6),
        zh=f"{clock(start)} 至 {clock(end)} 卫星时间走过 {after.time - before.time:.1f} 秒，"
        f"画面只走过 {end - start:.1f} 秒：{zh} {abs(more):.1f} 秒。",
        en=f"from {clock(start)} to {clock(end)} the receiver's clock advances {after.time - before.time:.1f} s, "
        f"the footage {end - start:.1f} s: {en.format(f'{abs(more):.1f}')}",
        evidence={"at": [before.at, after.at], "receiver": [before.time, after.time]},
    )


def _drift(fixes: Sequence[Fix], limits: Thresholds) -> Iterator[Finding]:
    offsets = [fix.time - (fix.at or 0.0) for fix in fixes]
    few = max(1, min(5, len(fixes) // 4))
    drift = statistics.median(offsets[-few:]) - statistics.median(offsets[:few])
    if abs(drift) <= limits.telemetry_drift:
        return
    footage, receiver = (fixes[-1].at or 0.0) - (fixes[0].at or 0.0), fixes[-1].time - fixes[0].time
    yield Finding(
        code="REC-CONTINUOUS/GPS-DRIFT",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=fixes[0].at,
        end=fixes[-1].at,
        zh=f"画面走过 {footage:.1f} 秒，卫星时间走过 {receiver:.1f} 秒：快慢不一，画面可能变速、抽帧或为延时拍摄。",
        en=f"the footage lasts {footage:.1f} s, {receiver:.1f} s by the receiver's clock: "
        "its speed was changed, pictures were dropped evenly, or it is a time lapse",
        evidence={"footage": round(footage, 3), "receiver": round(receiver, 3), "drift": round(drift, 3)},
    )


def _unplaced(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """Positions that have no place on the timeline still tell how long the recording took."""
    times = sorted(fix.time for fix in picture.telemetry.fixes if fix.locked is not False)
    lasts = picture.media_duration
    if len(times) < _FEWEST or not lasts or times[-1] - times[0] <= lasts + limits.telemetry_drift:
        return
    took = times[-1] - times[0]
    yield Finding(
        code="REC-CONTINUOUS/GPS-DRIFT",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        zh=f"卫星时间记录了 {took:.1f} 秒，录像只有 {lasts:.1f} 秒，可能缺少一部分。",
        en=f"the receiver's clock covers {took:.1f} s, the footage {lasts:.1f} s: part of it may be missing",
        evidence={"footage": round(lasts, 3), "receiver": round(took, 3)},
    )


def receiver_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/GPS-DATE: the header's date against the receiver's, which nobody sets.

    Another day is a suspicion. Minutes are a note, with the offset: device clocks drift, and zones are not known.
    """
    fix = next((fix for fix in picture.telemetry.fixes if fix.locked is not False), None)
    if fix is None or picture.created is None:
        return
    lasts = picture.media_duration or 0.0
    off = picture.created - (fix.time - (fix.at or 0.0))
    rest = min((off_by_zone(off - late) for late in (0.0, lasts)), key=abs)
    if abs(rest) > limits.clock_offset:
        far = abs(rest) > FARTHEST
        yield Finding(
            code="REC-TRUE/GPS-DATE",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION if far else Severity.NOTE,
            zh=f"文件头时间 {date(picture.created)}，卫星时间 {date(fix.time)}，"
            + ("不是同一天：设备时钟未校准，或日期被改过。" if far else f"除时区外相差 {abs(rest):.0f} 秒。"),
            en=f"the header says {date(picture.created)}, the receiver {date(fix.time)}: "
            + ("the clock was not set, or the date was changed" if far else f"{abs(rest):.0f} s apart beside the zone"),
            evidence={"moov/mvhd": picture.created, "receiver": fix.time, "apart": round(rest, 1)},
        )


CHECKS = (counts_broken, counts_begin_late, telemetry_span, receiver_steps, receiver_date)
