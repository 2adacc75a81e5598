"""Matroska and WebM files: do the clusters stand where they and the cues say, with the bytes that were written?

A muxer notes in each cluster its place and the length of the one before, and may add checksums. Who takes clusters out
or puts some in leaves these notes wrong from there on (RFC 9559 5.1.3, RFC 8794 11.3.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.continuity.model import Picture
from pipeline.continuity.places import Places
from pipeline.continuity.structure import ClusterStep, Matroska
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_LEAST_VOID = 1024  # bytes


def clusters(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CLUSTER: a cluster's own notes are wrong, or its time runs back.

    Where notes are wrong from the first cluster on and alike, the header was rewritten: a suspicion of the file. Time
    may run back a little: some muxers date a cluster by its first picture in decoding order, which isn't shown first.
    """
    found = picture.structure.matroska if picture.structure else None
    if not found:
        return
    told = [step for step in found.steps if step.what != "time" or step.noted - step.found > limits.backwards]
    for offset in sorted({step.offset for step in told}):
        steps = [step for step in told if step.offset == offset]
        yield _cluster(picture, steps)


def _cluster(picture: Picture, steps: Sequence[ClusterStep]) -> Finding:
    step = steps[0]
    back = next((each for each in steps if each.what == "time"), None)
    before = Places(picture).before(step.offset)
    moved = [each for each in steps if each.what != "time"]
    head = before is None and bool(moved)
    severity = Severity.SUSPICION if head or (back and not moved) else Severity.VIOLATION
    at = f"{clock(step.time)} "
    zh = (
        f"簇时间倒退 {back.noted - back.found:.2f} 秒" if back else "簇自身记录的位置与实际不符，此前有数据被移除或插入"
    )
    en = (
        f"the clusters' time runs back {back.noted - back.found:.2f} s"
        if back
        else "a cluster is not where it says: data before it were taken out or put in"
    )
    return Finding(
        code="REC-TRUE/CLUSTER" if head else "REC-CONTINUOUS/CLUSTER",
        axis=Axis.FILE if head else Axis.TIMELINE,
        severity=severity,
        start=before if before is not None else round(step.time, 6),
        end=round(max(step.time, before or 0.0), 6),
        zh=f"{at}处{zh}。",
        en=f"{at}{en}",
        evidence={"element": "Segment/Cluster", "offset": step.offset}
        | {each.what: [each.noted, each.found] for each in steps},
    )


def cues(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CUES: the index names clusters that are not there.

    A violation where it fits up to some place and not beyond; an index that fits nowhere is a suspicion.
    """
    found = picture.structure.matroska if picture.structure else None
    if not found or not found.dangling_count:
        return
    time, position = found.dangling[0]
    some = found.dangling_count < found.cues and not found.damaged
    yield Finding(
        code="REC-CONTINUOUS/CUES",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if some else Severity.SUSPICION,
        start=round(time, 6),
        end=round(time, 6),
        zh=f"索引（Cues）有 {found.dangling_count} 项指向不存在的簇，首项为 {clock(time)}：其间数据被移除或插入。",
        en=f"{found.dangling_count} cues point to clusters that are not there, from {clock(time)} on: data were moved",
        evidence={
            "element": "Segment/Cues",
            "position": position,
            "dangling": found.dangling_count,
            "cues": found.cues,
        },
    )


def checksums(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/CHECKSUM: an element's bytes are not those that were written into it."""
    found = picture.structure.matroska if picture.structure else None
    for name, offset in found.checksums if found else ():
        at = Places(picture).before(offset + 1) if name == "Cluster" else None
        yield Finding(
            code="REC-TRUE/CHECKSUM",
            axis=Axis.FILE,
            severity=Severity.VIOLATION,
            start=at,
            end=at,
            zh=f"{name} 的内容与其校验值不符：写入之后被改动或损坏。",
            en=f"{name} no longer has the checksum it was written with: altered or damaged since",
            evidence={"element": f"Segment/{name}/CRC-32", "offset": offset},
        )


def void(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/VOID: bytes between clusters were blanked out; muxers leave such space in the header only."""
    found = picture.structure.matroska if picture.structure else None
    large = [each for each in found.void if each[1] >= _LEAST_VOID] if found else []
    inside = [each for each in large if Places(picture).after(each[0]) is not None]
    if inside:
        at, blank = Places(picture).before(inside[0][0]), sum(each[1] for each in inside)
        yield Finding(
            code="REC-TRUE/VOID",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=at,
            end=at,
            zh=f"簇之间有 {blank} 字节被空白替代，可能为移除的内容。",
            en=f"{blank} bytes between clusters are blanked out: perhaps footage that stood there",
            evidence={"element": "Segment/Void", "void": [list(each) for each in inside[:20]]},
        )


def order(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/ORDERED-CHAPTERS: the file is to be shown in an edited order. REC-TRUE/LINKED: others belong to it."""
    found = picture.structure.matroska if picture.structure else None
    if found and found.ordered_chapters:
        yield Finding(
            code="REC-TRUE/ORDERED-CHAPTERS",
            axis=Axis.FILE,
            severity=Severity.VIOLATION,
            zh="文件含有有序章节：播放时按编辑过的顺序显示。",
            en="the file has ordered chapters: players show it in an edited order",
            evidence={"element": "Segment/Chapters/EditionEntry/EditionFlagOrdered"},
        )
    if found and found.linked:
        yield Finding(
            code="REC-TRUE/LINKED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh="文件注明其前后还有其他文件：可能被拆分过。",
            en="the file says that others belong before or after it: it may have been split",
            evidence={"element": "Segment/Info/PrevUID, NextUID"},
        )


def length(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/DURATION: the declared length against the packets. REC-TRUE/DAMAGED: bytes that are no element."""
    found = picture.structure.matroska if picture.structure else None
    if not found:
        return
    starts = [track.start for track in picture.tracks if track.start is not None]
    ends = [track.end for track in picture.tracks if track.end is not None]
    if found.duration and starts and ends:
        apart = min(abs(found.duration - max(ends)), abs(found.duration - max(ends) + min(starts)))
        if apart > limits.duration_mismatch:
            yield _length(found, max(ends))
    if found.damaged:
        at = Places(picture).before(found.damaged[0])
        yield Finding(
            code="REC-TRUE/DAMAGED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=at,
            end=at,
            zh=f"有 {len(found.damaged)} 处数据结构损坏（首处在偏移 {found.damaged[0]}）。",
            en=f"the elements are damaged in {len(found.damaged)} places (first at {found.damaged[0]})",
            evidence={"offsets": list(found.damaged[:20])},
        )


def _length(found: Matroska, end: float) -> Finding:
    declared = found.duration or 0.0
    return Finding(
        code="REC-TRUE/DURATION",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        start=round(min(declared, end), 6),
        end=round(max(declared, end), 6),
        zh=f"时长不一致：文件头为 {clock(declared)}，数据到 {clock(end)}。",
        en=f"lengths disagree: the header says {clock(declared)}, the data end at {clock(end)}",
        evidence={"Segment/Info/Duration": round(declared, 6), "packets": round(end, 6)},
    )


CHECKS = (clusters, cues, checksums, void, order, length)
