"""Says what is wrong between two signed groups, and within one, from what was looked for and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pipeline.continuity.signed import Breach
from pipeline.media.keys import Sealed
from pipeline.media.matching import FIRST, Match, Window
from pipeline.media.sei import Message

_MOST_PLACES = 20


@dataclass(slots=True)
class Told:
    """A message, what became of its signature, and how many units and key pictures stood before it."""

    message: Message
    digest: bytes
    sealed: Sealed
    at: int
    keys: int

    @property
    def counter(self) -> int:
        return self.message.counter or 0

    @property
    def count(self) -> int:
        """Units of its group; the oldest scheme counts the key picture behind it too."""
        return max(0, self.message.count - self.message.old)

    @property
    def trusted(self) -> bool:
        return self.sealed is not Sealed.BAD and not self.message.over_group


@dataclass(slots=True)
class Gap:
    """What lies between the last group that was found and the next, from unit `start` on.

    `skipped`: units given up because too many waited, from `packet` on. `after`, `link`: of the last group's match.
    `lost`: messages whose groups were not found. `damaged`: messages that can't be read.
    """

    start: int = 0
    skipped: int = 0
    packet: int | None = None
    after: int = 0
    link: bool = True
    lost: list[Told] = field(default_factory=list)
    damaged: int = 0


def within(window: Window, told: Told, found: Match) -> Breach | None:
    """Units of the group that are not as signed."""
    if not found.gaps and not found.moved:
        return None
    changed = [unit for _, units, lacking in found.gaps for unit in units[:lacking]]
    places = [unit for at, units, _ in found.gaps for unit in (units or [at, at + 1])] + found.moved
    return Breach(
        (told.counter, told.counter),
        (window.packet(min(places)), window.packet(max(places))),
        modified=_packets(window, changed),
        modified_count=len(changed),
        missing=sum(max(0, lacking - len(units)) for _, units, lacking in found.gaps),
        inserted=sum(max(0, len(units) - lacking) for _, units, lacking in found.gaps),
        moved=len(found.moved),
    )


@dataclass(frozen=True, slots=True)
class Seam:
    """Where one found group follows another. `skipped`: the signer's numbers left out; `link`: another group should
    have come before; `restart`: a chain begins here; `head`: there is no group before.
    """

    told: Told
    found: Match
    gap: Gap
    skipped: int = 0
    link: bool = False
    restart: bool = False
    head: bool = False

    @property
    def there(self) -> int:
        """Units between the groups."""
        return self.found.start - self.gap.start + self.gap.skipped

    @property
    def broken(self) -> bool:
        gap, found = self.gap, self.found
        faults = (self.there, gap.after, found.before, gap.lost, gap.damaged, self.skipped, self.restart, self.link)
        return any(faults)


def between(window: Window, seam: Seam) -> Breach:
    """What lies between two groups that were found."""
    gap, found, lost, there = seam.gap, seam.found, seam.gap.lost, seam.there
    listed = [each for each in lost if each.message.hashes and each.trusted]
    compared = [each for each in lost if each not in listed]
    sealless = _sealless(window, seam)
    lacking = gap.after + found.before
    explained = not (lost or seam.skipped or seam.restart or sealless)
    modified = min(there, lacking) if explained else 0
    changed = range(found.start - (0 if gap.skipped else there), found.start)[:modified]
    return Breach(
        _numbers(seam, explained=explained),
        _place(window, seam),
        modified=_packets(window, changed),
        modified_count=modified,
        missing=lacking - modified + sum(each.count for each in listed),
        inserted=there - modified if explained else 0,
        unproven=0 if explained else there,
        expected=sum(each.count for each in compared),
        found=there if compared else 0,
        absent=len(listed) + max(0, seam.skipped - sealless) + (0 if there else len(compared)),
        signature=_fault(gap, sealless),
        link=seam.link,
        restart=seam.restart,
    )


def behind(window: Window, gap: Gap, last: int | None) -> Breach | None:
    """What is wrong behind the last group that was found, number `last`: units that came before a message should have
    been its own. Units after the last message are just not proven yet.
    """
    broken = not gap.link and window.end > gap.start
    if not (gap.lost or gap.damaged or gap.after or broken):
        return None
    end = max([gap.start, *(each.at for each in gap.lost)])
    numbers = [each.counter for each in gap.lost] or [last or 0]
    there = end - gap.start if gap.lost else 0
    return Breach(
        (min(numbers), max(numbers)),
        (window.packet(gap.start - (not there)), window.packet(max(gap.start, end - 1))),
        missing=gap.after,
        unproven=there,
        expected=sum(each.count for each in gap.lost),
        found=there,
        absent=0 if there else len(gap.lost),
        signature=_fault(gap, 0),
        link=broken,
    )


def _sealless(window: Window, seam: Seam) -> int:
    """Of the groups whose messages are gone, how many have their units still there?"""
    start, end, linked = seam.gap.start, seam.found.start, seam.told.message.linked
    if start == end or (seam.skipped <= 0 and not seam.head):
        return 0
    if linked is not None and linked not in window.linked(start, end):
        return 0
    keys = len(window.numbered(FIRST, start, end))
    return keys if seam.head else min(seam.skipped, keys or 1)


def _numbers(seam: Seam, *, explained: bool) -> tuple[int, int]:
    numbers = [each.counter for each in seam.gap.lost]
    if seam.skipped > 0:
        numbers += [max(0, seam.told.counter - seam.skipped), max(0, seam.told.counter - 1)]
    if explained or not numbers:
        numbers.append(seam.told.counter)
    return min(numbers), max(numbers)


def _place(window: Window, seam: Seam) -> tuple[int, int]:
    start, there = seam.found.start, seam.there
    if not there:
        return window.packet(start - 1), window.packet(start)
    first = seam.gap.packet if seam.gap.packet is not None else window.packet(start - there)
    return first, window.packet(start - 1)


def _fault(gap: Gap, sealless: int) -> str:
    if any(each.sealed is Sealed.BAD for each in gap.lost):
        return "bad"
    if gap.damaged:
        return "unreadable"
    return "absent" if sealless else ""


def _packets(window: Window, units: Iterable[int]) -> tuple[int, ...]:
    return tuple(window.packet(unit) for unit in list(units)[:_MOST_PLACES])
