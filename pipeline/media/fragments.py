"""Movie fragments: do they follow each other in number and time (ISO/IEC 14496-12 8.8), and where is their data?

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.continuity.samples import Fragments, FragmentStep
from pipeline.media.sampletable import numbers
from pipeline.media.window import Window

_MOST_STEPS = 100
_LARGEST_MOOF = 1 << 22
_LEAST_GAP = 0.001  # seconds: below that it is rounding


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a trex box gives every sample of a track in fragments: duration in ticks, size in bytes."""

    duration: int = 0
    size: int = 0


def defaults(body: bytes) -> tuple[int, Defaults]:
    """(track id, defaults) of a trex box."""
    track, _, duration, size = struct.unpack(">IIII", body[4:20])
    return track, Defaults(duration, size)


@dataclass
class _Run:
    """One traf: when its media begins and how long it is, in ticks, and where it lies."""

    track: int
    start: int | None = None
    duration: int = 0
    extents: list[tuple[int, int]] = field(default_factory=list)


class Reader:
    """Takes the fragments of a file in order. `extents`: (start, end, track id) of the data of each run."""

    def __init__(self, window: Window, scales: Mapping[int, int], trex: Mapping[int, Defaults]) -> None:
        self._window = window
        self._scales = scales
        self._trex = trex
        self._count = 0
        self._first = self._last = 0
        self._ends: dict[int, int] = {}  # track id → ticks at which its media so far ends
        self._steps: list[FragmentStep] = []
        self._step_count = 0
        self.extents: list[tuple[int, int, int]] = []

    def take(self, at: int, size: int) -> None:
        """Read the moof box at `at`."""
        body = self._window.read(at, min(size, _LARGEST_MOOF))
        sequence, found = 0, []
        for kind, start, end in _children(body, 8, len(body)):
            if kind == b"mfhd":
                sequence = int.from_bytes(body[start + 4 : start + 8], "big")
            elif kind == b"traf":
                found.append(self._traf(body, start, end, at))
        self._follow(at, sequence, found)

    def result(self) -> Fragments | None:
        if not self._count:
            return None
        return Fragments(self._count, self._first, tuple(self._steps), self._step_count)

    def _follow(self, at: int, sequence: int, found: list[_Run]) -> None:
        for run in found:
            self.extents += [(start, end, run.track) for start, end in run.extents]
        track, start, gap = self._gap(found)
        if self._count and (sequence != self._last + 1 or (gap is not None and abs(gap) >= _LEAST_GAP)):
            self._step_count += 1
            if len(self._steps) < _MOST_STEPS:
                self._steps.append(FragmentStep(at, self._count, self._last, sequence, track, start, gap))
        if not self._count:
            self._first = sequence
        self._last = sequence
        self._count += 1

    def _gap(self, found: list[_Run]) -> tuple[int, float | None, float | None]:
        """(track, its start, the largest gap before it) in seconds among the runs; their ends are remembered."""
        worst: tuple[int, float | None, float | None] = (found[0].track if found else 0, None, None)
        for run in found:
            scale = self._scales.get(run.track, 0)
            if run.start is None or not scale:
                continue
            if run.track in self._ends:
                gap = (run.start - self._ends[run.track]) / scale
                if worst[2] is None or abs(gap) > abs(worst[2]):
                    worst = (run.track, run.start / scale, gap)
            self._ends[run.track] = run.start + run.duration
        return worst

    def _traf(self, body: bytes, at: int, end: int, moof: int) -> _Run:
        run, own, base = _Run(0), Defaults(), moof
        for kind, start, stop in _children(body, at, end):
            if kind == b"tfhd" and stop - start >= 8:
                run.track, own, base = self._tfhd(body[start:stop], moof)
            elif kind == b"tfdt" and stop - start >= 8:
                width = 8 if body[start] == 1 else 4
                run.start = int.from_bytes(body[start + 4 : start + 4 + width], "big")
            elif kind == b"trun" and stop - start >= 8:
                base = _trun(body[start:stop], own, moof, base, run)
        return run

    def _tfhd(self, body: bytes, moof: int) -> tuple[int, Defaults, int]:
        flags, track = int.from_bytes(body[1:4], "big"), int.from_bytes(body[4:8], "big")
        usual, at, base = self._trex.get(track, Defaults()), 8, moof
        if flags & 1:
            base, at = int.from_bytes(body[at : at + 8], "big"), at + 8
        at += 4 if flags & 2 else 0
        values = []
        for bit, default in ((8, usual.duration), (16, usual.size)):
            values.append(int.from_bytes(body[at : at + 4], "big") if flags & bit else default)
            at += 4 if flags & bit else 0
        return track, Defaults(*values), base


def _trun(body: bytes, own: Defaults, moof: int, base: int, run: _Run) -> int:
    """Add a trun box to the run; returns where the next one's data begins when it doesn't say so."""
    flags, count = int.from_bytes(body[1:4], "big"), int.from_bytes(body[4:8], "big")
    at = 8
    if flags & 1:
        base, at = moof + int.from_bytes(body[8:12], "big", signed=True), 12
    at += 4 if flags & 4 else 0
    width = (flags >> 8 & 15).bit_count()
    count = min(count, (len(body) - at) // (4 * width)) if width else min(count, 1 << 20)
    table = numbers(body, "I", at, width * count) if width else array("I")
    run.duration += sum(table[0::width]) if flags & 0x100 else count * own.duration
    size = sum(table[(1 if flags & 0x100 else 0) :: width]) if flags & 0x200 else count * own.size
    if size and base >= 0:
        run.extents.append((base, base + size))
    return base + size


def _children(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start and end of the content) of the boxes in a piece of memory."""
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", body[at : at + 8])
        if size < 8 or at + size > end:
            return
        yield kind, at + 8, at + size
        at += size
