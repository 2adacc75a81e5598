"""Reads the clocks that sensors write beside the footage: GPMF (GoPro), CAMM and NMEA sentences, packet by packet.

Runs inside the sandbox on untrusted bytes. Formats: github.com/gopro/gpmf-parser, developers.google.com/streetview/
publish/camm-spec, NMEA 0183 (RMC). What other cameras write is left to exiftool (`pipeline.media.metadata`).
"""

from __future__ import annotations

import calendar
import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pipeline.continuity.model import UNKNOWN, Break, Counter, Fix, Telemetry

_LARGEST = 1 << 20  # bytes of one packet; a second of GPMF has 10 KB
_MOST_FIXES = 20_000  # five hours at one a second
_MOST_COUNTERS, _MOST_BREAKS = 64, 50
_MOST_FIELDS = 4096  # in one packet
# Sensors whose running count is exact: one entry each sample. Others (face, hue, scene lists) repeat within one.
_COUNTED = {b"ACCL", b"GYRO", b"MAGN", b"SHUT", b"ISOG", b"ISOE", b"CORI", b"GPS5", b"GPS9"}
_CAMM = {b"\0\0\5\0": 28, b"\0\0\6\0": 60}  # head of a packet with a position: its length
_GPS_EPOCH = 315_964_800  # 1980-01-06 in Unix seconds
_GPS9_EPOCH = 946_684_800  # 2000-01-01
_RMC = re.compile(rb"\$G[A-Z]RMC,(\d{6})(\.\d+)?,([AV]),[^*\r\n]{0,90}?,(\d{6}),")


class Reader:
    """Follows every data or text stream of a file. `at` of what it finds is the packet's own time."""

    def __init__(self) -> None:
        self._fixes: list[Fix] = []
        self._counters: dict[tuple[int, bytes], _Count] = {}
        self._sources: dict[str, None] = {}

    def take(self, packet: Any, tick: float, stream: int, number: int) -> None:
        """One packet of a data or subtitle stream; what is none of the three formats is left alone."""
        if packet.size < 8 or packet.size > _LARGEST or packet.pts is None or packet.pts == UNKNOWN:
            return
        body, at = bytes(packet), packet.pts * tick
        if body[:4] == b"DEVC":
            self._gpmf(body, at, stream, number)
        elif len(body) == _CAMM.get(body[:4]):
            self._camm(body, at)
        elif b"RMC," in body:
            self._nmea(body, at)

    def result(self, timecode: str, others: tuple[list[Fix], str]) -> Telemetry:
        """`others`: what exiftool found in formats that are not read here, and what it could not."""
        counters = tuple(count.value(*key) for key, count in self._counters.items())
        fixes = self._fixes or others[0][:_MOST_FIXES]
        sources = [*self._sources, *(["exiftool"] if others[0] else [])]
        return Telemetry(tuple(fixes), counters, timecode[:40], tuple(sources), others[1])

    def _fix(self, source: str, fix: Fix) -> None:
        self._sources[source] = None
        if len(self._fixes) < _MOST_FIXES:
            self._fixes.append(fix)

    def _gpmf(self, body: bytes, at: float, stream: int, number: int) -> None:
        self._sources["GPMF"] = None
        for key, _, _, device in _fields(body):
            for inner, _, _, content in _fields(device) if key == b"DEVC" else ():
                if inner == b"STRM":
                    self._gpmf_stream(content, at, stream, number)

    def _gpmf_stream(self, content: bytes, at: float, stream: int, number: int) -> None:
        fields = {key: (kind, repeat, body) for key, kind, repeat, body in _fields(content)}
        for sensor in _COUNTED & fields.keys():
            if b"TSMP" in fields and len(fields[b"TSMP"][2]) >= 4 and len(self._counters) < _MOST_COUNTERS:
                total = int.from_bytes(fields[b"TSMP"][2][:4], "big")
                self._counters.setdefault((stream, sensor), _Count()).take(number, at, fields[sensor][1], total)
        if b"GPSU" in fields:
            locked = fields[b"GPSF"][2][:4] if b"GPSF" in fields else b""
            if (time := _gpsu(fields[b"GPSU"][2])) is not None:
                self._fix("GPMF", Fix(at, time, _at_least_2d(locked)))
        elif b"GPS9" in fields:
            for time, fixed in _gps9(fields[b"GPS9"][2], fields.get(b"SCAL")):
                self._fix("GPMF", Fix(at, time, fixed))

    def _camm(self, body: bytes, at: float) -> None:
        """Type 6: seconds since the GPS epoch, then 0 (no fix), 2 or 3 (dimensions). Type 5 has a place and no time."""
        self._sources["CAMM"] = None
        if body[2] == 6:
            seconds, kind = struct.unpack_from("<dI", body, 4)
            if 0 < seconds < 1e11:
                self._fix("CAMM", Fix(at, seconds + _GPS_EPOCH, kind in (2, 3)))

    def _nmea(self, body: bytes, at: float) -> None:
        for found in _RMC.finditer(body):
            time = _date(found[4], "%d%m%y", found[1], found[2] or b"")
            if time is not None:
                self._fix("NMEA", Fix(at, time, found[3] == b"A"))
                return  # one a packet: the first belongs to the packet's time


