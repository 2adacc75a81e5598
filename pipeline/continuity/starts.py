"""Where did the encoder begin? It begins once, at the head of the file, and says so; a second beginning is a joint."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from pipeline.continuity.coding import ENDED, IDR, INTRA, LEADING, SLICE, SPLICE, UNCOUNTED, UNSCALED
from pipeline.continuity.model import DISCARD, KEY, UNKNOWN, Picture, Track
from pipeline.continuity.moments import at, evidence, time_of
from pipeline.continuity.order import Counted, runs_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity


def head(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/HEAD-MISSING: the first picture is not one an encoder begins with (H.264 and HEVC: IDR).

    Context in transport streams, which people tune into.
    """
    for track in picture.of_kind("video"):
        first = _first(track)
        if first is None or not track.slices or track.slices.flags[first] & (IDR | SPLICE):
            continue
        following = track.slices.flags[first + 1 : first + 17]
        leading = sum(flags & LEADING != 0 for flags in following)
        order = track.slices.order[first]
        yield Finding(
            code="REC-CONTINUOUS/HEAD-MISSING",
            axis=Axis.TIMELINE,
            severity=Severity.NOTE if picture.format.startswith("mpeg") else Severity.SUSPICION,
            start=time_of(track, first),
            end=time_of(track, first),
            zh="第一帧不是编码器开始编码时的画面：开头可能被截去。",
            en="the first picture is not one that an encoder begins with: the beginning may have been cut off",
            evidence={
                "stream": track.stream.index,
                "packet": first,
                "frame_num": track.slices.frame_num[first],
                "order": None if order == UNCOUNTED else order,
                "leading_pictures": leading,
            },
        )


def _first(track: Track) -> int | None:
    """The first key picture, in codecs that have IDR pictures, where the first picture is one at all."""
    if not track.coding or track.coding.codec not in ("h264", "hevc") or not track.slices:
        return None
    first = next((number for number, flags in enumerate(track.slices.flags) if flags & SLICE), None)
    return first if first is not None and track.slices.flags[first] & (INTRA | IDR) else None


