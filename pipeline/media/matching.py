"""The units that wait for their signature, and where among them a group of signed hashes lies.

Each unit is known by its own hash and, as signers link it, by the hash of the key picture's hash and its own: a picture
belongs to its key picture, and nothing can be moved from one group to another.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from pipeline.media.sei import Message

# What a unit is: more of a picture, the begin of one, the begin of a GOP, a message without a signature of its own.
MORE, PICTURE, FIRST, MESSAGE = range(4)

_MOST_ALIKE = 8  # places of one hash that are tried
_TRIES = 3  # key pictures of which a damaged group may be the one
_NEARLY = 0.9  # of a group's pictures must be there when its key picture is not
_REACH = 4096  # units searched one by one for those of a damaged group


class Window:
    """Units are numbered from the beginning of the stream; those before `base` are done with and forgotten."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.base = 0
        self.firsts = 0  # key pictures so far
        self.reference = bytes(hashlib.new(algorithm).digest_size)  # hash of the last key picture
        self._own: list[bytes] = []
        self._linked: list[bytes] = []
        self._packets = array("q")
        self._kinds = bytearray()

    @property
    def end(self) -> int:
        return self.base + len(self._own)

    def add(self, own: bytes, packet: int, kind: int) -> None:
        """`own`: the unit's hash."""
        if kind == FIRST:
            self.reference = own
            self.firsts += 1
        self._own.append(own)
        self._linked.append(own if kind in (FIRST, MESSAGE) else self.hash(self.reference + own))
        self._packets.append(packet)
        self._kinds.append(kind)

    def forget(self, until: int) -> None:
        count = max(0, min(until, self.end) - self.base)
        for column in (self._own, self._linked, self._packets, self._kinds):
            del column[:count]
        self.base += count

    def hash(self, data: bytes) -> bytes:
        return hashlib.new(self.algorithm, data).digest()

    def packet(self, number: int) -> int:
        """The packet of a unit; of the nearest one that is held for others, -1 without any."""
        if not self._packets:
            return -1
        return self._packets[max(0, min(number - self.base, len(self._packets) - 1))]

    def is_first(self, number: int) -> bool:
        return self.base <= number < self.end and self._kinds[number - self.base] == FIRST

    def own(self, number: int) -> bytes:
        return self._own[number - self.base]

    def linked(self, start: int, end: int) -> list[bytes]:
        return self._linked[max(0, start - self.base) : max(0, end - self.base)]

    def pictures(self, start: int, end: int) -> int:
        low, high = max(0, start - self.base), max(0, end - self.base)
        return self._kinds.count(PICTURE, low, high) + self._kinds.count(FIRST, low, high)

    def numbered(self, kind: int, start: int, end: int) -> list[int]:
        """The units of that kind from `start` to before `end`."""
        found, at, high = [], max(0, start - self.base) - 1, max(0, end - self.base)
        while (at := self._kinds.find(kind, at + 1, high)) >= 0:
            found.append(at + self.base)
        return found

    def find(self, linked: bytes, start: int) -> int:
        """The first unit from `start` on that has this hash; -1."""
        try:
            return self._linked.index(linked, max(0, start - self.base)) + self.base
        except ValueError:
            return -1

    def any_of(self, wanted: set[bytes], start: int) -> list[int]:
        """The first and last unit from `start` on with one of these hashes, [] without."""
        low = max(0, start - self.base)
        found = [n for n, each in enumerate(islice(self._linked, low, None), low) if each in wanted]
        return [found[0] + self.base, found[-1] + self.base] if found else []

    def forms(self, number: int, reference: bytes, orphan: bool) -> tuple[bytes, ...]:
        """The hashes by which a list may know a unit. `reference`: the listed key picture's, which links the next key
        picture (old scheme) and, `orphan`, pictures whose own key picture is not there.
        """
        at = number - self.base
        own, linked = self._own[at], self._linked[at]
        if self._kinds[at] == MESSAGE or not reference or not (orphan or self._kinds[at] == FIRST):
            return (linked,)
        return (linked, self.hash(reference + own))


