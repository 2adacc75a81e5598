"""The clock in the picture against time: does it go on second by second, as fast as the footage, on the right date?

A reading is a whole second, so the clock's true offset from the timeline lies between clock − time and one second more.
Readings of one run share such offsets; where the shared ones of two neighbouring runs exclude each other, it jumped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise, starmap

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import Content, Reading
from pipeline.continuity.deep.strength import sound_breaks, strength
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_SLACK = 0.15  # seconds: a display lags, pictures come a little early or late
_LAG = 0.05  # seconds by which readings of one clock may be further apart than one
_MEMORY = 10  # readings that the next is compared with: clocks drift
_FEWEST = 3  # readings of a run, of two different seconds at least: fewer are misread
_SUPPORT = 1.2  # strength of a break in the picture that bears out a jump of the clock
_HALF_DAY = 43_200  # seconds: a clock without date, perhaps of twelve hours, starts again
_STOPPED = 2.2  # seconds that one second may be shown for
_SPEED, _SPEED_SPAN = 0.03, 8.0  # relative; seconds that it takes at least
_EXPLAINED = 0.85  # of the readings
_UNSET_BEFORE = datetime(2015, 1, 1, tzinfo=UTC).timestamp()  # cameras begin at 1970, 2000, 2010 … until they are set
_ZONE, _FARTHEST = 900, 14 * 3600  # seconds: zones differ by quarters of an hour, up to 14 hours


@dataclass(slots=True)
class Run:
    """Readings that follow from each other."""

    readings: list[Reading] = field(default_factory=list)

    def offsets(self, *, last: bool) -> tuple[float, float]:
        """Lowest and highest true offset that agrees with the last (or first) readings."""
        near = self.readings[-_MEMORY:] if last else self.readings[:_MEMORY]
        values = [_offset(reading) for reading in near]
        return max(values), min(values) + 1

    def takes(self, reading: Reading, *, last: bool = True) -> bool:
        """Whether the reading goes on from the last ones (or leads to the first)."""
        low, high = self.offsets(last=last)
        return low - 1 - _SLACK <= _offset(reading) <= high + _SLACK

    @property
    def sure(self) -> bool:
        return len(self.readings) >= _FEWEST and len({reading.clock for reading in self.readings}) >= 2


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
    runs = _without_misreadings(_runs(_readings(content)))
    for before, after in starmap(_told_apart, pairwise(runs)):
        low, high = _jump(before, after)
        if (low > limits.clock_jump or high < -limits.clock_jump) and not _starts_again(content, (low + high) / 2):
            yield _jumped(content, before, after, (low + high) / 2)


def _readings(content: Content) -> list[Reading]:
    """What was read, at true speed, without the time for which the clock stood."""
    valid = _valid(content)
    speed = _speed(valid)
    if speed is not None:
        valid = [Reading(each.time * speed, each.clock, each.text) for each in valid]
    standing = {id(reading) for plateau in _plateaus(valid) for reading in plateau[1:]}
    return [reading for reading in valid if id(reading) not in standing]


def _valid(content: Content | None) -> list[Reading]:
    """The readings that are clocks, all with a date or all without. A lone date or its lack is what was not legible."""
    valid = [each for each in (content.clock.readings if content else ()) if each.clock is not None]
    dates = [each for each in valid if (each.clock or 0) >= 2 * _HALF_DAY]
    if 2 * len(dates) <= len(valid):
        return [replace(each, clock=(each.clock or 0) % (2 * _HALF_DAY)) for each in valid]
    whole, last = [], dates[0]
    for each in valid:
        if (each.clock or 0) < 2 * _HALF_DAY:
            expected = (last.clock or 0) + each.time - last.time
            day = round((expected - (each.clock or 0)) / (2 * _HALF_DAY)) * 2 * _HALF_DAY
            whole.append(replace(each, clock=day + (each.clock or 0)))
        else:
            whole.append(each)
            last = each
    return whole


def _runs(readings: Sequence[Reading]) -> list[Run]:
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
    near = before.readings[-_MEMORY:] + after.readings[:_MEMORY]
    parts = [place for place in range(1, len(near)) if _one_clock(near[:place]) and _one_clock(near[place:])]
    return (Run(near[: parts[0]]), Run(near[parts[-1] :])) if parts else (before, after)


def _one_clock(readings: Sequence[Reading]) -> bool:
    offsets = [_offset(reading) for reading in readings]
    return max(offsets) - min(offsets) <= 1 + _LAG


def _agree(before: Run, after: Run) -> bool:
    low, high = _jump(before, after)
    return low <= _SLACK and high >= -_SLACK


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
    dated = any((reading.clock or 0) >= 2 * _HALF_DAY for reading in content.clock.readings)
    return not dated and abs(abs(jump) % _HALF_DAY - _HALF_DAY * (abs(jump) % _HALF_DAY > _HALF_DAY / 2)) < 2


def _jumped(content: Content, before: Run, after: Run, jump: float) -> Finding:
    # The last readings before may fit the clock after as well: the jump may lie before them.
    certain = [reading for reading in before.readings if not after.takes(reading, last=False)]
    old, new = _true(content, (certain or before.readings)[-1]), _true(content, after.readings[0])
    start, end, support = _place(content, old.time, new.time)
    was_unset = (before.readings[-1].clock or 0) < _UNSET_BEFORE <= (after.readings[0].clock or 0)
    zh, en = ("向前跳过", "leaves out") if jump > 0 else ("倒退", "goes back by")
    return Finding(
        code="REC-CONTINUOUS/CLOCK-JUMP",
        axis=Axis.TIMELINE,
        severity=Severity.NOTE if was_unset else Severity.VIOLATION if support else Severity.SUSPICION,
        start=round(start, 6),
        end=round(end, 6),
        zh=f"{clock(end)} 处画面上的时钟{zh} {abs(jump):.1f} 秒（{_shown(old)} → {_shown(new)}）。",
        en=f"the clock in the picture {en} {abs(jump):.1f} s at {clock(end)} ({_shown(old)} → {_shown(new)})",
        evidence={
            "jump": round(jump, 2),
            "before": {"time": round(old.time, 3), "clock": _shown(old)},
            "after": {"time": round(new.time, 3), "clock": _shown(new)},
            "borne_out_by": support,
            "was_unset": was_unset,
        },
    )


def _true(content: Content, reading: Reading) -> Reading:
    """The reading with its own time, where speed had been allowed for."""
    near = [each for each in _valid(content) if each.clock == reading.clock and each.text == reading.text]
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


def _shown(reading: Reading) -> str:
    when = datetime.fromtimestamp(reading.clock or 0, UTC)
    return when.strftime("%H:%M:%S" if when.year == 1970 else "%Y-%m-%d %H:%M:%S")


def clock_stands(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CLOCK-STANDS: the burned-in clock shows one second for longer than two."""
    valid = _valid(picture.content)
    for plateau in _plateaus(valid):
        start, end = plateau[0].time, plateau[-1].time
        yield Finding(
            code="REC-CONTINUOUS/CLOCK-STANDS",
            axis=Axis.TIMELINE,
            severity=Severity.SUSPICION,
            start=round(start, 6),
            end=round(end, 6),
            zh=f"{clock(start)} 至 {clock(end)} 画面上的时钟停在 {_shown(plateau[0])}。",
            en=f"the clock in the picture stands at {_shown(plateau[0])} from {clock(start)} to {clock(end)}",
            evidence={"clock": _shown(plateau[0]), "readings": len(plateau)},
        )


