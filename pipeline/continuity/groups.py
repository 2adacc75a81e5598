"""Groups of pictures: from each key picture to the next. A camera keeps a strict pattern; a cut breaks it once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.continuity.model import KEY, Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_LONGEST = 12  # groups after which a pattern repeats


def picture_groups(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/GOP-BREAK: one group of pictures is shorter or longer than a strict pattern has it.

    The pattern may be one length or several that repeat (30, 30, 30, 29). First and last group are left out: recordings
    begin and end where they do. Encoders that put a key picture wherever the scene changes have no strict pattern;
    those we know by name do so by default.
    """
    for track in picture.of_kind("video"):
        keys, sizes = _lengths(picture, track, limits)
        for place, usual in _odd(sizes, limits) or () if sizes else ():
            yield _odd_group(track, keys[place + 1], sizes[place], usual)


def is_strict(picture: Picture, track: Track, limits: Thresholds) -> bool:
    """Whether key pictures come by the count and not where the scene changes: a strict pattern of lengths, and 8
    pictures or more to a group."""
    keys, sizes = _lengths(picture, track, limits)
    return bool(sizes) and _odd(sizes, limits) is not None and 8 * len(keys) <= len(track.packets.flags)


def _lengths(picture: Picture, track: Track, limits: Thresholds) -> tuple[list[int], list[int]]:
    """Packets of the key pictures, and the lengths of all groups but the first and last; no lengths where they are too
    few, where every picture is a key picture, and where the encoder is known to follow the scene."""
    adaptive = any(
        t.stream == track.stream.index and t.packet == 0 and t.text.startswith("x26") for t in picture.traces
    )
    keys = [number for number, flags in enumerate(track.packets.flags) if flags & KEY]
    sizes = [after - before for before, after in pairwise(keys)][1:]
    if adaptive or (track.coding and track.coding.encoder) or len(keys) == len(track.packets.flags):
        return keys, []
    return keys, sizes if len(sizes) >= limits.gop_groups else []


def _odd(sizes: Sequence[int], limits: Thresholds) -> list[tuple[int, int]] | None:
    """(place, usual length) of the groups that leave the pattern; None where there is no strict one."""
    allowed = max(limits.gop_breaks, round((1 - limits.gop_equal) * len(sizes)))
    for period in range(1, min(_LONGEST, len(sizes) // 4) + 1):
        off = _off(sizes, _pattern(sizes, period))
        if len(off) <= allowed:
            return [each for each in off if not _divided(sizes, each[0], each[1])]
    return None


def _pattern(sizes: Sequence[int], period: int) -> tuple[int, ...]:
    """The most common row of so many lengths, wherever in it one begins."""
    rows = (tuple(sizes[n : n + period]) for n in range(len(sizes) - period + 1))
    return Counter(min(row[n:] + row[:n] for n in range(period)) for row in rows).most_common(1)[0][0]


def _off(sizes: Sequence[int], pattern: tuple[int, ...]) -> list[tuple[int, int]]:
    """(place, length due) of the groups that don't follow the pattern, which may begin anew behind each of them."""
    off, phase = [], _phase(sizes, 0, pattern)
    for place, size in enumerate(sizes):
        if size != pattern[phase]:
            off.append((place, pattern[phase]))
            phase = _phase(sizes, place + 1, pattern)
        else:
            phase = (phase + 1) % len(pattern)
    return off


def _phase(sizes: Sequence[int], place: int, pattern: tuple[int, ...]) -> int:
    """Where in the pattern the groups from `place` on stand best."""
    ahead = sizes[place : place + len(pattern)]
    return max(
        range(len(pattern)),
        key=lambda phase: sum(size == pattern[(phase + n) % len(pattern)] for n, size in enumerate(ahead)),
    )


def _divided(sizes: Sequence[int], place: int, usual: int) -> bool:
    """Whether the group and a neighbour make up a usual one: a key picture more, as for a snapshot, nothing lost."""
    neighbours = (*sizes[max(0, place - 1) : place], *sizes[place + 1 : place + 2])
    return any(sizes[place] + neighbour == usual for neighbour in neighbours)


def _odd_group(track: Track, packet: int, size: int, usual: int) -> Finding:
    zh, en = at(track, packet)
    return Finding(
        code="REC-CONTINUOUS/GOP-BREAK",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=time_of(track, packet),
        end=time_of(track, packet + size),
        zh=f"{zh}一个图像组有 {size} 帧，按规律应为 {usual} 帧。",
        en=f"{en} a group of pictures has {size} pictures where the pattern has {usual}",
        evidence=evidence(track, packet, pictures=size, usual=usual),
    )


CHECKS = (picture_groups,)
