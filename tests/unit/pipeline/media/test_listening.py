from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.continuity.content import BANDS
from pipeline.media.listening import ABSENT, RATE, Listener

Samples = NDArray[np.float32]


def room(seconds: float, level: float = 0.002, seed: int = 1) -> Samples:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.float32)


def tone(seconds: float, hertz: float, level: float) -> Samples:
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)).astype(np.float32)


def heard(*parts: Samples, piece: int = 1000) -> Listener:
    listener = Listener()
    samples = np.concatenate(parts)
    for first in range(0, len(samples), piece):
        listener.take(samples[first : first + piece], first / RATE)
    listener.finish()
    return listener


def test_every_ten_milliseconds_have_an_entry() -> None:
    listener = heard(room(3.0), piece=777)
    assert len(listener.rms) == len(listener.peak) == len(listener.zero) == 300
    assert len(listener.bands) == 300 * BANDS
    assert abs(float(np.mean(listener.rms)) - 0.002) < 2e-4


def test_digital_nothing_is_told_from_quiet() -> None:
    listener = heard(room(1.0), np.zeros(RATE, dtype=np.float32), room(1.0, 1e-4))
    zero = np.frombuffer(bytes(listener.zero), dtype=np.uint8)
    assert (zero[101:199] == 100).all()
    assert (zero[:100] < 10).all() and (zero[201:] < 60).all()


def test_missing_time_is_filled_and_marked() -> None:
    listener = Listener()
    listener.take(room(1.0), 5.0)
    listener.take(room(1.0), 6.5)
    listener.finish()
    zero = np.frombuffer(bytes(listener.zero), dtype=np.uint8)
    assert listener.start == 5.0
    assert len(zero) == 250 and (zero[100:150] == ABSENT).all() and (zero[150:] != ABSENT).all()


def test_absurd_time_stamps_do_not_fill_memory() -> None:
    listener = Listener()
    listener.take(room(0.1), 0.0)
    listener.take(room(0.1), 1e9)
    listener.finish()
    assert len(listener.rms) < 100_000


def test_a_tone_shows_in_its_band_only() -> None:
    listener = heard(tone(1.0, 1000, 0.5))
    bands = np.frombuffer(bytes(listener.bands), dtype=np.uint8).reshape(-1, BANDS)[50]
    edges = np.geomspace(100, 7000, BANDS + 1)
    assert edges[bands.argmax()] <= 1000 < edges[bands.argmax() + 1]
    assert bands.max() - np.median(bands) > 60  # 30 dB


@pytest.mark.parametrize(("hertz", "level"), [(50.02, 0.01), (100.04, 0.01), (347.0, 0.1), (1234.5, 0.05)])
def test_a_tone_that_is_cut_is_located(hertz: float, level: float) -> None:
    whole = tone(20, hertz, level) + room(20)
    missing = round((round(1.37 * hertz) + 0.37) / hertz * RATE)  # more than a third of a period too much
    listener = heard(whole[: 8 * RATE], whole[8 * RATE + missing :])
    assert [abs(found.hertz - hertz) < 0.2 and abs(found.time - 8) < 0.1 for found in listener.watch.found] == [True]


@pytest.mark.parametrize("hertz", [50.0, 347.0, 2000.0])
def test_a_tone_that_goes_on_is_not_broken(hertz: float) -> None:
    swell = (1 + 0.5 * np.sin(2 * np.pi * 0.3 * np.arange(20 * RATE) / RATE)).astype(np.float32)
    assert heard(tone(20, hertz, 0.05) * swell + room(20)).watch.found == []


def test_a_beep_that_pauses_is_not_broken() -> None:
    beeps = tone(20, 800, 0.1) * (np.arange(20 * RATE) % (2 * RATE) < 1.8 * RATE).astype(np.float32)
    pauses = np.concatenate([beeps[: 7 * RATE], beeps[7 * RATE + 11 :]])
    assert heard(pauses + room(20)[: len(pauses)]).watch.found == []


def test_noise_and_glides_have_no_steady_tone() -> None:
    glide = (0.1 * np.sin(2 * np.pi * (300 + 20 * np.arange(20 * RATE) / RATE) * np.arange(20 * RATE) / RATE)).astype(
        np.float32
    )
    assert heard(room(20, 0.1)).watch.found == []
    assert heard(glide + room(20)).watch.found == []
