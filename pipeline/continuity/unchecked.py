"""What the container checks had to leave open, and why."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.framed import Framed
from pipeline.continuity.model import Picture
from storage.records import NotChecked

_RAW = ("h264", "hevc", "m4v", "mpegvideo", "mjpeg", "h263")
_SOUND = ("mp3", "aac", "ac3", "eac3", "amr", "amrnb", "amrwb", "flac", "ogg")


def of_container(picture: Picture) -> Iterator[NotChecked]:
    """Containers without a reader, and what proves nothing in this file."""
    found = picture.structure
    if found is None:
        yield _unread(picture)
        return
    if found.samples and not found.samples.complete:
        why = "the index has too many entries to be laid over the data"
        yield NotChecked("unreferenced-data", why, "索引条目过多，未与数据逐一比对")
    if found.framed:
        yield from _of_frames(found.framed)
    whole = (found, found.riff, found.matroska, found.framed)
    if any(part is not None and not part.complete for part in whole):
        yield NotChecked(
            "container", "the container has too many or too damaged parts", "容器结构过多或损坏过重，未全部检查"
        )
    if found.matroska and found.matroska.checksums_skipped:
        why = f"{found.matroska.checksums_skipped} clusters' checksums were not computed: the file is large"
        yield NotChecked("checksums", why, f"文件较大，有 {found.matroska.checksums_skipped} 个簇的校验值未计算")
    if found.transport and found.transport.sloppy:
        pids = ", ".join(map(str, found.transport.sloppy[:8]))
        why = f"the packet counters of PIDs {pids} don't count in this file"
        yield NotChecked("transport-counters", why, f"PID {pids} 的包计数在此文件中不递增，无法作为依据")
    if found.transport and found.transport.scrambled:
        why = f"{found.transport.scrambled} transport packets are scrambled"
        yield NotChecked("scrambled", why, f"有 {found.transport.scrambled} 个加密的传输流包")


def _of_frames(framed: Framed) -> Iterator[NotChecked]:
    """What files of sound frames can't show."""
    if framed.format == "aac" or (framed.format == "mp3" and not framed.rhythm):
        why = "frames bear no number: sound taken out between two frames that don't lean on each other leaves no trace"
        zh = "声音帧没有编号：在互不依赖的两帧之间移除的声音不留痕迹"
        yield NotChecked("sound-numbers", why, zh)
    if framed.unsummed:
        why = f"the checksums of {framed.unsummed} frames were not computed: the file is large"
        yield NotChecked("checksums", why, f"文件较大，有 {framed.unsummed} 帧的校验值未计算")
    if framed.format == "ac3" and 2 * framed.bad_sums > framed.summed:
        yield NotChecked(
            "checksums", "the encoder wrote no valid checksums", "编码器没有写入有效的校验值，无法作为依据"
        )
    if framed.format == "flac":
        why = "the sum of the decoded samples (MD5) was not computed"
        yield NotChecked("sound-sum", why, "解码后采样的校验值（MD5）未计算")


def of_content(picture: Picture) -> Iterator[NotChecked]:
    """What was not decoded, and why."""
    content = picture.content
    if content is None:
        decoding = (
            "pictures and sound were not decoded (--deep): frozen, foreign or repeated content was not looked for"
        )
        yield NotChecked("decoding", decoding, "画面与声音未解码（--deep），未查静止、插入、重复的内容")
        if picture.of_kind("video"):
            yield NotChecked(
                "burned-in-clock", "the clock in the picture was not read (--deep)", "画面上的时钟未识别（--deep）"
            )
        return
    if content.problem:
        yield NotChecked("decoding", content.problem[1], content.problem[0])
    if content.stopped:
        why = f"decoding ended before the file did ({content.stopped}): what follows was not looked at"
        yield NotChecked("decoding", why, "解码在文件结束前中止，其后内容未检查")
    elif picture.of_kind("video") and not content.problem and not (content.sight and len(content.sight.time)):
        yield NotChecked("decoding", "the pictures could not be decoded", "画面无法解码")
    if content.sight and content.clock.why_not:
        zh = "未安装 tesseract" if "tesseract" in content.clock.why_not else "画面上未找到可识别的时钟"
        yield NotChecked("burned-in-clock", content.clock.why_not, zh)
    if picture.of_kind("audio") and not content.sound:
        yield NotChecked("sound", "the sound could not be decoded", "声音无法解码")


def _unread(picture: Picture) -> NotChecked:
    if picture.format in _RAW:
        return NotChecked("container", "a bare stream of pictures has no container", "裸码流，没有容器")
    if picture.format in _SOUND:
        why = "the frames of this sound could not be followed from one to the next"
        return NotChecked("container", why, "声音文件：无法逐帧读取")
    why = f"the structure of {picture.format or 'this format'} is not read in this version"
    return NotChecked("container", why, f"容器结构：本版本不读取 {picture.format or '此格式'}")
