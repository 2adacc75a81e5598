"""Is time missing, repeated or running backwards within a file? Checks on every packet's timestamps."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from itertools import pairwise

from pipeline.continuity.model import CORRUPT, UNKNOWN, Picture, Track
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_FEWEST = 4  # packets: below that a median says nothing
_BUFFERS = (15.0, 30.0, 60.0, 90.0, 120.0)  # seconds: the pre-event buffers that makers of body cameras offer
_BUFFER_OFF = 0.6  # seconds: buffers are emptied from a key picture on


def picture_gaps(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/GAP-PTS: pictures further apart than the stream's rhythm allows.

    The first and the last interval are left out: cameras start and stop unevenly (a phone of 2004: 0.3 s).
    """
    for track in picture.of_kind("video"):
        yield from _track_gaps(track, limits)


def _track_gaps(track: Track, limits: Thresholds) -> Iterator[Finding]:
    if len(track.intervals) < _FEWEST:
        return
    median = track.median_interval
    suspicious = max(limits.video_gap_suspicion, limits.video_gap_suspicion_medians * median)
    broken = max(limits.video_gap, limits.video_gap_medians * median)
    for number, interval in enumerate(track.intervals[1:-1], start=1):
        if interval > suspicious:
            severity = Severity.VIOLATION if interval > broken else Severity.SUSPICION
            yield _gap(track, number, severity)


def _gap(track: Track, number: int, severity: Severity) -> Finding:
    (before, packet), (after, following) = track.shown[number], track.shown[number + 1]
    median = track.median_interval
    absent = max(1, round((after - before) / median) - 1) if median else 0
    start, missing = before + median, after - before - median
    return Finding(
        code="REC-CONTINUOUS/GAP-PTS",
        axis=Axis.TIMELINE,
        severity=severity,
        start=round(start, 6),
        end=round(after, 6),
        zh=f"{clock(start)} 至 {clock(after)} 缺少约 {absent} 帧画面（{missing:.2f} 秒）。",
        en=f"about {absent} pictures are absent from {clock(start)} to {clock(after)} ({missing:.2f} s)",
        evidence={
            "stream": track.stream.index,
            "packet_before": packet,
            "packet_after": following,
            "offset_before": track.packets.pos[packet],
            "offset_after": track.packets.pos[following],
            "interval": round(after - before, 6),
            "median_interval": round(median, 6),
        },
    )


