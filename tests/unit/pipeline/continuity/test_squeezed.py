"""Two pictures closer than the camera films: a seam, unless something makes up for it."""

from __future__ import annotations

import random

from pipeline.continuity import squeezed
from storage.records import Finding
from tests.support.pictures import LIMITS, picture, steady, told, video


def found(times: list[float], gop: int = 25) -> list[Finding]:
    return list(squeezed.too_close(picture(video(times, gop=gop)), LIMITS))


def jittery(at: int, interval: float) -> list[float]:
    """Three seconds of a phone's pictures; before picture `at` `interval` seconds pass, whatever is usual."""
    chance, times = random.Random(1), [0.0]
    for number in range(1, 90):
        times.append(times[-1] + (interval if number == at else chance.uniform(0.032, 0.035)))
    return times


def test_a_phone_without_a_seam() -> None:
    assert found(jittery(50, 0.0335)) == [] and found(steady(5)) == []


def test_a_key_picture_pushed_against_the_one_before() -> None:
    (seam,) = found(jittery(50, 0.0002))
    assert told([seam]) == [("TOO-CLOSE", "violation")]
    assert seam.evidence["packet_after"] == 50


def test_a_key_picture_too_close() -> None:
    assert told(found(jittery(50, 0.015))) == [("TOO-CLOSE", "suspicion")]


def test_no_key_picture_there() -> None:
    assert found(jittery(60, 0.015)) == []


def test_a_late_picture_is_made_up_for() -> None:
    times = jittery(50, 0.0335)
    times[49] += 0.018
    assert found(times) == []


def test_a_camera_that_is_often_so_close() -> None:
    chance = random.Random(2)
    times = [0.0]
    for _ in range(120):
        times.append(times[-1] + chance.uniform(0.01, 0.05))
    assert found(times) == []


def test_a_second_piece_without_time() -> None:
    times = steady(3)
    times += [times[-1] + n / 45_000 for n in range(1, 200)]
    (seam,) = found(times, gop=75)
    assert told([seam]) == [("TOO-CLOSE", "violation")] and seam.evidence["pictures"] == 200


def test_a_burst_at_the_very_start_is_a_buffer_that_was_emptied() -> None:
    assert found([0.0001 * n for n in range(6)] + [0.04 * n for n in range(1, 100)]) == []


def test_a_stretch_at_twice_the_frame_rate_is_the_cameras_own() -> None:
    times = steady(4)
    times += [times[-1] + 0.02 * n for n in range(1, 40)]
    times += [times[-1] + 0.04 * n for n in range(1, 80)]
    assert found(times) == []
