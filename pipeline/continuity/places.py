"""From byte offsets to times: where on the timeline lies what stands at a place in the file?"""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property

from pipeline.continuity.model import UNKNOWN, Picture, Track


class Places:
    """Finds packets by their offsets. Made anew where it is needed: nothing is sorted unless something is asked."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @cached_property
    def track(self) -> Track | None:
        """The footage that times are told by: the first video track, or else the first sound track."""
        tracks = (*self._picture.of_kind("video"), *self._picture.of_kind("audio"))
        return next((track for track in tracks if any(pos >= 0 for pos in track.packets.pos)), None)

    @cached_property
    def _sorted(self) -> list[tuple[int, int]]:
        """(offset, presentation time in ticks) of the track's packets, by offset."""
        if self.track is None:
            return []
        packets = self.track.packets
        times = zip(packets.pos, packets.pts, packets.dts, strict=True)
        return sorted((pos, pts if pts != UNKNOWN else dts) for pos, pts, dts in times if pos >= 0)

    def before(self, offset: int) -> float | None:
        """When the last packet that begins before `offset` is shown."""
        return self._time(bisect_left(self._sorted, (offset,)) - 1)

    def after(self, offset: int) -> float | None:
        """When the first packet that begins at or after `offset` is shown."""
        return self._time(bisect_left(self._sorted, (offset,)))

    def count(self, start: int, end: int) -> int:
        """How many packets begin between two offsets."""
        return bisect_left(self._sorted, (end,)) - bisect_left(self._sorted, (start,))

    def _time(self, index: int) -> float | None:
        if self.track is None or not 0 <= index < len(self._sorted) or self._sorted[index][1] == UNKNOWN:
            return None
        return round(self._sorted[index][1] * self.track.tick, 6)
