"""Reads what is inside the movie box and beside it: headers, edit lists, sample tables (ISO/IEC 14496-12 8).

Runs inside the sandbox on untrusted bytes, for `pipeline.media.boxes`.
"""

from __future__ import annotations

import contextlib
import struct
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from pipeline.media import fragments, sampletable
from pipeline.media.sampletable import Table
from pipeline.media.window import Window

_EPOCH_1904 = 2_082_844_800  # seconds from 1904-01-01 to 1970-01-01
_MOST_BOXES = 20_000  # inside the movie
_MOST_TRACKS = 256
_DEEPEST = 8  # moov/trak/mdia/minf/stbl/… is 6
_MOST_EDITS = 4096
_LARGEST_TABLE = 64 << 20  # bytes of one table read at once: 8–16 million entries
_TABLES = frozenset({b"stco", b"co64", b"stsz", b"stz2", b"stts", b"stsc"})
_LONGEST_SHAPE = 1500  # characters of the fingerprint of one box


@dataclass
class Track:
    """A trak box being read; times still in their own timescales."""

    id: int = 0
    handler: str = ""
    handler_name: str = ""
    created: int | None = None
    modified: int | None = None
    media_created: int | None = None
    duration: int = 0
    media_scale: int = 0
    media_duration: int = 0
    first_offset: int = 0
    edits: list[tuple[int, int]] = field(default_factory=list)
    descriptions: list[str] = field(default_factory=list)
    samples: int = 0
    table: Table = field(default_factory=Table)
    last_chunk: int = 0


@dataclass
class Movie:
    brand: str = ""
    minor: int = 0
    compatible: tuple[str, ...] = ()
    created: int | None = None
    modified: int | None = None
    timescale: int = 0
    duration: int = 0
    fragmented: bool = False
    tracks: list[Track] = field(default_factory=list)
    trex: dict[int, fragments.Defaults] = field(default_factory=dict)
    signed: list[tuple[str, str]] = field(default_factory=list)


def header(window: Window, at: int, end: int) -> tuple[bytes, int, int]:
    """(type, size with header, length of the header) of the box at `at`; size 0 in the file means up to `end`."""
    head = window.read(at, 16)
    if len(head) < 8:
        return b"", 0, 8
    size, kind = struct.unpack(">I4s", head[:8])
    if size == 1:
        return (kind, struct.unpack(">Q", head[8:])[0], 16) if len(head) == 16 else (kind, 0, 16)
    return kind, size or end - at, 8


