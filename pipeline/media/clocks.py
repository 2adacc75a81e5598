"""The clocks of a transport stream: the programme's (PCR, ITU-T H.222.0 2.4.2.2) and, in M2TS, each packet's arrival.

Both count at 27 MHz; the programme clock wraps after 2^33 × 300 ticks (26.5 hours), the arrival clock after 2^30 (39.8
seconds). Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import statistics
import sys
from array import array
from dataclasses import dataclass, field
from operator import sub

from pipeline.continuity.structure import ClockStep

TICKS = 27_000_000
_WRAP = (1 << 33) * 300
_ARRIVAL_WRAP = 1 << 30
_LEAST_STEP = TICKS // 10  # the clock must come every 0.1 s (2.7.2)
_LEAST_STEP_MEDIANS = 3
_LEAST_DISAGREEMENT = TICKS // 100
_MOST_READINGS = 2_000_000
_MOST_CLOCKS = 64
_MOST_LISTED = 100
_LOW6 = bytes(value & 0x3F for value in range(256))


@dataclass
class _Clock:
    """The readings of one PID: what it grew by, where; those before which a break was declared."""

    last: int
    arrived: int
    growth: array[int] = field(default_factory=lambda: array("q"))
    packets: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("q"))
    declared: set[int] = field(default_factory=set)


class Programme:
    """Takes the programme clock references of every PID that has them."""

    def __init__(self) -> None:
        self._clocks: dict[int, _Clock] = {}
        self._disagreements: list[ClockStep] = []
        self._compared = self._apart = 0

    def take(self, pid: int, packet: bytes, place: tuple[int, int], declared: bool, arrived: int) -> None:
        """`packet` holds a PCR; `place`: its number and offset; `arrived`: its arrival clock, -1 without."""
        base = int.from_bytes(packet[6:12], "big")
        reading = (base >> 15) * 300 + (base & 0x1FF)
        clock = self._clocks.get(pid)
        if clock is None:
            if len(self._clocks) < _MOST_CLOCKS:
                self._clocks[pid] = _Clock(reading, arrived)
            return
        growth = _signed(reading - clock.last, _WRAP)
        if len(clock.growth) < _MOST_READINGS:
            if declared:
                clock.declared.add(len(clock.growth))
            clock.growth.append(growth)
            clock.packets.append(place[0])
            clock.offsets.append(place[1])
        if arrived >= 0:
            self._compare(pid, growth, arrived - clock.arrived, place, declared)
        clock.last, clock.arrived = reading, arrived

    def _compare(self, pid: int, growth: int, arrival: int, place: tuple[int, int], declared: bool) -> None:
        """Both clocks of a recorder are one oscillator: they grow alike."""
        apart = _signed(growth - arrival, _ARRIVAL_WRAP)
        self._compared += 1
        if abs(apart) > _LEAST_DISAGREEMENT:
            self._apart += 1
            if len(self._disagreements) < _MOST_LISTED:
                self._disagreements.append(ClockStep(pid, *place, apart / TICKS, growth / TICKS, declared))

    def steps(self) -> list[ClockStep]:
        """Where a clock goes back, stands, or leaps."""
        found = [step for pid, clock in self._clocks.items() for step in _steps(pid, clock)]
        return sorted(found, key=lambda step: step.packet)[:_MOST_LISTED]

    def disagreements(self) -> list[ClockStep]:
        """Where the programme clock and the arrival clock grow differently: `seconds` is by how much.

        [] where they do so all the time: the arrival clock isn't kept, and proves nothing.
        """
        return self._disagreements if self._apart <= max(5, self._compared // 20) else []


def _steps(pid: int, clock: _Clock) -> list[ClockStep]:
    usual = statistics.median(clock.growth) if clock.growth else 0
    least = max(_LEAST_STEP, _LEAST_STEP_MEDIANS * usual)
    return [
        ClockStep(pid, clock.packets[n], clock.offsets[n], growth / TICKS, usual / TICKS, n in clock.declared)
        for n, growth in enumerate(clock.growth)
        if growth < 0 or growth > least
    ][:_MOST_LISTED]


class Arrival:
    """Takes the arrival times (4 bytes before each packet; the upper two bits are for copy control)."""

    def __init__(self) -> None:
        self._last = -1
        self._steps: list[tuple[int, int, int]] = []  # packet, offset, growth

    def take(self, data: bytes, size: int, offset: int, number: int) -> None:
        """The packets in `data`, of `size` bytes each; `offset` and `number` are those of the first."""
        times = _times(data, size)
        if self._last >= 0:
            times.insert(0, self._last)
            offset, number = offset - size, number - 1
        growth = list(map(sub, times[1:], times))
        if growth and (min(growth) < 0 or max(growth) > _LEAST_STEP):
            self._look(growth, size, offset, number)
        self._last = times[-1]

    def _look(self, growth: list[int], size: int, offset: int, number: int) -> None:
        for index, ticks in enumerate(growth, start=1):
            signed = _signed(ticks, _ARRIVAL_WRAP)
            if (signed < 0 or signed > _LEAST_STEP) and len(self._steps) < _MOST_LISTED:
                self._steps.append((number + index, offset + index * size, signed))

    def steps(self) -> list[ClockStep]:
        return [ClockStep(-1, packet, offset, ticks / TICKS, 0.0, False) for packet, offset, ticks in self._steps]


def _times(data: bytes, size: int) -> array[int]:
    count = len(data) // size
    joined = bytearray(4 * count)
    order = (3, 2, 1, 0) if sys.byteorder == "little" else (0, 1, 2, 3)
    for place, at in enumerate(order):
        column = data[at : count * size : size]
        joined[place::4] = column.translate(_LOW6) if at == 0 else column
    times = array("I")
    times.frombytes(joined)
    return times


def _signed(difference: int, wrap: int) -> int:
    """The difference of two readings of a clock that wraps: between minus and plus half of it."""
    difference %= wrap
    return difference - wrap if difference >= wrap // 2 else difference
