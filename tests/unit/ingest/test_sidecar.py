from __future__ import annotations

import pytest

from ingest.sidecar import MAX_BYTES, describes, read

SAYS = {"serial": "LH00099", "officer": "王强", "place": "东门市场", "start": "2026-11-20 09:30:00"}


def test_json_in_either_language_and_nested() -> None:
    told = '{"设备编号": "LH00099", "r": {"officer": "王强", "地点": "东门市场"}, "start_time": "2026-11-20 09:30:00"}'
    assert read("a.json", told.encode()).says == SAYS


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_xml_as_elements_and_attributes_in_the_encodings_cameras_write(encoding: str) -> None:
    told = (
        '<?xml version="1.0" encoding="gb2312"?><x:record xmlns:x="urn:x" deviceId="LH00099">'
        "<x:执法人员>王强</x:执法人员><地点> 东门市场 </地点>"
        "<StartTime>2026-11-20 09:30:00</StartTime><extra><a/></extra></x:record>"
    )
    assert read("a.XML", told.encode(encoding)).says == SAYS


def test_a_number_is_a_serial_too_and_unknown_fields_are_left_aside() -> None:
    assert read("a.json", b'{"serial": 10023, "colour": "red", "device": {"model": "LH-1"}, "x": [1, 2]}').says == {
        "serial": "10023",
        "model": "LH-1",
    }


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    "<a><serial>&b;</serial></a>"
)
OUTSIDE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a><serial>&x;</serial></a>'


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.xml", BOMB, "DTD"),
        ("a.xml", OUTSIDE, "DTD"),
        ("a.xml", '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>', "DTD"),
        ("a.xml", "<a>&x;</a>", "undefined entity"),
        ("a.xml", "<a><serial>LH1", "not readable"),
        ("a.xml", "<a>" * 100 + "</a>" * 100, "deeply"),
        ("a.xml", "", "not readable"),
        ("a.json", "[" * 100_000, "not readable"),
        ("a.json", '{"a":' * 100 + "1" + "}" * 100, "deeply"),
        ("a.json", '["LH1"]', "not an object"),
        ("a.json", '{"serial": "A", "设备编号": "B"}', "differs"),
        ("a.json", '{"serial": "A", "serial": "B"}', "differs"),
        ("a.json", '{"serial": "LH\\n1"}', "control"),
        ("a.json", '{"officer": "\\u202egnp.exe"}', "control"),
        ("a.json", '{"place": "\\ud800"}', "control"),
        ("a.json", '{"serial": "%s"}' % ("x" * 201), "over 200"),
        ("a.json", '{"serial": ' + "9" * 5000 + "}", "not readable"),
        ("a.json", '{"a": "%s"}' % ("x" * MAX_BYTES), "too large"),
    ],
)
def test_a_hostile_or_broken_one_is_told_and_says_nothing(name: str, content: str, word: str) -> None:
    found = read(name, content.encode())
    assert found.says == {} and found.fault is not None
    assert word in found.fault[1] and found.fault[0]


def test_bytes_that_are_no_text_are_told() -> None:
    assert read("a.json", b"\x80\xff\x00\xff").fault
    assert read("a.xml", b"\xff\xfe\x00\xd8\x00").fault


@pytest.mark.parametrize(
    ("sidecar", "recording", "it_does"),
    [
        ("A.json", "A.MP4", True),
        ("a.XML", "A.MP4", True),
        ("A.MP4.json", "A.MP4", True),
        ("A.MP4.json", "A.MP4.xml", False),
        ("A.json", "B.MP4", False),
        ("A.txt", "A.MP4", False),
        ("A.MP4.json", "A.AVI", False),
    ],
)
def test_which_recording_a_sidecar_describes(sidecar: str, recording: str, it_does: bool) -> None:
    assert describes(sidecar, recording) is it_does
