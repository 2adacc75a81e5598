"""Which bytes of an ISO media file belong to samples, which to none, and which to several.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import merge
from itertools import chain, repeat

from pipeline.continuity.samples import OutOfOrder, SampleMap, Shared, Stretch
from pipeline.media import sampletable
from pipeline.media.sampletable import Table
from pipeline.media.window import Window

_MOST_CHUNKS = 4_000_000
_MOST_SORTED = 500_000  # chunks that are put in order when they don't come so
_MOST_LISTED = 50
_LOOK = 1 << 16  # bytes of a stretch that are looked at to tell what it is
_ROUND = 1 << 20  # a stretch is zeros when this much of its beginning and end are

Extent = tuple[int, int, int]  # start, end, track id


@dataclass(frozen=True, slots=True)
class Placed:
    """A track's sample table with what names and times it. `scale`: ticks a second."""

    id: int
    handler: str
    scale: int
    table: Table


@dataclass
class _Found:
    """Lists of limited length, and how many there were in all."""

    stretches: list[Stretch] = field(default_factory=list)
    stretch_count: int = 0
    stretch_bytes: int = 0
    shared: list[Shared] = field(default_factory=list)
    shared_count: int = 0
    outside: list[int] = field(default_factory=list)
    outside_count: int = 0
    referenced: int = 0


def make(
    window: Window, tracks: Sequence[Placed], fragments: Sequence[Extent], data: Sequence[tuple[int, int]]
) -> SampleMap:
    """The map. `data`: (start, end) of the content of each mdat box, in order; `fragments`: extents of their runs."""
    own = [track for track in tracks if not track.table.external]
    orders = [order for track in own for order in _out_of_order(track)]
    chunks = sum(len(track.table.offsets) for track in own)
    if chunks + len(fragments) > _MOST_CHUNKS or (chunks > _MOST_SORTED and len(orders) > _MOST_LISTED):
        return SampleMap(complete=False)
    found = _Found()
    if chunks > _MOST_SORTED or fragments or not _tiled(own, data, found):
        _cover(window, merge(*map(_extents, own), sorted(fragments)), data, found)
    return SampleMap(
        unreferenced=tuple(found.stretches),
        unreferenced_count=found.stretch_count,
        unreferenced_bytes=found.stretch_bytes,
        referenced_bytes=found.referenced,
        out_of_order=tuple(orders[:_MOST_LISTED]),
        out_of_order_count=len(orders),
        shared=tuple(found.shared),
        shared_count=found.shared_count,
        outside=tuple(found.outside),
        outside_count=found.outside_count,
        switches=tuple((t.id, *each) for t in own for each in sampletable.switches(t.table)[:_MOST_LISTED]),
        contradictions=tuple((t.id, *each) for t in own for each in _contradictions(t)),
    )


def _tiled(tracks: Sequence[Placed], data: Sequence[tuple[int, int]], found: _Found) -> bool:
    """Whether the chunks fill one data box to the last byte, each beginning where another ends: the usual case.

    Where as many chunks begin at each place as end there, and none begins before the first, none can overlap.
    """
    both = [sampletable.extents(track.table) for track in tracks]
    starts = sorted(chain.from_iterable(starts for starts, _ in both))
    ends = sorted(chain.from_iterable(ends for _, ends in both))
    if len(data) != 1 or not starts or (starts[0], ends[-1]) != data[0] or starts[1:] != ends[:-1]:
        return False
    found.referenced = ends[-1] - starts[0]
    return True


def _extents(track: Placed) -> Iterable[Extent]:
    """The chunks of a track by their places; as they come where they come in order, so that they need no memory."""
    starts, ends = sampletable.extents(track.table)
    found = zip(starts, ends, repeat(track.id), strict=False)
    return sorted(found) if sampletable.descents(starts) else found


def _contradictions(track: Placed) -> list[tuple[str, int, str, int]]:
    return sampletable.contradictions(track.table) if track.table.offsets else []


