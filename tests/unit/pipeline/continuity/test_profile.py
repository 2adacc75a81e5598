"""Profiles: what is learned, what counts as a departure, and how far it proves anything."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.continuity import profile as profiles
from pipeline.continuity import traits
from pipeline.continuity.coding import Coding
from pipeline.continuity.model import Jpeg, Metadata, Photo, Picture, Stream, Track
from pipeline.continuity.profile import Profile, Specimen, compare, in_its_light, learn, limits_for, reservations
from pipeline.continuity.structure import Structure
from pipeline.continuity.verdict import judge
from storage.records import Axis, Finding, Severity, Verdict
from tests.support.pictures import LIMITS, audio, boxes, picture, steady, told, track_box, video

NOW = "2026-11-20T01:02:03.000Z"
TRAK = "trak(tkhd mdia(mdhd hdlr vide Camera minf(vmhd dinf(dref) stbl(stsd avc1 stts stss stsc stsz stco))))"
LAYOUT = ("ftyp mp42 0 mp42", "mdat", "moov", "mvhd 90000", TRAK, "udta")
TAGS = {
    "UserData:Make": "Sample",
    "UserData:Model": "Cam",
    "UserData:SerialNumber": "LH1",
    "UserData:FirmwareVersion": "1.2",
}


def recording(
    number: int = 1, *, layout: tuple[str, ...] = LAYOUT, tags: dict[str, Any] | None = None, **facts: Any
) -> Picture:
    stream = Stream(0, "video", "h264", (1, 90_000), 250, 25.0, facts.pop("width", 1920), 1080)
    film = video(steady(10))
    track = Track(stream, film.packets, Coding(parameters=facts.pop("parameters", "sps profile=77")))
    known = {"boxes": boxes(track_box(), brand=facts.pop("brand", "mp42")), "format": "mov,mp4"}
    structure = Structure("isobmff", layout)
    name = facts.pop("name", f"LH1_2023111422132{number}_0001.MP4")
    return picture(track, name=name, tags=TAGS if tags is None else tags, structure=structure, **(known | facts))


def specimens(*pictures: Picture, findings: tuple[Finding, ...] = ()) -> list[Specimen]:
    return [Specimen(each, f"{n:064x}", findings) for n, each in enumerate(pictures)]


def learned(count: int = 3) -> Profile:
    return learn("LH1", specimens(*(recording(n) for n in range(count))), NOW)


def departures(file: Picture, profile: Profile | None = None) -> list[tuple[str, str]]:
    return told(list(compare(file, profile or learned())))


def test_the_devices_own_files_do_not_depart() -> None:
    assert departures(recording(9)) == []
    assert departures(recording(9, layout=LAYOUT[:-1])) == [], "no position, no udta"


def test_what_is_learned() -> None:
    profile = learned()
    assert (profile.make, profile.model, profile.inside, profile.firmware) == ("Sample", "Cam", ("LH1",), ("1.2",))
    (habits,) = profile.modes.values()
    assert list(profile.modes) == ["h264 1920x1080@25"] and (habits.kind, habits.files) == ("video", 3)
    assert habits.traits["boxes"] == ("ftyp mdat moov mvhd trak",) and habits.traits["name"] == ("LH#_#_#.MP4",)
    assert "UserData:SerialNumber" in habits.tags


def test_learning_goes_on_and_counts_no_file_twice() -> None:
    two = learn("LH1", specimens(recording(1), recording(2)), NOW)
    again = learn("LH1", specimens(recording(1), recording(2)), NOW, two)
    assert again == two
    more = learn("LH1", [Specimen(recording(3, width=1280), "f" * 64)], NOW, two)
    assert len(more.files) == 3 and {name: h.files for name, h in more.modes.items()} == {
        "h264 1920x1080@25": 2,
        "h264 1280x1080@25": 1,
    }


FFMPEG = ("ftyp isom 512 isom", "free", "mdat", "moov", "mvhd 1000", TRAK.replace("Camera", "VideoHandler"), "udta")


@pytest.mark.parametrize(
    ("facts", "signal"),
    [
        ({"brand": "isom"}, "PROFILE-BRAND"),
        ({"layout": ("ftyp mp42 0 mp42", "moov", "mvhd 90000", TRAK, "udta", "mdat")}, "PROFILE-BOXES"),
        ({"layout": (*LAYOUT[:4], TRAK.replace("Camera", "VideoHandler"), "udta")}, "PROFILE-TRACK"),
        ({"parameters": "sps profile=100"}, "PROFILE-PARAMETERS"),
        ({"format": "matroska,webm"}, "PROFILE-FORMAT"),
    ],
)
def test_another_writer_or_encoder_is_a_violation(facts: dict[str, Any], signal: str) -> None:
    assert departures(recording(9, **facts)) == [(signal, "violation")]
    few = learned(2)
    assert departures(recording(9, **facts), few) == [(signal, "suspicion")], "two files prove nothing"


def test_large_files_and_late_sound_change_boxes_without_proving_anything() -> None:
    large = TRAK.replace("stco", "co64").replace("mdia", "edts(elst) mdia")
    assert departures(recording(9, layout=(*LAYOUT[:4], large, "udta"))) == [("PROFILE-EXTRAS", "note")]


def test_traces_of_transcoders_are_a_violation_in_any_mode() -> None:
    encoded = {"ItemList:Encoder": "Lavf60.3.100"} | TAGS
    assert ("PROFILE-SOFTWARE", "violation") in departures(recording(9, tags=encoded))
    assert ("PROFILE-SOFTWARE", "violation") in departures(recording(9, tags=encoded, width=640))
    assert ("PROFILE-SOFTWARE", "suspicion") in departures(recording(9, tags=encoded), learned(1))


def test_a_device_built_on_ffmpeg_earns_no_suspicion_for_it() -> None:
    own = {"ItemList:Encoder": "Lavf60.3.100"} | TAGS
    files = [recording(n, tags=own) for n in range(3)]
    findings = judge(files[0], "", LIMITS).findings
    assert told(findings) == [("ENCODER-TRACE", "suspicion")]
    profile = learn("LH1", specimens(*files, findings=findings), NOW)
    report = judge(recording(9, tags=own), "", LIMITS, profile)
    assert report.verdict is Verdict.CONTINUOUS and told(report.findings) == [("ENCODER-TRACE", "note")]


def test_stripped_metadata() -> None:
    assert departures(recording(9, tags={"UserData:Make": "Sample"})) == [("PROFILE-TAGS", "violation")]
    kept = {key: value for key, value in TAGS.items() if not key.endswith("Firmware")}
    assert departures(recording(9, tags=kept)) == []


def test_the_serial_of_another_device() -> None:
    assert departures(recording(9, tags=TAGS | {"UserData:SerialNumber": "LH2"})) == [("PROFILE-SERIAL", "violation")]


def test_a_new_firmware_proves_nothing() -> None:
    updated = TAGS | {"UserData:FirmwareVersion": "2.0"}
    signals = departures(recording(9, tags=updated, brand="isom"))
    assert signals == [("PROFILE-FIRMWARE", "note"), ("PROFILE-BRAND", "suspicion")]


def test_a_mode_that_was_not_learned_is_said() -> None:
    other = recording(9, width=1280, parameters="sps profile=66", layout=(*LAYOUT[:3], "mvhd 30000", TRAK))
    assert departures(other) == []
    (open_question,) = reservations(other, learned())
    assert "1280x1080" in open_question.why and "1280x1080" in open_question.zh
    memo = picture(audio(steady(10, 0.032)), name="MEMO.WAV", format="wav")
    assert departures(memo) == [] and len(list(reservations(memo, learned()))) == 1


def test_a_profile_borrowed_from_the_model_proves_nothing() -> None:
    borrowed = profiles.borrowed(learned())
    another = TAGS | {"UserData:SerialNumber": "LH2"}
    assert departures(recording(9, tags=another), borrowed) == []
    assert departures(recording(9, tags=another, brand="isom"), borrowed) == [("PROFILE-BRAND", "suspicion")]


def finding(code: str, severity: Severity) -> Finding:
    return Finding(code, Axis.FILE, severity, "有发现。", "found")


@pytest.mark.parametrize(
    ("code", "severity", "files", "becomes"),
    [
        ("UP-ORIGINAL/LAYOUT", Severity.SUSPICION, 3, Severity.NOTE),
        ("REC-TRUE/DATES", Severity.SUSPICION, 1, Severity.NOTE),
        ("REC-TRUE/EDIT-LIST", Severity.VIOLATION, 3, Severity.NOTE),
        ("REC-TRUE/EDIT-LIST", Severity.VIOLATION, 2, Severity.VIOLATION),
        ("REC-CONTINUOUS/GAP-PTS", Severity.SUSPICION, 3, Severity.SUSPICION),
        ("REC-TRUE/DAMAGED", Severity.SUSPICION, 3, Severity.SUSPICION),
    ],
)
def test_what_every_genuine_file_earns_is_context(code: str, severity: Severity, files: int, becomes: Severity) -> None:
    one = finding(code, severity)
    profile = learn("LH1", specimens(*(recording(n) for n in range(files)), findings=(one,)), NOW)
    (seen,) = in_its_light([one], profile)
    assert seen.severity is becomes and seen.code == code
    (other,) = in_its_light([finding("UP-ORIGINAL/EDITOR", Severity.SUSPICION)], profile)
    assert other.severity is Severity.SUSPICION


def test_a_pre_event_buffer_is_learned() -> None:
    late = picture(video(steady(40)), audio(steady(10, 0.032, start=30.0)), tags=TAGS)
    profile = learn("LH1", specimens(late), NOW)
    assert profile.sound_late == 30.0 and limits_for(profile, LIMITS).av_start > 30.0
    assert [f.code for f in judge(late, "", LIMITS).findings] == ["REC-CONTINUOUS/AV-START"]
    assert judge(late, "", LIMITS, profile).verdict is Verdict.CONTINUOUS


def test_photos_have_habits_too() -> None:
    coded = Jpeg(("APP1/Exif", "DQT", "SOF0", "DHT", "SOS"), 4000, 3000, "2x1,1x1,1x1", None, "aa", True, (160, 120))
    saved = dataclasses.replace(coded, segments=("APP0/JFIF", "APP1/Exif", "DQT", "SOF0", "DHT", "SOS"))

    def photo(how: Jpeg) -> Picture:
        return Picture(
            "IMG_0001.JPG", 9, "photos", photo=Photo("image/jpeg", True, how), metadata=Metadata({"IFD0:Model": "Cam"})
        )

    profile = learn("LH1", specimens(*[photo(coded)] * 3), NOW)
    assert departures(photo(dataclasses.replace(coded, width=2000)), profile) == []
    assert departures(photo(saved), profile) == [("PROFILE-PHOTO", "violation")]


def test_a_device_whose_names_agree_with_its_dates() -> None:
    renamed = recording(9, name="LH1_20231114211320_0001.MP4", boxes=boxes(track_box(), created=1_700_000_400))
    assert departures(renamed) == [("PROFILE-NAMED", "suspicion")]


def test_values_are_printable_whatever_is_in_the_file() -> None:
    strange = recording(1, tags={"UserData:Software": "a\0b\x1b[31m"}, name="a\0b\x1b.MP4")
    assert all(trait.value.isprintable() for trait in traits.traits(strange))
