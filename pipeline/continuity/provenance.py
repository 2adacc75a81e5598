"""Who wrote the file? Names that encoders, muxers and editors leave, and dates that contradict each other.

Without a profile of the device these are suspicions: some cameras are built on FFmpeg, some recorders export with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.continuity.dates import exif
from pipeline.continuity.model import UNKNOWN, Picture, Trace
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import date
from storage.records import Axis, Finding, Severity

_LIBAV = re.compile(r"\b(Lav[fc]\d*|x26[45]\b|libx26[45]|FFmpeg|libav)", re.IGNORECASE)
_EDITORS = re.compile(
    r"adobe|premiere|photoshop|lightroom|after effects|final cut|imovie|davinci|vegas|handbrake|capcut|jianying|"
    r"剪映|inshot|kinemaster|filmora|wondershare|format ?factory|格式工厂|avidemux|virtualdub|shotcut|kdenlive|"
    r"openshot|melt\b|camtasia|movavi|photo viewer|windows photo|microsoft photo|photo editor|picasa|\bgimp\b|"
    r"paint\.net|snapseed|meitu|美图|vivavideo|mkvmerge|mkvtoolnix|gpac|mp4box|l-smash|mencoder|losslesscut|"
    r"bandicut|processed by solveigmm|\bvlc\b|quicktime pro",
    re.IGNORECASE,
)
# Tags in which programs sign; never free text such as a title.
_SIGNED = re.compile(
    r"encoder|software|writingapp|muxingapp|creatortool|processingsoftware|handlerdescription|compressorname|"
    r"encoded_?by|encodingsettings|historysoftwareagent|creatorapplication|comment",
    re.IGNORECASE,
)
_FFMPEG_BRANDS = {"isom", "iso2", "avc1", "mp41"}


def encoder_traces(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/ENCODER-TRACE: FFmpeg's libraries or x264/x265 wrote (part of) the file."""
    found = [(where, text) for where, text in _signatures(picture) if _LIBAV.search(text)]
    found += [(f"stream {t.stream} packet {t.packet}", t.text) for t in picture.traces]
    if not found:
        return
    names = "、".join(dict.fromkeys(text[:40] for _, text in found[:3]))
    yield Finding(
        code="UP-ORIGINAL/ENCODER-TRACE",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"文件带有转码软件的痕迹（{names}），可能不是设备的原始文件。",
        en=f"transcoding software left its name ({names}): this may not be the device's original",
        evidence={"traces": [list(each) for each in found[:20]]},
    )


