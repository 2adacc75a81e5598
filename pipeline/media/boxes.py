"""Reads the box structure of ISO base media and QuickTime files (ISO/IEC 14496-12), as far as libav hides it.

Runs inside the sandbox on untrusted bytes: every size is checked against its enclosure, counts are bounded, nothing
is read but headers and small tables. What can't be made sense of is left out, never guessed.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar

from pipeline.continuity.model import Box, Boxes, Edit, TrackBox

_FIRST = {b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"pnot", b"sidx", b"uuid"}
_EPOCH_1904 = 2_082_844_800  # seconds from 1904-01-01 to 1970-01-01
_MOST_BOXES = 20_000
_MOST_TRACKS = 256
_DEEPEST = 8  # moov/trak/mdia/minf/stbl/… is 6
_MOST_EDITS = 4096
_LARGEST_TABLE = 64 << 20  # bytes of one stco/co64 read at once: 8–16 million chunks


@dataclass
class _Track:
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
    last_chunk: int = 0


@dataclass
class _Movie:
    brand: str = ""
    minor: int = 0
    compatible: tuple[str, ...] = ()
    created: int | None = None
    modified: int | None = None
    timescale: int = 0
    duration: int = 0
    fragmented: bool = False
    tracks: list[_Track] = field(default_factory=list)


def read(file: BinaryIO) -> Boxes | None:
    """The boxes of `file`, or None when it does not begin as such a file."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size < 8 or file.read(8)[4:8] not in _FIRST:
        return None
    top, stopped_at = _top_level(file, size)
    movie = _Movie()
    reader = _Reader(file, movie)
    for box in top:
        with contextlib.suppress(struct.error):
            reader.take(box.type.encode("latin-1"), box.offset, min(box.size, size - box.offset))
    return _boxes(movie, top, size, _trailing(file, stopped_at, size))


def _top_level(file: BinaryIO, size: int) -> tuple[list[Box], int]:
    """The top-level boxes, and where they end."""
    top: list[Box] = []
    at = 0
    while at + 8 <= size and len(top) < _MOST_BOXES:
        kind, claimed, _ = _header(file, at, size)
        if claimed < 8 or not _plausible(kind):
            break
        top.append(Box(kind.decode("latin-1"), at, claimed))
        at += claimed
    return top, min(at, size)


def _header(file: BinaryIO, at: int, end: int) -> tuple[bytes, int, int]:
    """(type, size with header, length of the header) of the box at `at`; size 0 in the file means up to `end`."""
    file.seek(at)
    head = file.read(16)
    if len(head) < 8:
        return b"", 0, 8
    size, kind = struct.unpack(">I4s", head[:8])
    if size == 1:
        return (kind, struct.unpack(">Q", head[8:])[0], 16) if len(head) == 16 else (kind, 0, 16)
    return kind, size or end - at, 8


def _plausible(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)


def _trailing(file: BinaryIO, at: int, size: int) -> tuple[int, int, bool] | None:
    if at >= size:
        return None
    file.seek(at)
    return at, size - at, not file.read(1 << 20).strip(b"\0")


def _boxes(movie: _Movie, top: list[Box], size: int, trailing: tuple[int, int, bool] | None) -> Boxes:
    ends = [box.offset + box.size for box in top] + [track.last_chunk + 1 for track in movie.tracks]
    return Boxes(
        top=tuple(top[:200]),
        brand=movie.brand,
        minor=movie.minor,
        compatible=movie.compatible,
        created=movie.created,
        modified=movie.modified,
        timescale=movie.timescale,
        duration=_seconds(movie.duration, movie.timescale),
        tracks=tuple(_track(track, movie.timescale) for track in movie.tracks),
        fragmented=movie.fragmented,
        missing=max(0, max(ends, default=0) - size),
        trailing=trailing[:2] if trailing else None,
        trailing_zero=bool(trailing and trailing[2]),
    )


