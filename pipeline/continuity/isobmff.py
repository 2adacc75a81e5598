"""ISO media files: does every byte of the data belong to a picture or a sound, each once and in order?

Who takes pictures out of a recording by editing its index leaves their bytes behind; who joins streams leaves a sample
whose duration fits neither; who takes out fragments leaves a hole in their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from pipeline.continuity.model import Picture
from pipeline.continuity.places import Places
from pipeline.continuity.samples import Fragments, FragmentStep, OutOfOrder, Shared, Stretch
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_EMPTY = ("zeros", "free", "skip", "wide", "uuid")
_STBL = "moov/trak/mdia/minf/stbl"


def unreferenced(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/UNREFERENCED: coded pictures between the samples that the index no longer names.

    REC-TRUE/UNREFERENCED: other bytes of the data that belong to nothing. Free space and small or regular stretches are
    how some devices align and reserve; at the head and tail, pictures may be an encoder's run-in.
    """
    samples = picture.structure.samples if picture.structure else None
    if not samples or not samples.referenced_bytes:
        return
    whole = samples.referenced_bytes + samples.unreferenced_bytes
    stretches = [each for each in samples.unreferenced if each.content not in _EMPTY]
    spread = _is_spread(stretches, whole)
    places, rest = Places(picture), []
    for _, group in groupby(stretches, key=lambda each: places.count(0, each.offset)):
        together = list(group)
        if spread or not any(each.content == "units" for each in together) or _at_an_end(together, places):
            rest += together
        else:
            yield _removed(together, places)
    if sum(each.size for each in rest) >= limits.unreferenced_bytes:
        regular = spread and not any(each.content == "units" for each in rest)
        yield _unexplained(rest, places, Severity.NOTE if regular else Severity.SUSPICION)


def _is_spread(stretches: Sequence[Stretch], whole: int) -> bool:
    """Many stretches from one end of the data to the other: a habit of the device, not something taken out."""
    return len(stretches) >= 8 and stretches[-1].offset - stretches[0].offset > whole // 2


def _at_an_end(together: Sequence[Stretch], places: Places) -> bool:
    """Before the first picture, or after the last."""
    return not places.count(0, together[0].offset) or places.after(together[-1].offset) is None


def _removed(together: Sequence[Stretch], places: Places) -> Finding:
    """Stretches with no picture between them: one thing taken out."""
    first, size = together[0].offset, sum(each.size for each in together)
    start, end = places.before(first), places.after(first)
    zh, en = (f"{clock(start)} 之后", f"after {clock(start)} ") if start is not None else ("", "")
    return Finding(
        code="REC-CONTINUOUS/UNREFERENCED",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=start,
        end=end,
        zh=f"{zh}文件中有 {size} 字节已编码的画面未被索引引用：这些画面被从录像中移除。",
        en=f"{en}{size} bytes of coded pictures are in the file but not in its index: they were taken out",
        evidence={"box": "mdat", "offset": first, "bytes": size, "stretches": len(together)},
    )


def _unexplained(rest: Sequence[Stretch], places: Places, severity: Severity) -> Finding:
    whole = sum(each.size for each in rest)
    at = places.before(rest[0].offset)
    return Finding(
        code="REC-TRUE/UNREFERENCED",
        axis=Axis.FILE,
        severity=severity,
        start=at,
        end=at,
        zh=f"数据区有 {len(rest)} 处共 {whole} 字节不属于任何画面或声音。",
        en=f"{whole} bytes of the data in {len(rest)} places belong to no picture and no sound",
        evidence={
            "box": "mdat",
            "stretches": [[each.offset, each.size, each.place, each.content] for each in rest[:20]],
        },
    )


