"""Do the encoder's own counters run on? H.264 slice headers and the group-of-pictures pattern, without decoding.

A cut by stream copy can be made to look whole in the container; these counters were written by the camera's encoder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.continuity.coding import FIELD, IDR, REFERENCE
from pipeline.continuity.model import KEY, UNKNOWN, Picture, Track
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity


def frame_numbers(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/FRAME-NUM: frame_num jumps outside an IDR picture (ITU-T H.264 7.4.3).

    It grows by one after each reference picture, unless the stream declares gaps; two fields share one number. A jump
    to 0 or 1 is what memory_management_control_operation 5 also gives, so that it is no proof.
    """
    for track in picture.of_kind("video"):
        if track.coding and track.slices and not track.coding.gaps_allowed and track.coding.max_frame_num:
            for number, expected, found in _jumps(track, track.coding.max_frame_num):
                yield _jump(track, number, expected, found)


def _jumps(track: Track, modulus: int) -> Iterator[tuple[int, int, int]]:
    """(packet number, the frame_num that would follow, the one that is there)."""
    assert track.slices is not None  # noqa: S101
    last, frames = -1, False  # frame_num of the last reference picture, and whether that was a whole frame
    for number, (found, flags) in enumerate(zip(track.slices.frame_num, track.slices.flags, strict=True)):
        if last >= 0 and found >= 0 and not flags & IDR:
            step = (found - last) % modulus
            if step > 1 or (step == 0 and frames and flags & REFERENCE and not flags & FIELD):
                yield number, (last + 1) % modulus, found
        if found < 0 or flags & (REFERENCE | IDR):
            last, frames = found, not flags & FIELD


def _jump(track: Track, number: int, expected: int, found: int) -> Finding:
    at = _time(track, number)
    modulus = track.coding.max_frame_num if track.coding else 1
    return Finding(
        code="REC-CONTINUOUS/FRAME-NUM",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION if found <= 1 else Severity.VIOLATION,
        start=at,
        end=at,
        zh=f"{_at(at)[0]}编码器的帧序号由 {expected} 跳到 {found}，其间有画面被移除。",
        en=f"{_at(at)[1]}the encoder's frame number jumps ({expected} is due, {found} is there): pictures were removed",
        evidence={
            "stream": track.stream.index,
            "packet": number,
            "offset": track.packets.pos[number],
            "expected": expected,
            "found": found,
            "missing_modulo": [(found - expected) % modulus, modulus],
        },
    )


def idr_ids(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/IDR-ID: the pattern of idr_pic_id (constant, alternating, cycling, counting) is broken."""
    for track in picture.of_kind("video"):
        if not track.slices:
            continue
        ids = [(number, value) for number, value in enumerate(track.slices.idr_pic_id) if value >= 0]
        for step in _off_pattern([value for _, value in ids], limits):
            yield _foreign_idr(track, ids[step + 1][0], ids[step][1], ids[step + 1][1])


def _off_pattern(values: Sequence[int], limits: Thresholds) -> list[int]:
    """Steps (index of their first value) that leave the pattern; [] where none was established."""
    steps = list(pairwise(values))
    if len(steps) < limits.idr_steps:
        return []
    usual = {a: Counter(b for x, b in steps if x == a).most_common(1)[0][0] for a in set(values[:-1])}
    counting = sum(b == a + 1 for a, b in steps) / len(steps) >= limits.idr_equal
    if counting and len(usual) > len(steps) / 2:
        return [n for n, (a, b) in enumerate(steps) if b not in (a + 1, 0)]
    off = [n for n, (a, b) in enumerate(steps) if usual[a] != b]
    followed = 1 - len(off) / len(steps)
    return off if followed >= limits.idr_equal else []


def _foreign_idr(track: Track, number: int, before: int, found: int) -> Finding:
    at = _time(track, number)
    return Finding(
        code="REC-CONTINUOUS/IDR-ID",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=at,
        end=at,
        zh=f"{_at(at)[0]}编码器的关键帧编号规律中断（{before} 之后为 {found}），此处前后内容并非连续编码。",
        en=f"{_at(at)[1]}the encoder's pattern of key picture ids breaks ({before}, then {found}): not coded in one go",
        evidence={"stream": track.stream.index, "packet": number, "offset": track.packets.pos[number]},
    )


def picture_groups(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/GOP-BREAK: one group of pictures is shorter or longer where all the others are equal."""
    for track in picture.of_kind("video"):
        keys = [number for number, flags in enumerate(track.packets.flags) if flags & KEY]
        sizes = [after - before for before, after in pairwise(keys)]
        if len(sizes) < limits.gop_groups or len(keys) == len(track.packets.flags):
            continue
        usual, count = Counter(sizes).most_common(1)[0]
        if count / len(sizes) >= limits.gop_equal:
            for start, size in zip(keys, sizes, strict=False):
                if size != usual:
                    yield _odd_group(track, start, size, usual)


def _odd_group(track: Track, packet: int, size: int, usual: int) -> Finding:
    start, end = _time(track, packet), _time(track, packet + size)
    return Finding(
        code="REC-CONTINUOUS/GOP-BREAK",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=start,
        end=end,
        zh=f"{_at(start)[0]}一个图像组有 {size} 帧，其余均为 {usual} 帧。",
        en=f"{_at(start)[1]}a group of pictures has {size} pictures where the others have {usual}",
        evidence={"stream": track.stream.index, "packet": packet, "pictures": size, "usual": usual},
    )


def parameter_sets(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PARAMETERS-CHANGED: the encoder's parameter sets change within the file, as where two were joined."""
    for track in picture.of_kind("video"):
        for number in [change.packet for change in track.coding.changes] if track.coding else ():
            at = _time(track, number)
            yield Finding(
                code="REC-TRUE/PARAMETERS-CHANGED",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                start=at,
                end=at,
                zh=f"{_at(at)[0]}编码参数发生变化，可能由不同录像拼接而成。",
                en=f"{_at(at)[1]}the encoder's parameters change: two recordings may have been joined",
                evidence={"stream": track.stream.index, "packet": number},
            )


def _time(track: Track, number: int) -> float | None:
    """Seconds at which the packet is shown (or decoded); None in streams without timestamps."""
    for times in (track.packets.pts, track.packets.dts):
        if number < len(times) and times[number] != UNKNOWN:
            return round(times[number] * track.tick, 6)
    return None


def _at(seconds: float | None) -> tuple[str, str]:
    return ("", "") if seconds is None else (f"{clock(seconds)} 处", f"at {clock(seconds)} ")


CHECKS = (frame_numbers, idr_ids, picture_groups, parameter_sets)
