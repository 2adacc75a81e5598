"""Do pictures and sound keep the grid of their frame time?

An encoder with a fixed frame time counts frames: it never leaves its grid, even where it drops some. Where streams
were put together, the second begins where the longest track of the first ended, so that its grid lies shifted; where it
would begin earlier than that, joining tools push its first times together, one tick apart.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.continuity.model import KEY, Picture, Track
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_FEWEST = 100  # intervals: below that no grid is established
_NEIGHBOURS = 8  # intervals between two that count as one place
_EDGE = 2  # intervals at both ends that don't count
_MOST_OFF = 0.01  # share of the intervals; 12 where that is less
_MOST_PLACES = 4


@dataclass(frozen=True, slots=True)
class _Place:
    """Intervals from number `first` to `last` that leave the grid: by how much in the end, and how many were pushed
    together to less than a tenth of the frame time. All in ticks."""

    first: int
    last: int
    shift: float
    pushed: int
    usual: float


def off_grid(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/OFF-GRID: the rhythm of a stream that is strict otherwise is shifted from one place on.

    A violation where pictures were pushed together beside a key picture, as at the seam of two streams; otherwise a
    suspicion: a device that sets its clock while it records shifts its grid too.
    """
    for track in (*picture.of_kind("video"), *picture.of_kind("audio")):
        least = limits.grid_shift_video if track.stream.kind == "video" else limits.grid_shift_audio
        for place in _places(track, least):
            yield _shifted(track, place)


def _places(track: Track, least: float) -> list[_Place]:
    """Where the track leaves its grid; [] where it has none."""
    total = len(track.intervals)
    if total < _FEWEST or track.tick <= 0:
        return []
    ticks = array("q", (round(interval / track.tick) for interval in track.intervals))
    tally = Counter(ticks)
    usual = _usual(tally)
    off = {value for value in tally if _is_off(value, usual, least)} if usual > 1 else set()
    count = sum(tally[value] for value in off)
    if not off or count > max(12, _MOST_OFF * total):
        return []
    found = [_place(group, ticks, usual) for group in _groups([n for n, value in enumerate(ticks) if value in off])]
    kept = [each for each in found if _counts(each, total, least)]
    return kept if len(kept) <= max(_MOST_PLACES, total // 500) else []


def _usual(tally: Counter[int]) -> float:
    """The frame time in ticks; where it is no whole number of them, the mean of the two that take turns."""
    mode = tally.most_common(1)[0][0]
    near = {value: tally[value] for value in (mode - 1, mode, mode + 1)}
    return sum(value * count for value, count in near.items()) / sum(near.values())


def _is_off(value: int, usual: float, least: float) -> bool:
    frames = round(value / usual)
    return frames == 0 or abs(value - frames * usual) > max(1.0, least * usual) + 0.01 * (frames - 1)


def _groups(numbers: list[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number - groups[-1][-1] <= _NEIGHBOURS:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def _place(group: list[int], ticks: array[int], usual: float) -> _Place:
    span = ticks[group[0] : group[-1] + 1]
    whole = sum(span)
    pushed = sum(0 < value <= usual / 10 for value in span)
    return _Place(group[0], group[-1], whole - round(whole / usual) * usual, pushed, usual)


def _counts(place: _Place, total: int, least: float) -> bool:
    inside = place.first >= _EDGE and place.last < total - _EDGE
    return inside and (place.pushed > 1 or abs(place.shift) > max(1.0, least * place.usual))


def _shifted(track: Track, place: _Place) -> Finding:
    start, number = track.shown[place.first]
    end = track.shown[place.last + 1][0]
    seam = track.stream.kind == "video" and place.pushed > 1 and _key_beside(track, place)
    zh, en = ("画面", "picture") if track.stream.kind == "video" else ("声音", "sound")
    shift = place.shift * track.tick * 1000
    how_zh = f"{place.pushed} 帧被挤在一起" if place.pushed > 1 else f"错开 {shift:+.1f} 毫秒"
    how_en = f"{place.pushed} frames are pushed together" if place.pushed > 1 else f"it is shifted by {shift:+.1f} ms"
    return Finding(
        code="REC-CONTINUOUS/OFF-GRID",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if seam else Severity.SUSPICION,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(start)} 处{zh}离开固定节拍（{how_zh}）：{'此处为拼接点' if seam else '可能为拼接点'}。",
        en=f"at {clock(start)} the {en} leaves its fixed rhythm ({how_en}): {'' if seam else 'perhaps '}joined here",
        evidence={
            "stream": track.stream.index,
            "packet": number,
            "offset": track.packets.pos[number],
            "frame_time": round(place.usual * track.tick, 6),
            "shift": round(place.shift * track.tick, 6),
            "pushed_together": place.pushed,
        },
    )


def _key_beside(track: Track, place: _Place) -> bool:
    """Whether a key picture stands at the place: what is put on begins with one."""
    numbers = track.shown.numbers[place.first : place.last + 2]
    low, high = max(0, min(numbers) - 1), max(numbers) + 2
    return any(flags & KEY for flags in track.packets.flags[low:high])


CHECKS = (off_grid,)