def encoder_restarts(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/ENCODER-RESTART: x264 introduces itself again within a stream.

    It writes its name once, into the first picture it codes (others do so at every key picture): a second one is
    another run, joined on.
    """
    for trace in picture.traces:
        if trace.packet > 0 and trace.text.startswith("x264"):
            at = _shown_at(picture, trace)
            yield Finding(
                code="REC-CONTINUOUS/ENCODER-RESTART",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                start=at,
                end=at,
                zh=f"文件中段再次出现编码器的起始标记（{trace.text[:40]}），此处可能为拼接点。",
                en=f"an encoder introduces itself again within the file ({trace.text[:40]}): perhaps joined here",
                evidence={"stream": trace.stream, "packet": trace.packet, "text": trace.text},
            )


def _shown_at(picture: Picture, trace: Trace) -> float | None:
    for track in picture.tracks:
        pts = track.packets.pts
        if track.stream.index == trace.stream and trace.packet < len(pts) and pts[trace.packet] != UNKNOWN:
            return round(pts[trace.packet] * track.tick, 6)
    return None


def editor_traces(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/EDITOR: an editing program signed the file; UP-ORIGINAL/EDIT-HISTORY: it kept a history of edits."""
    found = [(where, text) for where, text in _signatures(picture) if _EDITORS.search(text)]
    if found:
        yield Finding(
            code="UP-ORIGINAL/EDITOR",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"文件由编辑或转存软件写成（{found[0][1][:60]}），不是设备的原始文件。",
            en=f"an editing program wrote the file ({found[0][1][:60]}): it is not as the device wrote it",
            evidence={"traces": [list(each) for each in found[:20]]},
        )
    yield from _history(picture)


def _history(picture: Picture) -> Iterator[Finding]:
    history = {key: value for key, value in picture.metadata.tags.items() if "xmpMM:History" in key and str(value)}
    if history:
        yield Finding(
            code="UP-ORIGINAL/EDIT-HISTORY",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION,
            zh="文件内保存有编辑历史（XMP History），证明其经过编辑。",
            en="the file carries an editing history (XMP History): it was edited",
            evidence={"history": {key: str(value)[:200] for key, value in list(history.items())[:20]}},
        )


def _signatures(picture: Picture) -> list[tuple[str, str]]:
    """(where, text) of every tag in which a program may have signed."""
    tags = [(f"tag {key}", str(value)) for key, value in picture.tags.items() if _SIGNED.fullmatch(key)]
    tags += [
        (key, str(value))
        for key, value in picture.metadata.tags.items()
        if _SIGNED.fullmatch(key.rpartition(":")[2]) and not key.startswith(("ICC", "Composite"))
    ]
    return tags


def metadata_tool(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/METADATA-TOOL: a tool wrote XMP metadata into the file. Context: archives do so to genuine files."""
    toolkit = picture.metadata.first("XMPToolkit")
    if "exiftool" in toolkit.lower():
        yield Finding(
            code="UP-ORIGINAL/METADATA-TOOL",
            axis=Axis.PROVENANCE,
            severity=Severity.NOTE,
            zh=f"文件的元数据由工具写入（{toolkit[:60]}）。",
            en=f"a tool wrote metadata into the file ({toolkit[:60]})",
            evidence={"XMPToolkit": toolkit},
        )


def ffmpeg_layout(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/LAYOUT: everything in the container is as FFmpeg's MOV muxer writes it by default.

    ftyp minor version 512, movie timescale 1000 and the handler names, all together: alone each of them is also
    written by genuine devices (a phone of 2004 wrote "VideoHandler", Android writes "VideoHandle").
    """
    boxes = picture.boxes
    if not boxes:
        return
    names = {track.handler_name for track in boxes.tracks if track.handler in ("vide", "soun")}
    alike = boxes.minor == 512 and boxes.timescale == 1000 and _FFMPEG_BRANDS & set(boxes.compatible)
    if alike and names and names <= {"VideoHandler", "SoundHandler"}:
        yield Finding(
            code="UP-ORIGINAL/LAYOUT",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh="文件结构与 FFmpeg 的默认输出一致，可能经过转封装。",
            en="the container is laid out as FFmpeg writes it by default: it may have been remuxed",
            evidence={
                "brand": boxes.brand,
                "minor": boxes.minor,
                "compatible": list(boxes.compatible),
                "handlers": sorted(names),
            },
        )


def apple_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/APPLE-DATE: Apple's own creation date against the movie header's, which an export renews."""
    told = _moment(str(picture.metadata.tags.get("Keys:CreationDate", "")))
    if told is None or picture.created is None or picture.metadata.make != "Apple":
        return
    apart = abs(told - picture.created)
    if apart > limits.apple_date_suspicion:
        yield Finding(
            code="REC-TRUE/APPLE-DATE",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION if apart > limits.apple_date else Severity.SUSPICION,
            zh=f"拍摄时间 {date(told)} 与文件头时间 {date(picture.created)} 相差 {apart:.0f} 秒，文件是后来导出的。",
            en=f"creation date {date(told)} and header {date(picture.created)} are {apart:.0f} s apart: exported later",
            evidence={"Keys:CreationDate": told, "moov/mvhd": picture.created},
        )


def photo_modified(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/PHOTO-MODIFIED: EXIF says that the picture file was changed after the picture was taken."""
    if picture.photo is None:
        return
    taken = _moment(str(picture.metadata.tags.get("ExifIFD:DateTimeOriginal", "")))
    changed = _moment(str(picture.metadata.tags.get("IFD0:ModifyDate", "")))
    if taken is not None and changed is not None and changed - taken > limits.photo_modified:
        yield Finding(
            code="UP-ORIGINAL/PHOTO-MODIFIED",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"照片在拍摄 {changed - taken:.0f} 秒后被改存。",
            en=f"the photo was saved again {changed - taken:.0f} s after it was taken",
            evidence={
                "ExifIFD:DateTimeOriginal": str(picture.metadata.tags["ExifIFD:DateTimeOriginal"]),
                "IFD0:ModifyDate": str(picture.metadata.tags["IFD0:ModifyDate"]),
            },
        )


def photo_cut_off(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PHOTO-TRUNCATED: a JPEG without its end marker."""
    if picture.photo and picture.photo.complete is False:
        yield Finding(
            code="REC-TRUE/PHOTO-TRUNCATED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh="照片缺少结束标记，可能被截断。",
            en="the photo lacks its end marker: it may be cut off",
        )


def _moment(text: str) -> float | None:
    found = exif(text)
    return found[0].timestamp() if found else None


CHECKS = (
    encoder_traces,
    encoder_restarts,
    editor_traces,
    metadata_tool,
    ffmpeg_layout,
    apple_date,
    photo_modified,
    photo_cut_off,
)