def out_of_order(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/REORDERED: samples that are shown later stand earlier in the file.

    A device writes as it records. A single step back after which everything lies before the first chunk is what a ring
    buffer leaves: a suspicion only.
    """
    samples = picture.structure.samples if picture.structure else None
    footage = _footage(picture)
    steps = [each for each in samples.out_of_order if each.track in footage] if samples else []
    if not samples or not steps:
        return
    places = Places(picture)
    ring = samples.out_of_order_count <= len(footage) and _is_ring(picture, steps)
    yield _reordered(steps, samples.out_of_order_count, places, Severity.SUSPICION if ring else Severity.VIOLATION)


def _is_ring(picture: Picture, steps: Sequence[OutOfOrder]) -> bool:
    """Whether all that follows the step back lies before all that precedes it."""
    video = next(iter(picture.of_kind("video")), None)
    if video is None:
        return True
    positions = [pos for pos in video.packets.pos if pos >= 0]
    back = next((n for n in range(1, len(positions)) if positions[n] < positions[n - 1]), None)
    return back is None or max(positions[back:]) < min(positions[:back])


def _reordered(steps: Sequence[OutOfOrder], count: int, places: Places, severity: Severity) -> Finding:
    first = steps[0]
    at = places.after(first.offset)
    return Finding(
        code="REC-CONTINUOUS/REORDERED",
        axis=Axis.TIMELINE,
        severity=severity,
        start=at,
        end=at,
        zh=f"有 {count} 处画面或声音在文件中的位置与播放顺序相反：内容被调换过顺序。",
        en=f"in {count} places what is shown later stands earlier in the file: the order was changed",
        evidence={
            "box": f"{_STBL}/stco",
            "steps": [[each.track, each.sample, each.offset, each.previous] for each in steps[:20]],
        },
    )


def shared_samples(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/REPEATED: the same bytes are shown more than once; a passage of them is a loop."""
    samples = picture.structure.samples if picture.structure else None
    footage = _footage(picture)
    shared = [each for each in samples.shared if set(each.tracks) <= footage] if samples else []
    if not shared:
        return
    places = Places(picture)
    passage = sum(places.count(each.offset, each.offset + each.size) for each in shared) // 2
    video = places.track
    long = video is not None and passage * video.median_interval > limits.video_gap
    yield _repeated(shared, passage, places, Severity.VIOLATION if long else Severity.SUSPICION)


def _repeated(shared: Sequence[Shared], pictures: int, places: Places, severity: Severity) -> Finding:
    at = places.after(shared[0].offset)
    return Finding(
        code="REC-CONTINUOUS/REPEATED",
        axis=Axis.TIMELINE,
        severity=severity,
        start=at,
        end=at,
        zh=f"同一段数据（约 {pictures} 帧画面）在录像中被引用多次。",
        en=f"the same data (about {pictures} pictures) are shown more than once",
        evidence={"box": f"{_STBL}/stco", "shared": [[each.offset, each.size, *each.tracks] for each in shared[:20]]},
    )


def outside_data(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/OUTSIDE-DATA: the index points to bytes that are in no data box."""
    samples = picture.structure.samples if picture.structure else None
    if samples and samples.outside_count and picture.boxes and not picture.boxes.missing:
        yield Finding(
            code="REC-TRUE/OUTSIDE-DATA",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"索引有 {samples.outside_count} 处指向数据区以外的位置。",
            en=f"the index points {samples.outside_count} times to places outside the data",
            evidence={"box": f"{_STBL}/stco", "offsets": list(samples.outside[:20])},
        )


def tables(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/TABLES: the sample tables of a track don't count the same samples, as after an edit of one of them."""
    samples = picture.structure.samples if picture.structure else None
    for track, box, count, other, other_count in samples.contradictions if samples else ():
        yield Finding(
            code="REC-TRUE/TABLES",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"轨道 {track} 的索引自相矛盾：{box} 有 {count} 个样本，{other} 有 {other_count} 个。",
            en=f"track {track}'s index contradicts itself: {count} samples in {box}, {other_count} in {other}",
            evidence={"box": _STBL, "track": track, box: count, other: other_count},
        )


def joined(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/JOINED: from one picture on another sample description holds: another encoder's run was put on.

    A recorder describes its coding once, when it begins (stsd); programs that append without coding anew keep both.
    """
    samples = picture.structure.samples if picture.structure else None
    video = {track.id for track in picture.boxes.tracks if track.handler == "vide"} if picture.boxes else set()
    places = Places(picture)
    for track, offset, before, after in samples.switches if samples else ():
        if track in video:
            start, end = places.before(offset), places.after(offset)
            at = f"{clock(end)} " if end is not None else ""
            yield Finding(
                code="REC-CONTINUOUS/JOINED",
                axis=Axis.TIMELINE,
                severity=Severity.VIOLATION,
                start=start if start is not None and end is not None and start <= end else end,
                end=end,
                zh=f"{at}处画面改用另一套编码描述：此处接上了另一段录像。",
                en=f"{at}the pictures change to another sample description: another recording was put on here",
                evidence={"box": f"{_STBL}/stsc", "track": track, "offset": offset, "before": before, "after": after},
            )


def fragments(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/FRAGMENT: movie fragments are absent, repeated or out of order (mfhd numbers and tfdt times).

    Numbers need not follow each other by the standard (8.8.5: they increase); where most of them don't, they prove
    nothing.
    """
    found = picture.structure.fragments if picture.structure else None
    if not found:
        return
    counting = found.step_count * 5 <= found.count or found.step_count <= 3
    for step in found.steps:
        severity = _fragment_severity(step, limits, counting)
        if severity:
            yield _fragment(step, found, severity)


def _fragment_severity(step: FragmentStep, limits: Thresholds, counting: bool) -> Severity | None:
    gap = step.gap
    if gap is not None and gap < -limits.video_gap_suspicion:
        return Severity.VIOLATION if gap < -limits.backwards else Severity.SUSPICION
    if not counting or step.after == step.before + 1:
        return None  # a gap in time alone is GAP-PTS
    late = gap is not None and gap > 0.001
    return Severity.VIOLATION if late or step.after <= step.before else Severity.SUSPICION


def _fragment(step: FragmentStep, found: Fragments, severity: Severity) -> Finding:
    gap = step.gap or 0.0
    start = None if step.start is None else round(step.start - gap, 6)
    absent = step.after - step.before - 1
    zh = f"缺少 {absent} 个片段（{gap:.2f} 秒）" if absent > 0 else "片段重复或顺序颠倒"
    en = f"{absent} fragments are absent ({gap:.2f} s)" if absent > 0 else "fragments are repeated or out of order"
    at = f"{clock(start)} " if start is not None else ""
    return Finding(
        code="REC-CONTINUOUS/FRAGMENT",
        axis=Axis.TIMELINE,
        severity=severity,
        start=start,
        end=step.start if step.start is not None and gap > 0 else start,
        zh=f"{at}{zh}：序号 {step.before} 之后为 {step.after}。",
        en=f"{at}{en}: number {step.after} follows {step.before}",
        evidence={
            "box": "moof/mfhd",
            "offset": step.offset,
            "fragment": step.number,
            "before": step.before,
            "after": step.after,
            "track": step.track,
            "gap": step.gap,
            "fragments": found.count,
        },
    )


def second_movie(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SECOND-MOVIE: more than one movie box: another file was appended, or an old index left behind."""
    movies = [box.offset for box in picture.boxes.top if box.type == "moov"] if picture.boxes else []
    if len(movies) > 1:
        yield Finding(
            code="REC-TRUE/SECOND-MOVIE",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"文件含有 {len(movies)} 个索引（moov）：可能由多个文件接成，或留有旧索引。",
            en=f"the file has {len(movies)} indices (moov): files were appended, or an old one was left behind",
            evidence={"box": "moov", "offsets": movies[:20]},
        )


def _footage(picture: Picture) -> set[int]:
    """Ids of the tracks with pictures or sound."""
    tracks = picture.boxes.tracks if picture.boxes else ()
    return {track.id for track in tracks if track.handler in ("vide", "soun")}


CHECKS = (unreferenced, out_of_order, shared_samples, outside_data, tables, joined, fragments, second_movie)
