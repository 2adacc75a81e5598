"""The sums of many frames at once: the rest of frames one behind another is 0 when each one's is."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.continuity.framed import Spot
from pipeline.media.crc import remainder
from pipeline.media.spots import Spots

_TOGETHER = 1 << 17  # bytes
_MOST = 128 << 20  # bytes of a file: less than a second


@dataclass
class Sums:
    """`done`, `left`, `bad`: frames summed, left out as the file is large, and wrong."""

    spots: Spots
    done: int = 0
    left: int = 0
    bad: int = 0
    _bytes: int = 0
    _size: int = 0
    _waiting: list[tuple[Spot, bytes]] = field(default_factory=list)

    def take(self, spot: Spot, covered: bytes) -> None:
        """`covered`: the bytes of a frame under its sum, and the sum. `spot`: to put down if it is wrong."""
        if self._bytes > _MOST:
            self.left += 1
            return
        self._bytes += len(covered)
        self._size += len(covered)
        self._waiting.append((spot, covered))
        if self._size > _TOGETHER:
            self.finish()

    def finish(self) -> None:
        waiting, self._waiting, self._size = self._waiting, [], 0
        self.done += len(waiting)
        if waiting and remainder(b"".join(covered for _, covered in waiting)):
            for spot, covered in waiting:
                if remainder(covered):
                    self.wrong(spot)

    def wrong(self, spot: Spot) -> None:
        self.bad += 1
        self.spots.add(spot)
