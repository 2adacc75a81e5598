"""What sound is like, as numbers: level, digital nothing and spectrum for every 10 ms, and tones that jump.

Sound comes as one channel of float32 samples at RATE. Only numpy here: nothing is opened, nothing decoded.
"""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity.content import BANDS, FLOOR_DB, HOP
from pipeline.media.tones import ToneWatch

RATE = 16_000  # samples a second
ABSENT = 255  # in the column `zero`: no sound came for this time
_STEP = round(RATE * HOP)
_WINDOW = 512  # samples of a spectrum: 32 ms
_NOTHING = 0.5 / 32768  # half a step of 16-bit sound
_BATCH = 100  # entries computed at once
_GAP = 0.05  # seconds of time stamps without samples that are taken for a hole
_LONGEST_HOLE = 600.0  # seconds of a hole that are filled with entries; hostile time stamps must not fill memory
_LOWEST, _HIGHEST = 100.0, 7000.0  # hertz

Samples = NDArray[np.float32]


class Listener:
    """Takes the sound of a stream in order and keeps one entry for every 10 ms."""

    def __init__(self) -> None:
        self.start = 0.0
        self.rms, self.peak = array("f"), array("f")
        self.zero, self.bands = bytearray(), bytearray()
        self.watch = ToneWatch(RATE)
        self._held: Samples = np.zeros(0, dtype=np.float32)
        self._tail: Samples = np.zeros(_WINDOW - _STEP, dtype=np.float32)
        self._taken = -1  # samples since the start, -1 before the first
        self._weights = _band_weights()

    def take(self, samples: Samples, time: float | None) -> None:
        """The next samples; `time` of the first of them in seconds, None where it is not known."""
        if self._taken < 0:
            self.start, self._taken = time or 0.0, 0
        expected = self.start + self._taken / RATE
        if time is not None and time - expected > _GAP:
            self._hole(min(time - expected, _LONGEST_HOLE))
        self._taken += len(samples)
        self._held = np.concatenate([self._held, samples]) if len(self._held) else samples
        while len(self._held) >= _BATCH * _STEP:
            self._measure(self._held[: _BATCH * _STEP])
            self._held = self._held[_BATCH * _STEP :]

    def finish(self) -> None:
        """Takes in what is left, a last part of 10 ms left out."""
        whole = len(self._held) // _STEP * _STEP
        if whole:
            self._measure(self._held[:whole])
        self._held = self._held[:0]

    def _hole(self, seconds: float) -> None:
        self.finish()
        entries = round(seconds / HOP)
        self.rms.extend([0.0] * entries)
        self.peak.extend([0.0] * entries)
        self.zero += bytes([ABSENT]) * entries
        self.bands += bytes(BANDS * entries)
        self._taken += entries * _STEP
        self.watch.interrupt(entries * _STEP)

    def _measure(self, samples: Samples) -> None:
        steps = samples.reshape(-1, _STEP)
        sizes = np.abs(steps)
        self.rms.extend(np.sqrt((steps * steps).mean(axis=1)).tolist())
        self.peak.extend(sizes.max(axis=1).tolist())
        self.zero += np.rint((sizes < _NOTHING).mean(axis=1) * 100).astype(np.uint8).tobytes()
        around = np.concatenate([self._tail, samples])
        windows = np.lib.stride_tricks.sliding_window_view(around, _WINDOW)[::_STEP]
        power = np.abs(np.fft.rfft(windows * _HANN, axis=1)) ** 2 @ self._weights
        decibels = 10 * np.log10(power + 1e-30)
        self.bands += np.clip(np.rint((decibels - FLOOR_DB) * 2), 0, 255).astype(np.uint8).tobytes()
        self._tail = around[-(_WINDOW - _STEP) :]
        self.watch.take(samples)


_HANN = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)


def _band_weights() -> NDArray[np.float32]:
    """Power spectrum → mean power in each band, scaled so that a full-scale sine gives about 0 dB in its band."""
    edges = np.geomspace(_LOWEST, _HIGHEST, BANDS + 1)
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    inside = (hertz[:, None] >= edges[None, :-1]) & (hertz[:, None] < edges[None, 1:])
    for band in np.flatnonzero(~inside.any(axis=0)):  # narrower than a line of the spectrum: its nearest line
        inside[np.abs(hertz - edges[band]).argmin(), band] = True
    weights: NDArray[np.float32] = (inside / (_WINDOW / 4) ** 2).astype(np.float32)
    return weights
