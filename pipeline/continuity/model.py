"""The picture of a file that the checks look at: plain values, made by `pipeline.media.picture`, no I/O.

Times inside a track are integers in its `time_base`; everywhere else they are seconds (float) on the file's timeline,
or whole seconds since 1970 UTC for dates. `UNKNOWN` stands for a timestamp the container does not give.
"""

from __future__ import annotations

import statistics
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.continuity import dates
from pipeline.continuity.coding import SLICE, Coding, Slices, Sound
from pipeline.continuity.shown import Shown
from pipeline.continuity.signed import Signature
from pipeline.continuity.structure import Structure

if TYPE_CHECKING:
    from pipeline.continuity.content import Content

UNKNOWN = -(1 << 63)  # libav's AV_NOPTS_VALUE

KEY, DISCARD, CORRUPT = 1, 2, 4  # bits of Packets.flags, as libav's AV_PKT_FLAG_*, renumbered

Tag = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list (elst, ISO/IEC 14496-12 8.6.6), in seconds. `media_time` None: an empty edit."""

    duration: float
    media_time: float | None


@dataclass(frozen=True, slots=True)
class TrackBox:
    """What a trak box says. Durations in seconds, dates in Unix seconds (None when the box has 0).

    `first_offset`: composition offset of the first sample. `media_duration`: mdhd; `duration`: tkhd.
    `descriptions`: four-character codes in stsd. `samples`: count in stsz.
    """

    id: int
    handler: str
    handler_name: str
    created: int | None
    modified: int | None
    media_created: int | None
    duration: float | None
    media_duration: float | None
    first_offset: float
    edits: tuple[Edit, ...]
    descriptions: tuple[str, ...]
    samples: int


@dataclass(frozen=True, slots=True)
class Box:
    """A top-level box: four-character code, byte offset, size in bytes as the box claims it, bytes of its header."""

    type: str
    offset: int
    size: int
    header: int = 8


@dataclass(frozen=True, slots=True)
class Boxes:
    """The ISO base media (or QuickTime) box structure, as far as libav hides it.

    `missing`: how many bytes the boxes or the sample tables claim beyond the end of the file. `trailing`: (offset,
    bytes) of what follows the last box and is no box; `trailing_zero`: it is nothing but zeros.
    """

    top: tuple[Box, ...]
    brand: str
    minor: int
    compatible: tuple[str, ...]
    created: int | None
    modified: int | None
    timescale: int
    duration: float | None
    tracks: tuple[TrackBox, ...]
    fragmented: bool
    missing: int
    trailing: tuple[int, int] | None
    trailing_zero: bool


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream's facts. `kind`: video, audio, subtitle, data, attachment. `frame_rate`: the container's average."""

    index: int
    kind: str
    codec: str
    time_base: tuple[int, int]
    packets: int
    frame_rate: float | None = None
    width: int | None = None
    height: int | None = None
    sample_rate: int | None = None
    channels: int | None = None
    extradata_sha256: str = ""
    still: bool = False  # a cover picture or thumbnail, not footage


@dataclass(frozen=True, slots=True)
class Packets:
    """Every packet of a stream in file (decoding) order, one array entry each; times in the stream's time base."""

    pts: array[int]
    dts: array[int]
    duration: array[int]
    pos: array[int]
    size: array[int]
    flags: array[int]


@dataclass(frozen=True, slots=True)
class Trace:
    """The name of an encoder or program found in the media data: where (packet number) and what it says."""

    stream: int
    packet: int
    text: str


@dataclass(frozen=True)
class Track:
    stream: Stream
    packets: Packets
    coding: Coding | None = None
    slices: Slices | None = None
    sound: Sound | None = None

    @cached_property
    def tick(self) -> float:
        """Seconds of one unit of the time base."""
        return self.stream.time_base[0] / self.stream.time_base[1]

    @cached_property
    def shown(self) -> Shown:
        """(presentation time in seconds, packet number) in order of presentation.

        Left out: packets without a time, those an edit list discards, and those that hold no picture (parameter sets
        or signatures by themselves).
        """
        tick, flags = self.tick, self.packets.flags
        times = ((t * tick, n) for n, t in enumerate(self.packets.pts) if t != UNKNOWN and not flags[n] & DISCARD)
        if self.slices is None:
            return Shown.of(times)
        slices, sizes = self.slices.flags, self.packets.size
        return Shown.of(shown for shown in times if slices[shown[1]] & SLICE or not sizes[shown[1]])

    @cached_property
    def intervals(self) -> array[float]:
        """Seconds from each shown packet to the next."""
        return self.shown.intervals()

    @cached_property
    def median_interval(self) -> float:
        return statistics.median(self.intervals) if self.intervals else 0.0

    @cached_property
    def start(self) -> float | None:
        return self.shown[0][0] if self.shown else None

    @cached_property
    def end(self) -> float | None:
        """The end of the last shown packet; its duration is the median interval where the container gives none."""
        if not self.shown:
            return None
        last, number = self.shown[-1]
        duration = self.packets.duration[number] * self.tick
        return last + (duration if duration > 0 else self.median_interval)

    def settled(self) -> Track:
        """Without the columns of which only checks within the file have need; what is shown when stays."""
        known = {name: getattr(self, name) for name in ("shown", "start", "end", "median_interval")}
        nothing = array("q")
        packets = replace(self.packets, pts=nothing, dts=nothing, duration=nothing, pos=nothing)
        lean = replace(self, packets=packets)
        vars(lean).update(known)  # as cached_property does
        return lean


