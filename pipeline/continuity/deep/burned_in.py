"""The clock in the picture against time: does it go on second by second, as fast as the footage, on the right date?

A reading is a whole second, so the clock's true offset from the timeline lies between clock − time and one second more.
Readings of one run share such offsets; where the shared ones of two neighbouring runs exclude each other, it jumped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise, starmap

from pipeline.continuity.content import Content, Reading
from pipeline.continuity.deep.clock_rate import rate
from pipeline.continuity.deep.strength import sound_breaks, strength
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

SLACK = 0.15  # seconds: a display lags, pictures come a little early or late
LAG = 0.05  # seconds by which readings of one clock may be further apart than one
MEMORY = 10  # readings that the next is compared with: clocks drift
FEWEST = 3  # readings of a run, of two different seconds at least: fewer are misread
_SUPPORT = 1.2  # strength of a break in the picture that bears out a jump of the clock
HALF_DAY = 43_200  # seconds: a clock without date, perhaps of twelve hours, starts again
_STOPPED = 2.2  # seconds that one second may be shown for
UNSET_BEFORE = datetime(2015, 1, 1, tzinfo=UTC).timestamp()  # cameras begin at 1970, 2000, 2010 … until they are set


@dataclass(slots=True)
class Run:
    """Readings that follow from each other."""

    readings: list[Reading] = field(default_factory=list)

    def offsets(self, *, last: bool) -> tuple[float, float]:
        """Lowest and highest true offset that agrees with the last (or first) readings."""
        near = self.readings[-MEMORY:] if last else self.readings[:MEMORY]
        values = [_offset(reading) for reading in near]
        return max(values), min(values) + 1

    def takes(self, reading: Reading, *, last: bool = True) -> bool:
        """Whether the reading goes on from the last ones (or leads to the first)."""
        low, high = self.offsets(last=last)
        return low - 1 - SLACK <= _offset(reading) <= high + SLACK

    @property
    def sure(self) -> bool:
        return len(self.readings) >= FEWEST and len({reading.clock for reading in self.readings}) >= 2


def _offset(reading: Reading) -> float:
    return float(reading.clock or 0) - reading.time


def clock_jumps(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CLOCK-JUMP: the burned-in clock leaves out time or goes back.

    A violation where the picture or the sound stumbles there too; else a suspicion, as a camera may have been set by
    satellite meanwhile. Misreadings (one figure wrong, and right again later) are left out.
    """
    content = picture.content
    if not content:
        return
    runs = _without_misreadings(runs_of(_readings(content)))
    for before, after in starmap(_told_apart, pairwise(runs)):
        low, high = _jump(before, after)
        jump = (low + high) / 2
        usual = _starts_again(content, jump) or _misread_date(before, after, jump)
        if (low > limits.clock_jump or high < -limits.clock_jump) and not usual:
            yield _jumped(content, before, after, jump)


def _readings(content: Content) -> list[Reading]:
    """What was read, at true speed, without the time for which the clock stood."""
    valid = clocks_of(content)
    speed = rate(valid)
    if speed is not None:
        valid = [Reading(each.time * speed, each.clock, each.text) for each in valid]
    standing = {id(reading) for plateau in _plateaus(valid) for reading in plateau[1:]}
    return [reading for reading in valid if id(reading) not in standing]


def clocks_of(content: Content | None) -> list[Reading]:
    """The readings that are clocks, all with a date or all without. A lone date or its lack is what was not legible."""
    valid = [each for each in (content.clock.readings if content else ()) if each.clock is not None]
    dates = [each for each in valid if (each.clock or 0) >= 2 * HALF_DAY]
    if 2 * len(dates) <= len(valid):
        return [replace(each, clock=(each.clock or 0) % (2 * HALF_DAY)) for each in valid]
    whole, last = [], dates[0]
    for each in valid:
        if (each.clock or 0) < 2 * HALF_DAY:
            expected = (last.clock or 0) + each.time - last.time
            day = round((expected - (each.clock or 0)) / (2 * HALF_DAY)) * 2 * HALF_DAY
            whole.append(replace(each, clock=day + (each.clock or 0)))
        else:
            whole.append(each)
            last = each
    return whole


