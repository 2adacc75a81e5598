"""Where the samples of a track lie: the sample tables of ISO base media files (ISO/IEC 14496-12 8.6 and 8.7).

Works on chunks (runs of samples that lie together), with array and iterator arithmetic: a step of Python for each of
millions of samples would cost more than reading the file. Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise
from operator import add, sub

MOST_SAMPLES = 16_000_000
_MOST_RUNS = 1_000_000


@dataclass
class Table:
    """The boxes of one stbl as they came; durations and sizes in ticks and bytes."""

    times: list[tuple[int, int]] = field(default_factory=list)  # stts: (samples, duration)
    # stsc: (first chunk from 1, samples in each chunk, which sample description from 1)
    runs: list[tuple[int, int, int]] = field(default_factory=list)
    size: int = 0  # stsz: of every sample; 0 means that `sizes` has each
    sizes: array[int] = field(default_factory=lambda: array("I"))
    count: int = 0  # stsz
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    external: bool = False  # samples lie in another file (dref)

    @cached_property
    def counts(self) -> array[int]:
        """How many samples each chunk holds, as stsc says it in runs."""
        chunks = len(self.offsets)
        counts = array("I")
        following = [first for first, _, _ in self.runs[1:]]
        for (first, samples, _), until in zip(self.runs, [*following, chunks + 1], strict=False):
            if first == len(counts) + 1 and until > first:
                counts.extend(array("I", [samples]) * (min(until, chunks + 1) - first))
        return counts


def times(body: bytes) -> list[tuple[int, int]]:
    """The entries of an stts box."""
    return list(struct.iter_unpack(">II", _entries(body, 8)))


def runs(body: bytes) -> list[tuple[int, int, int]]:
    """The entries of an stsc box."""
    return list(struct.iter_unpack(">III", _entries(body, 12)))


def switches(table: Table) -> list[tuple[int, int, int]]:
    """(offset, description before, description from there on) where the samples' description changes."""
    return [
        (table.offsets[first - 1], before, after)
        for (_, _, before), (first, _, after) in pairwise(table.runs)
        if before != after and 1 <= first <= len(table.offsets)
    ]


def _entries(body: bytes, width: int) -> bytes:
    count = min(int.from_bytes(body[4:8], "big"), _MOST_RUNS, max(0, len(body) - 8) // width)
    return body[8 : 8 + width * count]


def numbers(body: bytes, code: str, at: int, most: int) -> array[int]:
    """Up to `most` big-endian numbers of array type `code` from `at` in a box."""
    found = array(code)
    width = found.itemsize
    piece = body[at : at + width * most]
    found.frombytes(piece[: len(piece) // width * width])
    if sys.byteorder == "little":
        found.byteswap()
    return found


def small_sizes(body: bytes) -> tuple[array[int], int]:
    """The sizes and the count of an stz2 box: 4, 8 or 16 bits each."""
    bits, count = body[7], int.from_bytes(body[8:12], "big")
    if bits == 16:
        return array("I", numbers(body, "H", 12, count)), count
    if bits == 8:
        return array("I", list(body[12 : 12 + count])), count
    nibbles = (half for byte in body[12 : 12 + (count + 1) // 2] for half in (byte >> 4, byte & 15))
    return array("I", [size for size, _ in zip(nibbles, range(count), strict=False)]), count


def extents(table: Table) -> tuple[array[int], array[int]]:
    """Start and end of each chunk in the file, in the order of the track. Chunks without samples have equal ones."""
    counts = table.counts
    offsets = table.offsets[: len(counts)]
    if table.size:
        lengths: Iterator[int] = (count * table.size for count in counts)
    else:
        ends = array("Q", accumulate(table.sizes, initial=0))
        marks = array("Q", accumulate(counts, initial=0))
        if marks[-1] >= len(ends):
            marks = array("Q", (min(mark, len(ends) - 1) for mark in marks))
        reached = array("Q", map(ends.__getitem__, marks))
        lengths = map(sub, reached[1:], reached)
    try:
        return offsets, array("Q", map(add, offsets, lengths))
    except OverflowError:  # no file is so long
        return array("Q"), array("Q")


def first_samples(table: Table) -> array[int]:
    """The number (from 0) of the first sample of each chunk."""
    return array("Q", accumulate(table.counts, initial=0))


def contradictions(table: Table) -> list[tuple[str, int, str, int]]:
    """(box, count, box, count) where the tables don't count the same samples."""
    counts = {
        "stts": sum(count for count, _ in table.times),
        "stsc": sum(table.counts),
    }
    return [(box, count, "stsz", table.count) for box, count in counts.items() if count != table.count]


def descents(offsets: array[int]) -> list[int]:
    """Indices of chunks that stand before their predecessor in the file."""
    if all(map(int.__le__, offsets, offsets[1:])):
        return []
    return [index for index, (one, other) in enumerate(pairwise(offsets), start=1) if other < one]
