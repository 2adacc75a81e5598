"""Are two pictures closer together than this camera ever films them?

A camera may be late with a picture, or leave one out; the next one comes when it is due, so that what is lost is made
up for or is a whole number of frames. A piece put on behind another begins where a tool reckons that the first one
ends: less than a frame after its last picture, and everything after it is shifted. Where the pieces count time in other
units, a tool may leave the second one no time at all.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from pipeline.continuity.model import KEY, Picture, Track
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_FEWEST = 24  # intervals: below that no usual distance is established
_EDGE = 2  # intervals at both ends that don't count
_FILMED = 0.001  # seconds: no camera of this trade films a thousand pictures a second
_LATE = 1.4  # frame times: a neighbour that is longer was late, and the short one makes up for it
_SHORT = 0.6  # of the usual distance
_CLEAR = 0.75  # of the usual distance: no other two pictures are closer than that
_STRETCH = 2  # intervals
_PUSHED = 0.1  # of the usual distance: no sensor delivers two pictures so close


def too_close(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TOO-CLOSE: a key picture stands closer to the picture before it than any other two, and nothing
    around makes up for it. A violation below a tenth of the usual distance, else a suspicion.
    """
    for track in picture.of_kind("video"):
        usual = _usual(track.intervals)
        runs = list(_runs(track.intervals, _CLEAR * usual))
        inner = [run for run in runs if run[0] >= _EDGE and run[0] < len(track.intervals) - _EDGE]
        if 0 < len(inner) <= limits.few_breaks and all(_is_seam(track, run, usual) for run in inner):
            for run in inner:
                yield _close(track, run, usual)


def _usual(intervals: Sequence[float]) -> float:
    """The median distance in seconds, leaving out what no camera films; 0 where too few are left."""
    filmed = [interval for interval in intervals if interval >= _FILMED]
    return statistics.median(filmed) if len(filmed) >= _FEWEST else 0.0


def _runs(intervals: Sequence[float], limit: float) -> Iterator[tuple[int, int]]:
    """(first, last) of consecutive intervals below the limit; pictures of one moment (0) are not meant."""
    first = None
    for number, interval in enumerate(intervals):
        if 0 < interval < limit:
            first = number if first is None else first
        elif first is not None:
            yield first, number - 1
            first = None
    if first is not None:
        yield first, len(intervals) - 1


def _is_seam(track: Track, run: tuple[int, int], usual: float) -> bool:
    """Below the limit, a key picture at it, and no late picture next to it. A stretch of them is another frame rate."""
    first, last = run
    intervals = track.intervals
    if last - first >= _STRETCH and min(intervals[first : last + 1]) >= _PUSHED * usual:
        return False
    beside = (*intervals[first - 2 : first], *intervals[last + 1 : last + 3])
    flags = track.packets.flags
    key = any(flags[number] & KEY for number in track.shown.numbers[first : first + 3])
    return key and min(intervals[first : last + 1]) < _SHORT * usual and max(beside) < _LATE * usual


def _close(track: Track, run: tuple[int, int], usual: float) -> Finding:
    start, packet = track.shown[run[0]]
    end, following = track.shown[run[0] + 1]
    pushed = end - start < _PUSHED * usual
    how_zh, how_en = ("此处为拼接点", "joined here") if pushed else ("可能为拼接点", "perhaps joined here")
    return Finding(
        code="REC-CONTINUOUS/TOO-CLOSE",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if pushed else Severity.SUSPICION,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(start)} 处两帧画面相距仅 {(end - start) * 1000:.1f} 毫秒（通常 {usual * 1000:.1f} 毫秒），"
        f"且前后没有补偿：{how_zh}。",
        en=f"at {clock(start)} two pictures are {(end - start) * 1000:.1f} ms apart (usually {usual * 1000:.1f} ms), "
        f"and nothing around makes up for it: {how_en}",
        evidence={
            "stream": track.stream.index,
            "packet_before": packet,
            "packet_after": following,
            "offset_after": track.packets.pos[following],
            "interval": round(end - start, 6),
            "median_interval": round(usual, 6),
            "pictures": run[1] - run[0] + 2,
        },
    )


CHECKS = (too_close,)
