"""The date of the clock in the picture against the file's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from pipeline.continuity.content import Reading
from pipeline.continuity.deep.burned_in import FEWEST, HALF_DAY, MEMORY, UNSET_BEFORE, Run, clocks_of, face, runs_of
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_ZONE, _FARTHEST = 900, 14 * 3600  # seconds: zones differ by quarters of an hour, up to 14 hours


def clock_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/CLOCK-DATE: the burned-in clock and the container's date disagree; a clock never set is a note.

    Either may be local time or UTC, and the container's date the beginning or the end: only what is left counts.
    """
    content = picture.content
    valid = [each for each in clocks_of(content) if (each.clock or 0) >= 2 * HALF_DAY]
    if len(valid) < FEWEST:
        return
    first = Run(valid[:MEMORY]).readings[0]
    begun = float(first.clock or 0) - first.time
    if begun < UNSET_BEFORE:
        yield _unset(first)
    elif picture.moment is not None and runs_of(valid):
        run = runs_of(valid)[0].readings[0]
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
        zh=f"画面上的时钟为 {face(first)}，应是未校时。",
        en=f"the clock in the picture shows {face(first)}: it seems never to have been set",
        evidence={"clock": face(first)},
    )


def _misdated(first: Reading, moment: datetime, apart: float) -> Finding:
    written = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return Finding(
        code="REC-TRUE/CLOCK-DATE",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        start=round(first.time, 3),
        end=round(first.time, 3),
        zh=f"画面上的时钟（{face(first)}）与文件记录的时间（{written}）不符，时区之外仍相差 {apart:.0f} 秒。",
        en=f"the clock in the picture ({face(first)}) and the file's date ({written}) are {apart:.0f} s apart",
        evidence={"clock": face(first), "file": written, "apart": round(apart, 1)},
    )


CHECKS = (clock_date,)
