"""Packets are taken apart into the units that were put together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.units import from_avcc, from_hvcc, units
from tests.support.bitstreams import avcc, hvcc, prefixed

SLICES = bytes(kind & 31 in (1, 5) for kind in range(256))
NO_ZERO = st.integers(1, 255)
UNIT = st.lists(NO_ZERO, min_size=2, max_size=60).map(bytes)


@given(st.lists(UNIT, max_size=8), st.sampled_from([1, 2, 4]))
def test_length_prefixed_units(parts: list[bytes], length: int) -> None:
    assert [bytes(unit) for unit in units(memoryview(prefixed(length, *parts)), length, SLICES)] == parts


@given(st.lists(UNIT.filter(lambda unit: not SLICES[unit[0]]), max_size=8), st.sampled_from([b"\0\0\1", b"\0\0\0\1"]))
def test_units_after_start_codes(parts: list[bytes], start: bytes) -> None:
    found = [bytes(unit).rstrip(b"\0") for unit in units(memoryview(b"".join(start + p for p in parts)), 0, SLICES)]
    assert found == parts


@given(st.lists(st.integers(2, 3000), min_size=1, max_size=6))
def test_units_beyond_the_first_kilobytes(sizes: list[int]) -> None:
    parts = [b"\x06" + bytes([1 + n % 255]) * (size - 1) for n, size in enumerate(sizes)]
    found = units(memoryview(b"".join(b"\0\0\1" + part for part in parts)), 0, SLICES)
    assert [bytes(unit) for unit in found] == parts


def test_a_slice_begins_where_it_begins() -> None:
    payload = b"\0\0\1\x06" + b"\7" * 9000 + b"\0\0\1\x65" + b"\5" * 9000
    assert bytes(list(units(memoryview(payload), 0, SLICES))[-1][:2]) == b"\x65\5"


@given(st.binary(max_size=300), st.integers(0, 4).filter(lambda length: length != 3))
def test_noise_ends(payload: bytes, length: int) -> None:
    assert sum(len(unit) for unit in units(memoryview(payload), length, SLICES)) <= len(payload)


def test_parameter_sets_of_both_boxes() -> None:
    assert list(from_avcc(avcc(b"\x67sps", b"\x68pps"))) == [b"\x67sps", b"\x68pps"]
    assert list(from_hvcc(hvcc(b"\x40\1v", b"\x42\1s", b"\x44\1p"))) == [b"\x40\1v", b"\x42\1s", b"\x44\1p"]


@given(st.binary(max_size=200))
def test_boxes_of_noise_end(data: bytes) -> None:
    for read in (from_avcc, from_hvcc):
        assert all(read(data)) and len(list(read(b"\xff" * 23 + data))) < 70_000
