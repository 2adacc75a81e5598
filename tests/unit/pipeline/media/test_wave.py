"""The WAV reader: lengths, Broadcast Wave's times, and what other programs leave."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.structure import Structure, Wave
from pipeline.media import wave
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.made import made


def structure(data: bytes) -> Structure:
    found = wave.read(Window(io.BytesIO(data)))
    assert found is not None
    return found


def read(data: bytes) -> Wave:
    found = structure(data).wave
    assert found is not None
    return found


def test_a_broadcast_wave() -> None:
    found = read(made("a.wav"))
    assert found.originated == "2026-11-18 09:30:00" and found.reference == 34_200.0
    assert (found.block, found.byte_rate) == (2, 96_000) and found.declared == found.there > 380_000
    assert structure(made("a.wav")).missing == 0 and structure(made("a.wav")).trailing is None


def test_a_file_that_was_cut_off() -> None:
    data = made("a.wav")
    assert structure(data[:-1000]).missing == 1000 and read(data[:-1000]).there == read(data).there - 1000


def test_lengths_that_were_never_written() -> None:
    data = bytearray(made("a.wav"))
    at = data.index(b"data") + 4
    data[4:8] = data[at : at + 4] = bytes(4)
    assert (read(bytes(data)).declared, read(bytes(data)).there) == (0, len(data) - at - 4)
    assert structure(bytes(data)).missing == 0


def test_bytes_after_the_end_are_no_chunks() -> None:
    data = made("a.wav")
    assert structure(data + b"xxxxxxxxxxxxxxxx").trailing == (len(data), 16)


def test_64_bits() -> None:
    sound = bytes(1000)
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, len(sound), 500, 0)
    data = b"RF64\xff\xff\xff\xffWAVE" + ds64 + form + b"data\xff\xff\xff\xff" + sound
    assert (read(data).declared, read(data).there) == (1000, 1000)


def test_what_programs_leave() -> None:
    data = made("a.wav")
    more = b"LIST\x16\0\0\0INFOISFT\x09\0\0\0Audacity\0\0" + b"minf\x04\0\0\0abcd" + b"cue \x04\0\0\0\3\0\0\0"
    longer = data[:4] + struct.pack("<I", len(data) + len(more) - 8) + data[8:] + more
    assert {("INFO/ISFT", "Audacity"), ("minf", "Pro Tools")} <= set(structure(longer).signed)
    assert read(longer).cues == 3


@pytest.mark.parametrize("data", [b"", b"RIFF\x04\0\0\0AVI ", bytes(100)])
def test_other_files(data: bytes) -> None:
    assert wave.read(Window(io.BytesIO(data))) is None


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    wave.read(Window(io.BytesIO(data.draw(damaged(made("a.wav"))))))
