"""The box reader: what it finds, and that no bytes can make it fail."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media import boxes
from pipeline.samples import Footage

CREATED = 2_082_844_800 + 1_700_000_000


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0) -> bytes:
    return box(kind, bytes([version, 0, 0, 0]), *parts)


def trak(*, edits: bytes = b"", offsets: tuple[int, ...] = (40,), scale: int = 1000, length: int = 9000) -> bytes:
    table = box(
        b"stbl",
        full(b"stsd", struct.pack(">I", 1), box(b"avc1", bytes(70))),
        full(b"stsz", struct.pack(">II", 0, 225)),
        full(b"ctts", struct.pack(">III", 1, 1, 80)),
        full(b"stco", struct.pack(f">I{len(offsets)}I", len(offsets), *offsets)),
    )
    handler = full(b"hdlr", b"\0\0\0\0vide", bytes(12), b"Camera\0")
    return box(
        b"trak",
        full(b"tkhd", struct.pack(">IIIII", CREATED, CREATED, 1, 0, 9000), bytes(60)),
        box(b"edts", full(b"elst", edits)) if edits else b"",
        box(
            b"mdia", full(b"mdhd", struct.pack(">IIII", CREATED, CREATED, scale, length)), handler, box(b"minf", table)
        ),
    )


def film(*traks: bytes, tail: bytes = b"") -> bytes:
    head = box(b"ftyp", b"mp42", struct.pack(">I", 1), b"mp42isom")
    movie = full(b"mvhd", struct.pack(">IIII", CREATED, CREATED + 9, 1000, 9000), bytes(80))
    return head + box(b"mdat", bytes(100)) + box(b"moov", movie, *(traks or (trak(),))) + tail


def read(data: bytes) -> boxes.Boxes:
    found = boxes.read(io.BytesIO(data))
    assert found is not None
    return found


def test_headers_are_read() -> None:
    found = read(film())
    assert [each.type for each in found.top] == ["ftyp", "mdat", "moov"]
    assert (found.brand, found.minor, found.compatible) == ("mp42", 1, ("mp42", "isom"))
    assert (found.created, found.modified, found.duration) == (1_700_000_000, 1_700_000_009, 9.0)
    assert (found.missing, found.trailing, found.fragmented) == (0, None, False)
    (track,) = found.tracks
    assert (track.handler, track.handler_name, track.descriptions, track.samples) == ("vide", "Camera", ("avc1",), 225)
    assert (track.created, track.media_created, track.duration, track.media_duration) == (
        1_700_000_000, 1_700_000_000, 9.0, 9.0,
    )  # fmt: skip
    assert track.first_offset == 0.08


def test_edit_lists_are_read_in_both_versions() -> None:
    narrow = struct.pack(">I", 2) + struct.pack(">IiI", 500, -1, 65536) + struct.pack(">IiI", 8500, 455, 65536)
    edits = read(film(trak(edits=narrow))).tracks[0].edits
    assert [(edit.duration, edit.media_time) for edit in edits] == [(0.5, None), (8.5, 0.455)]


def test_version_1_headers_have_64_bits() -> None:
    movie = full(b"mvhd", struct.pack(">QQIQ", CREATED, CREATED, 1000, 1 << 33), bytes(80), version=1)
    found = read(box(b"ftyp", b"mp42", bytes(4)) + box(b"moov", movie))
    assert found.created == 1_700_000_000 and found.duration == (1 << 33) / 1000


def test_quicktime_handler_names_are_counted_strings() -> None:
    handler = full(b"hdlr", b"mhlrvide", bytes(12), b"\x10Core Media Video")
    assert read(film(box(b"trak", box(b"mdia", handler)))).tracks[0].handler_name == "Core Media Video"


def test_a_date_of_zero_is_none() -> None:
    movie = full(b"mvhd", struct.pack(">IIII", 0, 0, 1000, 9000), bytes(80))
    assert read(box(b"ftyp", b"mp42", bytes(4)) + box(b"moov", movie)).created is None


def test_a_cut_off_file_lacks_bytes() -> None:
    whole = film()
    assert read(whole[:-50]).missing == 50


def test_chunks_beyond_the_end_are_missing() -> None:
    whole = film(trak(offsets=(40, 100_000)))
    assert read(whole).missing == 100_001 - len(whole)


def test_bytes_after_the_boxes_are_told() -> None:
    whole = film()
    assert read(whole + b"\xff" * 30).trailing == (len(whole), 30)
    padded = read(whole + bytes(30))
    assert padded.trailing == (len(whole), 30) and padded.trailing_zero


def test_a_box_of_64_bits_and_one_to_the_end() -> None:
    large = struct.pack(">I4sQ", 1, b"mdat", 116) + bytes(100)
    assert [each.size for each in read(box(b"ftyp", b"mp42", bytes(4)) + large).top] == [16, 116]
    open_end = struct.pack(">I4s", 0, b"mdat") + bytes(50)
    assert read(box(b"ftyp", b"mp42", bytes(4)) + open_end).top[1].size == 58


def test_fragments_are_told() -> None:
    assert read(film(tail=box(b"moof", full(b"mfhd", bytes(4))))).fragmented


@pytest.mark.parametrize("data", [b"", b"short", b"#EXTM3U\nfile\n", bytes(100), b"RIFF\0\0\0\0AVI "])
def test_other_files_have_no_boxes(data: bytes) -> None:
    assert boxes.read(io.BytesIO(data)) is None


def test_boxes_nested_without_end_are_bounded() -> None:
    deep = b""
    for _ in range(3000):
        deep = box(b"moov", deep)
    assert read(box(b"ftyp", b"mp42", bytes(4)) + deep).tracks == ()


def test_names_of_our_own_methods_are_no_boxes() -> None:
    inner = b"".join(box(name, bytes(20)) for name in (b"take", b"read", b"left", b"edit"))
    assert read(box(b"ftyp", b"mp42", bytes(4)) + box(b"moov", inner)).tracks == ()


@given(st.binary(max_size=300))
def test_any_bytes_after_a_good_start(tail: bytes) -> None:
    read(box(b"ftyp", b"mp42", bytes(4)) + tail)


@settings(max_examples=300)
@given(st.data())
def test_any_damage_to_a_film(data: st.DataObject) -> None:
    whole = bytearray(film(trak(edits=struct.pack(">IIiI", 1, 9000, 0, 65536)), trak()))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(8, len(whole) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(whole[: data.draw(st.integers(16, len(whole)))]))


def test_a_camera_file(footage: Footage) -> None:
    with footage.segments[0].open("rb") as file:
        found = boxes.read(file)
    assert found is not None and found.missing == 0 and found.trailing is None
    assert {track.handler for track in found.tracks} >= {"vide", "soun"}
