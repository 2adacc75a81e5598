"""What a track shows, in order of presentation: hours of it in a few bytes a picture."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import overload


class Shown(Sequence[tuple[float, int]]):
    """(presentation time in seconds, packet number) pairs in order, 16 bytes each."""

    __slots__ = ("numbers", "times")

    def __init__(self, times: array[float], numbers: array[int]) -> None:
        self.times, self.numbers = times, numbers

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, int]]) -> Shown:
        """In the order of their times; packet numbers have to come in order."""
        times, numbers = array("d"), array("q")
        for time, number in pairs:
            times.append(time)
            numbers.append(number)
        if any(after < before for before, after in pairwise(times)):
            order = sorted(range(len(times)), key=times.__getitem__)
            times, numbers = array("d", map(times.__getitem__, order)), array("q", map(numbers.__getitem__, order))
        return cls(times, numbers)

    def __len__(self) -> int:
        return len(self.times)

    def __iter__(self) -> Iterator[tuple[float, int]]:
        return zip(self.times, self.numbers, strict=True)

    @overload
    def __getitem__(self, index: int) -> tuple[float, int]: ...
    @overload
    def __getitem__(self, index: slice) -> Shown: ...
    def __getitem__(self, index: int | slice) -> tuple[float, int] | Shown:
        if isinstance(index, slice):
            return Shown(self.times[index], self.numbers[index])
        return self.times[index], self.numbers[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # it can change

    def intervals(self) -> array[float]:
        """Seconds from each to the next."""
        return array("d", (after - before for before, after in pairwise(self.times)))