def _plateaus(readings: Sequence[Reading]) -> list[list[Reading]]:
    """Readings in a row that show the same second for too long. A clock that never goes on at all is no clock."""
    rows: list[list[Reading]] = []
    for reading in readings:
        if rows and rows[-1][-1].clock == reading.clock:
            rows[-1].append(reading)
        else:
            rows.append([reading])
    if len(rows) < _FEWEST:
        return []
    return [row for row in rows if len(row) >= _FEWEST and row[-1].time - row[0].time > _STOPPED]


def clock_speed(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/CLOCK-SPEED: the burned-in clock goes faster or slower than the footage is played."""
    valid = _valid(picture.content)
    speed = _speed(valid)
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


def _speed(readings: Sequence[Reading]) -> float | None:
    """Seconds of the clock in a second of footage; None where it goes right, or one speed does not explain it all.

    A reading is a whole second: at the right speed, clock - speed * time varies by no more than one. A jump fits no
    speed, and misreadings are left out where they are few.
    """
    if len(readings) < 3 * _FEWEST or readings[-1].time - readings[0].time < _SPEED_SPAN:
        return None
    times = np.array([reading.time for reading in readings])
    shown = np.array([float((reading.clock or 0) - (readings[0].clock or 0)) for reading in readings])
    usual = _usual_speed(times, shown)
    rest = shown - usual * times
    kept = np.abs(rest - np.median(rest)) <= 1
    if abs(usual - 1) < _SPEED / 2 or kept.mean() < _EXPLAINED:
        return None
    speeds = usual + np.linspace(-_SPEED, _SPEED, 61)
    fitting = [speed for speed in speeds if _spread(times[kept], shown[kept], speed) <= 1 + _LAG]
    if not fitting or _spread(times[kept], shown[kept], 1.0) <= 1 + _SLACK:
        return None
    speed = float(np.mean(fitting))
    return speed if abs(speed - 1) > _SPEED and speed > 0 else None


def _usual_speed(times: NDArray[np.float64], shown: NDArray[np.float64]) -> float:
    """The median over pairs of readings that lie a third of all apart (Theil and Sen)."""
    apart = len(times) // 3
    return float(np.median((shown[apart:] - shown[:-apart]) / np.maximum(times[apart:] - times[:-apart], 1e-3)))


def _spread(times: NDArray[np.float64], shown: NDArray[np.float64], speed: float) -> float:
    rest = shown - speed * times
    return float(rest.max() - rest.min())


def clock_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/CLOCK-DATE: the burned-in clock and the container's date disagree; a clock never set is a note.

    Either may be local time or UTC, and the container's date the beginning or the end: only what is left counts.
    """
    content = picture.content
    valid = [each for each in _valid(content) if (each.clock or 0) >= 2 * _HALF_DAY]
    if len(valid) < _FEWEST:
        return
    first = Run(valid[:_MEMORY]).readings[0]
    begun = float(first.clock or 0) - first.time
    if begun < _UNSET_BEFORE:
        yield _unset(first)
    elif picture.moment is not None and _runs(valid):
        run = _runs(valid)[0].readings[0]
        begun = float(run.clock or 0) - run.time
        apart = _apart(begun, picture.moment.timestamp(), picture.media_duration or 0.0)
        if apart > limits.clock_date:
            yield _misdated(run, picture.moment, apart)


def _apart(begun: float, written: float, duration: float) -> float:
    """Seconds between the two dates that no time zone explains."""
    return min(_beyond_zones(begun - written), _beyond_zones(begun + duration - written))


def _beyond_zones(apart: float) -> float:
    if abs(apart) > _FARTHEST + _ZONE:
        return abs(apart)
    return abs((apart + _ZONE / 2) % _ZONE - _ZONE / 2)


def _unset(first: Reading) -> Finding:
    return Finding(
        code="REC-TRUE/CLOCK-UNSET",
        axis=Axis.PROVENANCE,
        severity=Severity.NOTE,
        start=round(first.time, 3),
        end=round(first.time, 3),
        zh=f"画面上的时钟为 {_shown(first)}，应是未校时。",
        en=f"the clock in the picture shows {_shown(first)}: it seems never to have been set",
        evidence={"clock": _shown(first)},
    )


def _misdated(first: Reading, moment: datetime, apart: float) -> Finding:
    written = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Finding(
        code="REC-TRUE/CLOCK-DATE",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        start=round(first.time, 3),
        end=round(first.time, 3),
        zh=f"画面上的时钟（{_shown(first)}）与文件记录的时间（{written}）不符，时区之外仍相差 {apart:.0f} 秒。",
        en=f"the clock in the picture ({_shown(first)}) and the file's date ({written}) are {apart:.0f} s apart",
        evidence={"clock": _shown(first), "file": written, "apart": round(apart, 1)},
    )


CHECKS = (clock_jumps, clock_stands, clock_speed, clock_date)
