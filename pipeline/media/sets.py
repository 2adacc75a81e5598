"""Keeps the parameter sets of a stream as they come, and notes where they come with other content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from pipeline.continuity.coding import Change

_MOST_CHANGES = 100


class _Set(Protocol):
    @property
    def number(self) -> int: ...


S = TypeVar("S", bound=_Set)


class Sets(Generic[S]):
    """The sets of one kind, by number. `read` parses a NAL unit, raising EOFError on damage."""

    def __init__(self, unit: str, read: Callable[[bytes], S]) -> None:
        self._unit = unit
        self._read = read
        self._sets: dict[int, tuple[bytes, S]] = {}
        self._known: set[bytes] = set()  # those in force, as they came: most are repeated for ever
        self._active: tuple[bytes, S] | None = None
        self.changes: list[Change] = []

    def all(self) -> list[S]:
        return [each for _, each in self._sets.values()]

    def get(self, number: int) -> S:
        """Raises KeyError."""
        return self._sets[number][1]

    def take(self, unit: bytes, packet: int = 0) -> None:
        """A set that came with a packet. It may be damaged, or the same as before. Replacing another after packet 0
        is noted; leave `packet` out where only the set in use counts (see `activate`).
        """
        whole = unit.rstrip(b"\0")
        if whole in self._known:
            return
        try:
            found = self._read(whole)
        except (EOFError, IndexError):
            return
        old = self._sets.get(found.number)
        if old and old[0] == whole:
            return
        if old:
            self._known.discard(old[0])
            if packet:
                self._note(packet, old[1], found)
        self._known.add(whole)
        self._sets[found.number] = whole, found

    def activate(self, number: int, packet: int) -> S:
        """The set the picture of `packet` uses; notes when its content is another than before. Raises KeyError."""
        found = self._sets[number]
        if found is not self._active:
            if self._active and self._active[0] != found[0]:
                self._note(packet, self._active[1], found[1])
            self._active = found
        return found[1]

    def _note(self, packet: int, old: S, new: S) -> None:
        if len(self.changes) < _MOST_CHANGES:
            self.changes.append(Change(packet, self._unit, different(old, new)))


def different(old: S, new: S) -> tuple[str, ...]:
    """The names of the fields that differ, "number" left out."""
    names: tuple[str, ...] = getattr(type(old), "__slots__", ())
    return tuple(name for name in names if name != "number" and getattr(old, name) != getattr(new, name))