def runs_of(readings: Sequence[Reading]) -> list[Run]:
    """Neighbouring runs; readings that agree neither with a run nor with each other are dropped."""
    runs: list[Run] = []
    pending = Run()
    for reading in readings:
        if pending.readings and pending.takes(reading):
            pending.readings.append(reading)
        elif runs and runs[-1].takes(reading):
            runs[-1].readings.append(reading)
            pending = Run()
        else:
            pending = Run([reading])
        if pending.sure:
            runs.append(pending)
            pending = Run()
    return runs


def _without_misreadings(runs: Sequence[Run]) -> list[Run]:
    """Runs between two that agree with each other are left out where but one figure differs from what should stand."""
    kept: list[Run] = []
    for number, run in enumerate(runs):
        again = number + 1 < len(runs) and bool(kept) and _agree(kept[-1], runs[number + 1])
        if again and all(_one_figure_off(kept[-1], reading) for reading in run.readings):
            continue
        if kept and _agree(kept[-1], run):
            kept[-1] = Run([*kept[-1].readings, *run.readings])
        else:
            kept.append(run)
    return kept


def _told_apart(before: Run, after: Run) -> tuple[Run, Run]:
    """The two without the readings between them that may belong to either; they were added to the first one."""
    near = before.readings[-MEMORY:] + after.readings[:MEMORY]
    parts = [place for place in range(1, len(near)) if _one_clock(near[:place]) and _one_clock(near[place:])]
    return (Run(near[: parts[0]]), Run(near[parts[-1] :])) if parts else (before, after)


def _one_clock(readings: Sequence[Reading]) -> bool:
    offsets = [_offset(reading) for reading in readings]
    return max(offsets) - min(offsets) <= 1 + LAG


def _agree(before: Run, after: Run) -> bool:
    low, high = _jump(before, after)
    return low <= SLACK and high >= -SLACK


def _jump(before: Run, after: Run) -> tuple[float, float]:
    """Least and greatest change of the true offset, in seconds."""
    old, new = before.offsets(last=True), after.offsets(last=False)
    return new[0] - old[1], new[1] - old[0]


def _one_figure_off(run: Run, reading: Reading) -> bool:
    low, high = run.offsets(last=True)
    expected = reading.time + (low + high) / 2
    shown = _figures(reading.clock or 0)
    return any(
        sum(one != other for one, other in zip(_figures(int(expected + step)), shown, strict=True)) <= 1
        for step in (-1, 0, 1)
    )


def _figures(seconds: int) -> str:
    return datetime.fromtimestamp(max(0, seconds), UTC).strftime("%Y%m%d%H%M%S")


def _starts_again(content: Content, jump: float) -> bool:
    dated = any((reading.clock or 0) >= 2 * HALF_DAY for reading in content.clock.readings)
    return not dated and abs(abs(jump) % HALF_DAY - HALF_DAY * (abs(jump) % HALF_DAY > HALF_DAY / 2)) < 2


def _misread_date(before: Run, after: Run, jump: float) -> bool:
    """Whether the seconds run on and one figure of the date is another from here to the end: no cut does that."""
    days = round(jump / (2 * HALF_DAY))
    return bool(days) and abs(jump - days * 2 * HALF_DAY) <= 2 and _one_figure_off(before, after.readings[0])


