"""What decoding a file would show, made by hand for the checks on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pipeline.continuity.content import BANDS, HOP, Break, Clock, Content, Reading, Sight, Sound, ToneBreak
from pipeline.continuity.model import Picture

RATE = 25


def sight(pictures: int = 250, **columns: Any) -> Sight:
    """Pictures that differ by 2 from each other, of mean 100 and spread 40; `columns` replace single columns."""
    rng = np.random.default_rng(1)
    ordinary: dict[str, Any] = {
        "time": np.arange(pictures) / RATE,
        "step": np.full(pictures, 2.0, dtype=np.float32),
        "luma": np.full(pictures, 100.0, dtype=np.float32),
        "spread": np.full(pictures, 40.0, dtype=np.float32),
        "detail": np.full(pictures, 5.0, dtype=np.float32),
        "look": rng.integers(1, 1 << 63, pictures, dtype=np.uint64),
        "change": rng.integers(1, 1 << 63, pictures, dtype=np.uint64),
        "flags": np.where(np.arange(pictures) % RATE == 0, 1, 0).astype(np.uint8),
    }
    return Sight(stream=0, width=640, height=360, **(ordinary | columns))


def sound(seconds: float = 10.0, *, tones: Sequence[ToneBreak] = (), **columns: Any) -> Sound:
    """A room: a level of 0.01 that flickers a little, the same spectrum all the time."""
    rng = np.random.default_rng(2)
    entries = round(seconds / HOP)
    ordinary: dict[str, Any] = {
        "rms": (0.01 * rng.uniform(0.9, 1.1, entries)).astype(np.float32),
        "peak": np.full(entries, 0.03, dtype=np.float32),
        "zero": np.zeros(entries, dtype=np.uint8),
        "bands": rng.integers(118, 124, (entries, BANDS)).astype(np.uint8),
    }
    return Sound(stream=1, rate=48_000, start=0.0, tones=tuple(tones), **(ordinary | columns))


def jump(time: float = 5.0, **facts: Any) -> Break:
    """A cut to quite another place, of strength 8 or so."""
    ordinary = Break(
        frame=round(time * RATE),
        time=time,
        before=time - 1 / RATE,
        step=(20.0, 2.0),
        contrast=(0.8, 0.1),
        residual=(10.0, 1.0),
        peak=(0.04, 0.3),
        likeness=0.4,
        histogram=0.3,
        returns=0,
        luma=(100.0, 101.0),
        spread=(40.0, 41.0),
        still=(2.0, 2.0),
        neighbours=(12, 12),
    )
    return replace(ordinary, **facts)


def readings(start: int, times: Sequence[float], *, offset: float = 0.3) -> list[Reading]:
    """What a clock shows that was `start` + `offset` at time 0 and goes right."""
    return [Reading(time, int(start + offset + time), "") for time in times]


def decoded(picture: Picture, **parts: Any) -> Picture:
    """The picture with content: `sight`, `sound`, `clock` readings."""
    shown = parts.pop("clock", ())
    return replace(picture, content=Content(clock=Clock(tuple(shown), (6, 5, 246, 30)), **parts))
