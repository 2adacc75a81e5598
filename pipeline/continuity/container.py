"""Is this container as a device writes it, or was it rewritten? Headers of ISO media files; other containers follow."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity import isobmff, matroska, mxf, riff, soundfile, transport
from pipeline.continuity.model import Picture, TrackBox
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock, date
from storage.records import Axis, Finding, Severity

_FOOTAGE = {"vide": ("画面", "video"), "soun": ("声音", "sound")}


def _footage(picture: Picture) -> list[TrackBox]:
    return [track for track in picture.boxes.tracks if track.handler in _FOOTAGE] if picture.boxes else []


def edit_list(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/EDIT-LIST: the file holds footage that its edit list doesn't show, or shows it in pieces.

    The head is measured from the first sample's composition time, so that reordered pictures are not taken for a cut.
    """
    for track in _footage(picture):
        shown = [edit for edit in track.edits if edit.media_time is not None]
        if len(shown) > 1:
            yield _edited(track, len(shown))
        elif shown and shown[0].media_time is not None:
            head = shown[0].media_time - track.first_offset
            if head > limits.hidden_head:
                yield _hidden_head(track, head)
            yield from _hidden_tail(track, limits)


def _edited(track: TrackBox, pieces: int) -> Finding:
    zh, en = _FOOTAGE[track.handler]
    return Finding(
        code="REC-TRUE/EDIT-LIST",
        axis=Axis.FILE,
        severity=Severity.VIOLATION if track.handler == "vide" else Severity.SUSPICION,
        zh=f"{zh}轨道的编辑列表由 {pieces} 段组成，录像经过剪辑。",
        en=f"the {en} track's edit list has {pieces} pieces: the recording was edited",
        evidence={"box": "moov/trak/edts/elst", "track": track.id, "pieces": pieces},
    )


def _hidden_head(track: TrackBox, seconds: float) -> Finding:
    zh, en = _FOOTAGE[track.handler]
    return Finding(
        code="REC-TRUE/EDIT-LIST",
        axis=Axis.FILE,
        severity=Severity.VIOLATION if track.handler == "vide" else Severity.SUSPICION,
        start=0.0,
        end=0.0,
        zh=f"开头有 {seconds:.2f} 秒{zh}被编辑列表隐藏，播放时不显示：录像被修剪过。",
        en=f"{seconds:.2f} s of {en} at the head are hidden by the edit list: the recording was trimmed",
        evidence={"box": "moov/trak/edts/elst", "track": track.id, "hidden": round(seconds, 6)},
    )


def _hidden_tail(track: TrackBox, limits: Thresholds) -> Iterator[Finding]:
    edit = track.edits[-1]
    if edit.media_time is None or not edit.duration or track.media_duration is None:
        return
    seconds = track.media_duration - (edit.media_time - track.first_offset) - edit.duration
    if seconds > limits.hidden_tail:
        zh, en = _FOOTAGE[track.handler]
        yield Finding(
            code="REC-TRUE/EDIT-LIST-TAIL",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=round(edit.duration, 6),
            end=round(edit.duration + seconds, 6),
            zh=f"结尾有 {seconds:.2f} 秒{zh}被编辑列表隐藏。",
            en=f"{seconds:.2f} s of {en} at the tail are hidden by the edit list",
            evidence={"box": "moov/trak/edts/elst", "track": track.id, "hidden": round(seconds, 6)},
        )


