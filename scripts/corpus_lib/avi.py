"""Write AVI files as compacts, dashboard cameras and recorders do (Microsoft RIFF, AVI 1.0 with idx1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scripts.corpus_lib.media import Media, Packet, Track
from scripts.corpus_lib.ts import annex_b

_FOURCC = {"mjpeg": b"MJPG", "mpeg4": b"XVID", "h264": b"H264"}
_WAVE = {
    "pcm_s16le": (1, 2),
    "pcm_u8": (1, 1),
    "pcm_alaw": (6, 1),
    "pcm_mulaw": (7, 1),
    "mp3": (0x55, 0),
    "aac": (0xFF, 0),
}


@dataclass(frozen=True, slots=True)
class Style:
    """`software`: what the camera calls itself in ISFT ("" for none). `junk`: padding before the data."""

    software: str = ""
    junk: int = 4096


def write(media: Media, style: Style) -> bytes:
    """The whole file. Pictures must not be reordered."""
    order = sorted(
        ((p.dts / t.scale, n, p) for n, t in enumerate(media.tracks) for p in t.packets), key=lambda each: each[:2]
    )
    movi, index = bytearray(b"movi"), bytearray()
    for _, number, packet in order:
        track = media.tracks[number]
        name = b"%02d%s" % (number, b"dc" if track.kind == "video" else b"wb")
        data = annex_b(track, packet) if track.codec == "h264" else packet.data
        index += name + struct.pack("<III", 0x10 if packet.key else 0, len(movi), len(data))
        movi += name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)
    parts = [_header(media)]
    if style.software:
        parts.append(_list(b"INFO", _chunk(b"ISFT", style.software.encode() + b"\0")))
    if style.junk:
        parts.append(_chunk(b"JUNK", bytes(style.junk)))
    body = b"AVI " + b"".join(parts) + _chunk(b"LIST", bytes(movi)) + _chunk(b"idx1", bytes(index))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _header(media: Media) -> bytes:
    video = media.video
    assert video
    step = video.packets[0].duration * 1_000_000 // video.scale
    avih = struct.pack(
        "<14I", step, 500_000, 0, 0x810, len(video.packets), 0, len(media.tracks), 65536, *video.size, 0, 0, 0, 0
    )
    return _list(b"hdrl", _chunk(b"avih", avih), *(_stream(track) for track in media.tracks))


def _stream(track: Track) -> bytes:
    if track.kind == "video":
        code = _FOURCC[track.codec]
        scale, rate, length, unit = track.packets[0].duration, track.scale, len(track.packets), 0
        kind, form = (
            b"vids",
            struct.pack("<IiiHH4sIiiII", 40, *track.size, 1, 24, code, track.size[0] * track.size[1] * 3, 0, 0, 0, 0),
        )
        form += track.config if track.codec == "mpeg4" else b""
    else:
        tag, width = _WAVE[track.codec]
        unit = width * track.channels
        kind, code = b"auds", b"\0\0\0\0"
        scale, rate, length = _audio_clock(track, unit)
        form = _wave(track, tag, unit)
    frame = struct.pack("<4h", 0, 0, *track.size)
    strh = kind + code + struct.pack("<IHHIIIIIIiI", 0, 0, 0, 0, scale, rate, 0, length, 65536, -1, unit) + frame
    return _list(b"strl", _chunk(b"strh", strh), _chunk(b"strf", form))


def _audio_clock(track: Track, unit: int) -> tuple[int, int, int]:
    total = sum(len(packet.data) for packet in track.packets)
    if unit:
        return 1, track.rate, total // unit
    return track.packets[0].duration * track.rate // track.scale, track.rate, len(track.packets)


def _wave(track: Track, tag: int, unit: int) -> bytes:
    if unit:
        bits = 8 * unit // track.channels
        return struct.pack("<HHIIHHH", tag, track.channels, track.rate, track.rate * unit, unit, bits, 0)
    seconds = track.packets[0].duration / track.scale
    size = max(len(packet.data) for packet in track.packets)
    block = round(seconds * track.rate)
    extra = struct.pack("<HIHHH", 1, 2, size, 1, 0) if tag == 0x55 else track.config
    return struct.pack("<HHIIHHH", tag, track.channels, track.rate, int(size / seconds), block, 0, len(extra)) + extra


def _chunk(name: bytes, data: bytes) -> bytes:
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) & 1)


def _list(kind: bytes, *parts: bytes) -> bytes:
    return _chunk(b"LIST", kind + b"".join(parts))


def even(packets: list[Packet]) -> bool:
    """Whether all pictures are equally apart: AVI has no other times."""
    return len({packet.duration for packet in packets}) == 1
