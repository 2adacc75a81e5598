"""Where the samples of an ISO media file lie, and how its fragments follow each other: plain values, no I/O.

Offsets count from the start of the file, in bytes. Lists are bounded by the readers; the counts beside them are not.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stretch:
    """Bytes of a data box to which no sample refers.

    `place`: head, middle or tail of its box. `content`: zeros; units (coded pictures, as NAL units with their lengths);
    the four-character code of a box that stands there (free, skip …); other.
    """

    offset: int
    size: int
    place: str
    content: str


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """A chunk that stands earlier in the file than the one before it in its track: `sample` is its first sample."""

    track: int
    sample: int
    offset: int
    previous: int


@dataclass(frozen=True, slots=True)
class Shared:
    """Bytes to which two samples refer; `tracks` are the ids of both, the same when it is one track."""

    offset: int
    size: int
    tracks: tuple[int, int]


@dataclass(frozen=True, slots=True)
class SampleMap:
    """Where the samples of all tracks lie in the file, against the data boxes (ISO/IEC 14496-12 8.7).

    `contradictions`: (track, box, count, other box, count) where the tables of a track count samples differently.
    `switches`: (track, offset, description before, after) where samples change their description. `outside`: chunks
    that lie in no data box. `complete`: False where there was too much to map.
    """

    unreferenced: tuple[Stretch, ...] = ()
    unreferenced_count: int = 0
    unreferenced_bytes: int = 0
    referenced_bytes: int = 0
    out_of_order: tuple[OutOfOrder, ...] = ()
    out_of_order_count: int = 0
    shared: tuple[Shared, ...] = ()
    shared_count: int = 0
    outside: tuple[int, ...] = ()
    outside_count: int = 0
    contradictions: tuple[tuple[int, str, int, str, int], ...] = ()
    switches: tuple[tuple[int, int, int, int], ...] = ()
    complete: bool = True


@dataclass(frozen=True, slots=True)
class FragmentStep:
    """Two movie fragments (moof) that don't follow each other.

    `offset`: of the second. Sequence numbers of mfhd; `gap`: seconds from the end of the media of the first to the base
    decode time (tfdt) of the second, for `track`; None where the fragment has no such time.
    """

    offset: int
    number: int
    before: int
    after: int
    track: int
    start: float | None
    gap: float | None


@dataclass(frozen=True, slots=True)
class Fragments:
    """The movie fragments: how many, the first sequence number, and where they don't follow each other."""

    count: int
    first: int
    steps: tuple[FragmentStep, ...] = ()
    step_count: int = 0
