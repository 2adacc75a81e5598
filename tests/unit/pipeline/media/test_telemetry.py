"""Clocks of sensors, as their formats define them: GPMF, CAMM, NMEA; and whatever bytes come instead."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media import metadata
from pipeline.media.picture import picture_of
from pipeline.media.telemetry import Reader
from pipeline.samples import Footage
from tests.support.footage import require

ORIGINALS = Path(__file__).resolve().parents[4].parent / "shared" / "footage" / "original"


@dataclass
class Packet:
    """As much of a libav packet as the reader looks at; a second is 1000 ticks."""

    body: bytes
    pts: int | None = 0

    @property
    def size(self) -> int:
        return len(self.body)

    def __bytes__(self) -> bytes:
        return self.body


def read(*packets: Packet) -> Reader:
    reader = Reader()
    for number, packet in enumerate(packets):
        reader.take(packet, 0.001, 3, number)
    return reader


def klv(key: str, kind: str, size: int, repeat: int, body: bytes) -> bytes:
    """GPMF key, length, value, padded to four bytes."""
    return struct.pack(">4sBBH", key.encode(), ord(kind) if kind else 0, size, repeat) + body + bytes(-len(body) % 4)


def nest(key: str, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return klv(key, "", 1, len(body), body)


def stream(sensor: str, samples: int, total: int) -> bytes:
    return nest(
        "STRM", klv("TSMP", "L", 4, 1, struct.pack(">I", total)), klv(sensor, "s", 2, samples, bytes(2 * samples))
    )


def gps(moment: str, fix: int) -> bytes:
    return nest("STRM", klv("GPSF", "L", 4, 1, struct.pack(">I", fix)), klv("GPSU", "U", 16, 1, moment.encode()))


def test_gpmf_counts_and_times() -> None:
    second = [
        nest("DEVC", stream("ACCL", 200, 200 * n), stream("SHUT", 30, 30 * n), gps(f"26111801300{n}.500", 3))
        for n in (1, 2, 3)
    ]
    found = read(*(Packet(body, 1000 * n) for n, body in enumerate(second))).result("", ([], ""))
    assert found.sources == ("GPMF",)
    assert [(fix.at, fix.locked) for fix in found.fixes] == [(0.0, True), (1.0, True), (2.0, True)]
    assert found.fixes[0].time == datetime(2026, 11, 18, 1, 30, 1, 500_000, UTC).timestamp()
    assert {(c.sensor, c.first, c.total, c.breaks) for c in found.counters} == {
        ("ACCL", 0, 600, ()),
        ("SHUT", 0, 90, ()),
    }


def test_gpmf_that_lost_a_packet_breaks_its_count() -> None:
    packets = [Packet(nest("DEVC", stream("ACCL", 200, 200 * n)), 1000 * k) for k, n in enumerate((3, 4, 7))]
    (counter,) = read(*packets).result("", ([], "")).counters
    assert counter.first == 400 and counter.total == 1400
    ((packet, at, expected, found),) = [(b.packet, b.at, b.expected, b.found) for b in counter.breaks]
    assert (packet, at, expected, found) == (2, 2.0, 800, 1200)


def test_gpmf_of_newer_cameras_has_the_time_in_each_position() -> None:
    scale = struct.pack(">9i", 10_000_000, 10_000_000, 1000, 1000, 100, 1, 1000, 100, 1)
    entry = struct.pack(">7i2H", 0, 0, 0, 0, 0, 9818, 5_400_500, 150, 3)
    body = nest("DEVC", nest("STRM", klv("SCAL", "l", 4, 9, scale), klv("GPS9", "?", 32, 1, entry)))
    (fix,) = read(Packet(body)).result("", ([], "")).fixes
    assert datetime.fromtimestamp(fix.time, UTC) == datetime(2026, 11, 18, 1, 30, 0, 500_000, UTC) and fix.locked


def test_camm_positions() -> None:
    body = struct.pack("<HHdIdd7f", 0, 6, 1_479_000_600.0, 3, 31.2, 121.4, *[0.0] * 7)
    (fix,) = read(Packet(body, 5000)).result("", ([], "")).fixes
    assert (fix.at, fix.time, fix.locked) == (5.0, 1_479_000_600.0 + 315_964_800, True)


def test_nmea_sentences() -> None:
    text = b"$GNGGA,013000.00,3114.0,N\r\n$GNRMC,013001.250,A,3114.0,N,12128.0,E,0.2,10.0,181126,,,A*57\r\n"
    (fix,) = read(Packet(text, 2000)).result("", ([], "")).fixes
    assert (
        fix.at == 2.0 and fix.locked and datetime.fromtimestamp(fix.time, UTC).isoformat()[:19] == "2026-11-18T01:30:01"
    )
    (lost,) = read(Packet(text.replace(b",A,", b",V,"))).result("", ([], "")).fixes
    assert lost.locked is False


def test_packets_without_a_time_or_sense_are_left_alone() -> None:
    odd = [
        Packet(b"DEVC" + b"\xff" * 40, None),
        Packet(b"DEVC" + b"\xff" * 40),
        Packet(b"\0\0\6\0" + bytes(7)),
        Packet(b""),
    ]
    assert read(*odd, Packet(b"$GPRMC,999999,A,,,,,,999999,")).result("", ([], "")).fixes == ()


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"DEVC", b"\0\0\6\0", b"$GPRMC,", nest("DEVC", gps("2611", 3))[:20]])
)
def test_any_bytes_are_read_without_failing(body: bytes, start: bytes) -> None:
    found = read(Packet(start + body), Packet(start + body[::-1], 1000)).result("x" * 99, ([], ""))
    assert len(found.timecode) <= 40


@pytest.mark.parametrize(
    ("name", "timecode"), [("gopro_hero5_karma.mp4", "19:26:48:04"), ("gopro_max_heromode.mp4", "15:44:35:10")]
)
def test_genuine_cameras_count_without_a_break(name: str, timecode: str) -> None:
    if not ORIGINALS.exists():
        pytest.skip("the real camera files are not here")
    found = picture_of(ORIGINALS / name).telemetry
    assert found.timecode == timecode and len(found.counters) >= 4
    assert all(counter.first == 0 and counter.breaks == () for counter in found.counters)


def test_the_sample_camera_is_read_as_exiftool_reads_it(footage: Footage) -> None:
    require("exiftool")
    own = picture_of(footage.segments[0]).telemetry
    assert own.sources == ("CAMM",) and len(own.fixes) == 12
    theirs = metadata.positions(str(footage.segments[0]))
    assert [(fix.at, fix.time, fix.locked) for fix in theirs] == [(fix.at, fix.time, fix.locked) for fix in own.fixes]


def test_exiftool_is_asked_only_for_what_nobody_else_reads() -> None:
    told = {"Track3:Warning": "[minor] The ExtractEmbedded option may find more tags in the media data"}
    assert metadata.hides_telemetry(told)
    assert metadata.hides_telemetry(told | {"Track3:MetaFormat": "rtmd"})
    assert not metadata.hides_telemetry(told | {"Track3:MetaFormat": "gpmd", "Track5:OtherFormat": "tmcd"})
    assert not metadata.hides_telemetry({"Track3:MetaFormat": "rtmd"})