def durations(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/DURATION: movie, track and media headers, and the packets themselves, disagree about the length."""
    if not picture.boxes or picture.boxes.fragmented or picture.boxes.missing:
        return
    tracks = _footage(picture)
    longest = max((track.duration or 0.0 for track in tracks), default=0.0)
    if picture.boxes.duration and longest and abs(picture.boxes.duration - longest) > limits.duration_mismatch:
        yield _duration("moov/mvhd", picture.boxes.duration, "moov/trak/tkhd", longest)
    for track in tracks:
        shown, held = track.duration, track.media_duration
        if shown and held and not track.edits and abs(shown - held) > limits.duration_mismatch:
            yield _duration("moov/trak/tkhd", shown, "moov/trak/mdia/mdhd", held)
    yield from _packets_end_early(picture, tracks, limits)


def _packets_end_early(picture: Picture, tracks: list[TrackBox], limits: Thresholds) -> Iterator[Finding]:
    declared = max((t.media_duration or 0.0 for t in tracks if not t.edits), default=0.0)
    there = picture.media_duration
    if there is not None and declared - there > limits.duration_mismatch and all(not t.edits for t in tracks):
        yield _duration("moov/trak/mdia/mdhd", declared, "packets", there)


def _duration(one: str, one_seconds: float, other: str, other_seconds: float) -> Finding:
    return Finding(
        code="REC-TRUE/DURATION",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh=f"文件内声明的时长不一致：{one} 为 {clock(one_seconds)}，{other} 为 {clock(other_seconds)}。",
        en=f"declared durations disagree: {one} says {clock(one_seconds)}, {other} {clock(other_seconds)}",
        evidence={one: round(one_seconds, 6), other: round(other_seconds, 6)},
    )


def dates(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/DATES: track dates differ from the movie's (a redating tool moved one of them)."""
    created = picture.boxes.created if picture.boxes else None
    if created is None:
        return
    for track in _footage(picture):
        for box, other in (("moov/trak/tkhd", track.created), ("moov/trak/mdia/mdhd", track.media_created)):
            if other is not None and abs(other - created) > limits.track_date:
                yield Finding(
                    code="REC-TRUE/DATES",
                    axis=Axis.FILE,
                    severity=Severity.SUSPICION,
                    zh=f"创建时间不一致：moov/mvhd 为 {date(created)}，{box} 为 {date(other)}，时间可能被改写。",
                    en=f"creation dates disagree: moov/mvhd has {date(created)}, {box} has {date(other)}",
                    evidence={"moov/mvhd": created, box: other, "track": track.id},
                )
                return


def no_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/NO-DATE: the movie header has no creation date. Context: some old cameras write none either."""
    if picture.boxes and picture.boxes.timescale and picture.boxes.created is None:
        yield Finding(
            code="REC-TRUE/NO-DATE",
            axis=Axis.FILE,
            severity=Severity.NOTE,
            zh="文件头没有创建时间。",
            en="the movie header has no creation date",
            evidence={"box": "moov/mvhd"},
        )


def modified_later(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/MODIFIED-LATER: the header was written again well after the recording ended."""
    boxes = picture.boxes
    if not boxes or boxes.created is None or boxes.modified is None or picture.media_duration is None:
        return
    late = boxes.modified - boxes.created - picture.media_duration
    if late > limits.modified_later:
        yield Finding(
            code="REC-TRUE/MODIFIED-LATER",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"文件头修改于 {date(boxes.modified)}，比录制结束晚 {late:.0f} 秒。",
            en=f"the header was modified at {date(boxes.modified)}, {late:.0f} s after the recording's end",
            evidence={"created": boxes.created, "modified": boxes.modified, "late": round(late, 3)},
        )


def truncated(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TRUNCATED: the container or its tables reach beyond the end of the file."""
    container = picture.boxes or picture.structure
    if container and container.missing and not _taken_out(picture):
        ends = [track.end for track in picture.tracks if track.end is not None]
        yield Finding(
            code="REC-CONTINUOUS/TRUNCATED",
            axis=Axis.TIMELINE,
            severity=Severity.VIOLATION,
            start=round(max(ends), 6) if ends else None,
            end=_declared_end(picture, max(ends, default=0.0)),
            zh=f"文件被截断：至少缺少末尾 {container.missing} 字节。",
            en=f"the file is cut off: at least {container.missing} bytes are absent from its end",
            evidence={"missing_bytes": container.missing, "size": picture.size},
        )


def _taken_out(picture: Picture) -> bool:
    """Whether the index at the end is there and says that the missing bytes are missing from the middle."""
    found = picture.structure
    return bool(
        found and ((found.riff and found.riff.dangling_count) or (found.matroska and found.matroska.dangling_count))
    )


def _declared_end(picture: Picture, there: float) -> float | None:
    """Where the header says that the recording ends, None where it doesn't or that is earlier than what is there."""
    declared = picture.boxes.duration if picture.boxes else None
    if picture.structure and picture.structure.matroska:
        declared = picture.structure.matroska.duration
    return round(declared, 6) if declared is not None and declared >= there else None


def trailing(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/TRAILING: bytes after the container's end. Zeros are padding of some recorders."""
    container = picture.boxes or picture.structure
    if container and container.trailing:
        offset, count = container.trailing
        yield Finding(
            code="REC-TRUE/TRAILING",
            axis=Axis.FILE,
            severity=Severity.NOTE if container.trailing_zero else Severity.SUSPICION,
            zh=f"文件结构之后另有 {count} 字节数据。",
            en=f"{count} bytes follow the file's structure",
            evidence={"offset": offset, "bytes": count, "zeros": container.trailing_zero},
        )


def descriptions(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SAMPLE-DESCRIPTIONS: a video track with more than one description, as joining tools leave.

    Told with its place, and as a violation, in `isobmff.joined` where pictures change from one to another.
    """
    for track in _footage(picture):
        if track.handler == "vide" and len(track.descriptions) > 1 and not _switches(picture, track):
            yield Finding(
                code="REC-TRUE/SAMPLE-DESCRIPTIONS",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"画面轨道有 {len(track.descriptions)} 套编码描述，可能由不同录像拼接而成。",
                en=f"the video track has {len(track.descriptions)} sample descriptions: perhaps joined recordings",
                evidence={"box": "moov/trak/mdia/minf/stbl/stsd", "track": track.id, "types": track.descriptions},
            )


def _switches(picture: Picture, track: TrackBox) -> bool:
    samples = picture.structure.samples if picture.structure else None
    return any(switch[0] == track.id for switch in samples.switches) if samples else False


def samples(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SAMPLES: a video track declares more pictures than could be read (edit lists may drop some)."""
    if not picture.boxes or picture.boxes.fragmented or len(picture.boxes.tracks) != len(picture.tracks):
        return
    for declared, track in zip(picture.boxes.tracks, picture.tracks, strict=True):
        there = track.stream.packets
        if declared.handler == "vide" and there < declared.samples and (there == 0 or not declared.edits):
            yield Finding(
                code="REC-TRUE/SAMPLES",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"索引声明有 {declared.samples} 帧画面，只能读到 {there} 帧。",
                en=f"the index declares {declared.samples} pictures, {there} could be read",
                evidence={"track": declared.id, "declared": declared.samples, "read": there},
            )


def box_order(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/BOX-ORDER: the index stands before the footage; devices usually write it after. Context only."""
    order = [box.type for box in picture.boxes.top if box.type in ("moov", "mdat")] if picture.boxes else []
    if order[:2] == ["moov", "mdat"] and picture.boxes and not picture.boxes.fragmented:
        yield Finding(
            code="REC-TRUE/BOX-ORDER",
            axis=Axis.FILE,
            severity=Severity.NOTE,
            zh="索引（moov）位于数据（mdat）之前，多数设备写在之后。",
            en="the index (moov) stands before the data (mdat); most devices write it after",
            evidence={"order": [box.type for box in picture.boxes.top[:20]]},
        )


CHECKS = (
    edit_list,
    durations,
    dates,
    no_date,
    modified_later,
    truncated,
    trailing,
    descriptions,
    samples,
    box_order,
    *isobmff.CHECKS,
    *transport.CHECKS,
    *riff.CHECKS,
    *matroska.CHECKS,
    *mxf.CHECKS,
    *soundfile.CHECKS,
)
