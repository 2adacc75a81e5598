"""The encoder's account of the decoder's buffer, and the clocks in the stream."""

from __future__ import annotations

import dataclasses
import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import buffers
from pipeline.continuity.coding import Level
from pipeline.continuity.model import Track
from storage.records import Finding
from tests.support.coded import Shot, groups, track
from tests.support.pictures import LIMITS, picture, told

GOP, RATE = 8, 200_000


def found(of: Track) -> list[Finding]:
    return [finding for check in buffers.CHECKS for finding in check(picture(of), LIMITS)]


def accounted(count: int, *, seed: int = 1, full: float = 0.0, clocked: bool = True) -> tuple[list[Shot], list[Level]]:
    """Groups whose buffer levels add up, with headers of 100 bits in each picture that are not counted."""
    rng = random.Random(seed)
    shots = [dataclasses.replace(shot, size=rng.randrange(500, 1500)) for shot in groups(count, GOP)]
    levels, level = [], 0.5
    for start in range(0, len(shots), GOP):
        levels.append(Level(start, round(level * 90_000) / 90_000, GOP / 25 if clocked else -1.0, full))
        spent = sum(8 * shot.size - 100 for shot in shots[start : start + GOP])
        level += GOP / 25 - spent / RATE
        level = min(level, full) if full else level
    return shots, levels


def made(shots: list[Shot], levels: list[Level]) -> Track:
    return track(shots, bit_rate=RATE, levels=tuple(levels))


def without(shots: list[Shot], levels: list[Level], out: range) -> Track:
    """Whole groups taken out by stream copy, the timeline closed."""
    kept = [shot for n, shot in enumerate(shots) if n not in out]
    closed = [dataclasses.replace(shot, time=n / 25) for n, shot in enumerate(kept)]
    left = [level for level in levels if level.packet not in out]
    moved = [dataclasses.replace(level, packet=n * GOP) for n, level in enumerate(left)]
    return made(closed, moved)


def test_an_account_that_adds_up_is_no_finding() -> None:
    for clocked in (True, False):
        assert found(made(*accounted(30, clocked=clocked))) == []
    assert found(made(*accounted(30, full=0.6))) == []


@given(st.integers(3, 25), st.integers(1, 4), st.integers(0, 99))
def test_groups_taken_out_are_missed_in_the_account(at: int, count: int, seed: int) -> None:
    shots, levels = accounted(40, seed=seed)
    findings = found(without(shots, levels, range(GOP * at, GOP * (at + count))))
    assert told(findings) in ([("BUFFER", "violation")], [])  # the levels may chance to agree
    if findings:
        assert findings[0].evidence["packet"] == GOP * at
    else:
        assert abs(levels[at].delay - levels[at + count].delay) < 0.002


def test_a_picture_replaced_by_another_is_found() -> None:
    shots, levels = accounted(30)
    shots[100] = dataclasses.replace(shots[100], size=shots[100].size + 400)
    assert told(found(made(shots, levels))) == [("BUFFER", "violation")]


def test_an_account_that_is_not_kept_proves_nothing() -> None:
    shots, levels = accounted(30)
    rng = random.Random(2)
    assert found(made(shots, [dataclasses.replace(level, delay=rng.random()) for level in levels])) == []
    assert found(made(shots, [dataclasses.replace(level, delay=0.7, full=0.7) for level in levels])) == []


def stamped(count: int, tick: float = 1.0, start: float = 3600.0) -> list[tuple[int, float]]:
    """A clock that tells whole `tick`s at each group."""
    return [(n * GOP, (start + n * GOP / 25) // tick * tick % 86_400) for n in range(count)]


def clocked(shots: list[Shot], stamps: list[tuple[int, float]]) -> Track:
    return track(shots, stamps=tuple(stamps))


def test_a_clock_that_runs_with_the_timeline_is_no_finding() -> None:
    for start in (3600.0, 86_390.0):  # over midnight too
        assert found(clocked(groups(60, GOP), stamped(60, start=start))) == []


def test_a_clock_that_jumps_is_a_violation() -> None:
    stamps = [(packet, time + (5 if packet >= 160 else 0)) for packet, time in stamped(60)]
    findings = found(clocked(groups(60, GOP), stamps))
    assert told(findings) == [("STREAM-CLOCK", "violation")] and findings[0].evidence["packet"] == 160


def test_a_hole_that_the_clock_tells_too_is_for_the_timestamps() -> None:
    shots = [
        dataclasses.replace(shot, time=shot.time + (5 if n >= 160 else 0)) for n, shot in enumerate(groups(60, GOP))
    ]
    stamps = [(packet, time + (5 if packet >= 160 else 0)) for packet, time in stamped(60)]
    assert found(clocked(shots, stamps)) == []


def test_clocks_that_stand_or_wander_are_none() -> None:
    shots = groups(60, GOP)
    assert found(clocked(shots, [(packet, 0.0) for packet, _ in stamped(60)])) == []
    rng = random.Random(3)
    assert found(clocked(shots, [(packet, rng.uniform(0, 86_400)) for packet, _ in stamped(60)])) == []
