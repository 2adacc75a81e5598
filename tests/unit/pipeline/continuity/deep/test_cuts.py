from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.continuity.content import ToneBreak
from pipeline.continuity.deep.cuts import scene_cuts
from pipeline.continuity.deep.strength import novelty, sound_breaks, strength
from tests.support.contents import decoded, jump, sight, sound
from tests.support.pictures import LIMITS, picture, steady, told, video

FILM = picture(video(steady(10)))


def found(*breaks: object, heard: object = None) -> list[tuple[str, str]]:
    return told(list(scene_cuts(decoded(FILM, sight=sight(breaks=tuple(breaks)), sound=heard), LIMITS)))


def test_a_picture_that_does_not_follow_is_a_suspicion() -> None:
    assert found(jump()) == [("SCENE-CUT", "suspicion")]


def test_it_is_located_between_the_two_pictures() -> None:
    finding = next(iter(scene_cuts(decoded(FILM, sight=sight(breaks=(jump(5.0),))), LIMITS)))
    assert (finding.start, finding.end) == (4.96, 5.0)
    assert finding.evidence["strength"] > 5


def test_a_weak_break_is_motion() -> None:
    assert found(jump(step=(2.6, 2.0), contrast=(0.12, 0.1), residual=(1.2, 1.0), peak=(0.25, 0.3))) == []


def test_another_light_on_the_same_place_is_no_cut() -> None:
    assert found(jump(likeness=0.92, luma=(60.0, 110.0))) == []


def test_into_the_dark_is_no_cut() -> None:
    assert found(jump(luma=(100.0, 4.0), spread=(40.0, 3.0), likeness=None)) == []


def test_most_of_the_picture_staying_is_no_cut() -> None:
    assert found(jump(5.2, likeness=0.98, area=0.1)) == []
    assert found(jump(5.2, likeness=0.98, step=(0.8, 0.02))) == []


def test_what_moved_on_before_a_camera_that_stands_still_is_a_cut() -> None:
    assert found(jump(5.2, likeness=0.98, area=0.6)) == [("SCENE-CUT", "suspicion")]


def test_a_flash_is_no_foreign_picture() -> None:
    assert found(jump(returns=1, luma=(100.0, 190.0))) == []


def test_two_pictures_of_another_place_are_found() -> None:
    assert found(jump(returns=2)) == [("FOREIGN-PICTURES", "suspicion")]


def test_breaks_close_together_are_one() -> None:
    assert len(found(jump(5.0), jump(5.08))) == 1


def test_a_key_picture_after_a_still_scene_is_no_cut_whatever_is_heard() -> None:
    key = jump(likeness=0.99)
    assert found(key, heard=silence_from(502)) == []
    assert found(replace(key, frame=130, time=5.2, before=5.16, area=0.1), heard=silence_from(522)) == [
        ("SCENE-CUT", "suspicion")
    ]


def silence_from(entry: int) -> object:
    zero = np.zeros(1000, dtype=np.uint8)
    zero[entry:] = 100
    return sound(zero=zero)


def test_with_a_break_in_the_sound_at_the_same_moment_it_is_proven() -> None:
    assert found(jump(5.0), heard=silence_from(502)) == [("SCENE-CUT", "violation")]
    assert found(jump(5.0), heard=silence_from(620)) == [("SCENE-CUT", "suspicion")]


def test_a_weaker_break_counts_with_a_break_in_the_sound() -> None:
    weak = jump(step=(4.0, 2.0), contrast=(0.16, 0.1), residual=(1.6, 1.0), peak=(0.2, 0.3))
    assert LIMITS.picture_break_with_sound < strength(weak) < LIMITS.picture_break
    assert found(weak) == []
    assert found(weak, heard=silence_from(498)) == [("SCENE-CUT", "suspicion")]


def test_a_change_of_spectrum_is_located() -> None:
    bands = sound().bands.copy()
    bands[500:] = bands[500:] + np.linspace(0, 60, bands.shape[1]).astype(np.uint8)
    content = decoded(FILM, sight=sight(), sound=sound(bands=bands)).content
    assert content is not None and content.sound is not None
    assert sound_breaks(content, 5.03)
    assert not sound_breaks(content, 3.0)
    assert int(novelty(content.sound, 0, 1000).argmax()) + 8 == 500


def test_a_broken_tone_is_a_break_in_the_sound() -> None:
    content = decoded(FILM, sight=sight(), sound=sound(tones=[ToneBreak(5.02, 50.0, 1.5, 0.01, 1.5, 1.5)])).content
    assert content is not None and sound_breaks(content, 5.0)
