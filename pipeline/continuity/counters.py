"""Do H.264's own counters run on? frame_num through the pictures, idr_pic_id through the key pictures.

A cut by stream copy can be made to look whole in the container; these numbers were written by the camera's encoder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.continuity.coding import FIELD, IDR, REFERENCE, RESET, SLICE
from pipeline.continuity.model import Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

Jump = tuple[int, int, int]  # packet, the number that is due, the one that is there


def frame_numbers(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/FRAME-NUM: frame_num does not follow (ITU-T H.264 7.4.3).

    It grows by one after each reference picture and is 0 in IDR pictures; two fields share one number. Where the stream
    allows gaps, or where many numbers don't follow, the encoder may be to blame: a suspicion.
    """
    for track in picture.of_kind("video"):
        if not track.coding or not track.slices or not track.coding.max_frame_num:
            continue
        jumps = list(_jumps(track, track.coding.max_frame_num))
        pictures = sum(flags & SLICE != 0 for flags in track.slices.flags)
        if len(jumps) > max(limits.few_breaks, limits.few_breaks_share * pictures):
            yield _many(track, jumps)
            continue
        severity = Severity.SUSPICION if track.coding.gaps_allowed else Severity.VIOLATION
        for jump in jumps:
            yield _jump(track, jump, severity)


def _jumps(track: Track, modulus: int) -> Iterator[Jump]:
    assert track.slices is not None  # noqa: S101
    last, whole = -1, False  # frame_num of the last reference picture, and whether that was a frame
    for number, (found, flags) in enumerate(zip(track.slices.frame_num, track.slices.flags, strict=True)):
        if found < 0:
            if flags & SLICE:
                last = -1
            continue
        if flags & IDR:
            if found:
                yield number, 0, found
        elif last >= 0:
            step = (found - last) % modulus
            if step > 1 or (step == 0 and whole and not flags & FIELD):
                yield number, (last + 1) % modulus, found
        if flags & REFERENCE:
            last, whole = 0 if flags & RESET else found, not flags & FIELD
        elif last >= 0 and (found - last) % modulus > 1:  # said once, not of every picture up to the next reference
            last, whole = (found - 1) % modulus, True


def _jump(track: Track, jump: Jump, severity: Severity) -> Finding:
    number, expected, found = jump
    modulus = track.coding.max_frame_num if track.coding else 1
    zh, en = at(track, number)
    return Finding(
        code="REC-CONTINUOUS/FRAME-NUM",
        axis=Axis.TIMELINE,
        severity=severity,
        start=time_of(track, number),
        end=time_of(track, number),
        zh=f"{zh}编码器的帧序号应为 {expected}，实为 {found}，其间有画面被移除。",
        en=f"{en} the encoder's frame number jumps ({expected} is due, {found} is there): pictures were removed",
        evidence=evidence(
            track, number, expected=expected, found=found, missing_modulo=[(found - expected) % modulus, modulus]
        ),
    )


def _many(track: Track, jumps: Sequence[Jump]) -> Finding:
    first, last = jumps[0][0], jumps[-1][0]
    return Finding(
        code="REC-CONTINUOUS/FRAME-NUM",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=time_of(track, first),
        end=time_of(track, last),
        zh=f"编码器的帧序号有 {len(jumps)} 处不连续：可能有画面被逐一移除，也可能是编码器自身不规范。",
        en=f"the encoder's frame numbers don't follow in {len(jumps)} places: pictures were removed throughout, or the "
        "encoder does not keep to the standard",
        evidence={"stream": track.stream.index, "packets": [jump[0] for jump in jumps[:20]]},
    )


def idr_ids(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/IDR-ID: the pattern of idr_pic_id (constant, alternating, cycling, counting) is broken."""
    for track in picture.of_kind("video"):
        ids = _ids(track)
        values = [value for _, value in ids]
        off = _off_pattern(values, limits)
        few = len(off) <= max(limits.few_breaks, limits.idr_breaks * len(ids))
        for step in off:
            yield _foreign_idr(track, ids[step + 1], values[step], Severity.VIOLATION if few else Severity.SUSPICION)


def _ids(track: Track) -> list[tuple[int, int]]:
    """(packet, idr_pic_id) of the IDR pictures, but of those that follow one another directly only the first.

    Neighbours must differ (7.4.3), whatever the encoder does otherwise.
    """
    ids: list[tuple[int, int]] = []
    neighbour = False
    for number, value in enumerate(track.slices.idr_pic_id if track.slices else ()):
        if value >= 0 and not neighbour:
            ids.append((number, value))
        neighbour = value >= 0
    return ids


def _off_pattern(values: Sequence[int], limits: Thresholds) -> list[int]:
    """Steps (index of their first value) that leave the pattern; [] where none was established.

    The first step is left out: some encoders start with a number of its own.
    """
    steps = list(pairwise(values))
    if len(steps) < limits.idr_steps:
        return []
    off = min(_off_count(steps), _off_cycle(steps), key=len)
    return [n for n in off if n] if len(off) <= (1 - limits.idr_equal) * len(steps) else []


def _off_count(steps: Sequence[tuple[int, int]]) -> list[int]:
    """Steps unlike the usual difference; a counter may turn over at a power of two."""
    usual = Counter((b - a) % 65536 for a, b in steps).most_common(1)[0][0]
    return [n for n, (a, b) in enumerate(steps) if (b - a) % 65536 != usual and not _turns_over(a + usual, b)]


def _turns_over(due: int, found: int) -> bool:
    """Whether a counter of some whole number of bits goes from below `due` to `found`."""
    return found < due and due - found in _TURNS


_TURNS = {1 << bits for bits in range(2, 17)}


def _off_cycle(steps: Sequence[tuple[int, int]]) -> list[int]:
    """Steps to another value than the one that usually follows; none for values that hardly ever come again."""
    values = {a for a, _ in steps}
    if len(values) > len(steps) / 3:
        return list(range(len(steps)))
    usual = {a: Counter(b for x, b in steps if x == a).most_common(1)[0][0] for a in values}
    return [n for n, (a, b) in enumerate(steps) if usual[a] != b]


def _foreign_idr(track: Track, found: tuple[int, int], before: int, severity: Severity) -> Finding:
    number, value = found
    zh, en = at(track, number)
    return Finding(
        code="REC-CONTINUOUS/IDR-ID",
        axis=Axis.TIMELINE,
        severity=severity,
        start=time_of(track, number),
        end=time_of(track, number),
        zh=f"{zh}编码器的关键帧编号规律中断（{before} 之后为 {value}），此处前后内容并非连续编码。",
        en=f"{en} the encoder's pattern of key picture ids breaks ({before}, then {value}): not coded in one go",
        evidence=evidence(track, number, before=before, found=value),
    )


CHECKS = (frame_numbers, idr_ids)
