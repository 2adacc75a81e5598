"""Signs that meet are a joint; signs apart, or of one kind, are not."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from pipeline.continuity import joints
from pipeline.continuity.model import KEY, Trace
from storage.records import Axis, Finding, Severity
from tests.support.pictures import LIMITS, audio, picture, steady, told, video

FILE = picture(video(steady(30)), audio(steady(30, 0.032)))


def sign(signal: str, start: float, end: float | None = None, stream: int = 0, *, proven: bool = False) -> Finding:
    severity = Severity.VIOLATION if proven else Severity.SUSPICION
    return Finding(
        code=f"REC-CONTINUOUS/{signal}", axis=Axis.TIMELINE, severity=severity, start=start,
        end=start if end is None else end, zh="。", en=".", evidence={"stream": stream},
    )  # fmt: skip


def tool() -> Finding:
    return Finding(code="UP-ORIGINAL/LAYOUT", axis=Axis.PROVENANCE, severity=Severity.SUSPICION, zh="。", en=".")


def found(*signs: Finding) -> list[Finding]:
    return list(joints.joints(signs, FILE, LIMITS))


@pytest.mark.parametrize(
    "signs",
    [
        (sign("GOP-BREAK", 10.0, 10.8), sign("OFF-GRID", 10.78, 10.81, 1)),
        (sign("GOP-BREAK", 10.0, 10.8), sign("GAP-PTS", 10.8, 11.0)),
        (sign("ENCODER-START", 10.0), sign("OFF-GRID", 9.97, 9.99, 1)),
        (sign("GOP-BREAK", 2.0, 12.0), sign("SOUND-FRAMES", 12.02, stream=1)),
        (sign("PARAMETERS-CHANGED", 10.0), sign("SCENE-CUT", 10.04)),
    ],
)
def test_the_coded_stream_and_another_sign_at_one_place(signs: tuple[Finding, ...]) -> None:
    findings = found(*signs)
    assert told(findings) == [("JOINT", "violation")]
    assert findings[0].start is not None and abs(findings[0].start - (signs[1].start or 0)) < 0.1


@pytest.mark.parametrize(
    "signs",
    [
        (sign("GOP-BREAK", 10.0, 10.8),),
        (sign("GOP-BREAK", 10.0, 10.8), sign("OFF-GRID", 14.0, 14.02, 1)),
        (sign("GOP-BREAK", 2.0, 12.0), sign("OFF-GRID", 7.0, 7.02, 1)),  # within the group, far from its ends
        (sign("GOP-BREAK", 10.0, 10.8), sign("ENCODER-START", 10.8)),  # both of the coded stream
        (sign("OFF-GRID", 10.0, 10.02), sign("OFF-GRID", 10.0, 10.02, 1)),  # a clock that was set
        (sign("GOP-BREAK", 10.0, 10.8), sign("AV-END", 10.8)),
        (sign("GOP-BREAK", 10.0, 10.8), sign("OFF-GRID", 10.8, stream=1), sign("IDR-ID", 10.8, proven=True)),
    ],
)
def test_no_joint(signs: tuple[Finding, ...]) -> None:
    assert found(*signs) == []


def test_one_joint_for_one_place() -> None:
    assert len(found(sign("GOP-BREAK", 10.0, 10.8), sign("ENCODER-START", 10.8), sign("OFF-GRID", 10.8, stream=1))) == 1


@pytest.mark.parametrize(
    "alone",
    [
        sign("OFF-GRID", 9.96, 10.04, 1),  # the sound shifts at the key picture of second 10
        sign("GAP-AUDIO", 10.05, 10.2, 1),
        sign("GAP-PTS", 9.8, 10.0),
        sign("GOP-BREAK", 9.0, 9.8),
        sign("ENCODER-START", 10.0),
    ],
)
def test_a_program_wrote_the_file_and_it_breaks_off_at_a_key_picture(alone: Finding) -> None:
    assert found(alone) == []
    (joint,) = found(alone, tool())
    assert told([joint]) == [("JOINT", "violation")]
    assert joint.start in (9.0, 10.0)


@pytest.mark.parametrize("apart", [sign("OFF-GRID", 10.4, 10.5, 1), sign("GAP-PTS", 10.2, 10.4), sign("AV-END", 10.0)])
def test_a_program_wrote_the_file_and_no_key_picture_is_near(apart: Finding) -> None:
    assert found(apart, tool()) == []


def test_a_program_wrote_the_file_and_every_picture_is_a_key_picture() -> None:
    intra = picture(video(steady(30), gop=1))
    assert list(joints.joints((sign("GAP-PTS", 9.8, 10.0), tool()), intra, LIMITS)) == []


def jump(at: float, likeness: float | None = 0.4) -> Finding:
    return replace(sign("SCENE-CUT", at - 0.04, at), evidence={"stream": 0, "likeness": likeness})


def test_the_picture_jumps_exactly_at_a_key_picture_that_came_by_the_count() -> None:
    (joint,) = found(jump(10.0))
    assert told([joint]) == [("JOINT", "violation")] and joint.start == 10.0


@pytest.mark.parametrize("sign_", [jump(10.04), jump(9.96), jump(10.0, 0.9), jump(10.0, None)])
def test_the_picture_jumps_elsewhere_or_to_a_like_place(sign_: Finding) -> None:
    assert found(sign_) == []


def test_the_picture_jumps_where_key_pictures_follow_the_scene() -> None:
    keys = (0, 20, 90, 110, 190, 250, 300, 310, 420, 500, 510, 640, 700)
    flags = array("B", (KEY if n in keys else 0 for n in range(750)))
    track = video(steady(30))
    loose = replace(track, packets=replace(track.packets, flags=flags))
    assert list(joints.joints((jump(10.0),), picture(loose), LIMITS)) == []


def test_what_comes_again_and_again_is_how_the_sound_was_packed() -> None:
    gaps = [sign("GAP-AUDIO", second, second + 0.06, 1) for second in range(2, 12)]
    assert found(*gaps, tool()) == [] and len(found(*gaps[:2], tool())) == 2


def test_the_picture_jumps_and_the_encoder_is_known_to_follow_the_scene() -> None:
    known = replace(FILE, traces=(Trace(0, 0, "x264 - core 164"),))
    assert [f.code for f in joints.joints((jump(10.0),), known, LIMITS)] == []
