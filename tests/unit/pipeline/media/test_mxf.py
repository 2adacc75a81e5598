"""The MXF reader: partitions, content packages and who wrote the file."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.structure import Mxf, Structure
from pipeline.media import mxf
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.made import made

_SYSTEM = bytes.fromhex("060e2b34020501010d010301")
_IDENTIFICATION = bytes.fromhex("060e2b34025301010d01010101013000")


def structure(data: bytes) -> Structure:
    found = mxf.read(Window(io.BytesIO(data)))
    assert found is not None
    return found


def read(data: bytes) -> Mxf:
    found = structure(data).mxf
    assert found is not None
    return found


def packages(data: bytes) -> list[int]:
    """Where the content packages begin."""
    found, at = [], data.find(_SYSTEM)
    while at >= 0:
        found.append(at)
        at = data.find(_SYSTEM, at + 1)
    return found


def test_a_whole_file() -> None:
    found = read(made("a.mxf"))
    assert found.status == "closed, complete" and found.pattern == "0101" and found.footer_noted == found.footer_found
    assert found.broken == found.counts == () and (found.edit_units, found.edit_units_found) == (100, 100)
    assert found.packages == 100 and [each.company for each in found.identifications] == ["FFmpeg"]
    assert structure(made("a.mxf")).signed == (("Identification 1", "FFmpeg OP1a Muxer"),)


def test_packages_taken_out() -> None:
    data = made("a.mxf")
    places = packages(data)
    found = read(data[: places[40]] + data[places[65] :])
    assert found.counts == ((40, places[40], 40, 65),)
    assert found.broken and found.edit_units_found == 75


def test_a_file_that_was_cut_off() -> None:
    data = made("a.mxf")
    found = structure(data[: packages(data)[50] + 1000])
    assert found.mxf is not None and found.mxf.footer_found == -1 and found.mxf.footer_noted > 0 and found.missing > 0


def test_a_second_program() -> None:
    """A second Identification set, put in the place of the first header's fill."""
    data = made("a.mxf")
    at = data.index(_IDENTIFICATION)
    size = 17 + int.from_bytes(data[at + 17 : at + 16 + 1 + (data[at + 16] & 0x7F)], "big") + (data[at + 16] & 0x7F)
    first = data[at : at + size]
    second = first.replace("FFmpeg".encode("utf-16-be"), "Editor".encode("utf-16-be"))
    found = read(data[: at + size] + second + data[at + size :])
    assert [each.company for each in found.identifications] == ["FFmpeg", "Editor"]


def test_counts_that_count_nothing_prove_nothing() -> None:
    data = bytearray(made("a.mxf"))
    for at in packages(bytes(data)):
        body = at + 17 + (data[at + 16] & 0x7F if data[at + 16] & 0x80 else 0)
        data[body + 5 : body + 7] = b"\0\0"
    assert read(bytes(data)).counts == ()


@pytest.mark.parametrize("data", [b"", bytes(200), b"\x06\x0e\x2b\x34" * 20])
def test_other_files(data: bytes) -> None:
    assert mxf.read(Window(io.BytesIO(data))) is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    mxf.read(Window(io.BytesIO(data.draw(damaged(made("a.mxf"))))))
