"""Names and dates that tell who wrote a file."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pipeline.continuity import provenance
from pipeline.continuity.model import Jpeg, Metadata, Photo, Picture, Trace
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video


def found(file: Picture) -> list[Finding]:
    return [finding for check in provenance.CHECKS for finding in check(file, LIMITS)]


def film(tags: dict[str, Any] | None = None, **facts: Any) -> Picture:
    return picture(video(steady(10)), tags=tags, **facts)


def photo(complete: bool = True, **tags: str) -> Picture:
    named = {key.replace("_", ":", 1): value for key, value in tags.items()}
    return Picture("a.jpg", 100, "photos", photo=Photo("image/jpeg", complete), metadata=Metadata(named))


def test_a_device_that_signs_with_its_own_name_is_fine() -> None:
    tags = {"Track1:CompressorName": "GoPro AVC encoder", "IFD0:Software": "v01.23.4920", "Keys:Software": "17.2.1"}
    assert found(film(tags, boxes=boxes(track_box()))) == []


@pytest.mark.parametrize("text", ["Lavf58.20.100", "Lavc59.37.100 libx264", "x265 (build 199)"])
def test_the_libraries_of_ffmpeg_are_a_suspicion(text: str) -> None:
    findings = found(picture(video(steady(10)), **{"traces": (), "tags": {"ItemList:Encoder": text}}))
    assert told(findings) == [("ENCODER-TRACE", "suspicion")] and text[:8] in findings[0].zh


def test_an_encoder_that_names_itself_in_the_stream_is_a_suspicion() -> None:
    assert told(found(film(traces=(Trace(0, 0, "x264 - core 164"),)))) == [("ENCODER-TRACE", "suspicion")]


def test_encoders_that_sign_every_key_picture_are_not_restarted() -> None:
    traces = (Trace(0, 0, "Lavc59.37.100"), Trace(0, 25, "Lavc59.37.100"))
    assert told(found(film(traces=traces))) == [("ENCODER-TRACE", "suspicion")]


def test_an_encoder_that_names_itself_again_is_located() -> None:
    traces = (Trace(0, 0, "x264 - core 164"), Trace(0, 100, "x264 - core 164"))
    restart = found(film(traces=traces))[1]
    assert told([restart]) == [("ENCODER-RESTART", "suspicion")] and restart.start == 4.0


@pytest.mark.parametrize(
    "text", ["Adobe Premiere Pro 2024", "Microsoft Windows Photo Viewer 10.0", "剪映", "mkvmerge v70"]
)
def test_editors_are_a_suspicion(text: str) -> None:
    assert told(found(film({"IFD0:Software": text}))) == [("EDITOR", "suspicion")]


def test_a_title_that_speaks_of_an_editor_is_none() -> None:
    assert found(film({"ItemList:Title": "Adobe Premiere course, exported with Lavf58"})) == []


def test_an_editing_history_is_a_violation() -> None:
    findings = found(film({"XMP-xmpMM:HistoryAction": "saved, saved"}))
    assert told(findings) == [("EDIT-HISTORY", "violation")]


def test_a_coding_history_with_an_editor_in_it_is_a_violation() -> None:
    own = {"RIFF:CodingHistory": "A=PCM,F=48000,W=16,M=mono,T=Field Recorder 2"}
    assert found(film(own)) == []
    edited = {"RIFF:CodingHistory": "A=PCM,F=48000,W=16,T=Field Recorder 2\r\nA=PCM,F=48000,T=Adobe Audition"}
    assert told(found(film(edited))) == [("EDIT-HISTORY", "violation")]


@pytest.mark.parametrize(
    ("tag", "text", "kind"),
    [
        ("Keys:Comment", '{"data":{"product":"vicut","os":"android"},"source_type":"vicut"}', "editor"),
        ("ItemList:Comment", "vid:v12044gd0000cabcdefghijklmn", "sharing"),
        ("Track1:HandlerDescription", "ISO Media file produced by Google Inc.", "sharing"),
        ("Keys:Software", "微信 8.0.44", "sharing"),
        ("QuickTime:Encoder", "HandBrake 1.6.1", "transcoder"),
        ("RIFF:Software", "Bandicut 3.6", "editor"),
    ],
)
def test_programs_are_told_apart(tag: str, text: str, kind: str) -> None:
    (finding,) = found(film({tag: text}))
    assert told([finding]) == [("EDITOR", "suspicion")] and finding.evidence["traces"][0][3] == kind


def test_a_handler_name_is_a_signature() -> None:
    structure = boxes(track_box(handler_name="L-SMASH Video Handler"))
    assert told(found(film(boxes=structure))) == [("EDITOR", "suspicion")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("mmexport1700000000000.mp4", ["PASSED-ON"]),
        ("微信视频_20261118093000.mp4", ["PASSED-ON"]),
        ("VID-20261118-WA0003.mp4", ["PASSED-ON"]),
        ("screenrecorder-2026-11-18.mp4", ["PASSED-ON"]),
        ("LH00012_20261118093000_0001.MP4", []),
        ("VID_20261118_093000.mp4", []),
        ("IMG_0446.JPG", []),
        ("现场视频.mp4", []),
    ],
)
def test_names_that_messengers_give(name: str, expected: list[str]) -> None:
    assert [signal for signal, _ in told(found(film(name=name)))] == expected


def test_a_telephone_is_context() -> None:
    assert told(found(film({"Keys:AndroidVersion": 12}))) == [("PHONE", "note")]
    apple = {"Keys:Make": "Apple", "Keys:Model": "iPhone 14", "Keys:Software": "17.2.1"}
    assert told(found(film(apple))) == [("PHONE", "note")]


def test_metadata_added_by_a_tool_is_context() -> None:
    assert told(found(film({"XMP-x:XMPToolkit": "Image::ExifTool 12.57"}))) == [("METADATA-TOOL", "note")]


def test_the_whole_ffmpeg_layout_is_a_suspicion_and_its_parts_are_not() -> None:
    handlers = (track_box(handler_name="VideoHandler"), track_box("soun", handler_name="SoundHandler"))
    layout: dict[str, Any] = {"minor": 512, "timescale": 1000, "compatible": ("isom", "iso2", "avc1", "mp41")}
    assert told(found(film(boxes=boxes(*handlers, **layout)))) == [("LAYOUT", "suspicion")]
    for part in layout:
        others = {name: value for name, value in layout.items() if name != part}
        assert found(film(boxes=boxes(*handlers, **others))) == []
    assert found(film(boxes=boxes(track_box(), **layout))) == [], "another brand before the list"


@pytest.mark.parametrize(
    ("brand", "compatible", "expected"),
    [
        ("isom", ("isom", "iso2", "avc1", "mp41"), ["LAYOUT"]),
        ("isom", ("isom", "iso2", "mp41"), ["LAYOUT"]),
        ("qt  ", ("qt  ",), ["LAYOUT"]),
        ("isom", ("isom", "mp42"), []),
        ("mp42", ("isom", "iso2", "avc1", "mp41"), []),
    ],
)
def test_a_remux_keeps_the_devices_handler_names(brand: str, compatible: tuple[str, ...], expected: list[str]) -> None:
    structure = boxes(track_box(), brand=brand, minor=512, compatible=compatible, timescale=1000)
    assert [signal for signal, _ in told(found(film(boxes=structure)))] == expected


@pytest.mark.parametrize(
    ("told_date", "expected"),
    [
        ("2023:11:14 22:13:20+00:00", []),
        ("2023:11:15 06:13:20+08:00", []),
        ("2023:11:15 06:13:10+08:00", [("APPLE-DATE", "suspicion")]),
        ("2023:11:14 06:13:20+08:00", [("APPLE-DATE", "violation")]),
        ("no date", []),
    ],
)
def test_apples_two_dates(told_date: str, expected: list[tuple[str, str]]) -> None:
    tags = {"Keys:Make": "Apple", "Keys:CreationDate": told_date}
    assert told(found(film(tags, boxes=boxes(track_box())))) == expected


def test_a_photo_saved_again_is_a_suspicion() -> None:
    taken = {"ExifIFD_DateTimeOriginal": "2016:06:23 16:32:43"}
    assert found(photo(**taken, IFD0_ModifyDate="2016:06:23 16:32:43")) == []
    assert told(found(photo(**taken, IFD0_ModifyDate="2016:06:23 19:24:38"))) == [("PHOTO-MODIFIED", "suspicion")]


def test_a_photo_older_than_its_picture_is_a_suspicion() -> None:
    taken = {"ExifIFD_DateTimeOriginal": "2016:06:23 16:32:43"}
    assert told(found(photo(**taken, IFD0_ModifyDate="2016:06:22 11:00:00"))) == [("PHOTO-DATES", "suspicion")]
    assert told(found(photo(**taken, ExifIFD_CreateDate="2016:06:23 16:40:00"))) == [("PHOTO-DATES", "suspicion")]
    assert found(photo(**taken, ExifIFD_CreateDate="2016:06:23 16:32:43", IFD0_ModifyDate="2016:06:23 08:32:43")) == []


@pytest.mark.parametrize(
    ("receiver", "expected"),
    [
        ("2016:06:23 08:32:40Z", []),
        ("2016:06:23 08:20:40Z", []),  # an old position
        ("2016:06:23 08:37:00Z", [("PHOTO-GPS-DATE", "note")]),
        ("2016:06:20 08:32:40Z", [("PHOTO-GPS-DATE", "suspicion")]),
    ],
)
def test_a_photos_date_against_the_receiver(receiver: str, expected: list[tuple[str, str]]) -> None:
    tags = {"ExifIFD_DateTimeOriginal": "2016:06:23 16:32:43", "Composite_GPSDateTime": receiver}
    assert told(found(photo(**tags, ExifIFD_OffsetTimeOriginal="+08:00"))) == expected
    unzoned = [each for each in expected if each[1] == "suspicion"]
    assert told(found(photo(**tags))) == unzoned, "minutes mean nothing where the zone is not known"


def test_references_into_the_file_that_no_longer_fit() -> None:
    tags: dict[str, Any] = {"MPImage2:MPImageStart": 60, "MPImage2:MPImageLength": 40}
    fits = Picture("a.jpg", 100, "photos", photo=Photo("image/jpeg", True), metadata=Metadata(tags))
    assert found(fits) == []
    assert told(found(dataclasses.replace(fits, size=99))) == [("PHOTO-REWRITTEN", "suspicion")]
    padded = Metadata({"ExifIFD:OffsetSchema": 3681})
    assert told(found(dataclasses.replace(fits, metadata=padded))) == [("PHOTO-REWRITTEN", "suspicion")]


def test_another_size_than_exif_gives_is_context() -> None:
    coded = Jpeg((), 3600, 2700, "2x1,1x1,1x1", 90, "", False, None)
    tags: dict[str, Any] = {"ExifIFD:ExifImageWidth": 4000, "ExifIFD:ExifImageHeight": 3000}
    scaled = Picture("a.jpg", 9, "photos", photo=Photo("image/jpeg", True, coded), metadata=Metadata(tags))
    assert told(found(scaled)) == [("PHOTO-SIZE", "note")]
    turned = dataclasses.replace(coded, width=3000, height=4000)
    assert found(dataclasses.replace(scaled, photo=Photo("image/jpeg", True, turned))) == []


def test_a_photo_cut_off_is_a_suspicion() -> None:
    assert told(found(photo(complete=False))) == [("PHOTO-TRUNCATED", "suspicion")]
