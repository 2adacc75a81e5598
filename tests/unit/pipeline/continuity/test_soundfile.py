"""What the checks make of places where a sound file does not go on."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.continuity import soundfile, unchecked
from pipeline.continuity.framed import Count, Framed, Spot
from pipeline.continuity.model import Picture
from pipeline.continuity.structure import Structure
from storage.records import Finding
from tests.support.pictures import LIMITS, audio, picture, steady, told


def sound(*spots: Spot, form: str = "mp3", size: int = 1000, **facts: Any) -> Picture:
    framed = Framed(form, 1000, 26.0, spots=spots, spot_count=len(spots), **facts)
    seen = picture(audio(steady(26)), structure=Structure(form, framed=framed))
    return dataclasses.replace(seen, size=size)


def found(seen: Picture) -> list[Finding]:
    return [finding for check in soundfile.CHECKS for finding in check(seen, LIMITS)]


def spot(what: str, **facts: Any) -> Spot:
    return Spot(what, **({"offset": 4000, "frame": 100, "time": 2.6} | facts))


def test_a_whole_file_has_no_finding() -> None:
    counts = (Count("frames", 1000, 1000), Count("bytes", 9000, 9000))
    assert found(sound(counts=counts)) == [] and found(picture(audio(steady(5)))) == []


@pytest.mark.parametrize(
    ("one", "told_as"),
    [
        (spot("begin", text="ID3v2.4"), ("JOINED", "violation")),
        (spot("number", expected=5, found=9), ("FRAME-NUMBER", "violation")),
        (spot("number", expected=5, found=2), ("FRAME-NUMBER", "violation")),
        (spot("continued"), ("FRAME-NUMBER", "violation")),
        (spot("position", expected=480, found=48_480, text="48000"), ("POSITION", "violation")),
        (spot("position", expected=480, found=40, text="back"), ("POSITION", "violation")),
        (spot("position", found=480_000, text="head"), ("SOUND-HEAD", "suspicion")),
        (spot("rhythm", expected=20), ("PADDING", "violation")),
        (spot("parameters", text="8000 Hz → 16000 Hz"), ("PARAMETERS-CHANGED", "violation")),
        (spot("mode", text="64 kbit/s → 32 kbit/s"), ("PARAMETERS-CHANGED", "suspicion")),
        (spot("checksum", text="frame"), ("CHECKSUM", "violation")),
        (spot("checksum", text="sound"), ("CHECKSUM", "suspicion")),
        (spot("between", found=70), ("BETWEEN-FRAMES", "suspicion")),
        (spot("restart", expected=256, found=7, text="Lavc"), ("ENCODER-RESTART", "suspicion")),
        (spot("range", expected=5, found=9), ("FRAME-RANGE", "suspicion")),
        (spot("index", expected=5), ("SEEK-TABLE", "suspicion")),
        (spot("cut", expected=384, found=10), ("UNFINISHED", "suspicion")),
    ],
)
def test_each_spot(one: Spot, told_as: tuple[str, str]) -> None:
    (finding,) = found(sound(one))
    assert told([finding]) == [told_as]
    assert finding.start == 2.6 and finding.evidence["offset"] == 4000 and finding.evidence["frame"] == 100
    assert finding.zh.endswith("。") and finding.en


def test_frames_of_one_size_that_are_shifted_and_those_that_damage_leaves_in_place() -> None:
    assert told(found(sound(spot("between", found=70, expected=32)))) == [("BETWEEN-FRAMES", "violation")]
    for left in (spot("between", found=64), spot("between", found=70, expected=32, text="zeros")):
        assert told(found(sound(left))) == [("BETWEEN-FRAMES", "suspicion")]
    assert told(found(sound(spot("between", found=70, expected=32, frame=0)))) == [("BETWEEN-FRAMES", "suspicion")]


def test_a_shift_of_the_rhythm_has_a_span() -> None:
    (finding,) = found(sound(spot("rhythm", expected=20)))
    assert (finding.start, finding.end) == (2.6, 3.12)


def test_numbers_that_often_do_not_go_on_prove_nothing() -> None:
    spots = [spot("number", expected=n, found=0, frame=n) for n in range(30)]
    assert told(found(sound(*spots, form="flac"))) == [("FRAME-NUMBER", "suspicion")]
    spots = [spot("position", expected=n, found=0, text="back") for n in range(30)]
    assert found(sound(*spots, form="ogg")) == []


def test_a_leap_of_a_packet_may_be_the_clocks() -> None:
    assert told(found(sound(spot("position", expected=0, found=960, text="48000")))) == [("POSITION", "suspicion")]


def test_one_break_is_told_once() -> None:
    page = spot("number", expected=5, found=6), spot("position", expected=5, found=6, text="48000")
    assert told(found(sound(*page, form="ogg"))) == [("FRAME-NUMBER", "violation")]
    other = spot("parameters", text="a → b"), spot("mode", text="c → d")
    assert told(found(sound(*other))) == [("PARAMETERS-CHANGED", "violation")]


def test_broadcasts_may_change_their_coding_and_restless_files_are_told_once() -> None:
    assert told(found(sound(spot("parameters"), form="ac3"))) == [("PARAMETERS-CHANGED", "suspicion")]
    many = [spot("parameters", offset=n) for n in range(9)]
    assert told(found(sound(*many))) == [("PARAMETERS-CHANGED", "suspicion")]


def test_an_encoder_that_computes_no_sums_is_left_alone() -> None:
    seen = sound(spot("checksum", text="frame"), form="ac3", summed=100, bad_sums=99)
    assert found(seen) == []
    assert "checksums" in [each.check for each in unchecked.of_container(seen)]


def test_recorders_that_write_whole_sectors() -> None:
    assert told(found(sound(spot("cut"), size=512 * 900))) == [("UNFINISHED", "note")]


def test_an_end_that_is_not_marked() -> None:
    assert told(found(sound(form="ogg", closed=False))) == [("UNFINISHED", "suspicion")]
    assert told(found(sound(spot("cut"), form="ogg", closed=False))) == [("UNFINISHED", "suspicion")]


def test_numbers_that_begin_in_the_middle() -> None:
    assert told(found(sound(form="flac", first_number=28))) == [("SOUND-HEAD", "suspicion")]


def test_counts() -> None:
    def counted(*counts: Count) -> list[tuple[str, str]]:
        return told(found(sound(counts=counts)))

    assert counted(Count("samples", 96_000, 90_000)) == [("SOUND-COUNT", "violation")]
    assert counted(Count("samples", 96_000, 99_000)) == [("SOUND-COUNT", "suspicion")]
    both = Count("frames", 900, 800), Count("bytes", 9000, 8000)
    assert counted(*both) == [("SOUND-COUNT", "violation")]
    assert counted(both[0]) == [("SOUND-COUNT", "suspicion")], "one account only"
    assert counted(both[0], Count("bytes", 9000, 9000)) == [("SOUND-COUNT", "suspicion")], "damaged, not removed"
    assert counted(Count("frames", 900, 899)) == [], "some count the frame that tells"


def test_what_such_files_cannot_show_is_said() -> None:
    def left_open(**facts: Any) -> list[str]:
        return [each.check for each in unchecked.of_container(sound(**facts))]

    assert left_open(form="aac") == ["sound-numbers"] and left_open() == ["sound-numbers"]
    assert left_open(rhythm=900) == [] and left_open(form="ogg") == []
    assert left_open(form="flac", unsummed=7) == ["checksums", "sound-sum"]
    assert left_open(form="ogg", complete=False) == ["container"]
