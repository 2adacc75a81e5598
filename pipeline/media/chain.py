"""Follows the chain of signed groups through a stream: which units are proven, and where the chain is broken.

A signer speaks of a group of units after its end, so that units wait until their message comes. A message may come
without a signature; then it is itself a unit of a later group, and proven with that. Nothing is concluded from a group
whose message is not proven. Runs inside the sandbox, with bounded memory whatever comes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TypeVar

from pipeline.continuity.signed import Breach, Signature, Start, Tail
from pipeline.media import seams
from pipeline.media.keys import Keyring, Sealed
from pipeline.media.matching import FIRST, MESSAGE, Match, Matcher, Window
from pipeline.media.seams import Gap, Seam, Told
from pipeline.media.sei import Message

Number = TypeVar("Number", int, float)

_MOST_WAITING = 100_000  # units that wait for their signature: an hour at 25 pictures a second
_MOST_GROUPS = 5_000  # groups that wait for their proof
_MOST_BREACHES = 100
_TRIES = 8  # places where a group of the oldest kind is looked for
_ENOUGH = 3  # messages or groups from which something follows: the first ones may speak of what was before the file
_SALT = b"\1"  # with which the group hash of the oldest kind begins


@dataclass(slots=True)
class _Group:
    """A group that was found, with the messages among its units, and how many key pictures stood before its end."""

    told: Told
    packets: tuple[int, int]
    units: int
    pictures: int
    messages: list[int]
    end: int
    keys: int


class Chain:
    """One scheme's signatures in one stream. `algorithm`: hashlib's name of the hash in use."""

    def __init__(self, scheme: str, algorithm: str) -> None:
        self.scheme = scheme
        self.window = Window(algorithm)
        self.readable = self.messages = 0
        self._matcher = Matcher(self.window)
        self._keys = Keyring()
        self._seen: Counter[Sealed] = Counter()
        self._told: Told | None = None
        self._gap = Gap()
        self._counter: int | None = None
        self._first: bytes | None = None  # the signed hash of the first unit of the group before
        self._start: Start | None = None
        self._linked_on = False  # the key picture behind the last group is proven (old scheme)
        self._breaches: list[Breach] = []
        self._breach_count = 0
        self._waiting: dict[int, _Group] = {}  # by the number of the unit that is the group's message
        self._keyless: list[_Group] = []
        self._groups = self._units = self._pictures = 0
        self._packets: tuple[int, int] | None = None
        self._times: tuple[float, float] | None = None
        self._longest = self._lag = self._lag_keys = 0

    def unit(self, own: bytes, packet: int, kind: int) -> None:
        """A unit that signatures cover. `own`: its hash; `kind`: see `matching`."""
        self.window.add(own, packet, kind)
        if self.window.end - self._gap.start > _MOST_WAITING:
            self._settle()  # no message comes soon: the last one has all that it spoke of
        if self.window.end - self._gap.start > _MOST_WAITING:
            self._give_up(_MOST_WAITING // 2)

    def unreadable(self) -> None:
        """A message that can't be read."""
        self.messages += 1
        self._settle()
        self._gap.damaged += 1

    def fragment(self) -> None:
        """A piece of a message: as good as none."""
        self.messages += 1

    def message(self, message: Message) -> None:
        self.messages += 1
        self.readable += 1
        self._settle()
        digest = self.window.hash(message.document)
        sealed = Sealed.LATER if message.over_group else self._keys.check(message, digest)
        self._seen[sealed] += 1
        self._told = Told(message, digest, sealed, self.window.end, self.window.firsts)
        message.document = b""
        if sealed is Sealed.GOOD and self._keyless:
            self._retry()
        if message.signature is None:
            self.unit(digest, message.packet, MESSAGE)

    # One group after the other. A message is settled when the next one comes: the oldest scheme speaks of what follows.

    def _settle(self) -> None:
        told, self._told = self._told, None
        if told is None:
            return
        if told.message.counter is None:
            if told.sealed is Sealed.BAD:
                self._breach(Breach(None, (told.message.packet, told.message.packet), signature="bad"))
            return
        found = self._find(told)
        if found:
            self._close(told, found)
            self._breach(seams.within(self.window, told, found))
            self._take(told, found)
        elif told.message.counter != self._counter:  # the same message once more says nothing new
            self._lose(told)

    def _find(self, told: Told) -> Match | None:
        message, start = told.message, self._gap.start
        if message.over_group:
            return self._find_old(told)
        found = self._matcher.whole(message, start)
        if found is None and message.hashes:
            found = self._matcher.damaged(message, start)
        return found

    def _find_old(self, told: Told) -> Match | None:
        """The oldest kind: the signature itself is over the units, so that only trying tells."""
        window = self.window
        firsts = window.numbered(FIRST, self._gap.start, window.end)
        for start, after in zip(firsts[:_TRIES], [*firsts[1:], None], strict=False):
            count = 1 if told.message.count == 1 else (after or start) - start + 1
            digest = window.hash(_SALT)
            for each in [*self._matcher.old_hashes(start, count), told.digest]:
                digest = window.hash(digest + each)
            if self._keys.check(told.message, digest) is Sealed.GOOD:
                told.sealed, told.message.over_group = Sealed.GOOD, False
                self._seen[Sealed.GOOD] += 1
                return Match(start, start + count - 1, first=window.own(start))
        return None

    def _lose(self, told: Told) -> None:
        """Nothing of the group is there."""
        message = told.message
        del message.hashes[1:]
        self._gap.lost.append(told)
        del self._gap.lost[:-_MOST_GROUPS]
        if told.trusted:
            self._counter, self._first = message.counter, message.hashes[0] if message.hashes else None

    def _take(self, told: Told, found: Match) -> None:
        """Count the group, or put it aside until something speaks for it."""
        window, message = self.window, told.message
        message.hashes = []
        group = self._group(told, found)
        self._counter, self._first = message.counter, found.first
        self._gap = Gap(found.end, after=found.after, link=found.link)
        self._linked_on = message.old and found.link and told.sealed is Sealed.GOOD
        if told.sealed is Sealed.GOOD:
            self._prove(group, told)
        elif told.sealed is Sealed.KEYLESS and len(self._keyless) < _MOST_GROUPS:
            self._keyless.append(group)
        elif told.sealed is Sealed.LATER and len(self._waiting) < _MOST_GROUPS:
            self._waiting[told.at] = group
        else:
            self._unproven(group, "bad" if told.sealed is Sealed.BAD else "unreadable")
        window.forget(found.end - 1)

    def _group(self, told: Told, found: Match) -> _Group:
        window, start, end = self.window, found.start, found.end
        strange = [unit for _, units, _ in found.gaps for unit in units]
        return _Group(
            told,
            (window.packet(start), window.packet(max(start, end - 1))),
            end - start - len(strange),
            window.pictures(start, end) - sum(window.pictures(unit, unit + 1) for unit in strange),
            window.numbered(MESSAGE, start, end),
            end,
            self._keys_before(end),
        )

    def _keys_before(self, number: int) -> int:
        return self.window.firsts - len(self.window.numbered(FIRST, number, self.window.end))

    def _prove(self, group: _Group, by: Told) -> None:
        """This group's message is proven `by` a signature, and with its units the messages among them, and so on."""
        span, proven = 0, [group]
        while proven:
            each = proven.pop()
            span += each.units
            self._lag = max(self._lag, by.at - each.end)
            self._lag_keys = max(self._lag_keys, by.keys - each.keys)
            self._groups += 1
            self._units += each.units
            self._pictures += each.pictures
            self._packets = _hull(self._packets, each.packets)
            self._times = _hull(self._times, each.told.message.times) if each.told.message.times else self._times
            proven += [self._waiting.pop(unit) for unit in each.messages if unit in self._waiting]
        self._longest = max(self._longest, span)

    def _retry(self) -> None:
        """A key has come: does it fit what was signed before?"""
        groups, self._keyless = self._keyless, []
        for group in groups:
            if self._keys.check(group.told.message, group.told.digest) is Sealed.GOOD:
                self._prove(group, group.told)
            else:
                self._unproven(group, "bad")

    def _unproven(self, group: _Group, why: str) -> None:
        number = group.told.counter
        self._breach(Breach((number, number), group.packets, unproven=group.units, signature=why))

    # Where the chain is broken.

    def _breach(self, breach: Breach | None) -> None:
        self._breach_count += breach is not None
        if breach and len(self._breaches) < _MOST_BREACHES:
            self._breaches.append(breach)

    def _close(self, told: Told, found: Match) -> None:
        """What lay between the group before and this one."""
        head = self._start is None
        restart = self._counter is not None and not head and _begins(told.message)
        skipped = 0 if restart or not told.trusted else self._skipped(told.message)
        link = told.trusted and not restart and not self._links(told.message, skipped)
        seam = Seam(told, found, self._gap, skipped, link, restart, head)
        if head:
            self._open(seam)
        elif seam.broken:
            self._breach(seams.between(self.window, seam))

    def _open(self, seam: Seam) -> None:
        """The first group that is found. What went before may be outside the file, or the signer had not begun."""
        gap, there, begins = seam.gap, seam.there, _begins(seam.told.message)
        broken = bool(gap.damaged) or any(each.sealed is Sealed.BAD for each in gap.lost)
        free = there > 0 and begins and not gap.lost and not broken
        packet = self.window.packet(seam.found.start - 1) if free else 0
        self._start = Start(seam.told.counter, begins, seam.found.before, unsigned=there if free else 0, packet=packet)
        if broken or (there and not free):
            self._breach(seams.between(self.window, seam))

    def _skipped(self, message: Message) -> int:
        """How many of the signer's numbers are left out; negative when they run back."""
        if self._counter is None or message.counter is None:
            return 0
        step = (message.counter - self._counter - 1) & 0xFFFFFFFF
        return step if step < 1 << 31 else step - (1 << 32)

    def _links(self, message: Message, skipped: int) -> bool:
        """Whether the signer had the same group before this one."""
        if message.old:
            return self._gap.link
        return skipped != 0 or self._first is None or message.linked is None or message.linked == self._first

    def _give_up(self, count: int) -> None:
        """Too many units wait: the oldest are taken for units without a signature."""
        gap = self._gap
        gap.packet = self.window.packet(gap.start) if gap.packet is None else gap.packet
        gap.skipped += count
        gap.start += count
        self.window.forget(gap.start - 1)

    # The end.

    def finish(self, stream: int, *, uncovered: tuple[int, int] = (0, 0)) -> Signature:
        """Everything that was found; nothing may follow. `uncovered`: units no signature covers, the first's packet."""
        self._settle()
        for group in self._keyless:
            self._unproven(group, "unreadable")
        last = self._packets[1] if self._packets else -1
        late = [group for group in self._waiting.values() if group.packets[1] > last]
        for group in self._waiting.values():
            if group not in late:
                self._unproven(group, "absent")
        tail = self._tail(late)
        if self._linked_on and (start := self._gap.start) < self.window.end:
            self._units, self._pictures = self._units + 1, self._pictures + 1
            self._packets = _hull(self._packets, (self.window.packet(start),) * 2)
        return Signature(
            stream=stream,
            scheme=self.scheme,
            messages=self.messages,
            groups=self._groups,
            units=self._units,
            pictures=self._pictures,
            packets=self._packets or (0, 0),
            start=self._start,
            tail=tail,
            breaches=tuple(sorted(self._breaches, key=lambda each: each.packets)) if self._groups else (),
            breach_count=self._breach_count if self._groups else 0,
            signers=tuple(self._keys.signers),
            times=self._times,
            uncovered=uncovered[0],
            uncovered_packet=uncovered[1],
            unread="" if self._groups else self._unread(),
        )

    def _tail(self, late: list[_Group]) -> Tail | None:
        """`late`: groups at the end whose messages are not proven yet."""
        window, gap = self.window, self._gap
        self._breach(seams.behind(window, gap, self._counter))
        start = max([gap.start + self._linked_on, *(each.at for each in gap.lost)])
        units = max(0, window.end - start) + sum(each.units for each in late)
        if not units or not self._groups:
            return None
        pictures = window.pictures(start, window.end) + sum(each.pictures for each in late)
        packet = min([window.packet(start), *(each.packets[0] for each in late)])
        keys = window.firsts - min([self._keys_before(start), *(each.keys - 1 for each in late)])
        usual = 4 * self._longest + self._lag
        long = self._groups >= _ENOUGH and units > usual
        return Tail(units, pictures, packet, usual, late=long or keys > self._lag_keys + 1)

    def _unread(self) -> str:
        """Why no group at all is proven."""
        if not self.readable:
            return "version"
        if self._seen[Sealed.BAD]:
            return "bad"
        if self._seen[Sealed.KEYLESS]:
            return "keyless"
        if self._seen[Sealed.UNKNOWN]:
            return "key"
        return "other" if self._seen[Sealed.GOOD] >= _ENOUGH else "short"


def _begins(message: Message) -> bool:
    """Whether the signer's chain begins with this group."""
    if message.old:
        return message.count == 1
    return message.linked is not None and not any(message.linked)


def _hull(known: tuple[Number, Number] | None, more: tuple[Number, Number]) -> tuple[Number, Number]:
    return more if known is None else (min(known[0], more[0]), max(known[1], more[1]))