@dataclass(slots=True)
class Match:
    """Where a group lies: units `start` to before `end`.

    `before`, `after`: how many signed units are missing before the first and after the last one found. `moved`: units
    found out of order. `gaps`: (last unit that fits, strange units behind it, signed units that are missing there).
    `link`: (old scheme) whether the key picture that follows is the one that was signed. `first`: the signed hash of
    the group's first unit.
    """

    start: int
    end: int
    before: int = 0
    after: int = 0
    moved: list[int] = field(default_factory=list)
    gaps: list[tuple[int, list[int], int]] = field(default_factory=list)
    link: bool = True
    first: bytes | None = None


class Matcher:
    """Looks for groups in a window. What leads to nothing is `work`, and bounded: hostile messages lead nowhere."""

    def __init__(self, window: Window, work: int = 6_000_000) -> None:
        self._window = window
        self._work = work

    def whole(self, message: Message, start: int) -> Match | None:
        """The group as it was signed: at `start`, or behind units that are not its own. None when it is nowhere."""
        here = self._whole_at(message, start)
        if here:
            return here
        return next(
            (found for place in self._likely(message, start) if (found := self._whole_at(message, place))), None
        )

    def _likely(self, message: Message, start: int) -> list[int]:
        window = self._window
        self._work -= (window.end - start) // 4
        if self._work < 0:
            return []
        if message.hashes and not message.old:
            place = window.find(message.hashes[0], start + 1)
            return [place] if place >= 0 else []
        return window.numbered(FIRST, start + 1, window.end)[:64]

    def _whole_at(self, message: Message, start: int) -> Match | None:
        count = len(message.hashes) or message.count
        if start + count > self._window.end or self._work < 0:
            return None
        if message.old:
            return self._old_at(message, start)
        there = self._window.linked(start, start + count)
        if there != message.hashes and self._window.hash(b"".join(there)) != message.digest and count:
            self._work -= count
            return None
        return Match(start, start + count, first=there[0] if there else None)

    def _old_at(self, message: Message, start: int) -> Match | None:
        there = self.old_hashes(start, len(message.hashes))
        self._work -= len(there) if there != message.hashes else 0
        return Match(start, start + len(there) - 1, first=there[0]) if there and there == message.hashes else None

    def old_hashes(self, start: int, count: int) -> list[bytes]:
        """The hashes of a group of the old scheme: a key picture's, those of its GOP, and the next key picture's with
        the first one's; one hash alone is that of the first picture of the stream.
        """
        window, last = self._window, start + count - 1
        if count == 1 and window.is_first(start):
            return [window.own(start)]
        if count < 2 or not window.is_first(start) or not window.is_first(last):
            return []
        return [*window.linked(start, last), window.hash(window.own(start) + window.own(last))]

    def damaged(self, message: Message, start: int) -> Match | None:
        """As much of a listed group as is there. None when nothing is."""
        listed = message.hashes
        self._work -= self._window.end - start
        if self._work < 0:
            return None
        near = self._window.any_of(set(listed), start)
        low = max(start, near[0] - len(listed) - 64 if near else start)
        high = min(self._window.end, near[1] + len(listed) + 64 if near else self._window.end, low + _REACH)
        best = self._compared(message, low, high, start)
        if best is None or (len(best[1]) <= 1 and best[1][0][0]):
            best = self._rekeyed(message, start) or best
        return _Comparison(message, *best).result() if best else None

    def _compared(self, message: Message, low: int, high: int, start: int) -> Found | None:
        """The units from `low` to before `high` that are listed, in the list's order.

        A key picture that is lost leaves its pictures to the one before: those are known by the listed key picture too.
        """
        window, listed = self._window, message.hashes
        self._work -= 2 * (high - low) + len(listed)
        if self._work < 0 or high <= low:
            return None
        orphans = next(iter(window.numbered(FIRST, start, high)), high)
        key = listed[0] if message.old else b""
        forms = [window.forms(n, listed[0] if n < orphans else key, n < orphans) for n in range(low, high)]
        pairs = common(listed, forms)
        return (forms, pairs, low) if pairs else None

    def _rekeyed(self, message: Message, start: int) -> Found | None:
        """Nearly all pictures of the group behind a key picture that is not the one that was signed."""
        window, listed = self._window, message.hashes
        firsts = window.numbered(FIRST, start, window.end)
        for low, after in zip(firsts[:_TRIES], [*firsts[1:], window.end], strict=False):
            high = min(after + message.old, window.end, low + _REACH)
            self._work -= 2 * (high - low)
            if self._work < 0:
                return None
            forms = [window.forms(n, listed[0], True) for n in range(low, high)]
            pairs = common(listed, forms)
            if len(pairs) >= _NEARLY * (len(listed) - 1) and pairs:
                return forms, pairs, low
        return None