def _jumped(content: Content, before: Run, after: Run, jump: float) -> Finding:
    # The last readings before may fit the clock after as well: the jump may lie before them.
    certain = [reading for reading in before.readings if not after.takes(reading, last=False)]
    old, new = _true(content, (certain or before.readings)[-1]), _true(content, after.readings[0])
    start, end, support = _place(content, old.time, new.time)
    was_unset = (before.readings[-1].clock or 0) < UNSET_BEFORE <= (after.readings[0].clock or 0)
    zh, en = ("向前跳过", "leaves out") if jump > 0 else ("倒退", "goes back by")
    return Finding(
        code="REC-CONTINUOUS/CLOCK-JUMP",
        axis=Axis.TIMELINE,
        severity=Severity.NOTE if was_unset else Severity.VIOLATION if support else Severity.SUSPICION,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(end)} 处画面上的时钟{zh} {abs(jump):.1f} 秒（{face(old)} → {face(new)}）。",
        en=f"the clock in the picture {en} {abs(jump):.1f} s at {clock(end)} ({face(old)} → {face(new)})",
        evidence={
            "jump": round(jump, 2),
            "before": {"time": round(old.time, 3), "clock": face(old)},
            "after": {"time": round(new.time, 3), "clock": face(new)},
            "borne_out_by": support,
            "was_unset": was_unset,
        },
    )


def _true(content: Content, reading: Reading) -> Reading:
    """The reading with its own time, where speed had been allowed for."""
    near = [each for each in clocks_of(content) if each.clock == reading.clock and each.text == reading.text]
    return min(near, key=lambda each: abs(each.time - reading.time), default=reading)


def _place(content: Content, start: float, end: float) -> tuple[float, float, str]:
    """Where between two readings it happened, and what bears it out: "picture", "sound" or ""."""
    inside = [
        found
        for found in (content.sight.breaks if content.sight else ())
        if start - 0.1 <= found.time <= end + 0.1 and strength(found) >= _SUPPORT
    ]
    if inside:
        found = max(inside, key=strength)
        return found.before, found.time, "picture"
    if end - start <= 1.0 and sound_breaks(content, (start + end) / 2):
        return start, end, "sound"
    return start, end, ""


def face(reading: Reading) -> str:
    """The clock as it stands in the picture, without a date where it had none."""
    when = datetime.fromtimestamp(reading.clock or 0, UTC)
    return when.strftime("%H:%M:%S" if when.year == 1970 else "%Y-%m-%d %H:%M:%S")


def clock_stands(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CLOCK-STANDS: the burned-in clock shows one second for longer than two."""
    valid = clocks_of(picture.content)
    for plateau in _plateaus(valid):
        start, end = plateau[0].time, plateau[-1].time
        yield Finding(
            code="REC-CONTINUOUS/CLOCK-STANDS",
            axis=Axis.TIMELINE,
            severity=Severity.SUSPICION,
            start=round(start, 6),
            end=round(end, 6),
            zh=f"{clock(start)} 至 {clock(end)} 画面上的时钟停在 {face(plateau[0])}。",
            en=f"the clock in the picture stands at {face(plateau[0])} from {clock(start)} to {clock(end)}",
            evidence={"clock": face(plateau[0]), "readings": len(plateau)},
        )


def _plateaus(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Readings in a row that show the same second for too long. A clock that never goes on at all is no clock."""
    rows: list[list[Reading]] = []
    for reading in readings:
        if rows and rows[-1][-1].clock == reading.clock:
            rows[-1].append(reading)
        else:
            rows.append([reading])
    if len(rows) < FEWEST:
        return []
    return [row for row in rows if len(row) >= FEWEST and row[-1].time - row[0].time > _STOPPED]


def clock_speed(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CLOCK-SPEED: the burned-in clock goes faster or slower than the footage is played."""
    valid = clocks_of(picture.content)
    speed = rate(valid)
    if speed is not None:
        yield Finding(
            code="REC-CONTINUOUS/CLOCK-SPEED",
            axis=Axis.TIMELINE,
            severity=Severity.SUSPICION,
            start=round(valid[0].time, 3),
            end=round(valid[-1].time, 3),
            zh=f"画面上的时钟走速为播放速度的 {speed:.2f} 倍：录像被加速或减速，或有画面被均匀删除。",
            en=f"the clock in the picture runs {speed:.2f} times as fast as the footage: sped up, slowed or thinned",
            evidence={"speed": round(speed, 3), "readings": len(valid)},
        )


CHECKS = (clock_jumps, clock_stands, clock_speed)