def restarts(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/ENCODER-AGAIN: an IDR picture in a stream whose other key pictures are none but the first.

    Such an encoder codes one IDR picture where it begins and lets its counters run on.
    """
    for track in picture.of_kind("video"):
        if not track.slices or not track.coding or track.coding.codec not in ("h264", "hevc"):
            continue
        keys = [n for n, flags in enumerate(track.packets.flags) if flags & KEY and track.slices.flags[n] & SLICE]
        again = [n for n in keys[1:] if track.slices.flags[n] & IDR]
        if again and len(again) <= min(limits.few_breaks, len(keys) // 4):
            for number in again:
                yield _again(track, number)


def start_levels(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/ENCODER-START: a key picture is quantised as the very first one, and as no other.

    Rate control has nothing to go by when it begins: many encoders code their first picture much coarser or finer than
    those after it. The same jump, there and back, once more within the file is another beginning.
    """
    for track in picture.of_kind("video"):
        keys = [(n, qp) for n, qp in enumerate(track.slices.qp if track.slices else ()) if qp != UNSCALED]
        if len(keys) > limits.start_keys:
            sizes = [track.packets.size[n] for n, _ in keys]
            for place in _starts_alike([qp for _, qp in keys], sizes, limits):
                yield _started(track, keys[place][0], keys)


def _starts_alike(qps: Sequence[int], sizes: Sequence[int], limits: Thresholds) -> list[int]:
    """Places of the keys that jump there and back as the first does; [] where others jump nearly as far.

    A coarser picture is smaller than its neighbours, a finer one larger; else it is the scene that changed.
    """
    jump = qps[0] - qps[1]
    if abs(jump) < limits.start_jump:
        return []
    sign = 1 if jump > 0 else -1
    jumps = [min(sign * (here - before), sign * (here - after)) for before, here, after in _triples(qps)]
    alike = {n for n, far in enumerate(jumps, 1) if far >= 0.4 * abs(jump) and abs(qps[n] - qps[0]) <= 1}
    others = max((far for n, far in enumerate(jumps, 1) if n not in alike), default=0)
    clear = all(jumps[n - 1] >= max(3, 2 * others) for n in alike)
    shaped = [n for n in sorted(alike) if _is_dip(sizes[n - 1 : n + 2], sign)]
    return shaped if clear and len(shaped) <= limits.few_breaks else []


def _is_dip(sizes: Sequence[int], sign: int) -> bool:
    before, here, after = sizes
    return here < 0.8 * min(before, after) if sign > 0 else here > 1.25 * max(before, after)


def _triples(values: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each value with the one before and the one after it."""
    return zip(values, values[1:], values[2:], strict=False)


def _started(track: Track, number: int, keys: Sequence[tuple[int, int]]) -> Finding:
    zh, en = at(track, number)
    return Finding(
        code="REC-CONTINUOUS/ENCODER-START",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=time_of(track, number),
        end=time_of(track, number),
        zh=f"{zh}关键帧的量化与全片第一帧相同，而与前后不同：编码器可能在此重新开始，或为拼接点。",
        en=f"{en} a key picture is quantised as the very first one, unlike those around it: the encoder may have begun "
        "anew, or another recording was joined on",
        evidence=evidence(track, number, qp=[qp for n, qp in keys if n == number], first_qp=keys[0][1]),
    )


def _again(track: Track, number: int) -> Finding:
    zh, en = at(track, number)
    return Finding(
        code="REC-CONTINUOUS/ENCODER-AGAIN",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=time_of(track, number),
        end=time_of(track, number),
        zh=f"{zh}编码器重新开始编码（IDR 画面），其余关键帧都不是：可能为拼接点或录制中断。",
        en=f"{en} the encoder begins anew (an IDR picture, the others are none): perhaps joined, or stopped",
        evidence=evidence(track, number),
    )


def overlaps(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/GROUP-OVERLAP: pictures before an IDR picture are shown after it.

    By the standards (H.264 C.4.4, H.265 C.5.2.2) all of them are shown before; joining two cuts leaves such pictures.
    """
    for track in picture.of_kind("video"):
        runs = list(runs_of(track))
        crossed = [pair for pair in pairwise(runs) if _crossed(track, *pair)]
        if len(crossed) <= max(limits.few_breaks, limits.few_breaks_share * len(runs)):
            for before, after in crossed:
                yield _overlap(track, before, after)


def _crossed(track: Track, before: Sequence[Counted], after: Sequence[Counted]) -> bool:
    old, new = _times(track, before), _times(track, after)
    return bool(old and new) and max(old) > min(new)


def _times(track: Track, run: Sequence[Counted]) -> list[int]:
    packets = track.packets
    return [packets.pts[n] for _, n in run if packets.pts[n] != UNKNOWN and not packets.flags[n] & DISCARD]


def _overlap(track: Track, before: Sequence[Counted], after: Sequence[Counted]) -> Finding:
    number = after[0][1]
    late = max(_times(track, before)) - min(_times(track, after))
    zh, en = at(track, number)
    return Finding(
        code="REC-CONTINUOUS/GROUP-OVERLAP",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=round(min(_times(track, after)) * track.tick, 6),
        end=round(max(_times(track, before)) * track.tick, 6),
        zh=f"{zh}前后两段的画面在时间上重叠：此处由两段拼接而成。",
        en=f"{en} pictures of two groups overlap in time: two pieces were joined here",
        evidence=evidence(track, number, overlap=round(late * track.tick, 6)),
    )


def splice_marks(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SPLICE-MARK: the stream itself says that what was before is gone (HEVC BLA, MPEG broken_link).

    Cutters set these marks; a camera has no use for them, except at the very start.
    """
    for track in picture.of_kind("video"):
        marked = [number for number, flags in _flags(track) if flags & SPLICE and number]
        if marked:
            zh, en = at(track, marked[0])
            yield Finding(
                code="REC-CONTINUOUS/SPLICE-MARK",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                start=time_of(track, marked[0]),
                end=time_of(track, marked[-1]),
                zh=f"{zh}码流带有剪接标记（共 {len(marked)} 处），说明此前的画面已不在。",
                en=f"{en} the stream carries an editor's splice mark ({len(marked)} in all): what came before is gone",
                evidence=evidence(track, marked[0], packets=marked[:20]),
            )


def ended_sequences(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEQUENCE-END: the stream says that it ends, and then goes on, as where files were put together."""
    for track in picture.of_kind("video"):
        last = max((number for number, flags in _flags(track) if flags & SLICE), default=0)
        ends = [number for number, flags in _flags(track) if flags & ENDED and number < last]
        keys = sum(flags & KEY for flags in track.packets.flags)
        if ends and len(ends) <= max(limits.few_breaks, keys // 2):
            zh, en = at(track, ends[0])
            yield Finding(
                code="REC-CONTINUOUS/SEQUENCE-END",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                start=time_of(track, ends[0]),
                end=time_of(track, ends[-1]),
                zh=f"{zh}码流已写入结束标记，其后仍有画面：可能由多个文件拼接而成。",
                en=f"{en} the stream says that it ends, yet pictures follow: files may have been put together",
                evidence=evidence(track, ends[0], packets=ends[:20]),
            )


def _flags(track: Track) -> Iterator[tuple[int, int]]:
    yield from enumerate(track.slices.flags if track.slices else ())


CHECKS = (head, restarts, start_levels, overlaps, splice_marks, ended_sequences)
