"""Reads the box structure of ISO base media and QuickTime files (ISO/IEC 14496-12), as far as libav hides it.

Runs inside the sandbox on untrusted bytes: every size is checked against its enclosure, counts are bounded, nothing
is read but headers and tables. What can't be made sense of is left out, never guessed.
"""

from __future__ import annotations

import contextlib
import struct
from collections import Counter
from typing import BinaryIO

from pipeline.continuity.model import Box, Boxes, Edit, TrackBox
from pipeline.continuity.structure import Structure
from pipeline.media import fragments, samplemap
from pipeline.media.movie import Movie, Reader, Track, header
from pipeline.media.samplemap import Placed
from pipeline.media.window import Window

_FIRST = {b"ftyp", b"styp", b"moov", b"mdat", b"moof", b"wide", b"free", b"skip", b"pnot", b"sidx", b"uuid"}
_MOST_TOP = 500_000  # a fragment each second for three days


def read(file: BinaryIO) -> Boxes | None:
    """The boxes of `file`, or None when it does not begin as such a file."""
    found = examine(Window(file))
    return found[0] if found else None


def examine(window: Window) -> tuple[Boxes, Structure] | None:
    """The boxes and where the samples lie, or None when the file does not begin as an ISO media file."""
    if window.size < 8 or window.read(4, 4) not in _FIRST:
        return None
    top, stopped_at = _top_level(window)
    movie = Movie()
    reader = Reader(window, movie)
    shapes: list[str] = []
    for box in top:
        if box.type not in ("mdat", "moof"):
            with contextlib.suppress(struct.error):
                shape = reader.take(box.type.encode("latin-1"), box.offset, min(box.size, window.size - box.offset))
                shapes += [box.type, *reader.inside] if box.type == "moov" else [shape]
        elif not shapes or shapes[-1] != box.type:
            shapes.append(box.type)
    movie.fragmented = movie.fragmented or any(box.type == "moof" for box in top)
    boxes = _boxes(movie, top, window.size, _trailing(window, stopped_at))
    return boxes, _structure(window, movie, top, shapes)


def _structure(window: Window, movie: Movie, top: list[Box], shapes: list[str]) -> Structure:
    moofs = fragments.Reader(window, {track.id: track.media_scale for track in movie.tracks}, movie.trex)
    for box in top:
        if box.type == "moof":
            with contextlib.suppress(struct.error):
                moofs.take(box.offset, box.size)
    placed = [Placed(track.id, track.handler, track.media_scale, track.table) for track in movie.tracks]
    data = [(box.offset + box.header, box.offset + box.size) for box in top if box.type == "mdat"]
    return Structure(
        container="isobmff",
        layout=_collapsed(shapes),
        interleave=tuple(f"{track.handler} {_samples_per_chunk(track)}" for track in movie.tracks[:20]),
        signed=tuple(movie.signed[:100]),
        samples=samplemap.make(window, placed, moofs.extents, data) if movie.timescale else None,
        fragments=moofs.result(),
    )


def _samples_per_chunk(track: Track) -> str:
    """The number of samples that nearly all chunks have, or "varying"; the last chunk takes what is left."""
    counts = Counter(track.table.counts[:-1] or track.table.counts)
    usual, many = counts.most_common(1)[0] if counts else (0, 0)
    return str(usual) if many >= 0.9 * counts.total() else "varying"


def _collapsed(shapes: list[str]) -> tuple[str, ...]:
    """The fingerprint, each run of repeated pairs (moof, mdat, moof, mdat …) written once."""
    kept: list[str] = []
    for shape in shapes:
        if kept[-2:-1] != [shape] and kept[-1:] != [shape]:
            kept.append(shape)
    return tuple(kept[:100])


def _top_level(window: Window) -> tuple[list[Box], int]:
    """The top-level boxes, and where they end."""
    top: list[Box] = []
    at = 0
    while at + 8 <= window.size and len(top) < _MOST_TOP:
        kind, claimed, length = header(window, at, window.size)
        if claimed < length or not _plausible(kind):
            break
        top.append(Box(kind.decode("latin-1"), at, claimed, length))
        at += claimed
    return top, min(at, window.size)


def _plausible(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F or byte == 0xA9 for byte in kind)


def _trailing(window: Window, at: int) -> tuple[int, int, bool] | None:
    if at >= window.size:
        return None
    return at, window.size - at, not window.read(at, 1 << 20).strip(b"\0")


def _boxes(movie: Movie, top: list[Box], size: int, trailing: tuple[int, int, bool] | None) -> Boxes:
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


def _track(raw: Track, movie_scale: int) -> TrackBox:
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


def _edit(raw: Track, edit: tuple[int, int], movie_scale: int) -> Edit:
    duration, media_time = edit
    start = None if media_time < 0 else _seconds(media_time, raw.media_scale)
    return Edit(_seconds(duration, movie_scale) or 0.0, start)


def _seconds(value: int, scale: int) -> float | None:
    return value / scale if scale else None
