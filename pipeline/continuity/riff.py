"""AVI and WAV files: the footage against its index, and what the headers say of it.

A recorder writes an entry of the index for each chunk. Chunks without one were taken out of the recording by editing
the index; entries without a chunk, by removing the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.continuity.model import Picture
from pipeline.continuity.places import Places
from pipeline.continuity.structure import Riff
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_DAY = 86_400.0
_TIME = re.compile(r"(\d\d)[:\-. ](\d\d)[:\-. ](\d\d)$")


def unlisted(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/UNLISTED: footage in the file that its index leaves out.

    A violation between others that it names; at the end, an index that wasn't finished is a suspicion.
    """
    riff = picture.structure.riff if picture.structure else None
    if not riff or not riff.unlisted_count:
        return
    places = Places(picture)
    first, last = riff.unlisted[0], riff.unlisted[-1]
    start, end = places.before(first[0]), places.after(last[0] + last[1])
    at = f"{clock(start)} " if start is not None else ""
    yield Finding(
        code="REC-CONTINUOUS/UNLISTED",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION if riff.unlisted_last or riff.damaged else Severity.VIOLATION,
        start=start,
        end=end,
        zh=f"{at}处有 {riff.unlisted_count} 块画面或声音不在索引中，播放时不显示。",
        en=f"{at}{riff.unlisted_count} chunks of footage are not in the index: a player leaves them out",
        evidence={"chunk": "movi", "unlisted": [list(each) for each in riff.unlisted[:20]], "index": riff.index},
    )


def dangling(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/DANGLING: the index names footage that is not where it says.

    A violation where it fits up to some place and not beyond: the data were removed there. An index that fits nowhere
    is of another file, or of another kind: a suspicion, as is a damaged file.
    """
    riff = picture.structure.riff if picture.structure else None
    if not riff or not riff.dangling_count:
        return
    number, offset = riff.dangling[0]
    at = Places(picture).before(offset)
    some = riff.dangling_count < riff.listed and number > 0
    yield Finding(
        code="REC-CONTINUOUS/DANGLING",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if some and not riff.damaged else Severity.SUSPICION,
        start=at,
        end=at,
        zh=f"索引所列的 {riff.dangling_count} 块画面或声音不在文件中（首块在索引第 {number} 项）。",
        en=f"{riff.dangling_count} chunks that the index names are not there (the first is its entry {number})",
        evidence={"index": riff.index, "dangling": [list(each) for each in riff.dangling[:20]], "listed": riff.listed},
    )


def frame_counts(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/FRAME-COUNT: headers declare other numbers of pictures than the file holds.

    Headers that were never filled in (0) and single pictures more or less say nothing.
    """
    riff = picture.structure.riff if picture.structure else None
    if not riff or not riff.complete or not riff.closed or not riff.frames_found:
        return
    declared = {"avih": riff.frames_header, "strh": riff.frames_stream, "index": riff.frames_index}
    differing = {
        where: count
        for where, count in declared.items()
        if count > 0 and abs(count - riff.frames_found) > max(2, riff.frames_found // 500)
    }
    if differing and not (riff.unlisted_count or riff.dangling_count):
        yield _counts(riff, differing)


def _counts(riff: Riff, differing: dict[str, int]) -> Finding:
    where, count = next(iter(differing.items()))
    return Finding(
        code="REC-TRUE/FRAME-COUNT",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh=f"文件头（{where}）声明有 {count} 帧画面，文件中有 {riff.frames_found} 帧。",
        en=f"the header ({where}) declares {count} pictures, the file holds {riff.frames_found}",
        evidence={**differing, "found": riff.frames_found},
    )


def unfinished(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/UNFINISHED: length or index was never written: the recording broke off. REC-TRUE/DAMAGED: no chunks."""
    riff = picture.structure.riff if picture.structure else None
    wave = picture.structure.wave if picture.structure else None
    if (riff and (not riff.closed or riff.index == "none") and riff.frames_found) or (
        wave and not wave.declared and wave.there
    ):
        yield Finding(
            code="REC-TRUE/UNFINISHED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh="文件没有正常写完（缺少长度或索引），多为录制时断电所致。",
            en="the file was never finished (no length or no index), as after a power cut",
            evidence={"index": riff.index if riff else None, "closed": riff.closed if riff else False},
        )
    if riff and riff.damaged:
        at = Places(picture).before(riff.damaged[0])
        yield Finding(
            code="REC-TRUE/DAMAGED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=at,
            end=at,
            zh=f"有 {len(riff.damaged)} 处数据结构损坏（首处在偏移 {riff.damaged[0]}）。",
            en=f"the chunks are damaged in {len(riff.damaged)} places (first at {riff.damaged[0]})",
            evidence={"chunk": "movi", "offsets": list(riff.damaged[:20])},
        )


def partial_sample(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PARTIAL-SAMPLE: the sound's length is no whole number of samples: bytes were cut."""
    wave = picture.structure.wave if picture.structure else None
    if wave and wave.block > 1 and wave.declared and wave.declared % wave.block:
        yield Finding(
            code="REC-TRUE/PARTIAL-SAMPLE",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"声音数据 {wave.declared} 字节，不是采样块（{wave.block} 字节）的整数倍：数据可能被按字节裁切。",
            en=f"{wave.declared} bytes of sound are no whole number of samples of {wave.block} bytes: bytes were cut",
            evidence={"chunk": "data", "bytes": wave.declared, "block": wave.block},
        )


def time_reference(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/TIME-REFERENCE: a Broadcast Wave's sample count since midnight against its time of origin.

    Cutting the head off moves one and not the other. Zero is what recorders without a clock write.
    """
    wave = picture.structure.wave if picture.structure else None
    found = _TIME.search(wave.originated) if wave else None
    if not wave or not wave.reference or not found:
        return
    hours, minutes, seconds = map(int, found.groups())
    apart = wave.reference - (3600 * hours + 60 * minutes + seconds)
    apart -= _DAY * round(apart / _DAY)
    if abs(apart) > limits.time_reference:
        yield Finding(
            code="REC-TRUE/TIME-REFERENCE",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"起始采样计数 {clock(wave.reference)} 与录制时间 {wave.originated} 相差 {apart:.1f} 秒：开头或被截去。",
            en=f"the time reference {clock(wave.reference)} and the time of origin {wave.originated} are {apart:.1f} s "
            "apart: the head may have been cut off",
            evidence={"chunk": "bext", "TimeReference": round(wave.reference, 6), "origination": wave.originated},
        )


CHECKS = (unlisted, dangling, frame_counts, unfinished, partial_sample, time_reference)