def sound_gaps(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/GAP-AUDIO: sound missing between two packets; a violation where there is nothing but sound."""
    alone = not picture.of_kind("video")
    for track in picture.of_kind("audio"):
        if len(track.intervals) < _FEWEST:
            continue
        least = max(limits.audio_gap_suspicion, limits.audio_gap_suspicion_packets * track.median_interval)
        for start, end, packet in _silences(track):
            if end - start > least:
                broken = alone and end - start > max(limits.video_gap, limits.video_gap_medians * track.median_interval)
                yield _silence(track, start, end, packet, Severity.VIOLATION if broken else Severity.SUSPICION)


def _silences(track: Track) -> Iterator[tuple[float, float, int]]:
    """(end of one packet, start of the next, number of the next) wherever the second lies later.

    MP4 has no gaps: the packet before one is declared as long as the gap. So a packet lasts no longer than its bytes
    are worth, by the stream's median.
    """
    sizes, usual_size = track.packets.size, statistics.median(track.packets.size) or 1
    for (before, packet), (after, following) in pairwise(track.shown[1:]):
        worth = 1.05 * track.median_interval * max(1.0, sizes[packet] / usual_size)
        declared = track.packets.duration[packet] * track.tick
        end = before + (declared if 0 < declared <= worth else track.median_interval)
        if after > end:
            yield end, after, following


def _silence(track: Track, start: float, end: float, packet: int, severity: Severity) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/GAP-AUDIO",
        axis=Axis.TIMELINE,
        severity=severity,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(start)} 处缺少 {end - start:.2f} 秒声音。",
        en=f"{end - start:.2f} s of sound are absent at {clock(start)}",
        evidence={"stream": track.stream.index, "packet_after": packet, "missing": round(end - start, 6)},
    )


def backwards(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TIME-BACKWARDS: decoding timestamps that go back in file order, as after a join."""
    for track in (*picture.of_kind("video"), *picture.of_kind("audio")):
        last = UNKNOWN
        for number, dts in enumerate(track.packets.dts):
            if dts == UNKNOWN:
                continue
            if last != UNKNOWN and dts < last:
                yield _back(track, number, last * track.tick, dts * track.tick, limits)
            last = dts


def _back(track: Track, number: int, last: float, now: float, limits: Thresholds) -> Finding:
    far = last - now > limits.backwards
    return Finding(
        code="REC-CONTINUOUS/TIME-BACKWARDS",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if far else Severity.SUSPICION,
        start=round(now, 6),
        end=round(last, 6),
        zh=f"时间在 {clock(last)} 处倒退 {last - now:.2f} 秒，此后内容与前面的时间重叠。",
        en=f"time runs back by {last - now:.2f} s at {clock(last)}: what follows overlaps what came before",
        evidence={"stream": track.stream.index, "packet": number, "offset": track.packets.pos[number]},
    )


def repeated_times(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SAME-TIME: several pictures shown at one moment. Context where that is the very first moment."""
    for track in picture.of_kind("video"):
        same = [shown for shown, interval in zip(track.shown, track.intervals, strict=False) if interval <= 0]
        if same:
            first_only = same[-1][0] <= track.shown[0][0]
            yield Finding(
                code="REC-CONTINUOUS/SAME-TIME",
                axis=Axis.TIMELINE,
                severity=Severity.NOTE if first_only else Severity.SUSPICION,
                start=round(same[0][0], 6),
                end=round(same[-1][0], 6),
                zh=f"有 {len(same)} 帧画面与前一帧时间相同，首次在 {clock(same[0][0])}。",
                en=f"{len(same)} pictures have the same time as the one before, first at {clock(same[0][0])}",
                evidence={"stream": track.stream.index, "packets": [number for _, number in same[:20]]},
            )


def sound_and_picture(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/AV-START, AV-END: sound and picture that don't begin or don't end together."""
    video, audio = picture.of_kind("video"), picture.of_kind("audio")
    if not video or not audio:
        return
    for edge, limit in (("start", limits.av_start), ("end", limits.av_end)):
        seen, heard = getattr(video[0], edge), getattr(audio[0], edge)
        if seen is not None and heard is not None and abs(seen - heard) > limit:
            yield _apart(edge, seen, heard, usual=edge == "start" and _is_buffer(heard - seen))


def _is_buffer(late: float) -> bool:
    """Body cameras keep the pictures of so many seconds, without sound, from before the button was pressed."""
    return any(abs(late - each) <= _BUFFER_OFF for each in _BUFFERS)


def _apart(edge: str, seen: float, heard: float, *, usual: bool) -> Finding:
    zh, en = ("开始", "begin") if edge == "start" else ("结束", "end")
    why_zh, why_en = ("（与预录缓存的常见时长相符）", ", as with a pre-event buffer") if usual else ("", "")
    return Finding(
        code=f"REC-CONTINUOUS/AV-{edge.upper()}",
        axis=Axis.TIMELINE,
        severity=Severity.NOTE if usual else Severity.SUSPICION,
        start=round(min(seen, heard), 6),
        end=round(max(seen, heard), 6),
        zh=f"画面与声音{zh}时间相差 {abs(seen - heard):.2f} 秒{why_zh}。",
        en=f"picture and sound {en} {abs(seen - heard):.2f} s apart{why_en}",
        evidence={"video": round(seen, 6), "audio": round(heard, 6)},
    )


def damaged_packets(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/DAMAGED: packets the demuxer marks as corrupt (lost transport packets, broken blocks)."""
    for track in picture.tracks:
        damaged = [number for number, flags in enumerate(track.packets.flags) if flags & CORRUPT]
        if not damaged:
            continue
        pts = track.packets.pts[damaged[0]]
        at = None if pts == UNKNOWN else round(pts * track.tick, 6)
        yield Finding(
            code="REC-TRUE/DAMAGED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=at,
            end=at,
            zh=f"有 {len(damaged)} 个数据包已损坏。",
            en=f"{len(damaged)} packets are damaged",
            evidence={"stream": track.stream.index, "packets": damaged[:20]},
        )


def read_to_the_end(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/READ-STOPPED: the reader gave up before the end of the file; what follows is unchecked."""
    if picture.stopped:
        ends = [track.end for track in picture.tracks if track.end is not None]
        at = round(max(ends), 6) if ends else None
        yield Finding(
            code="REC-TRUE/READ-STOPPED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=at,
            end=at,
            zh="文件只能读到一部分，其后内容未检查。",
            en=f"only a part of the file could be read, the rest is unchecked ({picture.stopped})",
            evidence={"reason": picture.stopped},
        )


CHECKS = (picture_gaps, sound_gaps, backwards, repeated_times, sound_and_picture, damaged_packets, read_to_the_end)
