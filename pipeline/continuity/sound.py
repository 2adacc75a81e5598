"""Does each frame of sound follow from the one before? What the heads of AAC, MP3, FLAC, AC-3 and AMR frames say."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.coding import Fault
from pipeline.continuity.model import Picture, Track
from pipeline.continuity.moments import at, time_of
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_WORDS = {
    "reservoir": (
        "声音帧引用了已不存在的数据，其前的声音被移除或替换",
        "a sound frame draws on data that are not there: the sound before it was removed or replaced",
    ),
    "window": (
        "相邻两个声音帧的窗形不衔接，其间的声音被移除或替换",
        "two sound frames don't fit together (window shapes): the sound between them was removed or replaced",
    ),
    "header": (
        "声音的编码格式发生变化，可能由不同录音拼接而成",
        "the coding of the sound changes: recordings may have been joined",
    ),
    "number": (
        "声音帧编号不连续，其间的声音被移除、插入或调换",
        "the number of a sound frame does not follow: sound was removed, put in or moved",
    ),
    "size": (
        "数据包不是完整的声音帧，声音被按字节改动或损坏",
        "a packet is no whole frame of sound: bytes were cut, put in or damaged",
    ),
    "sum": (
        "声音帧与其校验值不符，写入之后被改动或损坏",
        "a frame of sound no longer has the checksum it was written with: altered or damaged since",
    ),
}
_PROOFS = ("reservoir", "number")
_OWN = ("header", "number", "size", "sum")  # told with their places by `soundfile` in files that are nothing but sound


def sound_frames(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SOUND-FRAMES: frames that don't follow from the one before, as where some were taken out.

    MP3 frames draw on a reservoir of bits before them, AAC windows overlap with the one before, FLAC frames are
    numbered, AC-3 and AMR frames tell their length. Where that fails often, the encoder is to blame.
    """
    alone = picture.structure is not None and picture.structure.framed is not None
    for track in picture.of_kind("audio"):
        if not track.sound:
            continue
        faults = [fault for fault in track.sound.faults if not (alone and fault.what in _OWN)]
        if len(faults) <= max(limits.few_breaks, limits.few_breaks_share * track.sound.frames):
            for fault in faults:
                yield _fault(track, fault)


def _fault(track: Track, fault: Fault) -> Finding:
    zh, en = _WORDS[fault.what]
    where_zh, where_en = at(track, fault.packet)
    return Finding(
        code="REC-CONTINUOUS/SOUND-FRAMES",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if fault.what in _PROOFS else Severity.SUSPICION,
        start=time_of(track, fault.packet),
        end=time_of(track, fault.packet),
        zh=f"{where_zh}{zh}。",
        en=f"{where_en} {en}",
        evidence={
            "stream": track.stream.index,
            "packet": fault.packet,
            "offset": track.packets.pos[fault.packet],
            "what": fault.what,
            "expected": fault.expected,
            "found": fault.found,
        },
    )


def sound_whole(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SOUND-HEAD, SOUND-COUNT: sound that begins in the middle, or has not the frames it declares."""
    for track in picture.of_kind("audio"):
        if track.sound and track.sound.borrowed:
            yield _headless(track, track.sound.borrowed)
        told = picture.structure and picture.structure.framed and picture.structure.framed.counts
        if track.sound and track.sound.declared and not told and abs(track.sound.frames - track.sound.declared) > 1:
            yield _miscounted(track, track.sound.frames, track.sound.declared)


def _headless(track: Track, borrowed: int) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/SOUND-HEAD",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        start=time_of(track, 0),
        end=time_of(track, 0),
        zh="第一个声音帧引用了其前的数据：录音的开头被截去，或录制时接入的是进行中的码流。",
        en="the first sound frame draws on data before it: the beginning was cut off, or a running stream was recorded",
        evidence={"stream": track.stream.index, "packet": 0, "bytes": borrowed},
    )


def _miscounted(track: Track, frames: int, declared: int) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/SOUND-COUNT",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        zh=f"文件头声明有 {declared} 个声音帧，实有 {frames} 个。",
        en=f"the file's head declares {declared} frames of sound, there are {frames}",
        evidence={"stream": track.stream.index, "declared": declared, "frames": frames},
    )


CHECKS = (sound_frames, sound_whole)
