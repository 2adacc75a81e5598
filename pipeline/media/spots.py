"""Collects the places where a sound file does not go on, no more than a report can take."""

from __future__ import annotations

from pipeline.continuity.framed import Spot

_MOST = 200


class Spots:
    def __init__(self) -> None:
        self.count = 0
        self._kept: list[Spot] = []

    def add(self, spot: Spot) -> None:
        self.count += 1
        if len(self._kept) < _MOST:
            self._kept.append(spot)

    def all(self) -> tuple[Spot, ...]:
        """In the order of the file."""
        return tuple(sorted(self._kept, key=lambda spot: (spot.offset, spot.what)))
