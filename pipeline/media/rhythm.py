"""The rhythm of padding in MP3 at a constant bit rate: a counter that nobody meant to write.

At 44.1 kHz (and 22.05, 11.025) a frame's share of the bit rate is no whole number of bytes. An encoder pads a frame by
a byte whenever the shares missed add up to one (ISO/IEC 11172-3 2.4.3.1): after n frames the padding lies less than one
byte off n shares. Frames taken out, put in or exchanged shift it, unless by whole periods.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

_PERIODS = 2  # on either side before the rhythm is believed


@dataclass(frozen=True, slots=True)
class Shift:
    """The rhythm is another from somewhere between two frames: the last that can belong to the one before (the first
    that can't belong to it follows), and the first that can belong to the one behind."""

    earliest: int
    latest: int


@dataclass
class Padding:
    """Takes the padding bit of each frame."""

    bits: bytearray = field(default_factory=bytearray)
    mode: str = ""
    constant: bool = True

    def take(self, bit: int, mode: str, frame: int) -> None:
        self.bits.append(bit)
        if mode != self.mode:
            self.constant = self.constant and not frame
            self.mode = mode


def share(kbps: int, samples: int, rate: int) -> Fraction:
    """The part of a byte by which a frame's share exceeds whole bytes."""
    return Fraction(samples * kbps * 125, rate) % 1


def shifts(bits: bytes | bytearray, part: Fraction, most: int) -> tuple[int, list[Shift]]:
    """(frames in whose rhythm there is sense, its shifts); (0, []) where the padding keeps no such rhythm."""
    period = part.denominator
    if period == 1 or len(bits) < 2 * _PERIODS * period:
        return 0, []
    starts = _pieces(bits, part, most)
    if starts is None:
        return 0, []
    edges = [*starts, len(bits)]
    if any(b - a < _PERIODS * period for a, b in pairwise(edges)):
        return 0, []
    return len(bits), [Shift(_back(bits, part, start), start) for start in starts[1:]]


def _pieces(bits: bytes | bytearray, part: Fraction, most: int) -> list[int] | None:
    """Where each piece begins that keeps one rhythm as long as it can; None for more than `most` shifts."""
    step, whole = part.numerator, part.denominator
    starts, total, low, high = [0], 0, 0, 0
    for number, bit in enumerate(bits):
        total += (whole if bit else 0) - step
        if total < low:
            low = total
        elif total > high:
            high = total
        if high - low >= whole:
            if len(starts) > most:
                return None
            starts.append(number)
            total = (whole if bit else 0) - step
            low, high = min(0, total), max(0, total)
    return starts


def _back(bits: bytes | bytearray, part: Fraction, start: int) -> int:
    """The earliest frame from which the rhythm behind `start` can have been kept."""
    step, whole = part.numerator, part.denominator
    ahead = min(len(bits), start + 4 * whole)
    total = low = high = 0
    for number in range(ahead - 1, -1, -1):
        total -= (whole if bits[number] else 0) - step
        low, high = min(low, total), max(high, total)
        if high - low >= whole:
            return number + 1
    return 0
