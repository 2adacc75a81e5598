"""Write Matroska as a recorder's own program does (RFC 9559): clusters by time, cues at the end, its own names."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime

from scripts.corpus_lib.media import Media, Packet, Track

_CODECS = {
    "h264": "V_MPEG4/ISO/AVC", "hevc": "V_MPEGH/ISO/HEVC", "mpeg4": "V_MPEG4/ISO/ASP", "mjpeg": "V_MJPEG",
    "aac": "A_AAC", "ac3": "A_AC3", "mp3": "A_MPEG/L3", "pcm_s16le": "A_PCM/INT/LIT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """`app`: MuxingApp and WritingApp. `cluster`: seconds of each cluster."""

    app: str = "LHRecorder 2.1"
    cluster: float = 1.0


def write(media: Media, style: Style) -> bytes:
    """The whole file."""
    head = _master(
        0x1A45DFA3, _uint(0x4286, 1), _uint(0x42F7, 1), _uint(0x42F2, 4), _uint(0x42F3, 8),
        _text(0x4282, "matroska"), _uint(0x4287, 4), _uint(0x4285, 2),
    )  # fmt: skip
    body, cues = [_info(media, style), _tracks(media)], []
    at = sum(map(len, body))
    for moment, run in _clusters(media, style):
        cluster = _cluster(media, moment, run)
        cues.append((moment, at))
        body.append(cluster)
        at += len(cluster)
    points = [
        _master(0xBB, _uint(0xB3, moment), _master(0xB7, _uint(0xF7, 1), _uint(0xF1, offset)))
        for moment, offset in cues
    ]
    return head + _master(0x18538067, *body, _master(0x1C53BB6B, *points))


def _info(media: Media, style: Style) -> bytes:
    since = int((media.start - datetime(2001, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000_000
    return _master(
        0x1549A966, _uint(0x2AD7B1, 1_000_000), _element(0x4489, struct.pack(">d", media.seconds * 1000)),
        _text(0x4D80, style.app), _text(0x5741, style.app), _element(0x4461, struct.pack(">q", since)),
    )  # fmt: skip


def _tracks(media: Media) -> bytes:
    return _master(0x1654AE6B, *(_track(number, track) for number, track in enumerate(media.tracks, 1)))


def _track(number: int, track: Track) -> bytes:
    parts = [_uint(0xD7, number), _uint(0x73C5, number), _uint(0x83, 1 if track.kind == "video" else 2), _uint(0x9C, 0)]
    parts.append(_text(0x86, _CODECS[track.codec]))
    if track.config:
        parts.append(_element(0x63A2, track.config))
    if track.kind == "video":
        parts.append(_master(0xE0, _uint(0xB0, track.size[0]), _uint(0xBA, track.size[1])))
    else:
        bits = [_uint(0x6264, 16)] if track.codec.startswith("pcm") else []
        parts.append(_master(0xE1, _element(0xB5, struct.pack(">d", track.rate)), _uint(0x9F, track.channels), *bits))
    return _master(0xAE, *parts)


def _clusters(media: Media, style: Style) -> list[tuple[int, list[tuple[int, Packet]]]]:
    """(milliseconds of the cluster, its packets with their track's number), a new one at key pictures."""
    order = sorted(
        ((p.dts / t.scale, n, p) for n, t in enumerate(media.tracks, 1) for p in t.packets), key=lambda each: each[:2]
    )
    clusters: list[tuple[int, list[tuple[int, Packet]]]] = []
    began = -1e9
    for moment, number, packet in order:
        leads = number == 1 and packet.key
        if (leads and moment - began >= style.cluster - 1e-3) or moment - began > 20:
            clusters.append((max(0, _ms(media, number, packet)), []))
            began = moment
        clusters[-1][1].append((number, packet))
    return clusters


def _ms(media: Media, number: int, packet: Packet) -> int:
    return round(packet.pts * 1000 / media.tracks[number - 1].scale)


def _cluster(media: Media, moment: int, run: list[tuple[int, Packet]]) -> bytes:
    blocks = [
        _element(0xA3, bytes([0x80 | n]) + struct.pack(">hB", _ms(media, n, p) - moment, 0x80 if p.key else 0) + p.data)
        for n, p in run
    ]
    return _master(0x1F43B675, _uint(0xE7, moment), *blocks)


def _element(number: int, data: bytes) -> bytes:
    size = len(data)
    wide = 1 if size < 127 else 8
    coded = bytes([0x80 | size]) if wide == 1 else b"\x01" + size.to_bytes(7, "big")
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + coded + data


def _master(number: int, *parts: bytes) -> bytes:
    return _element(number, b"".join(parts))


def _uint(number: int, value: int) -> bytes:
    return _element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _text(number: int, text: str) -> bytes:
    return _element(number, text.encode())
