"""The grid of frame times: seams shift it, dropped pictures and jitter don't."""

from __future__ import annotations

import random

from pipeline.continuity import cadence
from pipeline.continuity.model import Track
from storage.records import Finding
from tests.support.pictures import LIMITS, audio, picture, steady, told, video


def found(*tracks: Track) -> list[Finding]:
    return list(cadence.off_grid(picture(*tracks), LIMITS))


def shifted(*, by: float, at: int = 125) -> list[float]:
    """Pictures 0.04 s apart, all from number `at` on later."""
    return [time + (by if n >= at else 0) for n, time in enumerate(steady(10))]


def test_a_steady_stream_keeps_its_grid() -> None:
    assert found(video(steady(10)), audio(steady(10, 0.032))) == []


def test_a_seam_shifts_the_grid() -> None:
    (seam,) = found(video(shifted(by=0.013)))
    assert told([seam]) == [("OFF-GRID", "suspicion")] and (seam.start, seam.end) == (4.96, 5.013)


def test_sound_is_told_to_a_finer_measure() -> None:
    times = [time + (0.003 if n >= 100 else 0) for n, time in enumerate(steady(10, 0.032))]
    assert told(found(audio(times))) == [("OFF-GRID", "suspicion")]
    assert found(video(shifted(by=0.003))) == []


def test_pictures_pushed_together_at_a_key_picture_are_a_seam() -> None:
    start = steady(5)
    pushed = [*start, *(start[-1] + n / 90_000 for n in range(1, 5)), *(5.013 + n * 0.04 for n in range(120))]
    (seam,) = found(video(pushed))
    assert told([seam]) == [("OFF-GRID", "violation")] and seam.evidence["pushed_together"] == 4
    assert seam.start is not None and abs(seam.start - 4.96) < 0.05
    assert told(found(video(pushed, gop=1000))) == [("OFF-GRID", "suspicion")], "no key picture there"


def test_dropped_pictures_stay_on_the_grid() -> None:
    times = [time for n, time in enumerate(steady(10)) if n not in (50, 90, 91, 92, 150)]
    assert found(video(times)) == []


def test_a_late_picture_is_jitter() -> None:
    times = steady(10)
    times[100] += 0.02
    assert found(video(times)) == []


def test_a_variable_frame_rate_has_no_grid() -> None:
    chance, time, times = random.Random(1), 0.0, []
    for _ in range(300):
        time += chance.uniform(0.03, 0.05)
        times.append(time)
    assert found(video(times)) == []


def test_coarse_timescales_round() -> None:
    """Matroska counts milliseconds: 33, 33, 34 …; dropped pictures are multiples of the mean."""
    times = [round(n * 1001 / 30.0) / 1000 for n in range(400) if n not in (100, 200, 201, 202, 203)]
    assert found(video(times)) == []


def test_the_first_and_last_intervals_do_not_count() -> None:
    assert found(video(shifted(by=0.013, at=1))) == [] and found(video(shifted(by=0.013, at=249))) == []


def test_short_streams_have_no_grid() -> None:
    assert found(video(shifted(by=0.013, at=40)[:80])) == []
