"""What a burned-in clock says: text to seconds. Pure.

2026-11-18 09:30:00, 2026/11/18 09.30.00, 20261118093000 and the like give a date and a time; 09:30:00 alone gives a
time of day, counted from 1970-01-01. The day is not read where it comes before the year: it may be the month.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.continuity.content import Reading

_DATED = re.compile(r"(?<!\d)((?:19|20)\d\d)\D{0,2}(\d\d)\D{0,2}(\d\d)\D{0,3}(\d\d)\D{0,2}(\d\d)\D{0,2}(\d\d)(?!\d)")
_TIME = re.compile(r"(?<!\d)(\d\d) ?[:.] ?(\d\d) ?[:.] ?(\d\d)(?!\d)")
DAY = 86_400
_SLACK = 0.3  # seconds beyond the whole second that a clock's display may be off


_LAG, _RECENT = 0.05, 10  # seconds that a display lags by turns; readings that the next is compared with


@dataclass(frozen=True, slots=True)
class Word:
    """A word on a page and its place in pixels."""

    text: str
    left: int
    top: int
    right: int
    bottom: int


def parse(text: str) -> int | None:
    """Seconds since 1970 as if UTC; None where the text is no clock."""
    if found := _DATED.search(text):
        try:
            return int(datetime(*map(int, found.groups()), tzinfo=UTC).timestamp())  # type: ignore[arg-type,misc]
        except ValueError:
            return None
    if found := _TIME.search(text):
        hours, minutes, seconds = map(int, found.groups())
        return hours * 3600 + minutes * 60 + seconds if hours < 24 and minutes < 60 and seconds < 60 else None
    return None


def matching(words: Sequence[Word]) -> list[Word]:
    """The fewest neighbouring words of a line that make a clock; [] when none do."""
    for count in range(1, len(words) + 1):
        found = [
            list(words[first : first + count])
            for first in range(len(words) - count + 1)
            if parse(" ".join(word.text for word in words[first : first + count])) is not None
        ]
        if found:
            return _with_date(words, found[0])
    return []


def _with_date(words: Sequence[Word], found: list[Word]) -> list[Word]:
    """A time may stand after its date: take the word before it too where that makes a dated clock."""
    at = words.index(found[0])
    longer = [words[at - 1], *found] if at else found
    value = parse(" ".join(word.text for word in longer))
    return longer if value is not None and value >= DAY else found


def follows(first: Reading, second: Reading) -> bool:
    """Whether the clock went on from one reading to the next as time did."""
    if first.clock is None or second.clock is None:
        return False
    return abs((second.clock - first.clock) - (second.time - first.time)) < 1 + _SLACK


def slips(readings: Sequence[Reading]) -> list[int]:
    """Numbers of the readings that can't come from the clock of the few before them: it jumped since, if only a little.

    A reading is a whole second, so the clock's true offset from time lies between clock - time and one second more.
    """
    found: list[int] = []
    recent: list[float] = []
    for number, reading in enumerate(readings):
        if reading.clock is None:
            continue
        offset = reading.clock - reading.time
        if recent and not max(recent) - 1 - _LAG <= offset <= min(recent) + 1 + _LAG:
            found.append(number)
            recent = []
        recent = [*recent[1 - _RECENT :], offset]
    return found