def _track(raw: _Track, movie_scale: int) -> TrackBox:
    return TrackBox(
        id=raw.id,
        handler=raw.handler,
        handler_name=raw.handler_name,
        created=raw.created,
        modified=raw.modified,
        media_created=raw.media_created,
        duration=_seconds(raw.duration, movie_scale),
        media_duration=_seconds(raw.media_duration, raw.media_scale),
        first_offset=_seconds(raw.first_offset, raw.media_scale) or 0.0,
        edits=tuple(_edit(raw, edit, movie_scale) for edit in raw.edits),
        descriptions=tuple(raw.descriptions),
        samples=raw.samples,
    )


def _edit(raw: _Track, edit: tuple[int, int], movie_scale: int) -> Edit:
    duration, media_time = edit
    start = None if media_time < 0 else _seconds(media_time, raw.media_scale)
    return Edit(_seconds(duration, movie_scale) or 0.0, start)


def _seconds(value: int, scale: int) -> float | None:
    return value / scale if scale else None


class _Reader:
    """Walks the boxes that matter; each method in `_READERS` reads the box of that type."""

    _INSIDE = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})

    def __init__(self, file: BinaryIO, movie: _Movie) -> None:
        self._file = file
        self._movie = movie
        self._left = _MOST_BOXES

    def take(self, kind: bytes, at: int, size: int, depth: int = 0) -> None:
        if kind == b"trak":
            if len(self._movie.tracks) >= _MOST_TRACKS:
                return
            self._movie.tracks.append(_Track())
        header = _header(self._file, at, at + size)[2]
        if kind in self._INSIDE and depth < _DEEPEST:
            for inner in self._children(at + header, at + size):
                self.take(*inner, depth + 1)
        elif kind in (b"moof", b"mvex"):
            self._movie.fragmented = True
        elif kind in self._READERS and (self._movie.tracks or kind in (b"ftyp", b"mvhd")):
            body = self._read(at + header, size - header, _LARGEST_TABLE if kind in (b"stco", b"co64") else 1 << 16)
            with contextlib.suppress(struct.error, IndexError):
                self._READERS[kind](self, body)

    def _children(self, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
        while at + 8 <= end and self._left > 0:
            self._left -= 1
            kind, size, header = _header(self._file, at, end)
            if size < header or at + size > end:
                return
            yield kind, at, size
            at += size

    def _read(self, at: int, size: int, most: int) -> bytes:
        self._file.seek(at)
        return self._file.read(max(0, min(size, most)))

    @property
    def _track(self) -> _Track:
        return self._movie.tracks[-1]

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
        self._track.samples = struct.unpack(">I", body[8:12])[0]

    def _ctts(self, body: bytes) -> None:
        self._track.first_offset = struct.unpack(">i", body[12:16])[0]

    def _stco(self, body: bytes) -> None:
        self._last_chunk(array("I", body[8 : 8 + (len(body) - 8) // 4 * 4]))

    def _co64(self, body: bytes) -> None:
        self._last_chunk(array("Q", body[8 : 8 + (len(body) - 8) // 8 * 8]))

    def _last_chunk(self, offsets: array[int]) -> None:
        if sys.byteorder == "little":
            offsets.byteswap()
        self._track.last_chunk = max(offsets, default=0)

    _READERS: ClassVar[dict[bytes, Callable[[_Reader, bytes], None]]] = {
        b"ftyp": _ftyp,
        b"mvhd": _mvhd,
        b"tkhd": _tkhd,
        b"mdhd": _mdhd,
        b"hdlr": _hdlr,
        b"elst": _elst,
        b"stsd": _stsd,
        b"stsz": _stsz,
        b"ctts": _ctts,
        b"stco": _stco,
        b"co64": _co64,
    }


def _dates(body: bytes, narrow: str, wide: str) -> tuple[int, ...]:
    """Creation, modification and what follows: 32-bit fields in version 0 of a box, 64-bit in version 1."""
    layout = ">QQ" + wide if body[0] == 1 else ">II" + narrow
    if len(narrow) == 3 and body[0] != 1:
        layout = ">IIIII"  # tkhd: track number, reserved, duration
    return struct.unpack(layout, body[4 : 4 + struct.calcsize(layout)])


def _unix(value: int) -> int | None:
    return value - _EPOCH_1904 if value else None
