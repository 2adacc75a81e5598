"""Collects the places where a sound file does not go on, no more than a report can take."""

from __future__ import annotations

from dataclasses import replace

from pipeline.continuity.framed import Spot

_MOST = 200
_TOO_MANY = 100_000


class Spots:
    def __init__(self) -> None:
        self.count = 0
        self._kept: list[Spot] = []

    @property
    def too_many(self) -> bool:
        """No use to look on: this is no recording, or one beyond recognition."""
        return self.count > _TOO_MANY

    def add(self, spot: Spot) -> None:
        self.count += 1
        if len(self._kept) < _MOST:
            self._kept.append(spot)

    def out_of_step(self, size: int, first: int) -> None:
        """All frames are of that size, the first at `first`: which bytes between them shift those behind."""
        start = first
        for number, spot in enumerate(self._kept):
            if spot.what == "between" and spot.offset >= first:
                following = spot.offset + spot.found
                if (following - start) % size:
                    self._kept[number] = replace(spot, expected=size)
                start = following

    def all(self) -> tuple[Spot, ...]:
        """In the order of the file."""
        return tuple(sorted(self._kept, key=lambda spot: (spot.offset, spot.what)))
