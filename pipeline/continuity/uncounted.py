"""What the encoder's counters leave open in this stream, so that silence is never taken for a pass."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from pipeline.continuity.coding import IDR, RESET, SLICE, UNCOUNTED, Coding, Slices
from pipeline.continuity.model import KEY, Track
from pipeline.continuity.thresholds import Thresholds
from storage.records import NotChecked

_ALONE = ("mjpeg", "jpeg2000", "prores", "dnxhd", "dvvideo", "rawvideo")  # every picture stands by itself
_UNNUMBERED = ("ac3", "eac3", "amr")


def of_video(track: Track) -> Iterator[NotChecked]:
    """For one video track."""
    if not track.shown:
        zh, en = "时间戳：文件中没有", "the container holds no timestamps"
        yield NotChecked("timestamps", f"stream {track.stream.index}: {en}", zh)
    name = f"stream {track.stream.index} ({track.stream.codec or 'unknown codec'})"
    if not track.slices or not track.coding:
        yield NotChecked("frame-counters", f"{name}: {_unread(track)[1]}", f"编码器计数：{_unread(track)[0]}")
        return
    if not _counts(track.slices):
        yield NotChecked("frame-counters", f"{name}: no picture header could be read", "编码器计数：无法读取")
        return
    if track.coding.gaps_allowed:
        why = "the stream allows gaps in frame_num: a jump is a suspicion only"
        yield NotChecked("frame-counters", f"{name}: {why}", "编码器计数：码流允许跳号，跳号只作疑点")
    blind = _blind(track, track.coding, Thresholds())
    if blind:
        yield NotChecked("whole-groups", f"{name}: {blind[1]}", f"整组画面的移除：{blind[0]}")


def _unread(track: Track) -> tuple[str, str]:
    if track.stream.codec in _ALONE:
        return "该格式每帧独立，无计数", "every picture stands by itself and holds no counter"
    return "本版本不读取该编码格式", "the counters of this codec are not read in this version"


def _counts(slices: Slices) -> bool:
    return any(number >= 0 for number in slices.frame_num) or any(order != UNCOUNTED for order in slices.order)


def _blind(track: Track, coding: Coding, limits: Thresholds) -> tuple[str, str] | None:
    """(zh, en): which whole groups can be taken out without breaking any counter; None where none can."""
    flags = track.slices.flags if track.slices else ()
    begins = sum(1 for each in flags if each & SLICE and each & (IDR | RESET))
    keys = sum(1 for each in track.packets.flags if each & KEY)
    told = max(len(coding.levels), len(coding.stamps)) > limits.buffer_steps
    if told or begins <= max(1, keys // 4):
        return None
    ids = [value for value in (track.slices.idr_pic_id if track.slices else ()) if value >= 0]
    if coding.codec != "h264":
        return "各组独立计数，关键帧没有编号", "each group counts anew, and key pictures bear no id"
    if len(ids) <= limits.idr_steps:
        return "各组独立计数，关键帧编号不足以成规律", "each group counts anew, and there are too few key picture ids"
    if len(set(ids)) == 1:
        return "各组独立计数，关键帧编号恒定", "each group counts anew, and the key picture id never changes"
    if set(ids) == {0, 1} and sum(a != b for a, b in pairwise(ids)) > 0.8 * len(ids):
        return (
            "各组独立计数，关键帧编号交替：偶数组无法发现",
            "key picture ids alternate: an even number leaves no trace",
        )
    return None


def of_audio(track: Track) -> Iterator[NotChecked]:
    """For one audio track."""
    if not track.sound:
        name = f"stream {track.stream.index} ({track.stream.codec or 'unknown codec'})"
        why = "frames of this codec do not depend on each other: only their times are compared"
        yield NotChecked("sound-frames", f"{name}: {why}", "声音帧：该格式各帧独立，只比对时间")
    elif track.sound.codec in _UNNUMBERED:
        why = "frames of this codec bear no number: sound taken out between two frames leaves no trace in them"
        name = f"stream {track.stream.index} ({track.stream.codec})"
        yield NotChecked("sound-numbers", f"{name}: {why}", "声音帧：该格式各帧没有编号，在两帧之间移除的声音不留痕迹")
