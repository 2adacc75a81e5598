"""Files of sound frames or pages without an index: does one follow from the other, from the first to the last?

FLAC frames and Ogg pages bear numbers, FLAC, Ogg and AC-3 sums; MP3 at a constant bit rate keeps a rhythm; every format
has a beginning that belongs nowhere else. AAC (ADTS) and AMR frames bear nothing: `unchecked` says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.continuity.framed import Count, Framed, Spot
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_BLOCK = 512  # bytes of a sector: recorders that write whole ones leave the last frame as it falls
_RESTLESS = 6  # places where the coding changes: more is an encoder's way


def _framed(picture: Picture) -> Framed | None:
    return picture.structure.framed if picture.structure else None


def _spots(picture: Picture, *what: str) -> list[Spot]:
    framed = _framed(picture)
    return [spot for spot in framed.spots if spot.what in what] if framed else []


def _finding(
    spot: Spot,
    code: str,
    severity: Severity,
    words: tuple[str, str],
    *,
    axis: Axis = Axis.TIMELINE,
    end: float | None = None,
    numbers: bool = False,
    places: int = 1,
) -> Finding:
    zh, en = words
    evidence: dict[str, Any] = {"what": spot.what, "offset": spot.offset, "frame": spot.frame}
    evidence |= {"text": spot.text} if spot.text else {}
    evidence |= {"expected": spot.expected, "found": spot.found} if numbers else {}
    evidence |= {"places": places} if places > 1 else {}
    at, until = spot.time, spot.time if end is None else end
    return Finding(code, axis, severity, f"{clock(at)} 处{zh}。", f"at {clock(at)} {en}", at, until, evidence)


def joined(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/JOINED: what stands at the beginning or end of a file stands in its middle.

    A recorder writes it once; programs that join files, and simple concatenation, leave it.
    """
    for spot in _spots(picture, "begin"):
        zh = f"的录音中间出现另一文件的头或尾（{spot.text}）：由不同录音拼接而成"
        en = f"the beginning or end of another file ({spot.text}) stands within the sound: recordings were joined"
        yield _finding(spot, "REC-CONTINUOUS/JOINED", Severity.VIOLATION, (zh, en))


