"""Frozen, blank, silent, repeated, damaged: stretches of picture or sound."""

from __future__ import annotations

import numpy as np

from pipeline.continuity.content import ToneBreak
from pipeline.continuity.deep.blank import blank
from pipeline.continuity.deep.damage import undecodable
from pipeline.continuity.deep.frozen import frozen
from pipeline.continuity.deep.loops import repeated_passages
from pipeline.continuity.deep.silence import silent
from pipeline.continuity.deep.tones import broken_tones
from pipeline.continuity.unchecked import of_content
from tests.support.contents import decoded, sight, sound
from tests.support.pictures import LIMITS, picture, steady, told, video

FILM = picture(video(steady(10)))


def columns(pictures: int = 250, **values: float) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    return {name: np.full(pictures, value, dtype=np.float32) for name, value in values.items()}


def test_a_picture_that_stops_and_starts_at_once_is_frozen() -> None:
    step = columns(step=2.0)["step"]
    step[100:175] = 0.0
    found = list(frozen(decoded(FILM, sight=sight(step=step), sound=sound()), LIMITS))
    assert told(found) == [("FROZEN", "suspicion")]
    assert abs((found[0].start or 0) - 4) < 0.05 and abs((found[0].end or 0) - 7) < 0.05
    assert found[0].evidence["sound_goes_on"] is True


def test_a_camera_that_is_put_down_still_sees_noise() -> None:
    step = columns(step=2.0)["step"]
    step[100:175] = 0.3
    assert list(frozen(decoded(FILM, sight=sight(step=step)), LIMITS)) == []


def test_motion_that_dies_away_is_not_frozen() -> None:
    step = columns(step=2.0)["step"]
    step[80:100] = np.linspace(2, 0.1, 20)
    step[100:175] = 0.0
    assert list(frozen(decoded(FILM, sight=sight(step=step)), LIMITS)) == []


def test_a_device_that_repeats_pictures_by_habit_is_left_alone() -> None:
    step, flags = columns(step=2.0)["step"], np.zeros(250, dtype=np.uint8)
    step[np.arange(250) % 6 != 0] = 0
    flags[np.arange(250) % 6 != 0] = 4
    step[100:175], flags[100:175] = 0, 4
    assert list(frozen(decoded(FILM, sight=sight(step=step, flags=flags)), LIMITS)) == []


def test_one_colour_all_at_once_is_not_the_lens() -> None:
    spread, step = columns(spread=40.0)["spread"], columns(step=2.0)["step"]
    spread[100:150], step[101:150] = 0.0, 0.0
    found = list(blank(decoded(FILM, sight=sight(spread=spread, step=step)), LIMITS))
    assert told(found) == [("BLANK", "suspicion")]


def test_a_covered_lens_is_a_note() -> None:
    spread, step = columns(spread=40.0)["spread"], columns(step=0.4)["step"]
    spread[90:100], spread[100:150] = np.linspace(40, 2, 10), 1.2
    spread[150:160] = np.linspace(2, 40, 10)
    assert told(list(blank(decoded(FILM, sight=sight(spread=spread, step=step)), LIMITS))) == [("BLANK", "note")]


def zeros(*stretches: tuple[int, int]) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    zero = np.zeros(1000, dtype=np.uint8)
    for first, last in stretches:
        zero[first:last] = 100
    return zero


def silences(zero: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> list[tuple[str, str]]:
    return told(list(silent(decoded(FILM, sound=sound(zero=zero)), LIMITS)))


def test_digital_silence_in_the_middle_is_a_suspicion() -> None:
    assert silences(zeros((500, 600))) == [("SILENCE", "suspicion")]


def test_a_microphone_that_starts_is_not() -> None:
    assert silences(zeros((0, 34))) == []


def test_a_noise_gate_is_a_note() -> None:
    assert silences(zeros(*((first, first + 25) for first in range(100, 1000, 90)))) == [("SILENCE", "note")]


def test_silence_throughout_is_a_microphone_switched_off() -> None:
    assert silences(zeros((0, 1000))) == [("SILENCE", "note")]


def test_sound_that_was_muted_but_for_a_moment_is_a_suspicion() -> None:
    assert silences(zeros((0, 500), (530, 1000))) == [("SILENCE", "suspicion")] * 2
    assert silences(zeros((0, 990))) == [("SILENCE", "suspicion")]


def test_a_broken_tone_is_a_suspicion_once() -> None:
    tones = [ToneBreak(5.0, 50.02, 1.4, 0.01, 1.5, 1.5), ToneBreak(5.03, 150.06, -1.9, 0.004, 1.5, 1.5)]
    found = list(broken_tones(decoded(FILM, sound=sound(tones=tones)), LIMITS))
    assert told(found) == [("TONE-BREAK", "suspicion")]
    assert "市电" in found[0].zh


def test_a_passage_shown_twice_is_found_where_it_is_shown_again() -> None:
    shown = sight(500)
    shown.look[300:350], shown.change[300:350] = shown.look[50:100], shown.change[50:100] ^ np.uint64(0b1001)
    found = list(repeated_passages(decoded(FILM, sight=shown), LIMITS))
    assert told(found) == [("REPEATED-PASSAGE", "suspicion")]
    assert abs((found[0].start or 0) - 12) < 0.05 and abs((found[0].end or 0) - 14) < 0.05


def test_the_same_motion_elsewhere_is_no_repetition() -> None:
    shown = sight(500)
    shown.change[300:350] = shown.change[50:100]
    assert list(repeated_passages(decoded(FILM, sight=shown), LIMITS)) == []


def test_a_still_scene_does_not_repeat() -> None:
    still = sight(500, look=np.full(500, 77, dtype=np.uint64), **columns(500, step=0.05))
    still.change[300:350] = still.change[50:100]
    assert list(repeated_passages(decoded(FILM, sight=still), LIMITS)) == []


def test_a_fan_is_no_copy() -> None:
    """A scene that repeats itself does so again and again."""
    one = sight(50)
    fan = sight(500, look=np.tile(one.look, 10), change=np.tile(one.change, 10))
    assert list(repeated_passages(decoded(FILM, sight=fan), LIMITS)) == []


def test_pictures_that_cannot_be_decoded_are_a_suspicion_but_for_the_edges() -> None:
    flags = sight().flags
    flags[[3, 120, 121, 248]] |= 2
    found = list(undecodable(decoded(FILM, sight=sight(flags=flags, errors=(6.0, 9.9))), LIMITS))
    assert told(found) == [("UNDECODABLE", "suspicion")]
    assert found[0].evidence["times"] == [4.8, 4.84, 6.0]


def test_pictures_that_could_not_be_decoded_are_said_to_be_unchecked() -> None:
    for nothing in (None, sight(0)):
        told_of = {each.check: each.why for each in of_content(decoded(FILM, sight=nothing, sound=sound()))}
        assert told_of["decoding"] == "the pictures could not be decoded"
    assert "decoding" not in {each.check for each in of_content(decoded(FILM, sight=sight()))}
