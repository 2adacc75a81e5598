"""Write MP4 files the way a body camera does, not the way an editor does (ISO/IEC 14496-12, -14, -15).

Media data first and the movie box after it, chunks of one second, the camera's own handler names and time scales,
make, model, serial number and place in the user data, a per-second GPS track. No edit list, no encoder tag.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

MAKE, MODEL = "Liuhen", "Liuhen Sample Cam"
_EPOCH = datetime(1904, 1, 1, tzinfo=UTC)  # ISO/IEC 14496-12 8.2.2.3
_GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
_MATRIX = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_MOVIE_SCALE = 90_000


@dataclass(frozen=True, slots=True)
class Track:
    """One track: `samples` of `delta` units of 1/`scale` s each."""

    handler: str
    name: str
    header: bytes
    entry: bytes
    scale: int
    delta: int
    samples: Sequence[bytes]
    refresh: Sequence[int] | None = None  # sample numbers from 1; None where every sample is one
    size: tuple[int, int] = (0, 0)
    volume: int = 0

    @property
    def seconds(self) -> float:
        return len(self.samples) * self.delta / self.scale

    def chunks(self) -> list[Sequence[bytes]]:
        """The samples that start in second 0, 1, 2 …"""
        whole = -(-len(self.samples) * self.delta // self.scale)
        edges = [-(-second * self.scale // self.delta) for second in range(whole + 1)]
        return [self.samples[a:b] for a, b in pairwise(edges)]


def video_track(pictures: Sequence[bytes], sps: bytes, pps: bytes, *, size: tuple[int, int], rate: int) -> Track:
    """An H.264 track from NAL units, one a picture."""
    config = b"\1" + sps[1:4] + b"\xff\xe1" + struct.pack(">H", len(sps)) + sps
    config += b"\1" + struct.pack(">H", len(pps)) + pps
    visual = struct.pack(">6xH16xHHII4xH32xHh", 1, *size, 0x480000, 0x480000, 1, 24, -1)
    return Track(
        "vide", "LHCam Video Stream", _full(b"vmhd", struct.pack(">4H", 0, 0, 0, 0), flags=1),
        _box(b"avc1", visual, _box(b"avcC", config)), 90_000, 90_000 // rate,
        [struct.pack(">I", len(unit)) + unit for unit in pictures],
        [number for number, unit in enumerate(pictures, 1) if unit[0] & 31 == 5], size,
    )  # fmt: skip


def audio_track(packets: Sequence[bytes], *, rate: int) -> Track:
    """A mono AAC-LC track from raw packets of 1024 samples."""
    config = struct.pack(">H", 2 << 11 | _FREQUENCIES.index(rate) << 7 | 1 << 3)
    decoder = _descriptor(4, struct.pack(">BBBHII", 0x40, 0x15, 0, 768, 64_000, 48_000) + _descriptor(5, config))
    esds = _full(b"esds", _descriptor(3, struct.pack(">HB", 0, 0) + decoder + _descriptor(6, b"\2")))
    entry = _box(b"mp4a", struct.pack(">6xH8xHH4xI", 1, 1, 16, rate << 16), esds)
    header = _full(b"smhd", bytes(4))
    return Track("soun", "LHCam Audio Stream", header, entry, rate, 1024, packets, volume=0x100)


_FREQUENCIES = [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000]


def gps_track(start: datetime, places: Sequence[tuple[float, float, float]]) -> Track:
    """One GPS record a second, as CAMM type 6, which `exiftool -ee` reads.

    `places`: latitude and longitude in degrees (WGS 84), altitude in metres. Times are UTC seconds
    counted from the GPS epoch without leap seconds, as most writers do (the specification would add them).
    Format: developers.google.com/streetview/publish/camm-spec.
    """
    base = (start - _GPS_EPOCH).total_seconds()
    samples = [
        struct.pack("<HHdIdd7f", 0, 6, base + second, 3, latitude, longitude, altitude, 3, 5, 0.7, 0.5, 0, 0.3)
        for second, (latitude, longitude, altitude) in enumerate(places)
    ]
    entry = _box(b"camm", struct.pack(">6xH", 1))
    return Track("meta", "LHCam GPS Stream", _full(b"nmhd"), entry, 1000, 1000, samples)


def movie(tracks: Sequence[Track], start: datetime, *, serial: str, place: tuple[float, float]) -> bytes:
    """A whole file. `start`: the moment of the first picture; `place`: latitude, longitude in degrees."""
    head = _box(b"ftyp", b"mp42" + struct.pack(">I", 1) + b"mp42avc1isom")
    data, offsets = _interleave(tracks, len(head) + 8)
    seconds = max(track.seconds for track in tracks)
    end = start + timedelta(seconds=seconds)
    dates = struct.pack(">II", *(int((moment - _EPOCH).total_seconds()) for moment in (start, end)))
    boxes = [_track(number, track, offsets[number - 1], dates) for number, track in enumerate(tracks, 1)]
    header = dates + struct.pack(">IIIH10x", _MOVIE_SCALE, round(seconds * _MOVIE_SCALE), 0x10000, 0x100)
    mvhd = _full(b"mvhd", header + _MATRIX + bytes(24) + struct.pack(">I", len(tracks) + 1))
    return head + _box(b"mdat", data) + _box(b"moov", mvhd, *boxes, _user_data(serial, place))


def _interleave(tracks: Sequence[Track], at: int) -> tuple[bytes, list[list[int]]]:
    """The media data, second by second, and each track's chunk offsets in the file."""
    data, offsets = bytearray(), [[] for _ in tracks]  # type: tuple[bytearray, list[list[int]]]
    chunks = [track.chunks() for track in tracks]
    for second in range(max(map(len, chunks))):
        for number, of_track in enumerate(chunks):
            if second < len(of_track):
                offsets[number].append(at + len(data))
                data += b"".join(of_track[second])
    return bytes(data), offsets


