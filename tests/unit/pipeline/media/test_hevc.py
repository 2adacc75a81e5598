"""Slice headers of H.265, from our own writer and from noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.coding import (
    ENDED,
    IDR,
    INTRA,
    LEADING,
    REFERENCE,
    RESET,
    SLICE,
    SPLICE,
    UNCOUNTED,
    Change,
)
from pipeline.media.hevc import Reader
from tests.support.bitstreams import annex_b, hevc_pps, hevc_slice, hevc_sps, hvcc, prefixed

SPS, PPS = hevc_sps(), hevc_pps()
TRAIL_N, TRAIL_R, RASL_R, BLA, IDR_W, CRA = 0, 1, 9, 16, 19, 21


def read(*packets: bytes, extradata: bytes = annex_b(SPS, PPS)) -> list[tuple[int, int]]:
    """(order, flags) of each packet."""
    reader = Reader(extradata)
    for packet in packets:
        reader.take(memoryview(packet))
    columns = reader.arrays()
    return list(zip(columns[2], columns[4], strict=True))


def orders(*units: bytes, extradata: bytes = annex_b(SPS, PPS)) -> list[int]:
    return [order for order, _ in read(*(annex_b(unit) for unit in units), extradata=extradata)]


def test_the_count_runs_through_key_pictures_that_are_no_idr() -> None:
    units = [hevc_slice(IDR_W)] + [hevc_slice(CRA if n % 50 == 0 else TRAIL_R, n % 256) for n in range(1, 600)]
    assert orders(*units) == list(range(600))


def test_a_file_may_begin_with_any_count() -> None:
    found = read(annex_b(hevc_slice(CRA, 200)), annex_b(hevc_slice(RASL_R, 198)), annex_b(hevc_slice(TRAIL_R, 201)))
    assert [order for order, _ in found] == [200, 198, 201]
    assert found[0][1] & RESET and found[1][1] & LEADING and not found[2][1] & (RESET | LEADING)


def test_kinds_are_told_apart() -> None:
    flags = [flags for _, flags in read(*(annex_b(hevc_slice(kind, 4)) for kind in (IDR_W, TRAIL_N, CRA, BLA)))]
    assert flags[0] == SLICE | REFERENCE | IDR | INTRA | RESET
    assert flags[1] == SLICE
    assert flags[2] == SLICE | REFERENCE | INTRA
    assert flags[3] == SLICE | REFERENCE | INTRA | RESET | SPLICE


def test_pictures_that_are_no_anchor_do_not_carry_the_count() -> None:
    """A picture of a higher layer or none of the references may be far away; the next is counted from the anchor."""
    units = [hevc_slice(IDR_W), hevc_slice(TRAIL_R, 100), hevc_slice(TRAIL_R, 220, layer=2), hevc_slice(TRAIL_R, 90)]
    assert orders(*units) == [0, 100, 220, 90]


def test_after_the_end_of_a_sequence_the_count_begins_anew() -> None:
    found = read(annex_b(hevc_slice(IDR_W)), annex_b(hevc_slice(TRAIL_R, 9), b"\x48\x01"), annex_b(hevc_slice(CRA, 77)))
    assert [order for order, _ in found] == [0, 9, 77]
    assert found[1][1] & ENDED and found[2][1] & RESET


def test_length_prefixed_units_with_extra_bits() -> None:
    sets = hvcc(SPS, hevc_pps(extra_bits=2), length=2)
    packets = [prefixed(2, hevc_slice(IDR_W)), prefixed(2, hevc_slice(TRAIL_R, 6, extra_bits=2))]
    assert [order for order, _ in read(*packets, extradata=sets)] == [0, 6]


def test_other_layers_are_passed_over() -> None:
    other = bytes([hevc_slice(TRAIL_R, 8)[0], 1 | 1 << 3]) + hevc_slice(TRAIL_R, 8)[2:]
    assert orders(hevc_slice(IDR_W)) == [0]
    assert read(annex_b(other, hevc_slice(IDR_W)))[0][1] & IDR


def test_other_parameter_sets_are_noted_once_used() -> None:
    reader = Reader(annex_b(SPS, PPS))
    other = annex_b(hevc_sps(order_bits=9), PPS, hevc_slice(IDR_W))
    for packet in (annex_b(SPS, PPS, hevc_slice(IDR_W)), annex_b(SPS, hevc_slice(TRAIL_R, 1)), other):
        reader.take(memoryview(packet))
    assert reader.coding().changes == (Change(2, "sps", ("order_bits",)),)
    assert reader.coding().order_modulus == 512


def test_without_parameter_sets_there_is_a_picture_without_count() -> None:
    assert read(annex_b(hevc_slice(TRAIL_R, 3)), extradata=b"") == [(UNCOUNTED, SLICE | REFERENCE)]


@given(st.integers(0, 65535), st.integers(4, 16), st.sampled_from([TRAIL_N, TRAIL_R, RASL_R, CRA]))
def test_what_was_written_is_read(order: int, order_bits: int, kind: int) -> None:
    order %= 1 << order_bits
    unit = hevc_slice(kind, order, order_bits=order_bits)
    sets = hvcc(hevc_sps(order_bits=order_bits), PPS)
    found = read(prefixed(4, hevc_slice(IDR_W)), prefixed(4, unit), extradata=sets)[1]
    assert found[0] % (1 << order_bits) == order


@given(st.binary(max_size=200), st.lists(st.binary(max_size=120), max_size=4))
def test_noise_gives_a_row_and_never_an_error(extradata: bytes, payloads: list[bytes]) -> None:
    for start in (extradata, b"\1" + bytes(20) + b"\xff\x03" + extradata, annex_b(SPS, PPS) + extradata):
        assert len(read(*payloads, extradata=start)) == len(payloads)


@given(st.lists(st.tuples(st.integers(0, 127), st.binary(min_size=1, max_size=60)), max_size=20))
def test_noise_after_a_units_start(units: list[tuple[int, bytes]]) -> None:
    packets = [annex_b(bytes([first, 1]) + rest) for first, rest in units]
    assert all(-(1 << 31) <= order < 1 << 31 for order, _ in read(*packets))
