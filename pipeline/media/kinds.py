"""Tells from the first bytes what a file claims to be, and names what must not be opened as media."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import BinaryIO

from pipeline.continuity.model import Stream

VIDEO, AUDIO, PHOTOS, UNKNOWN = "video", "audio", "photos", "unknown"

_PHOTO_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"RIFF....WEBP")
_PHOTO_BRANDS = (b"heic", b"heix", b"mif1", b"avif", b"crx ")
# Text files that tell a player to open something else.
_POINTERS = (
    (b"#EXTM3U", "HLS 播放列表", "an HLS playlist"),
    (b"ffconcat", "ffconcat 播放列表", "an ffconcat playlist"),
    (b"<MPD", "DASH 清单", "a DASH manifest"),
    (b"v=0\r\n", "SDP 会话描述", "an SDP description"),
    (b"v=0\n", "SDP 会话描述", "an SDP description"),
    (b"<SmoothStreamingMedia", "流媒体清单", "a streaming manifest"),
    (b"<?xml", "XML 文本", "an XML text"),
    (b"[playlist]", "播放列表", "a playlist"),
    (b"[Reference]", "引用文件", "a reference file"),
    (b"RTSPtext", "引用文件", "a reference file"),
)


def sniff(start: bytes) -> str:
    """PHOTOS or UNKNOWN (which is for a demuxer to say)."""
    if start[4:8] == b"ftyp" and start[8:12] in _PHOTO_BRANDS:
        return PHOTOS
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return PHOTOS
    return PHOTOS if start.startswith(_PHOTO_MAGIC[:4]) else UNKNOWN


def problem(start: bytes) -> tuple[str, str] | None:
    """(zh, en) when the file is empty or a text that points elsewhere; None when it may be opened."""
    if not start:
        return "文件为空（0 字节）。", "the file is empty (0 bytes)"
    head = start[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    for mark, zh, en in _POINTERS:
        if head.startswith(mark) or (mark == b"<MPD" and mark in start and head.startswith(b"<")):
            return (
                f"这是{zh}，不是录像；它指向的内容未被打开。",
                f"this is {en}, not a recording; nothing it points to was opened",
            )
    return None


def of_streams(streams: Sequence[Stream]) -> str:
    """VIDEO when there is footage, AUDIO when there is only sound, else UNKNOWN."""
    if any(s.kind == "video" and s.packets and not s.still for s in streams):
        return VIDEO
    if any(s.kind == "audio" and s.packets for s in streams):
        return AUDIO
    return VIDEO if any(s.kind == "video" and s.packets for s in streams) else UNKNOWN


def jpeg_complete(file: BinaryIO) -> bool | None:
    """Whether a JPEG has an end marker (FF D9) in its last 64 KiB; None for other formats.

    Some cameras append data of their own after the marker, so that the very last bytes prove nothing.
    """
    file.seek(0)
    if file.read(2) != b"\xff\xd8":
        return None
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - (64 << 10)))
    return b"\xff\xd9" in file.read()