def _out_of_order(track: Placed) -> list[OutOfOrder]:
    offsets = track.table.offsets
    later = sampletable.descents(offsets)
    firsts = sampletable.first_samples(track.table) if later else []
    return [
        OutOfOrder(track.id, firsts[index] if index < len(firsts) else 0, offsets[index], offsets[index - 1])
        for index in later
    ]


def _cover(window: Window, extents: Iterable[Extent], data: Sequence[tuple[int, int]], found: _Found) -> None:
    """Lay the extents over the data boxes: what they leave open, what they cover twice, what lies outside."""
    starts = [start for start, _ in data]
    reach = dict(enumerate(starts))  # up to where each box is covered so far
    last: Extent = (0, 0, 0)
    for extent in extents:
        start, end, track = extent
        if end <= start:
            continue
        found.referenced += end - start
        index = bisect_right(starts, start) - 1
        if index < 0 or start >= data[index][1]:
            found.outside_count += 1
            if len(found.outside) < _MOST_LISTED:
                found.outside.append(start)
            continue
        if start > reach[index]:
            _stretch(window, reach[index], start, data[index], found)
        elif start < last[1]:
            _share(Shared(start, min(end, last[1]) - start, (last[2], track)), found)
        if end > reach[index]:
            reach[index], last = end, extent
    for index, (_, end) in enumerate(data):
        if reach[index] < min(end, window.size):
            _stretch(window, reach[index], min(end, window.size), data[index], found)


def _share(shared: Shared, found: _Found) -> None:
    found.shared_count += 1
    if len(found.shared) < _MOST_LISTED:
        found.shared.append(shared)


def _stretch(window: Window, start: int, end: int, box: tuple[int, int], found: _Found) -> None:
    found.stretch_count += 1
    found.stretch_bytes += end - start
    if len(found.stretches) < _MOST_LISTED:
        place = "head" if start == box[0] else "tail" if end >= min(box[1], window.size) else "middle"
        found.stretches.append(Stretch(start, end - start, place, _content(window, start, end)))


def _content(window: Window, start: int, end: int) -> str:
    """What stands in a stretch: zeros, units, a box's type, or other."""
    piece = window.read(start, min(end - start, _LOOK))
    if not piece.strip(b"\0"):
        whole = window.read(start, min(end - start, _ROUND)) + window.read(max(start, end - _ROUND), end - start)
        return "zeros" if not whole.strip(b"\0") else "other"
    kind = piece[4:8]
    size = int.from_bytes(piece[:4], "big")
    if kind in (b"free", b"skip", b"wide", b"uuid", b"moov", b"mdat") and 8 <= size <= end - start:
        return kind.decode("latin-1")
    return "units" if _units(window, piece, start, end) else "other"


def _units(window: Window, piece: bytes, start: int, end: int) -> bool:
    """Whether coded pictures stand there: a chain of NAL units, each after its length in four bytes.

    The chain may begin later in the piece, behind sound that was interleaved. Three in a row, or one that ends with the
    stretch, are no accident: a wrong start would have to name a length that hits another plausible unit.
    """
    begins = (at for at in range(min(len(piece) - 5, 1 << 14)) if piece[at] == 0 and _nal(piece[at + 4]))
    return any(_chain(window, start + begin, end) for begin in begins)


def _chain(window: Window, at: int, end: int) -> bool:
    """Whether three plausible units follow each other from `at`, or fewer that end exactly where the stretch does."""
    for _ in range(3):
        head = window.read(at, 5)
        size = int.from_bytes(head[:4], "big")
        if len(head) < 5 or not 2 <= size <= end - at - 4 or not _nal(head[4]):
            return False
        at += 4 + size
        if at == end:
            return True
    return True


def _nal(head: int) -> bool:
    """A NAL unit header of H.264 (slices, SEI, parameter sets, delimiter) or H.265 (the same, layer 0)."""
    return head < 0x80 and (head & 31 in (1, 5, 6, 7, 8, 9) or head >> 1 in (0, 1, 19, 20, 21, 32, 33, 34, 35, 39, 40))
