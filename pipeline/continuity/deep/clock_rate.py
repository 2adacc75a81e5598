"""How fast a clock goes that was read now and then, in whole seconds and with mistakes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import Reading

_SPEED, _SPEED_SPAN = 0.03, 8.0  # relative; seconds that it takes at least
_EXPLAINED = 0.85  # of the readings
_FEWEST = 9  # readings
_LAG, _SLACK = 0.05, 0.15  # seconds beyond one: a clock's readings at its speed, at one that is surely not its own


def rate(readings: Sequence[Reading]) -> float | None:
    """Seconds of the clock in a second of footage; None where it goes right, or one speed does not explain it all.

    A reading is a whole second: at the right speed, clock - speed * time varies by no more than one. A jump fits no
    speed, and misreadings are left out where they are few.
    """
    if len(readings) < _FEWEST or readings[-1].time - readings[0].time < _SPEED_SPAN:
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
