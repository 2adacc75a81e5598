"""Write MPEG transport streams (ISO/IEC 13818-1) as recorders do; M2TS with arrival times (Blu-ray, AVCHD)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scripts.corpus_lib import nal
from scripts.corpus_lib.media import Media, Packet, Track

_TYPES = {"h264": 0x1B, "hevc": 0x24, "aac": 0x0F, "ac3": 0x81, "mp2": 0x04, "mp3": 0x03}
_PCR_AHEAD = 0.2  # seconds by which the clock runs before the decoding time
_BEGIN = 10.0  # seconds: the clock of a recorder does not start at zero


@dataclass(frozen=True, slots=True)
class Style:
    """`m2ts`: 192-byte packets with arrival times. `pids`: of PMT, video, audio."""

    m2ts: bool = False
    pids: tuple[int, int, int] = (0x100, 0x1011, 0x1100)


def write(media: Media, style: Style) -> bytes:
    """The whole file."""
    return b"".join(_Writer(media, style).packets())


class _Writer:
    def __init__(self, media: Media, style: Style) -> None:
        self._media, self._style = media, style
        self._count: dict[int, int] = {}
        self._arrival = 0

    def packets(self) -> Iterator[bytes]:
        tables_due = -1.0
        for moment, number, packet in self._in_order():
            if moment >= tables_due:
                yield from self._tables()
                tables_due = moment + 0.1
            self._arrival = int((moment + _BEGIN) * 27_000_000) & 0x3FFFFFFF
            yield from self._pes(self._media.tracks[number], packet, moment)

    def _in_order(self) -> list[tuple[float, int, Packet]]:
        return sorted(
            (
                (packet.dts / track.scale, number, packet)
                for number, track in enumerate(self._media.tracks)
                for packet in track.packets
            ),
            key=lambda each: each[:2],
        )

    def _pid(self, track: Track) -> int:
        return self._style.pids[1 if track.kind == "video" else 2]

    def _tables(self) -> Iterator[bytes]:
        pmt_pid = self._style.pids[0]
        yield self._ts(0, b"\0" + _section(0, 1, struct.pack(">HH", 1, 0xE000 | pmt_pid)), True, None)[0]
        streams = b"".join(
            struct.pack(">BHH", _TYPES[track.codec], 0xE000 | self._pid(track), 0xF000) for track in self._media.tracks
        )
        body = struct.pack(">HH", 0xE000 | self._pid(self._media.tracks[0]), 0xF000) + streams
        yield self._ts(pmt_pid, b"\0" + _section(2, 1, body), True, None)[0]

    def _pes(self, track: Track, packet: Packet, moment: float) -> Iterator[bytes]:
        payload = _payload(track, packet)
        pts, dts = (round((t / track.scale + _BEGIN) * 90_000) for t in (packet.pts, packet.dts))
        both = track.kind == "video" and pts != dts
        stamps = (_stamp(3, pts) + _stamp(1, dts)) if both else _stamp(2, pts)
        kind = 0xE0 if track.kind == "video" else 0xBD if track.codec == "ac3" else 0xC0
        length = 0 if track.kind == "video" else len(payload) + 3 + len(stamps)
        head = b"\0\0\1" + bytes([kind]) + struct.pack(">HBBB", length, 0x84, 0xC0 if both else 0x80, len(stamps))
        rest, first = head + stamps + payload, True
        clock = max(0, round((moment + _BEGIN - _PCR_AHEAD) * 27_000_000)) if track.kind == "video" else None
        while rest:
            piece, taken = self._ts(self._pid(track), rest, first, clock if first else None, packet.key and first)
            yield piece
            rest, first = rest[taken:], False

    def _ts(self, pid: int, payload: bytes, first: bool, clock: int | None, random: bool = False) -> tuple[bytes, int]:
        """One packet and how many bytes of the payload it took."""
        field = b""
        if clock is not None:
            base, extension = divmod(clock, 300)
            field = bytes([0x10 | (0x40 if random else 0)]) + (base << 15 | 0x7E00 | extension).to_bytes(6, "big")
        room = 184 - (len(field) + 1 if field else 0)
        taken = min(room, len(payload))
        if pid in (0, self._style.pids[0]):
            body, control = payload + b"\xff" * (184 - len(payload)), 1
        else:
            stuffing = room - taken
            if stuffing and not field:
                field, stuffing = (b"\0", stuffing - 2) if stuffing > 1 else (b"", 0)
                body = (bytes([len(field) + stuffing]) + field + b"\xff" * stuffing) if field else b"\0"
            else:
                body = bytes([len(field) + stuffing]) + field + b"\xff" * stuffing if field else b""
            control = 3 if body else 1
            body += payload[:taken]
        count = self._count.get(pid, 0)
        self._count[pid] = (count + 1) & 15
        head = struct.pack(">BHB", 0x47, (0x4000 if first else 0) | pid, control << 4 | count)
        self._arrival = (self._arrival + 1500) & 0x3FFFFFFF
        prefix = struct.pack(">I", self._arrival) if self._style.m2ts else b""
        return prefix + head + body, taken


def annex_b(track: Track, packet: Packet) -> bytes:
    """A picture as a byte stream with its parameter sets before each key picture."""
    nals = list(nal.units(packet.data))
    if track.codec == "h264":
        sps, pps = nal.h264_sets(track.config)
        has, sets, delimiter = any(unit[0] & 31 == nal.SPS for unit in nals), [*sps, *pps], b"\x09\xf0"
        delimited = nals[0][0] & 31 == nal.AUD
    else:
        has, sets, delimiter = False, nal.hevc_sets(track.config), b"\x46\x01\x50"
        delimited = nals[0][0] >> 1 & 63 == 35
    lead = [] if delimited else [delimiter]
    kept = nals[1:] if delimited else nals
    lead = [nals[0]] if delimited else lead
    whole = [*lead, *(sets if packet.key and not has else []), *kept]
    return b"".join(b"\0\0\0\1" + unit for unit in whole)


def _payload(track: Track, packet: Packet) -> bytes:
    if track.codec in ("h264", "hevc"):
        return annex_b(track, packet)
    if track.codec == "aac":
        return adts(track, packet.data)
    return packet.data


_RATES = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000]


def adts(track: Track, raw: bytes) -> bytes:
    """An AAC packet with its ADTS header (ISO/IEC 13818-7 6.2)."""
    size = len(raw) + 7
    value = 0xFFF1 << 40 | 1 << 38 | _RATES.index(track.rate) << 34 | track.channels << 30 | size << 13 | 0x7FF << 2
    return value.to_bytes(7, "big") + raw


def _stamp(prefix: int, value: int) -> bytes:
    value &= (1 << 33) - 1
    top, middle, low = value >> 30, value >> 15 & 0x7FFF, value & 0x7FFF
    return struct.pack(">BHH", prefix << 4 | top << 1 | 1, middle << 1 | 1, low << 1 | 1)


def _section(table: int, number: int, body: bytes) -> bytes:
    head = struct.pack(">BHHBBB", table, 0xB000 | (len(body) + 9), number, 0xC1, 0, 0)
    return head + body + struct.pack(">I", _crc(head + body))


def _crc(data: bytes) -> int:
    """CRC-32/MPEG-2 (annex A)."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value
