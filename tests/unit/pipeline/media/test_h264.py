"""Slice headers of H.264, from real encoders, from our own writer and from noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.coding import (
    BOTTOM,
    ENDED,
    FIELD,
    IDR,
    INTRA,
    REFERENCE,
    RESET,
    SLICE,
    UNCOUNTED,
    UNSCALED,
    Change,
)
from pipeline.media.h264 import Reader
from pipeline.media.picture import picture_of
from pipeline.samples import Footage
from tests.support.bitstreams import (
    annex_b,
    avcc,
    buffering,
    camcorder_clock,
    h264_pps,
    h264_slice,
    h264_sps,
    h264_sps_with_buffer,
    prefixed,
    sei,
    timing,
)

SPS, PPS = h264_sps(), h264_pps()


def rows(reader: Reader) -> list[tuple[int, ...]]:
    return list(zip(*reader.arrays(), strict=True))


def read(*packets: bytes, extradata: bytes = annex_b(SPS, PPS)) -> list[tuple[int, ...]]:
    reader = Reader(extradata)
    for packet in packets:
        reader.take(memoryview(packet))
    return rows(reader)


def orders(*units: bytes, extradata: bytes) -> list[int]:
    return [row[2] for row in read(*(annex_b(unit) for unit in units), extradata=extradata)]


def test_counters_are_read_from_annex_b() -> None:
    reader = Reader(annex_b(SPS, PPS))
    reader.take(memoryview(annex_b(h264_slice(0, idr=3))))
    reader.take(memoryview(annex_b(b"\x09\xf0", h264_slice(200, reference=False))))
    assert rows(reader) == [
        (0, 3, UNCOUNTED, UNSCALED, SLICE | REFERENCE | IDR),
        (200, -1, UNCOUNTED, UNSCALED, SLICE),
    ]
    assert reader.coding().max_frame_num == 256 and not reader.coding().gaps_allowed


def test_counters_are_read_from_length_prefixed_units() -> None:
    for length in (1, 2, 4):
        packets = [prefixed(length, b"\x06\x05", h264_slice(n, idr=None if n else 7)) for n in range(3)]
        found = read(*packets, extradata=avcc(SPS, PPS, length=length))
        assert [row[:2] for row in found] == [(0, 7), (1, -1), (2, -1)]


def test_start_codes_where_lengths_were_promised_are_understood() -> None:
    assert read(annex_b(h264_slice(0, idr=1)), extradata=avcc(SPS, PPS))[0][:2] == (0, 1)


def test_parameter_sets_in_the_packets_are_used() -> None:
    packet = prefixed(4, SPS, PPS, h264_slice(0, idr=2))
    assert read(packet, extradata=avcc())[0][:2] == (0, 2)


def test_a_slice_behind_much_else_is_found() -> None:
    large = b"\x06\x05" + bytes(range(1, 256)) * 40
    assert read(annex_b(large, SPS, PPS, h264_slice(0, idr=4)), extradata=b"")[0][:2] == (0, 4)


def test_the_same_sets_again_are_no_change_and_others_are() -> None:
    reader = Reader(annex_b(SPS, PPS))
    again = annex_b(SPS, PPS, h264_slice(0, idr=0))
    other = annex_b(h264_sps(frame_num_bits=4, gaps=1), h264_pps(qp=30), h264_slice(0, idr=0, width=4))
    for packet in (again, again, other, other, again):
        reader.take(memoryview(packet))
    assert reader.coding().changes == (
        Change(2, "sps", ("frame_num_bits", "gaps_allowed")), Change(2, "pps", ("qp",)),
        Change(4, "sps", ("frame_num_bits", "gaps_allowed")), Change(4, "pps", ("qp",)),
    )  # fmt: skip
    assert reader.coding().gaps_allowed


def test_sets_that_nobody_uses_are_no_change() -> None:
    reader = Reader(annex_b(SPS, PPS))
    for packet in (annex_b(h264_slice(0, idr=0)), annex_b(h264_sps(number=1, frame_num_bits=5), h264_slice(1))):
        reader.take(memoryview(packet))
    assert reader.coding().changes == ()


def test_emulation_prevention_is_taken_out() -> None:
    assert read(annex_b(h264_slice(0, idr=65535)))[0][1] == 65535


def test_picture_order_is_counted_through_the_wraps() -> None:
    sets = annex_b(h264_sps(order_bits=4), PPS)
    lows = [0, 6, 2, 4, 12, 8, 10, 2, 14, 0, 8]
    found = orders(*(h264_slice(n % 256, order=(low, 4), idr=None if n else 0, reference=low not in (2, 4, 8))
                     for n, low in enumerate(lows)), extradata=sets)  # fmt: skip
    assert found == [0, 6, 2, 4, 12, 8, 10, 18, 14, 16, 24]


def test_pictures_before_the_key_picture_have_negative_orders() -> None:
    sets = annex_b(h264_sps(order_bits=8), PPS)
    assert orders(h264_slice(0, order=(0, 8), idr=0), h264_slice(1, order=(252, 8)), extradata=sets) == [0, -4]


def test_fields_are_told_apart() -> None:
    sets = annex_b(h264_sps(frames_only=0, order_bits=4), PPS)
    packets = [annex_b(h264_slice(0, order=(n, 4), idr=None if n else 0, field=n)) for n in (0, 1)]
    flags = [row[4] & (FIELD | BOTTOM) for row in read(*packets, extradata=sets)]
    assert flags == [FIELD, FIELD | BOTTOM]


def test_a_picture_that_forgets_all_references_begins_a_new_count() -> None:
    """On an I picture it is read at once, on others when the counters after it ask for it."""
    sets = annex_b(h264_sps(order_bits=6), PPS)
    for kind in (2, 0):
        units = [h264_slice(n, order=(2 * n, 6), idr=None if n else 0) for n in range(7)]
        units.append(h264_slice(7, kind=kind, order=(14, 6), marking=(5, 0)))
        units += [h264_slice(1, order=(2, 6)), h264_slice(2, order=(4, 6))]
        found = read(*(annex_b(unit) for unit in units), extradata=sets)
        assert [row[2] for row in found] == [0, 2, 4, 6, 8, 10, 12, 0, 2, 4]
        assert [bool(row[4] & RESET) for row in found] == [False] * 7 + [True, False, False]


def test_the_quantiser_of_i_pictures_is_read() -> None:
    packets = [annex_b(h264_slice(0, kind=7, idr=0, qp=-4)), annex_b(h264_slice(1, kind=2, marking=(1, 3, 0), qp=5))]
    found = read(*packets, extradata=annex_b(SPS, h264_pps(qp=30)))
    assert [(row[3], bool(row[4] & INTRA)) for row in found] == [(26, True), (35, True)]


def test_the_end_of_a_sequence_is_seen() -> None:
    found = read(annex_b(h264_slice(0, idr=0)), annex_b(h264_slice(1), b"\x0a"))
    assert [bool(row[4] & ENDED) for row in found] == [False, True]


def test_a_slice_without_its_parameter_sets_is_a_picture_without_numbers() -> None:
    found = read(annex_b(h264_slice(3)), extradata=b"")
    assert found[0][0] == -1 and found[0][4] & SLICE


def test_a_packet_without_a_slice_is_no_picture() -> None:
    assert read(annex_b(b"\x06\x05\x01\xff\x80")) == [(-1, -1, UNCOUNTED, UNSCALED, 0)]


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(4, 16), st.integers(4, 16), st.booleans())
def test_what_was_written_is_read(frame_num: int, order: int, width: int, order_bits: int, reference: bool) -> None:
    frame_num, order = frame_num % (1 << width), order % (1 << order_bits)
    unit = h264_slice(frame_num, width=width, order=(order, order_bits), reference=reference)
    sets = avcc(h264_sps(frame_num_bits=width, order_bits=order_bits), PPS)
    found = read(prefixed(4, unit), extradata=sets)[0]
    assert found[0] == frame_num and found[2] % (1 << order_bits) == order
    assert bool(found[4] & REFERENCE) == reference


@given(st.binary(max_size=200), st.lists(st.binary(max_size=200), max_size=4))
def test_noise_gives_a_row_and_never_an_error(extradata: bytes, payloads: list[bytes]) -> None:
    for start in (extradata, b"\1\x42\0\x1e\xff\xe1" + extradata, annex_b(SPS, PPS) + extradata):
        found = read(*payloads, extradata=start)
        assert len(found) == len(payloads)
        assert all(-1 <= row[0] < 65536 and -1 <= row[1] < 65536 for row in found)


@given(st.lists(st.tuples(st.sampled_from(b"\x65\x41\x01\x67\x68\x21"), st.binary(min_size=1, max_size=60))))
def test_noise_after_a_units_start(units: list[tuple[int, bytes]]) -> None:
    sets = annex_b(h264_sps(order_bits=4, frames_only=0), h264_pps(weighted=1))
    reader = Reader(sets)
    for first, rest in units:
        reader.take(memoryview(annex_b(bytes([first]) + rest)))
    assert len(rows(reader)) == len(units) and len(reader.coding().changes) <= 200


def test_a_cameras_counters_run_on(footage: Footage) -> None:
    track = picture_of(footage.segments[0]).of_kind("video")[0]
    assert track.slices is not None and track.coding is not None
    assert min(track.slices.frame_num) >= 0 and track.coding.max_frame_num >= 16
    assert sum(value >= 0 for value in track.slices.idr_pic_id) > 3


def test_the_state_of_the_buffer_is_read_at_key_pictures() -> None:
    sets = annex_b(h264_sps_with_buffer(rate=5000), PPS)
    reader = Reader(sets)
    for n in range(3):
        key = annex_b(sei(buffering(45_000 + n, 45_000)), sei(timing(25 * (n > 0))), h264_slice(0, idr=0))
        for packet in (key, annex_b(sei(timing(2)), h264_slice(1)), annex_b(sei((5, bytes(300))), h264_slice(2))):
            reader.take(memoryview(packet))
    coding = reader.coding()
    assert coding.bit_rate == 5000 * 64
    assert [level.packet for level in coding.levels] == [0, 3, 6]
    assert [round(90_000 * level.delay) for level in coding.levels] == [45_000, 45_001, 45_002]
    assert [level.elapsed for level in coding.levels] == [0.0, 0.5, 0.5] and coding.levels[0].full == 1.0


def test_a_camcorders_clock_is_read() -> None:
    reader = Reader(annex_b(SPS, PPS))
    for second in range(3):
        reader.take(memoryview(annex_b(sei(camcorder_clock(20, 23, 59, 57 + second)), h264_slice(0, idr=0))))
    assert reader.coding().stamps == tuple((n, 86_397.0 + n) for n in range(3))


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_noise_in_messages_is_no_error(payloads: list[bytes]) -> None:
    reader = Reader(annex_b(h264_sps_with_buffer(), PPS))
    clock = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM"
    for payload in payloads:
        for start in (b"\x06", b"\x06\x00", b"\x06\x00\x06\x80", b"\x06\x01", b"\x06\x05\x40" + clock):
            reader.take(memoryview(annex_b(start + payload, h264_slice(0, idr=0))))
    assert len(reader.coding().stamps) <= 5 * len(payloads)
