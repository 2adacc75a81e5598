"""Steady tones whose phase jumps: mains hum, a machine, a whistle. A cut in the sound breaks them, time does not.

A tone of constant frequency turns its phase by the same angle from one spectrum to the next (phase vocoder: Flanagan
and Golden, 1966; mains hum as a clock: Grigoras, 2005). Where it does so before a point and after it, at the same
frequency and level, but the two lines don't meet, samples are missing or foreign there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import ToneBreak

_LENGTH = 4096  # samples of a spectrum: 256 ms at 16 kHz, 4 Hz a line
_HOP = 1024  # from one spectrum to the next: 64 ms
_RUN = 20  # spectra (1.3 s) before and after that must lie on a line
_SKIPPED = 6  # spectra between them: those that a jump falls into
_SPAN = 2 * _RUN + _SKIPPED
_OVER = 8.0  # times the median of the spectrum around it: strong
_AROUND = 24  # lines
_FIT = 0.2  # radians, root mean square: the phases lie on a line
_SAME_TURN = 0.02  # radians from one spectrum to the next: 0.05 Hz
_SAME_LEVEL = 0.35  # relative difference of the amplitude before and after
_LEAST_JUMP = 0.7  # radians
_LOWEST_LINE = 11  # 43 Hz
_LONGEST_DIP = 0.05  # seconds that the tone may be weaker than half: a beep that pauses is no cut
_TOGETHER = 0.5  # seconds: breaks of one line this close are one
_LONGEST = 20.0  # seconds that are counted before and after
_MOST_LINES, _MOST_FOUND = 64, 1000

Complex = NDArray[np.complex64]
Real = NDArray[np.float64]


class ToneWatch:
    """Takes samples in order; `found` grows."""

    def __init__(self, rate: int) -> None:
        self.found: list[ToneBreak] = []
        self._rate = rate
        self._held: NDArray[np.float32] = np.zeros(0, dtype=np.float32)
        self._passed = 0  # samples before what is held, holes included
        self._filled = 0  # spectra in the ring since the last hole
        self._open: dict[int, int] = {}  # line → number in `found` of the break whose tone still lasts
        lines = _LENGTH // 2 + 1
        self._spectra: Complex = np.zeros((_SPAN, lines), dtype=np.complex64)
        self._strong = np.zeros((_SPAN, lines), dtype=bool)
        self._age = np.zeros(lines, dtype=np.int32)  # spectra for which a line has been strong, but for moments
        self._weak = np.zeros(lines, dtype=np.int32)  # spectra for which it has not been
        self._samples = np.zeros((_SPAN, _HOP), dtype=np.float32)
        self._hann = np.hanning(_LENGTH + 1)[:-1].astype(np.float32)
        self._best: dict[int, tuple[int, float]] = {}  # line → (number in `found`, how well it fitted)

    def take(self, samples: NDArray[np.float32]) -> None:
        self._held = np.concatenate([self._held, samples])
        while len(self._held) >= _LENGTH:
            self._spectrum(self._held[:_LENGTH])
            self._held = self._held[_HOP:]
            self._passed += _HOP

    def interrupt(self, samples: int) -> None:
        """So many samples are missing: tones begin anew after them."""
        self._passed += samples + len(self._held)
        self._held = self._held[:0]
        self._filled = 0
        self._age[:] = 0
        self._open.clear()

    def _spectrum(self, samples: NDArray[np.float32]) -> None:
        place = self._filled % _SPAN
        spectrum = np.fft.rfft(samples * self._hann).astype(np.complex64)
        size = np.abs(spectrum)
        self._spectra[place] = spectrum
        self._strong[place] = size > _OVER * _local_median(size)
        self._samples[place] = samples[:_HOP]
        self._filled += 1
        self._weak = np.where(self._strong[place], 0, self._weak + 1)
        self._age = np.where(self._weak > _SKIPPED, 0, self._age + 1)
        self._extend()
        if self._filled >= _SPAN:
            self._look(np.arange(self._filled, self._filled + _SPAN) % _SPAN)

    def _look(self, order: NDArray[np.int64]) -> None:
        """Judge the tones that were there before and after the middle of the ring; `order`: oldest place first."""
        outer = np.concatenate([order[:_RUN], order[-_RUN:]])
        lines = np.flatnonzero(self._strong[outer].all(axis=0))
        lines = lines[(lines >= _LOWEST_LINE) & (lines < self._spectra.shape[1] - 2)]
        if not len(lines):
            return
        lines = _summits(np.abs(self._spectra[outer]).mean(axis=0), lines)[:_MOST_LINES]
        values = self._spectra[np.ix_(order, lines)]
        before, after = _Lines.fit(values[:_RUN]), _Lines.fit(values[-_RUN:])
        middle = (_RUN + _SKIPPED) / 2  # spectra from the middle of either run to the middle of the ring
        jumps = _wrapped((after.phase - middle * after.turn) - (before.phase + middle * before.turn))
        good = (before.rest < _FIT) & (after.rest < _FIT) & (np.abs(jumps) >= _LEAST_JUMP)
        good &= np.abs(before.turn - after.turn) < _SAME_TURN
        good &= np.abs(before.size - after.size) < _SAME_LEVEL * np.maximum(before.size, after.size)
        for number in np.flatnonzero(good):
            turn = float(before.turn[number] + after.turn[number]) / 2
            rest = float(before.rest[number] + after.rest[number])
            hertz = self._frequency(int(lines[number]), turn)
            time, dip = self._locate(hertz, order)
            if dip <= _LONGEST_DIP + 3 / hertz:
                level = float(before.size[number]) / (_LENGTH / 4)
                jump = float(jumps[number])
                lasted = self._lasted(int(lines[number])), round(_RUN * _HOP / self._rate, 2)
                report = ToneBreak(round(time, 4), round(hertz, 2), round(jump, 3), round(level, 6), *lasted)
                self._keep(int(lines[number]), report, rest)

    def _keep(self, line: int, report: ToneBreak, rest: float) -> None:
        """Of what is found again as the ring moves on, the report that fitted best."""
        known, best = self._best.get(line, (-1, 0.0))
        if known >= 0 and abs(self.found[known].time - report.time) < _TOGETHER:
            if rest < best:
                after = max(report.after, self.found[known].after)
                self.found[known], self._best[line] = replace(report, after=after), (known, rest)
        elif len(self.found) < _MOST_FOUND:
            self.found.append(report)
            self._open[line] = len(self.found) - 1
            self._best[line] = self._open[line], rest

    def _lasted(self, line: int) -> float:
        """Seconds that a tone had been there at the middle of the ring."""
        spectra = max(_RUN, int(self._age[line]) - _RUN - _SKIPPED)
        return round(min(_LONGEST, spectra * _HOP / self._rate), 2)

    def _extend(self) -> None:
        """Tones that broke and are still there."""
        for line, number in list(self._open.items()):
            known = self.found[number]
            if self._age[line] and known.after < _LONGEST:
                self.found[number] = replace(known, after=round(known.after + _HOP / self._rate, 2))
            else:
                del self._open[line]

    def _frequency(self, line: int, turn: float) -> float:
        """Hertz from the line and the exact angle from one spectrum to the next."""
        expected = 2 * np.pi * line * _HOP / _LENGTH
        off = float(_wrapped(np.array([turn - expected]))[0])
        return (line + off * _LENGTH / (2 * np.pi * _HOP)) * self._rate / _LENGTH

    def _locate(self, hertz: float, order: NDArray[np.int64]) -> tuple[float, float]:
        """(seconds from the start to the jump, seconds for which the tone is weaker than half around it)."""
        first = _RUN - 4
        samples = self._samples[order[first : _RUN + _SKIPPED + 4]].ravel()
        start = self._passed - (_SPAN - 1 - first) * _HOP
        span = max(round(self._rate * 0.02), round(2 * self._rate / hertz))
        beat = samples * np.exp(-2j * np.pi * hertz * np.arange(len(samples)) / self._rate)
        total = np.concatenate([[0], np.cumsum(beat)])
        tone = (total[span:] - total[:-span]) / span
        at = int(np.abs(tone[span:] - tone[:-span]).argmax()) + span
        near = np.abs(tone[max(0, at - 4 * span) : at + 4 * span])
        dip = float((near < 0.5 * np.median(np.abs(tone))).sum()) / self._rate
        return (start + at) / self._rate, dip


@dataclass(frozen=True, slots=True)
class _Lines:
    """Phases of several tones on lines: `phase` in the middle, `turn` from one spectrum to the next, `rest` off the
    line (root mean square), `size`: amplitude."""

    phase: Real
    turn: Real
    rest: Real
    size: Real

    @classmethod
    def fit(cls, values: Complex) -> _Lines:
        """`values`: one row a spectrum, one column a tone."""
        steps = values[1:] * np.conj(values[:-1])
        mean = np.angle(steps.sum(axis=0))  # unwrapped against the mean: noise near ±π does no harm
        turns = mean + np.angle(steps * np.exp(-1j * mean))
        phases = np.angle(values[0]) + np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(turns, axis=0)])
        numbers = (np.arange(len(values)) - (len(values) - 1) / 2)[:, None]
        turn = (numbers * phases).sum(axis=0) / (numbers * numbers).sum()
        rest = phases - phases.mean(axis=0) - turn * numbers
        return cls(phases.mean(axis=0), turn, np.sqrt((rest * rest).mean(axis=0)), np.median(np.abs(values), axis=0))


def _wrapped(angles: Real) -> Real:
    wrapped: Real = (angles + np.pi) % (2 * np.pi) - np.pi
    return wrapped


def _local_median(size: NDArray[np.float32]) -> NDArray[np.float32]:
    """The median of the lines around each, from blocks of them: a tone is judged by its surroundings."""
    count = len(size) // _AROUND
    medians = np.median(size[: count * _AROUND].reshape(count, _AROUND), axis=1)
    around = np.interp(np.arange(len(size)), (np.arange(count) + 0.5) * _AROUND, medians)
    return (around + 1e-4).astype(np.float32)


def _summits(size: NDArray[np.float32], lines: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the lines that are the strongest of the five around them (a tone shows in several), strongest first."""
    near = np.stack([size[lines + step] for step in (-2, -1, 0, 1, 2)])
    tops = lines[near[2] >= near.max(axis=0)]
    strongest: NDArray[np.int64] = tops[np.argsort(-size[tops])]
    return strongest
