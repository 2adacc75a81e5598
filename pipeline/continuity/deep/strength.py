"""How far a break in picture or sound stands out of what is near it. Figures: docs/continuity.md, "Deep"."""

from __future__ import annotations

import numpy as np

from pipeline.continuity.content import HOP, Break, Content, Sound

_LEAST = (0.1, 0.01, 0.1, 0.01)  # of step, contrast, residual, peak: below these everything is alike
_LEAST_UNLIKE = 0.03  # of likeness: noise costs as much
_DARK, _FLAT = 30.0, 12.0  # luma, standard deviation: too little to tell a place by
_NEAR = 2.0  # seconds on either side that a change of sound is compared with
_SIDE = 8  # entries (80 ms) before and after a change
_ZERO = 99  # percent of the samples: digital nothing
_LEAST_CHANGE = 4.0  # decibels, mean over the bands
_MOST_CHANGE = 1.3  # times the strongest twentieth of the changes near by
_AROUND = 0.08  # seconds: a cut in the sound may lie so far from the cut in the picture


def strength(found: Break) -> float:
    """By what factor a picture's difference exceeds the greatest near it: the geometric mean of five measures.

    The fifth, how unlike the blocks are, tells a blow to the camera from a cut: it is left out where it isn't known.
    """
    step, contrast, residual = (
        max(here, 1e-3) / (near + least)
        for (here, near), least in zip((found.step, found.contrast, found.residual), _LEAST, strict=False)
    )
    measures = [step, contrast, residual, max(found.peak[1] / (found.peak[0] + _LEAST[3]), 1e-3)]
    if found.likeness is not None and found.unlikest is not None:
        measures.append((1 - found.likeness) / (1 - found.unlikest + _LEAST_UNLIKE))
    return float(np.prod(measures) ** (1 / len(measures)))


def only_light(found: Break) -> bool:
    """The same place in another light: a lamp, a flash, the exposure. Structure stays where brightness changes."""
    return found.likeness is not None and found.likeness >= 0.8 and abs(found.luma[1] - found.luma[0]) > 4


def too_dark(found: Break) -> bool:
    """One of the two pictures shows too little to say that it is another place: a hand over the lens, a dark room."""
    return any(mean < _DARK and spread < _FLAT for mean, spread in zip(found.luma, found.spread, strict=True))


def sound_breaks(content: Content, time: float) -> bool:
    """Whether the sound changes its character at `time` more than anywhere near it, or falls into or out of nothing."""
    sound = content.sound
    if sound is None:
        return False
    if any(abs(tone.time + sound.start - time) <= _AROUND for tone in sound.tones):
        return True
    return _falls_silent(sound, time) or _changes_most(sound, time)


def _changes_most(sound: Sound, time: float) -> bool:
    centre, reach = round((time - sound.start) / HOP), round(_NEAR / HOP)
    first, last = max(0, centre - reach), min(len(sound.rms), centre + reach)
    if last - first < reach or not first + _SIDE < centre < last - _SIDE:
        return False
    change = novelty(sound, first, last)
    here = centre - first - _SIDE
    width = round(_AROUND / HOP)
    inside = change[max(0, here - width) : here + width + 1]
    outside = np.concatenate([change[: max(0, here - 3 * width)], change[here + 3 * width :]])
    if not len(inside) or len(outside) <= width:
        return False
    return bool(inside.max() >= max(_LEAST_CHANGE, _MOST_CHANGE * np.percentile(outside, 95)))


def _falls_silent(sound: Sound, time: float) -> bool:
    """Whether digital nothing begins or ends within a few hundredths of a second."""
    centre, width = round((time - sound.start) / HOP), round(_AROUND / HOP)
    before, after = (
        sound.zero[max(0, centre - 3 * width) : centre - width],
        sound.zero[centre + width : centre + 3 * width],
    )
    if len(before) < width or len(after) < width:
        return False
    shares = float((before >= _ZERO).mean()), float((after >= _ZERO).mean())
    return min(shares) < 0.1 and max(shares) > 0.9


def novelty(sound: Sound, first: int, last: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Mean difference in decibels between the spectra of 80 ms after and before each entry of first + 8 … last − 8."""
    levels = sound.bands[first:last].astype(np.float64) / 2
    total = np.concatenate([np.zeros((1, levels.shape[1])), np.cumsum(levels, axis=0)])
    means = (total[_SIDE:] - total[:-_SIDE]) / _SIDE
    change: np.ndarray[tuple[int], np.dtype[np.float64]] = np.abs(means[_SIDE:] - means[:-_SIDE]).mean(axis=1)
    return change