class Reader:
    """Walks the boxes that matter; each method in `_READERS` reads the box of that type."""

    _INSIDE = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"mvex", b"gmhd"})

    def __init__(self, window: Window, movie: Movie) -> None:
        self._window = window
        self._movie = movie
        self._left = _MOST_BOXES
        self.inside: list[str] = []  # shapes of the boxes of the movie

    def take(self, kind: bytes, at: int, size: int, depth: int = 0) -> str:
        """Read the box and what is in it; returns its shape for the fingerprint."""
        if kind == b"trak":
            if len(self._movie.tracks) >= _MOST_TRACKS:
                return "trak"
            self._movie.tracks.append(Track())
        length = header(self._window, at, at + size)[2]
        if kind in self._INSIDE and depth < _DEEPEST:
            shapes = [self.take(*inner, depth + 1) for inner in self._children(at + length, at + size)]
            if kind == b"moov":
                self.inside = shapes
            return f"{self._name(kind)}({' '.join(shapes)})"[:_LONGEST_SHAPE]
        if kind in self._READERS and (self._movie.tracks or kind in self._OUTSIDE):
            body = self._window.read(at + length, min(size - length, _LARGEST_TABLE if kind in _TABLES else 1 << 16))
            with contextlib.suppress(struct.error, IndexError):
                self._READERS[kind](self, body)
        return self._name(kind)

    def _name(self, kind: bytes) -> str:
        """How a box appears in the fingerprint: its type, with what a program decides once and for all."""
        if kind == b"ftyp":
            return f"ftyp {self._movie.brand} {self._movie.minor} {','.join(self._movie.compatible)}"
        if kind == b"mvhd":
            return f"mvhd {self._movie.timescale}"
        if kind == b"hdlr" and self._movie.tracks:
            return f"hdlr {self._track.handler} {self._track.handler_name}"[:80]
        if kind == b"stsd" and self._movie.tracks:
            return f"stsd {','.join(self._track.descriptions)}"
        return "stco" if kind == b"co64" else kind.decode("latin-1")

    def _children(self, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        while at + 8 <= end and self._left > 0:
            self._left -= 1
            kind, size, length = header(self._window, at, end)
            if size < length or at + size > end:
                return
            yield kind, at, size
            at += size

    @property
    def _track(self) -> Track:
        return self._movie.tracks[-1]

    def _sign(self, body: bytes) -> None:
        """Free space in which a program left its name (GPAC does)."""
        text = body[:80].split(b"\0")[0]
        if len(text) >= 4 and all(32 <= byte < 127 for byte in text):
            self._movie.signed.append(("free", text.decode("ascii")))

    def _trex(self, body: bytes) -> None:
        track, values = fragments.defaults(body)
        self._movie.fragmented = True
        self._movie.trex[track] = values

    def _ftyp(self, body: bytes) -> None:
        self._movie.brand = body[:4].decode("latin-1")
        self._movie.minor = struct.unpack(">I", body[4:8])[0]
        brands = [body[at : at + 4].decode("latin-1") for at in range(8, min(len(body), 264) - 3, 4)]
        self._movie.compatible = tuple(brands)

    def _mvhd(self, body: bytes) -> None:
        created, modified, self._movie.timescale, self._movie.duration = _dates(body, "II", "IQ")
        self._movie.created, self._movie.modified = _unix(created), _unix(modified)

    def _tkhd(self, body: bytes) -> None:
        created, modified, self._track.id, _, self._track.duration = _dates(body, "III", "IIQ")
        self._track.created, self._track.modified = _unix(created), _unix(modified)

    def _mdhd(self, body: bytes) -> None:
        created, _, self._track.media_scale, self._track.media_duration = _dates(body, "II", "IQ")
        self._track.media_created = _unix(created)

    def _hdlr(self, body: bytes) -> None:
        if self._track.handler:  # QuickTime has a second one, of the data handler, inside minf
            return
        self._track.handler = body[8:12].decode("latin-1")
        name = body[24:280]
        if name and name[0] == len(name) - 1:  # QuickTime: a counted string
            name = name[1:]
        self._track.handler_name = name.split(b"\0")[0].decode("utf-8", "replace").strip()

    def _elst(self, body: bytes) -> None:
        layout = ">QqI" if body[0] == 1 else ">IiI"
        count = struct.unpack(">I", body[4:8])[0]
        entries = body[8 : 8 + struct.calcsize(layout) * min(count, _MOST_EDITS)]
        whole = len(entries) // struct.calcsize(layout) * struct.calcsize(layout)
        self._track.edits = [entry[:2] for entry in struct.iter_unpack(layout, entries[:whole])]

    def _stsd(self, body: bytes) -> None:
        at = 8
        for _ in range(min(struct.unpack(">I", body[4:8])[0], 64)):
            size, kind = struct.unpack(">I4s", body[at : at + 8])
            self._track.descriptions.append(kind.decode("latin-1"))
            at += max(size, 8)

    def _stsz(self, body: bytes) -> None:
        table = self._track.table
        table.size, table.count = struct.unpack(">II", body[4:12])
        self._track.samples = table.count
        if not table.size:
            table.sizes = sampletable.numbers(body, "I", 12, table.count)

    def _stz2(self, body: bytes) -> None:
        table = self._track.table
        table.sizes, table.count = sampletable.small_sizes(body)
        self._track.samples = table.count

    def _stts(self, body: bytes) -> None:
        self._track.table.times = sampletable.times(body)

    def _stsc(self, body: bytes) -> None:
        self._track.table.runs = sampletable.runs(body)

    def _dref(self, body: bytes) -> None:
        self._track.table.external = self._track.table.external or not body[19] & 1

    def _ctts(self, body: bytes) -> None:
        self._track.first_offset = struct.unpack(">i", body[12:16])[0]

    def _stco(self, body: bytes) -> None:
        self._chunks(body, "I")

    def _co64(self, body: bytes) -> None:
        self._chunks(body, "Q")

    def _chunks(self, body: bytes, code: str) -> None:
        offsets = sampletable.numbers(body, code, 8, int.from_bytes(body[4:8], "big"))
        self._track.table.offsets = array("Q", offsets)
        self._track.last_chunk = max(offsets, default=0)

    _READERS: ClassVar[dict[bytes, Callable[[Reader, bytes], None]]] = {
        b"ftyp": _ftyp,
        b"mvhd": _mvhd,
        b"tkhd": _tkhd,
        b"mdhd": _mdhd,
        b"hdlr": _hdlr,
        b"elst": _elst,
        b"stsd": _stsd,
        b"stsz": _stsz,
        b"stz2": _stz2,
        b"stts": _stts,
        b"stsc": _stsc,
        b"dref": _dref,
        b"trex": _trex,
        b"free": _sign,
        b"skip": _sign,
        b"ctts": _ctts,
        b"stco": _stco,
        b"co64": _co64,
    }
    _OUTSIDE = frozenset({b"ftyp", b"mvhd", b"trex", b"free", b"skip"})


def _dates(body: bytes, narrow: str, wide: str) -> tuple[int, ...]:
    """Creation, modification and what follows: 32-bit fields in version 0 of a box, 64-bit in version 1."""
    layout = ">QQ" + wide if body[0] == 1 else ">II" + narrow
    if len(narrow) == 3 and body[0] != 1:
        layout = ">IIIII"  # tkhd: track number, reserved, duration
    return struct.unpack(layout, body[4 : 4 + struct.calcsize(layout)])


def _unix(value: int) -> int | None:
    return value - _EPOCH_1904 if value else None
