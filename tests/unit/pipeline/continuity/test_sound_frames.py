"""Frames of sound that don't follow from the one before."""

from __future__ import annotations

import dataclasses

from pipeline.continuity import sound, uncounted
from pipeline.continuity.coding import Fault, Sound
from pipeline.continuity.framed import Framed
from pipeline.continuity.model import Track
from pipeline.continuity.structure import Structure
from storage.records import Finding
from tests.support.pictures import LIMITS, audio, picture, steady, told


def heard(facts: Sound | None) -> Track:
    return dataclasses.replace(audio(steady(30, 0.032)), sound=facts)


def found(facts: Sound | None) -> list[Finding]:
    return [finding for check in sound.CHECKS for finding in check(picture(heard(facts)), LIMITS)]


def test_frames_that_follow_are_no_finding() -> None:
    assert found(None) == [] and found(Sound("aac", 1024, 900)) == []
    assert found(Sound("mp3", 1152, 900, declared=900)) == []


def test_a_reservoir_that_is_not_there_is_a_violation_and_a_window_a_suspicion() -> None:
    findings = found(Sound("mp3", 1152, 900, faults=(Fault(125, "reservoir", 20, 300),)))
    assert told(findings) == [("SOUND-FRAMES", "violation")] and findings[0].start == 4.0
    for what in ("window", "header"):
        assert told(found(Sound("aac", 1024, 900, faults=(Fault(9, what, 0, 1),)))) == [("SOUND-FRAMES", "suspicion")]


def test_encoders_that_never_get_it_right_are_left_alone() -> None:
    faults = tuple(Fault(n, "window", 0, 1) for n in range(100))
    assert found(Sound("aac", 1024, 900, faults=faults)) == []


def test_a_head_cut_off_and_a_wrong_count_are_suspicions() -> None:
    findings = found(Sound("mp3", 1152, 700, declared=900, borrowed=300))
    assert told(findings) == [("SOUND-HEAD", "suspicion"), ("SOUND-COUNT", "suspicion")]


def test_sound_without_such_heads_is_said_to_be_unchecked() -> None:
    assert [each.check for each in uncounted.of_audio(heard(None))] == ["sound-frames"]
    assert list(uncounted.of_audio(heard(Sound("aac")))) == []


def test_frames_with_numbers_and_sums() -> None:
    for what, severity in (("number", "violation"), ("size", "suspicion"), ("sum", "suspicion")):
        assert told(found(Sound("flac", 4096, 900, faults=(Fault(9, what, 4, 7),)))) == [("SOUND-FRAMES", severity)]


def test_files_of_nothing_but_frames_tell_them_themselves() -> None:
    track = heard(Sound("flac", 4096, 900, faults=(Fault(9, "number", 4, 7), Fault(20, "window", 0, 1))))
    seen = picture(track, structure=Structure("flac", framed=Framed("flac", 900, 30.0)))
    assert [f.evidence["what"] for f in sound.sound_frames(seen, LIMITS)] == ["window"]


def test_frames_without_numbers_are_said_to_be_so() -> None:
    assert [each.check for each in uncounted.of_audio(heard(Sound("amr")))] == ["sound-numbers"]