class _Count:
    """One sensor's running count over the packets."""

    def __init__(self) -> None:
        self._first: int | None = None
        self._total = 0
        self._breaks: list[Break] = []

    def take(self, packet: int, at: float, samples: int, total: int) -> None:
        before = total - samples
        if self._first is None:
            self._first = before
        elif before != self._total and len(self._breaks) < _MOST_BREAKS:
            self._breaks.append(Break(packet, at, self._total, before))
        self._total = total

    def value(self, stream: int, sensor: bytes) -> Counter:
        return Counter(stream, sensor.decode("ascii"), self._first or 0, self._total, tuple(self._breaks))


def _fields(data: bytes) -> Iterator[tuple[bytes, int, int, bytes]]:
    """(key, type, repeat, content) of each GPMF key-length-value, padded to four bytes."""
    at = 0
    for _ in range(_MOST_FIELDS):
        if at + 8 > len(data):
            return
        key, kind, size, repeat = struct.unpack_from(">4sBBH", data, at)
        length = size * repeat
        yield key, kind, repeat, data[at + 8 : at + 8 + length]
        at += 8 + (length + 3) // 4 * 4


def _at_least_2d(fix: bytes) -> bool | None:
    return int.from_bytes(fix, "big") >= 2 if fix else None


def _gpsu(text: bytes) -> float | None:
    """yymmddhhmmss.sss in UTC."""
    return _date(text[:6], "%y%m%d", text[6:12], text[12:16])


def _gps9(body: bytes, scale: tuple[int, int, bytes] | None) -> Iterator[tuple[float, bool]]:
    """The first entry: …, days since 2000, seconds of the day, precision, fix; the first seven of 4 bytes."""
    factors = struct.unpack(f">{len(scale[2]) // 4}i", scale[2][: len(scale[2]) // 4 * 4]) if scale else ()
    if len(body) >= 32 and len(factors) >= 9 and factors[5] and factors[6]:
        values = struct.unpack(">7i2H", body[:32])
        seconds = values[5] / factors[5] * 86_400 + values[6] / factors[6]
        yield _GPS9_EPOCH + seconds, values[8] >= 2


def _date(day: bytes, form: str, clock: bytes, fraction: bytes) -> float | None:
    try:
        whole = datetime.strptime((day + clock).decode("ascii"), form + "%H%M%S").replace(tzinfo=UTC)
        return calendar.timegm(whole.timetuple()) + float(fraction or b"0")
    except (ValueError, OverflowError):
        return None