def _track(number: int, track: Track, offsets: Sequence[int], dates: bytes) -> bytes:
    width, height = (side << 16 for side in track.size)
    length = len(track.samples) * track.delta
    shown = round(length * _MOVIE_SCALE / track.scale)
    header = dates + struct.pack(">I4xI8xhhh2x", number, shown, 0, 0, track.volume)
    header += _MATRIX + struct.pack(">II", width, height)
    mdhd = _full(b"mdhd", dates + struct.pack(">IIHH", track.scale, length, 0x55C4, 0))  # language "und"
    hdlr = _full(b"hdlr", bytes(4) + track.handler.encode() + bytes(12) + track.name.encode() + b"\0")
    dinf = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", b"", flags=1)))
    minf = _box(b"minf", track.header, dinf, _sample_table(track, offsets))
    return _box(b"trak", _full(b"tkhd", header, flags=3), _box(b"mdia", mdhd, hdlr, minf))


def _sample_table(track: Track, offsets: Sequence[int]) -> bytes:
    lengths = [len(chunk) for chunk in track.chunks()]
    changed = [number == 0 or length != lengths[number - 1] for number, length in enumerate(lengths)]
    runs = [(number + 1, length) for number, length in enumerate(lengths) if changed[number]]
    tables = [
        _full(b"stsd", struct.pack(">I", 1), track.entry),
        _full(b"stts", struct.pack(">III", 1, len(track.samples), track.delta)),
        _full(b"stsc", struct.pack(">I", len(runs)), *(struct.pack(">III", *run, 1) for run in runs)),
        _full(b"stsz", struct.pack(">II", 0, len(track.samples)), _numbers([len(sample) for sample in track.samples])),
        _full(b"stco", struct.pack(">I", len(offsets)), _numbers(offsets)),
    ]
    if track.refresh is not None:
        tables.insert(2, _full(b"stss", struct.pack(">I", len(track.refresh)), _numbers(track.refresh)))
    return _box(b"stbl", *tables)


def _user_data(serial: str, place: tuple[float, float]) -> bytes:
    latitude, longitude = place
    texts = [(b"\xa9mak", MAKE), (b"\xa9mod", MODEL), (b"\xa9xyz", f"{latitude:+09.5f}{longitude:+010.5f}/")]
    packed = [_box(tag, struct.pack(">HH", len(text), 0x15C7), text.encode()) for tag, text in texts]
    return _box(b"udta", *packed, _box(b"SNum", serial.encode()))


def _numbers(values: Sequence[int]) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(kind, struct.pack(">I", flags), *parts)


def _descriptor(tag: int, body: bytes) -> bytes:
    """An MPEG-4 descriptor (ISO/IEC 14496-1 7.2.2) of fewer than 128 bytes."""
    return bytes([tag, len(body)]) + body
