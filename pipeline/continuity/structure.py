"""What the container readers found beside the box tree: plain values for the container checks, no I/O.

Offsets count from the start of the file, in bytes. Lists are bounded by the readers; the counts beside them are not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.continuity.framed import Framed
from pipeline.continuity.samples import Fragments, SampleMap


@dataclass(frozen=True, slots=True)
class CounterBreak:
    """A continuity_counter of a transport stream that doesn't count on (ITU-T H.222.0 2.4.3.3). `packet`: from 0."""

    pid: int
    packet: int
    offset: int
    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The programme clock (PCR), or the arrival clock (`pid` -1), steps by `seconds` where `usual` is its rhythm.

    `offset`: of the packet after the step. `declared`: the stream announces it (discontinuity_indicator).
    """

    pid: int
    packet: int
    offset: int
    seconds: float
    usual: float
    declared: bool


@dataclass(frozen=True, slots=True)
class TableChange:
    """A programme table (PAT: `pid` 0, else a PMT) whose content differs from the one before it."""

    pid: int
    packet: int
    offset: int
    version: int
    before: int


@dataclass(frozen=True, slots=True)
class Transport:
    """An MPEG-2 transport stream (ITU-T H.222.0), with 4 bytes of arrival time before each packet in M2TS.

    `sloppy`: PIDs whose counter doesn't count, so that it can prove nothing. `lost`: (offset, bytes) between packets
    that are no packets. `rest`: bytes after the last whole packet; `padding`: zeros at the end. `headless`: streams
    whose first packet stands in the middle of a picture or a sound. `streams`: (PID, stream_type) of the first PMT.
    `disagreements`: where programme and arrival clock grow differently, by `seconds`, `usual` being the programme's.
    """

    packet_size: int
    packets: int
    pids: Mapping[int, int] = field(default_factory=dict)
    breaks: tuple[CounterBreak, ...] = ()
    break_count: int = 0
    sloppy: tuple[int, ...] = ()
    clock: tuple[ClockStep, ...] = ()
    arrival: tuple[ClockStep, ...] = ()
    disagreements: tuple[ClockStep, ...] = ()
    tables: tuple[TableChange, ...] = ()
    lost: tuple[tuple[int, int], ...] = ()
    lost_count: int = 0
    rest: int = 0
    padding: int = 0
    headless: tuple[int, ...] = ()
    errors: int = 0
    scrambled: int = 0
    streams: tuple[tuple[int, int], ...] = ()
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Riff:
    """An AVI file: the chunks of its movi lists against its index and headers.

    `frames`: of the first video stream: in the main header (avih), in its stream header (strh), in the index, and as
    chunks; -1 where there is no such figure. `unlisted`: (offset, bytes) of chunks with footage that the index leaves
    out, `unlisted_last` when they all stand after those it names; `dangling`: index entries (number, offset) where no
    such chunk stands, of `listed`. `damaged`: offsets where no chunk was. `closed`: the length of the file was written.
    """

    frames_header: int
    frames_stream: int
    frames_index: int
    frames_found: int
    interval: float
    index: str
    unlisted: tuple[tuple[int, int], ...] = ()
    unlisted_count: int = 0
    unlisted_last: bool = False
    dangling: tuple[tuple[int, int], ...] = ()
    dangling_count: int = 0
    listed: int = 0
    damaged: tuple[int, ...] = ()
    closed: bool = True
    complete: bool = True


@dataclass(frozen=True, slots=True)
class ClusterStep:
    """A Matroska cluster whose own notes on its place are wrong, or whose time runs back.

    `what`: position, size-before or time. `noted` and `found` are bytes, seconds where `what` is time.
    """

    what: str
    offset: int
    time: float
    noted: float
    found: float


@dataclass(frozen=True, slots=True)
class Matroska:
    """A Matroska or WebM file (RFC 9559): clusters against cues and their own notes, checksums, void space.

    `checksums`: (element path, offset) whose CRC-32 is wrong. `dangling`: (time, position) of cues where no cluster
    stands. `void`: (offset, bytes) of Void elements between clusters. `chapters`: ordered chapters, which show the
    recording in another order. `linked`: the segment says that others belong before or after it.
    """

    clusters: int
    duration: float | None
    last_cluster: float
    steps: tuple[ClusterStep, ...] = ()
    step_count: int = 0
    checksums: tuple[tuple[str, int], ...] = ()
    checksums_right: int = 0
    checksums_skipped: int = 0
    dangling: tuple[tuple[float, int], ...] = ()
    dangling_count: int = 0
    cues: int = 0
    void: tuple[tuple[int, int], ...] = ()
    ordered_chapters: bool = False
    linked: bool = False
    damaged: tuple[int, ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Identification:
    """An MXF Identification set: one for each program that wrote or modified the file (SMPTE ST 377-1)."""

    company: str
    product: str
    version: str
    modified: str
    generation: str


@dataclass(frozen=True, slots=True)
class Mxf:
    """An MXF file: partitions, who wrote it, and the dates of its packages as ISO 8601 texts.

    `footer_noted`/`footer_found`: offset of the footer partition, -1 without one. `broken`: offsets of partitions whose
    notes on this or the previous partition's place are wrong. `counts`: where the content packages' own count does not
    go on: (package, offset, expected, found); empty where it counts nothing. `edit_units`: declared, and found.
    """

    partitions: int
    status: str
    pattern: str
    identifications: tuple[Identification, ...] = ()
    modified: str = ""
    created: tuple[str, ...] = ()
    footer_noted: int = -1
    footer_found: int = -1
    broken: tuple[int, ...] = ()
    packages: int = 0
    counts: tuple[tuple[int, int, int, int], ...] = ()
    edit_units: int = -1
    edit_units_found: int = -1


@dataclass(frozen=True, slots=True)
class Wave:
    """A WAV or BWF file (EBU Tech 3285).

    `declared`: bytes of the data chunk as its header has it; `there`: bytes up to the next chunk or the file's end.
    `reference`: seconds since midnight (TimeReference / sample rate), None without a bext chunk.
    """

    declared: int
    there: int
    data_offset: int
    block: int
    byte_rate: int
    originated: str = ""
    reference: float | None = None
    originator: str = ""
    history: tuple[str, ...] = ()
    chunks: tuple[str, ...] = ()
    cues: int = 0


@dataclass(frozen=True, slots=True)
class Structure:
    """What the reader of this file's container found.

    `container`: isobmff, mpegts, avi, matroska, mxf, wav; of sound: mp3, aac, amr, amr-wb, ac3, flac, ogg. `layout`: a
    compact fingerprint of how the file is built, for device profiles: the same program writes the same list;
    `interleave`: how many samples each track's chunks hold ("vide 1", "soun varying"). `signed`: (where, text) of names
    that programs left. `dates`: (where, Unix seconds or None, text) in containers other than ISO base media. There
    also: `missing` bytes that the container claims beyond the file's end; `trailing`: (offset, bytes) after its end,
    `trailing_zero` when they are nothing but zeros.
    `complete`: False where there were more parts than a reader may look at.
    """

    container: str
    layout: tuple[str, ...] = ()
    signed: tuple[tuple[str, str], ...] = ()
    dates: tuple[tuple[str, int | None, str], ...] = ()
    missing: int = 0
    trailing: tuple[int, int] | None = None
    trailing_zero: bool = False
    complete: bool = True
    samples: SampleMap | None = None
    fragments: Fragments | None = None
    transport: Transport | None = None
    riff: Riff | None = None
    matroska: Matroska | None = None
    mxf: Mxf | None = None
    wave: Wave | None = None
    framed: Framed | None = None
    interleave: tuple[str, ...] = ()