def restarted(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/ENCODER-RESTART: an encoder that gives its name in its first frame, and so often, gives it early.

    It began anew there, or frames were taken out since it last did.
    """
    for spot in _spots(picture, "restart"):
        zh = f"编码器的标记（{spot.text}）提前出现，其前有声音被移除，或此处为拼接点"
        en = f"an encoder gives its name ({spot.text}) too early: sound before was taken out, or recordings joined here"
        yield _finding(spot, "REC-CONTINUOUS/ENCODER-RESTART", Severity.SUSPICION, (zh, en), numbers=True)


def numbers(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/FRAME-NUMBER: FLAC frames or Ogg pages whose numbers don't go on (RFC 9639 9.1.5, RFC 3533 6).

    Where they don't in many places, the encoder does not count: a suspicion, once.
    """
    framed, spots = _framed(picture), _spots(picture, "number", "continued")
    if not framed or not spots:
        return
    if len(spots) > max(limits.few_breaks, limits.few_breaks_share * framed.frames):
        zh, en = (
            "起编号多次不连续，编码器或未按规定编号",
            "and after, numbers often don't go on: perhaps they don't count",
        )
        yield _finding(
            spots[0], "REC-CONTINUOUS/FRAME-NUMBER", Severity.SUSPICION, (zh, en), end=spots[-1].time, places=len(spots)
        )
        return
    for spot in spots:
        yield _finding(spot, "REC-CONTINUOUS/FRAME-NUMBER", Severity.VIOLATION, _number(spot, framed), numbers=True)


def _number(spot: Spot, framed: Framed) -> tuple[str, str]:
    unit_zh, unit_en = ("页", "page") if framed.format == "ogg" else ("帧", "frame")
    if spot.what == "continued":
        return f"一{unit_zh}与其前一{unit_zh}不衔接：其间的声音被移除或替换", (
            f"a {unit_en} does not continue the one before: sound between them was removed or replaced"
        )
    if spot.found > spot.expected:
        return f"声音{unit_zh}编号由 {spot.expected} 跳至 {spot.found}：其间的声音被移除", (
            f"{unit_en} number {spot.found} comes where {spot.expected} follows: sound between them was removed"
        )
    return f"声音{unit_zh}编号应为 {spot.expected}，实为 {spot.found}：声音被插入、重复或调换", (
        f"{unit_en} number {spot.found} comes where {spot.expected} follows: sound was put in, repeated or moved"
    )


def positions(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/POSITION: an Ogg page counts other samples than came (RFC 3533 6, RFC 7845 4).

    Beside a break of the page numbers it says nothing more. A muxer that often gets it wrong does not count; one that
    reckons by the microphone's clock is off by less than a packet or two.
    """
    framed = _framed(picture)
    broken = {spot.offset for spot in _spots(picture, "number", "begin", "between")}
    spots = [s for s in _spots(picture, "position") if s.text != "head" and s.offset not in broken]
    if not framed or len(spots) > max(limits.few_breaks, limits.few_breaks_share * framed.frames):
        return
    for spot in spots:
        rate = int(spot.text) if spot.text.isdigit() else 0
        apart = spot.found - spot.expected
        seconds = f"{abs(apart) / rate:.2f}" if rate else ""
        zh = f"页的采样计数前移 {seconds} 秒：其间的声音被移除" if apart > 0 else "页的采样计数倒退：声音被插入或重复"
        en = (
            f"the page's count of samples leaps by {seconds} s: sound between was removed"
            if apart > 0
            else "the page's count of samples runs back: sound was put in or repeated"
        )
        far = apart < 0 or not rate or apart > limits.position_leap * rate
        severity = Severity.VIOLATION if far else Severity.SUSPICION
        yield _finding(spot, "REC-CONTINUOUS/POSITION", severity, (zh, en), numbers=True)


def rhythm(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/PADDING: the rhythm in which an MP3 of constant bit rate is padded is another from here on.

    After n frames the encoder has padded as many as make up the bit rate, to less than one byte (ISO/IEC 11172-3
    2.4.3.1), from its first frame to its last. Frames that were taken out or put in shift it, unless by whole periods.
    """
    framed = _framed(picture)
    for spot in _spots(picture, "rhythm"):
        end = round(spot.time + spot.expected * framed.seconds / max(1, framed.frames), 6) if framed else None
        zh = "起恒定码率的填充规律错位：声音帧被移除或插入"
        en = "the padding of constant bit rate is out of step: frames of sound were removed or put in"
        yield _finding(spot, "REC-CONTINUOUS/PADDING", Severity.VIOLATION, (zh, en), end=end, numbers=True)


def parameters(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PARAMETERS-CHANGED: rate, channels or kind of coding change: these formats set them once for a stream.

    AC-3 may, from one broadcast to the next. A bit rate that changes for good is a suspicion.
    """
    framed, spots = _framed(picture), _spots(picture, "parameters")
    if framed and len(spots) > _RESTLESS:
        zh, en = (
            f"起声音的编码参数多次变化（{len(spots)} 处）",
            f"the coding of the sound begins to change, {len(spots)} times",
        )
        yield _finding(spots[0], "REC-TRUE/PARAMETERS-CHANGED", Severity.SUSPICION, (zh, en), axis=Axis.FILE)
        spots = []
    for spot in spots:
        fixed = framed is not None and framed.format not in ("ac3", "ogg")
        severity = Severity.VIOLATION if fixed else Severity.SUSPICION
        zh = f"声音的编码参数变化（{spot.text}）：由不同录音拼接而成"
        en = f"the coding of the sound changes ({spot.text}): recordings were joined"
        yield _finding(spot, "REC-TRUE/PARAMETERS-CHANGED", severity, (zh, en), axis=Axis.FILE)
    places = {spot.offset for spot in _spots(picture, "parameters", "begin")}
    for spot in (each for each in _spots(picture, "mode") if each.offset not in places):
        zh = f"声音的码率变化（{spot.text}），可能由不同录音拼接而成"
        en = f"the bit rate of the sound changes for good ({spot.text}): recordings may have been joined"
        yield _finding(spot, "REC-TRUE/PARAMETERS-CHANGED", Severity.SUSPICION, (zh, en), axis=Axis.FILE)


def checksums(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/CHECKSUM: bytes that no longer have the sum they were written with.

    An encoder of AC-3 that never computes it writes frames that are all wrong; LAME's sum of the whole tells no place.
    """
    framed = _framed(picture)
    if not framed or (framed.format == "ac3" and 2 * framed.bad_sums > framed.summed):
        return
    for spot in _spots(picture, "checksum"):
        severity = Severity.SUSPICION if spot.text == "sound" else Severity.VIOLATION
        zh = "的内容与其校验值不符：写入之后被改动或损坏"
        en = f"the {spot.text} no longer has the checksum it was written with: altered or damaged since"
        yield _finding(spot, "REC-TRUE/CHECKSUM", severity, (zh, en), axis=Axis.FILE)


def between(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/BETWEEN-FRAMES: bytes that are no frame, where a recorder writes one frame behind the other.

    So it looks where bytes were cut out or put in without regard to frames, and where a file is damaged. Damage leaves
    frames of one size in their places: where they are shifted, bytes were taken out or put in.
    """
    for spot in _spots(picture, "between"):
        if spot.frame == 0:
            zh, en = "开头", "at the head"
        else:
            zh, en = "声音帧之间", "between frames of sound"
        zeros_zh, zeros_en = ("（全为零）", " (zeros)") if spot.text == "zeros" else ("", "")
        words = (
            f"{zh}有 {spot.found} 字节不是声音帧{zeros_zh}：按字节裁切、插入或损坏（偏移 {spot.offset}）",
            f"{spot.found} bytes {en} are no frame{zeros_en}: cut or put in by bytes, or damaged (at {spot.offset})",
        )
        shifted = bool(spot.expected and spot.frame and not spot.text)
        severity = Severity.VIOLATION if shifted else Severity.SUSPICION
        axis = Axis.TIMELINE if shifted else Axis.FILE
        yield _finding(spot, "REC-TRUE/BETWEEN-FRAMES", severity, words, axis=axis, numbers=True)


def head_missing(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SOUND-HEAD: numbers or positions begin in the middle: the beginning was cut off."""
    framed = _framed(picture)
    if framed and framed.first_number > 0:
        spot = Spot("number", framed.first, 0, 0.0, 0, framed.first_number)
        zh, en = (
            f"首个编号为 {spot.found}：录音的开头被截去",
            f"the first number is {spot.found}: the beginning was cut off",
        )
        yield _finding(spot, "REC-CONTINUOUS/SOUND-HEAD", Severity.SUSPICION, (zh, en), numbers=True)
        return
    for spot in _spots(picture, "position"):
        if spot.text == "head":
            zh = f"首页的采样计数为 {spot.found}：录音的开头被截去，或录制时接入的是进行中的码流"
            en = f"samples are counted from {spot.found}: the beginning was cut off, or a running stream recorded"
            yield _finding(spot, "REC-CONTINUOUS/SOUND-HEAD", Severity.SUSPICION, (zh, en), numbers=True)


def counts(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SOUND-COUNT: more or less sound than the file's head declares.

    Encoders write it last of all: less, by two accounts (MP3) or to the sample (FLAC), is sound that was taken away.
    """
    framed = _framed(picture)
    by_name = {count.what: count for count in framed.counts} if framed else {}
    if samples := by_name.get("samples"):
        if samples.found != samples.declared:
            yield _miscounted(samples, picture, less=samples.found < samples.declared)
        return
    frames, size = by_name.get("frames"), by_name.get("bytes")
    if frames and abs(frames.found - frames.declared) > 1:
        less = size is not None and frames.found < frames.declared and size.found < size.declared
        yield _miscounted(frames, picture, less=less)


def _miscounted(count: Count, picture: Picture, *, less: bool) -> Finding:
    unit_zh, unit_en = {"samples": ("个采样", "samples")}.get(count.what, ("个声音帧", "frames of sound"))
    tail_zh, tail_en = ("：缺少声音", ": sound is absent") if less else ("", "")
    return Finding(
        code="REC-CONTINUOUS/SOUND-COUNT",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if less else Severity.SUSPICION,
        zh=f"文件头声明有 {count.declared} {unit_zh}，实有 {count.found} 个{tail_zh}。",
        en=f"the file's head declares {count.declared} {unit_en}, there are {count.found}{tail_en}",
        evidence={"what": count.what, "declared": count.declared, "found": count.found},
    )


def ranges(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/FRAME-RANGE: FLAC frames beyond the sizes that the file's head gives for all: another encoding's.

    REC-TRUE/SEEK-TABLE: the seek table names frames that are not there. Each is told once.
    """
    if spots := _spots(picture, "range"):
        zh = f"声音帧的大小（{spots[0].found}）超出文件头声明的范围（{spots[0].expected}），可能来自另一录音"
        en = f"a frame's size ({spots[0].found}) is beyond what the head gives for all ({spots[0].expected})"
        yield _finding(
            spots[0],
            "REC-TRUE/FRAME-RANGE",
            Severity.SUSPICION,
            (zh, en),
            axis=Axis.FILE,
            numbers=True,
            places=len(spots),
        )
    if spots := _spots(picture, "index"):
        zh, en = "索引（SEEKTABLE）所指处没有所列的帧：声音被改动", "the seek table names frames that are not there"
        yield _finding(
            spots[0],
            "REC-TRUE/SEEK-TABLE",
            Severity.SUSPICION,
            (zh, en),
            axis=Axis.FILE,
            numbers=True,
            places=len(spots),
        )


def unfinished(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/UNFINISHED: the last frame is not whole, or the mark of the end is absent: power cut, or cut off.

    Recorders that write whole sectors leave the last frame as it falls: a note.
    """
    framed = _framed(picture)
    for spot in _spots(picture, "cut"):
        severity = Severity.NOTE if picture.size % _BLOCK == 0 else Severity.SUSPICION
        zh, en = "最后一个声音帧不完整：录制中断或文件被截断", "the last frame is not whole: broken off or cut off"
        yield _finding(spot, "REC-TRUE/UNFINISHED", severity, (zh, en), axis=Axis.FILE, numbers=True)
    if framed and not framed.closed and not _spots(picture, "cut"):
        spot = Spot("end", picture.size, framed.frames, framed.seconds)
        zh, en = (
            "没有结束标记：录制中断或结尾被截去",
            "the mark of the end is absent: broken off, or the tail was cut off",
        )
        yield _finding(spot, "REC-TRUE/UNFINISHED", Severity.SUSPICION, (zh, en), axis=Axis.FILE)


CHECKS = (
    joined,
    restarted,
    numbers,
    positions,
    rhythm,
    parameters,
    checksums,
    between,
    head_missing,
    counts,
    ranges,
    unfinished,
)
