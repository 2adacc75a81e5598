"""Pictures left out or repeated at a regular pace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.continuity.deep.rhythm import padded, thinned
from tests.support.contents import decoded, sight
from tests.support.pictures import LIMITS, picture, steady, told, video

FILM = picture(video(steady(10)))


def found(**columns: Any) -> list[tuple[str, str]]:
    shown = decoded(FILM, sight=sight(**columns))
    return told([finding for check in (thinned, padded) for finding in check(shown, LIMITS)])


def moving(level: float = 3.0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Steps of a camera in motion, which change slowly and a little at random."""
    rng = np.random.default_rng(5)
    slow = 1 + 0.5 * np.sin(np.arange(250) / 17)
    return (level * slow * rng.uniform(0.85, 1.15, 250)).astype(np.float32)


def test_motion_alone_has_no_rhythm() -> None:
    assert found(step=moving()) == []


@pytest.mark.parametrize("every", [4, 5, 9, 24])
def test_a_double_step_at_every_nth_picture_is_a_suspicion(every: int) -> None:
    step = moving()
    step[every::every] *= 2
    shown = decoded(FILM, sight=sight(step=step))
    (finding,) = thinned(shown, LIMITS)
    assert told([finding]) == [("THINNED", "suspicion")] and finding.evidence["every"] == every


def test_key_pictures_differ_by_themselves() -> None:
    step = moving()
    step[::25] *= 2
    assert found(step=step) == []


def test_a_picture_that_never_came_leaves_a_hole_in_time() -> None:
    step, interval = moving(), np.full(250, 0.04)
    step[5::5] *= 2
    interval[5::5] *= 2
    assert found(step=step, time=np.cumsum(interval)) == []


def test_a_still_scene_has_no_rhythm_to_speak_of() -> None:
    step = moving(0.2)
    step[5::5] *= 2
    assert found(step=step) == []


def test_pictures_repeated_evenly_are_a_note() -> None:
    flags = np.zeros(250, dtype=np.uint8)
    flags[6::6] = 4
    assert found(step=moving(), flags=flags) == [("PADDED", "note")]


def test_pictures_repeated_now_and_then_are_none() -> None:
    flags = np.zeros(250, dtype=np.uint8)
    flags[np.random.default_rng(3).integers(1, 250, 30)] = 4
    assert found(step=moving(), flags=flags) == []