Found = tuple[list[tuple[bytes, ...]], list[tuple[int, int]], int]


class _Comparison:
    """A listed group against the units from `low` on; `pairs` of (place in the list, place among the units) agree."""

    def __init__(
        self, message: Message, forms: list[tuple[bytes, ...]], pairs: list[tuple[int, int]], low: int
    ) -> None:
        self._listed, self._old, self._forms, self._pairs = message.hashes, message.old, forms, pairs
        self._low = low
        self._count = len(self._listed)
        self._moved = self._find_moved()

    def _find_moved(self) -> dict[int, int]:
        """Place in the list → place among the units, for units that are there out of order."""
        in_list, there = {pair[0] for pair in self._pairs}, {pair[1] for pair in self._pairs}
        strange = {form: n for n, forms in enumerate(self._forms) if n not in there for form in forms}
        return {i: strange[each] for i, each in enumerate(self._listed) if i not in in_list and each in strange}

    def result(self) -> Match:
        listed, there = [pair[0] for pair in self._pairs], [pair[1] for pair in self._pairs]
        last = self._count - 1
        link = last in listed or last in self._moved
        final = there[-1] + (0 if self._old and listed[-1] == last else 1)
        near = [n for n in self._moved.values() if there[0] - self._count < n < there[-1] + self._count]
        found = Match(
            start=self._low + min([there[0], *near]),
            end=self._low + max([final, *(n + 1 for n in near)]),
            before=self._lacking(0, listed[0]),
            after=self._lacking(listed[-1] + 1, self._count - 1 if self._old else self._count),
            moved=[n + self._low for n in sorted(self._moved.values())],
            link=link or not self._old,
            first=self._listed[0],
        )
        for (i, n), (j, m) in zip(self._pairs, self._pairs[1:], strict=False):
            strange = [k + self._low for k in range(n + 1, m) if k not in self._moved.values()]
            if strange or self._lacking(i + 1, j):
                found.gaps.append((n + self._low, strange, self._lacking(i + 1, j)))
        return found

    def _lacking(self, start: int, end: int) -> int:
        return sum(1 for i in range(start, end) if i not in self._moved)


def common(listed: Sequence[bytes], forms: Sequence[tuple[bytes, ...]]) -> list[tuple[int, int]]:
    """The longest common subsequence as pairs of places, by the places of each hash (Hunt and Szymanski 1977)."""
    places: dict[bytes, list[int]] = {}
    for n, alternatives in enumerate(forms):
        for each in set(alternatives):
            places.setdefault(each, []).append(n)
    ends: list[int] = []  # the lowest place at which a common sequence of each length ends
    chain: list[tuple[int, int, int]] = []  # (place in the list, place among the units, the one before in `chain`)
    tops: list[int] = []
    for i, each in enumerate(listed):
        for n in reversed(places.get(each, [])[:_MOST_ALIKE]):
            k = bisect_left(ends, n)
            chain.append((i, n, tops[k - 1] if k else -1))
            ends[k : k + 1], tops[k : k + 1] = [n], [len(chain) - 1]
    pairs, at = [], tops[-1] if tops else -1
    while at >= 0:
        i, n, at = chain[at]
        pairs.append((i, n))
    return pairs[::-1]