@dataclass(frozen=True)
class Metadata:
    """What exiftool says: "Group:Tag" (family 1) → value, numbers unformatted."""

    tags: Mapping[str, Tag] = field(default_factory=dict)

    def first(self, *names: str) -> str:
        """The first non-empty value among the tags called `names`, whatever their group; "" when there is none."""
        for name in names:
            for key, value in self.tags.items():
                if key.rpartition(":")[2] == name and str(value).strip(" 0"):
                    return str(value).strip()
        return ""

    @cached_property
    def serial(self) -> str:
        names = ("SerialNumber", "CameraSerialNumber", "BodySerialNumber", "DeviceSerialNo", "InternalSerialNumber")
        return self.first(*names)

    @cached_property
    def make(self) -> str:
        return self.first("Make", "AndroidManufacturer")

    @cached_property
    def model(self) -> str:
        return self.first("Model", "AndroidModel", "CameraModelName")

    @cached_property
    def position(self) -> tuple[float, float] | None:
        """Latitude and longitude in degrees, where the recording began."""
        latitude, longitude = self.tags.get("Composite:GPSLatitude"), self.tags.get("Composite:GPSLongitude")
        if isinstance(latitude, (int, float)) and isinstance(longitude, (int, float)):
            return float(latitude), float(longitude)
        return None

    @cached_property
    def taken(self) -> tuple[datetime, bool] | None:
        """When a photo or memo was taken, and whether its time zone is known (see `dates.exif`)."""
        zone = str(self.tags.get("ExifIFD:OffsetTimeOriginal", ""))
        return dates.exif(str(self.tags.get("ExifIFD:DateTimeOriginal") or self.first("DateTimeOriginal")), zone)


@dataclass(frozen=True, slots=True)
class Jpeg:
    """How a JPEG was coded. `segments`: its markers in order, such as "APP1/Exif", up to the scan.

    `quality`: the libjpeg quality of which its luminance table is the standard's scaled, None for tables of its own.
    `quantisation`: short digest of the tables. `thumbnail`: width and height of the EXIF thumbnail.
    """

    segments: tuple[str, ...]
    width: int
    height: int
    sampling: str
    quality: int | None
    quantisation: str
    standard_huffman: bool
    thumbnail: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Photo:
    """A still image. `complete`: the JPEG end marker is there (None for other formats), `jpeg`: how it was coded."""

    mime: str
    complete: bool | None
    jpeg: Jpeg | None = None


@dataclass(frozen=True, slots=True)
class Fix:
    """A satellite receiver's time beside the footage. `at`: seconds on the file's timeline, None where it has no place
    there; `time`: Unix seconds as the receiver says; `locked`: it had a position (None: not said).
    """

    at: float | None
    time: float
    locked: bool | None = None


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a sensor's running count does not go on: packet number, seconds, counts expected and found."""

    packet: int
    at: float
    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Counter:
    """A sensor's running count of its samples (GPMF TSMP). `first`: samples before the first packet of the file."""

    stream: int
    sensor: str
    first: int
    total: int
    breaks: tuple[Break, ...] = ()


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What sensors wrote beside the footage. `timecode`: HH:MM:SS:FF of the first picture (tmcd), "" without.

    `sources`: in which formats. `unread`: there is telemetry that could not be read, and why.
    """

    fixes: tuple[Fix, ...] = ()
    counters: tuple[Counter, ...] = ()
    timecode: str = ""
    sources: tuple[str, ...] = ()
    unread: str = ""


@dataclass(frozen=True)
class Picture:
    """Everything known of one file before any judgement.

    `name`: for display. `size`: bytes. `kind`: video, audio, photos or unknown. `format`: libav's demuxer name.
    `problem`: (zh, en) why it could not be read, None when it could. `stopped`: why reading ended before the file did,
    "" when it did not. `isolated`/`why_not`: how the sandbox stood. `changed`: size and modification time (ns) before
    and after, of a file that was written to while it was read. `content`: what decoding showed, None where it was not
    asked for. `signatures`: in the streams. `anchors`: certificates that the user trusts, PEM.
    """

    name: str
    size: int
    kind: str
    format: str = ""
    duration: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    tracks: tuple[Track, ...] = ()
    boxes: Boxes | None = None
    structure: Structure | None = None
    metadata: Metadata = field(default_factory=Metadata)
    traces: tuple[Trace, ...] = ()
    photo: Photo | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    stopped: str = ""
    problem: tuple[str, str] | None = None
    isolated: bool = True
    why_not: str = ""
    changed: tuple[tuple[int, int], tuple[int, int]] | None = None
    content: Content | None = None
    signatures: tuple[Signature, ...] = ()
    anchors: tuple[str, ...] = ()

    def settled(self) -> Picture:
        """The same for the checks across files, in a third of the memory."""
        content = self.content.settled() if self.content else None
        return replace(self, tracks=tuple(track.settled() for track in self.tracks), content=content)

    def of_kind(self, kind: str) -> tuple[Track, ...]:
        """The tracks of footage of that kind, without cover pictures and single-picture tracks."""
        return tuple(t for t in self.tracks if t.stream.kind == kind and not t.stream.still)

    @cached_property
    def created(self) -> int | None:
        """The recording's date as the container has it, Unix seconds; None without one."""
        return self.boxes.created if self.boxes else None

    @cached_property
    def moment(self) -> datetime | None:
        """When the recording was made as the file says it, where that is a moment in UTC."""
        if self.created is not None:
            return dates.unix(self.created)
        if self.metadata.taken and self.metadata.taken[1]:
            return self.metadata.taken[0]
        return dates.rfc3339(self.tags.get("creation_time", ""))

    @cached_property
    def media_duration(self) -> float | None:
        """Seconds from the first to the end of the last packet of the longest footage track."""
        spans = [
            track.end - track.start
            for track in (*self.of_kind("video"), *self.of_kind("audio"))
            if track.start is not None and track.end is not None
        ]
        return max(spans) if spans else None
