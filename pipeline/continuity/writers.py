"""Who wrote the file? Names that encoders, muxers, editors and sharing services leave in it or give it.

Without a profile of the device these are suspicions: some cameras are built on FFmpeg, some recorders export with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

from pipeline.continuity.layouts import Muxer, muxer
from pipeline.continuity.model import UNKNOWN, Picture, Trace
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.traces import LIBAV, SIGNED, passed_through, program
from storage.records import Axis, Finding, Severity

_FFMPEG_BRANDS = {"isom", "iso2", "avc1", "mp41"}
_KINDS = {
    "editor": ("编辑软件", "an editing program"),
    "transcoder": ("转码或转封装软件", "a transcoding or remuxing program"),
    "sharing": ("社交或分享软件", "a messenger or sharing service"),
}


def encoder_traces(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/ENCODER-TRACE: FFmpeg's libraries or x264/x265 wrote (part of) the file."""
    found = [(where, text) for where, text in signatures(picture) if LIBAV.search(text)]
    found += [(f"stream {t.stream} packet {t.packet}", t.text) for t in picture.traces]
    if not found:
        return
    names = list(dict.fromkeys(text[:40] for _, text in found[:3]))
    yield Finding(
        code="UP-ORIGINAL/ENCODER-TRACE",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"文件带有转码软件的痕迹（{'、'.join(names)}），可能不是设备的原始文件。",
        en=f"transcoding software left its name ({', '.join(names)}): this may not be the device's original",
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
    """UP-ORIGINAL/EDITOR: a program of the table in `traces` signed the file."""
    found = [(where, text, own) for where, text in signatures(picture) if (own := program(text))]
    if found:
        zh, en = _KINDS[found[0][2].kind]
        yield Finding(
            code="UP-ORIGINAL/EDITOR",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"文件由{zh}写成（{found[0][1][:60]}），不是设备的原始文件。",
            en=f"{en} wrote the file ({found[0][1][:60]}): it is not as the device wrote it",
            evidence={"traces": [[where, text, own.name, own.kind] for where, text, own in found[:20]]},
        )


def passed_on(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/PASSED-ON: the file is named as a messenger or screen recorder names what it saves.

    They recode pictures and sound and strip metadata: what is left is no original.
    """
    stem = PurePath(picture.name.replace("\\", "/")).stem
    if through := passed_through(stem):
        yield Finding(
            code="UP-ORIGINAL/PASSED-ON",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"文件名 {stem[:60]} 是 {through} 保存文件时的命名方式，文件可能经其转存、转码。",
            en=f"the name {stem[:60]} is of the kind {through} gives: the file may have been passed on and recoded",
            evidence={"name": stem[:200], "program": through},
        )


def edit_history(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/EDIT-HISTORY: an editor kept a history of its edits, in XMP or in a Broadcast Wave's coding history.

    A recorder writes the first line of a coding history (EBU R 98); an editing program in it is a later step.
    """
    tags = picture.metadata.tags.items()
    history = {key: value for key, value in tags if "xmpMM:History" in key and str(value)}
    history |= {k: v for k, v in tags if k.endswith(":CodingHistory") and (LIBAV.search(str(v)) or program(str(v)))}
    if history:
        yield Finding(
            code="UP-ORIGINAL/EDIT-HISTORY",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION,
            zh="文件内保存有编辑历史（XMP 或编码历史），证明其经过编辑。",
            en="the file carries an editing history (XMP or coding history): it was edited",
            evidence={"history": {key: str(value)[:200] for key, value in list(history.items())[:20]}},
        )


def phone(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-MEDIA/PHONE: the file says that a telephone's system recorded it. Context: some body cameras run Android."""
    tags = picture.metadata.tags
    android = str(tags.get("Keys:AndroidVersion", ""))
    apple = str(tags.get("Keys:Software", "")) if picture.metadata.make == "Apple" else ""
    if picture.photo is None and (android or apple):
        system = f"Android {android}" if android else f"Apple {picture.metadata.model} {apple}".strip()
        yield Finding(
            code="REC-MEDIA/PHONE",
            axis=Axis.PROVENANCE,
            severity=Severity.NOTE,
            zh=f"文件自述由 {system[:60]} 录制：手机，或以其为系统的执法记录仪。",
            en=f"the file says that {system[:60]} recorded it: a telephone, or a body camera that runs it",
            evidence={"system": system[:100]},
        )


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
    """UP-ORIGINAL/LAYOUT: everything in the container is as FFmpeg's muxers write it by default.

    In MP4 and MOV ftyp minor version 512, movie timescale 1000 and the handler names, all together: alone each of them
    is also written by genuine devices (a phone of 2004 wrote "VideoHandler", Android writes "VideoHandle"). Or the
    order of all boxes, whatever the names (`layouts`).
    """
    known = muxer(picture.structure) if picture.structure else None
    if known:
        yield _laid_out(known, picture)
        return
    boxes = picture.boxes
    if not boxes:
        return
    names = {track.handler_name for track in boxes.tracks if track.handler in ("vide", "soun")}
    alike = boxes.minor == 512 and boxes.timescale == 1000 and _FFMPEG_BRANDS & set(boxes.compatible)
    named = bool(names) and names <= {"VideoHandler", "SoundHandler"}
    brands = boxes.brand.strip(), *(each.strip() for each in boxes.compatible)
    listed = brands == ("qt", "qt") or (brands[:3] == ("isom", "isom", "iso2") and brands[-1] == "mp41")
    if (alike and named) or (boxes.minor == 512 and boxes.timescale == 1000 and listed):
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


def _laid_out(known: Muxer, picture: Picture) -> Finding:
    return Finding(
        code="UP-ORIGINAL/LAYOUT",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"文件结构与 {known.name} 的默认输出一致，可能经过转封装。",
        en=f"the container is laid out as {known.name} writes it by default: it may have been remuxed",
        evidence={"marks": known.marks, "layout": list(picture.structure.layout[:12]) if picture.structure else []},
    )


def signatures(picture: Picture) -> list[tuple[str, str]]:
    """(where, text) of every tag in which a program may have signed."""
    tags = [(f"tag {key}", str(value)) for key, value in picture.tags.items() if SIGNED.fullmatch(key)]
    tags += [
        (key, str(value))
        for key, value in picture.metadata.tags.items()
        if SIGNED.fullmatch(key.rpartition(":")[2]) and not key.startswith(("ICC", "Composite"))
    ]
    tags += picture.structure.signed if picture.structure else ()
    tracks = picture.boxes.tracks if picture.boxes else ()
    return tags + [(f"trak {track.id} hdlr", track.handler_name) for track in tracks if track.handler_name]


CHECKS = (
    encoder_traces,
    encoder_restarts,
    editor_traces,
    passed_on,
    edit_history,
    phone,
    metadata_tool,
    ffmpeg_layout,
)
