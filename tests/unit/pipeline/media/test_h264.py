"""Slice headers of H.264, from real encoders and from noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.model import IDR, REFERENCE, SLICE
from pipeline.media.h264 import Reader
from pipeline.media.picture import picture_of
from pipeline.samples import Footage


def bits(*fields: tuple[int, int] | int) -> bytes:
    """Fields as (value, width), or Exp-Golomb where a plain number stands; padded with a stop bit and zeros."""
    text = ""
    for field in fields:
        if isinstance(field, tuple):
            text += f"{field[0]:0{field[1]}b}"
        else:
            text += f"{field + 1:b}".zfill(2 * (field + 1).bit_length() - 1)
    text += "1"
    return int(text.ljust(-(-len(text) // 8) * 8, "0"), 2).to_bytes(-(-len(text) // 8), "big")


def sps(*, frame_num_bits: int = 8, gaps: int = 0, frames_only: int = 1) -> bytes:
    """A baseline SPS: id 0, no picture order, 20 × 15 macroblocks."""
    return b"\x67\x42\x00\x1e" + bits(0, frame_num_bits - 4, 2, 1, (gaps, 1), 19, 14, (frames_only, 1))


PPS = b"\x68" + bits(0, 0)


def annex_b(*units: bytes) -> bytes:
    return b"".join(b"\0\0\0\1" + unit for unit in units)


def slice_unit(frame_num: int, *, idr: int | None = None, reference: bool = True, width: int = 8) -> bytes:
    head = (0x60 if reference else 0) | (5 if idr is not None else 1)
    fields: list[tuple[int, int] | int] = [0, 7, 0, (frame_num, width)]
    return bytes([head]) + bits(*fields, *([] if idr is None else [idr]))


def test_counters_are_read_from_annex_b() -> None:
    reader = Reader(annex_b(sps(), PPS))
    head, changed = reader.packet(memoryview(annex_b(slice_unit(0, idr=3))))
    assert (head.frame_num, head.idr_pic_id, head.flags) == (0, 3, SLICE | REFERENCE | IDR) and not changed
    head, _ = reader.packet(memoryview(annex_b(b"\x09\xf0", slice_unit(200, reference=False))))
    assert (head.frame_num, head.idr_pic_id, head.flags) == (200, -1, SLICE)
    assert reader.max_frame_num == 256 and not reader.gaps_allowed


def test_counters_are_read_from_length_prefixed_units() -> None:
    one, two = sps(), PPS
    avcc = b"\1\x42\0\x1e\xff\xe1" + len(one).to_bytes(2, "big") + one + b"\1" + len(two).to_bytes(2, "big") + two
    unit = slice_unit(7)
    head, _ = Reader(avcc).packet(memoryview(len(unit).to_bytes(4, "big") + unit))
    assert head.frame_num == 7


def test_parameter_sets_may_come_in_the_stream_and_change() -> None:
    reader = Reader(b"")
    first = annex_b(sps(), PPS, slice_unit(0, idr=0))
    assert reader.packet(memoryview(first)) == reader.packet(memoryview(first))
    head, changed = reader.packet(memoryview(annex_b(sps(frame_num_bits=4, gaps=1), PPS, slice_unit(3, width=4))))
    assert changed and head.frame_num == 3 and reader.gaps_allowed


def test_emulation_prevention_is_taken_out() -> None:
    unit = slice_unit(0, idr=65535)
    head, _ = Reader(annex_b(sps(), PPS)).packet(memoryview(annex_b(unit)))
    assert head.idr_pic_id == 65535


def test_a_slice_without_its_parameter_sets_is_a_picture_without_numbers() -> None:
    head, _ = Reader(b"").packet(memoryview(annex_b(slice_unit(3))))
    assert head.frame_num == -1 and head.flags & SLICE


def test_a_packet_without_a_slice_is_no_picture() -> None:
    head, _ = Reader(annex_b(sps(), PPS)).packet(memoryview(annex_b(b"\x06\x05\x01\xff\x80")))
    assert head.flags == 0


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_noise_gives_a_head_and_never_an_error(extradata: bytes, payload: bytes) -> None:
    for start in (extradata, b"\1\x42\0\x1e\xff\xe1" + extradata, annex_b(sps(), PPS) + extradata):
        head, _ = Reader(start).packet(memoryview(payload))
        assert -1 <= head.frame_num < 65536 and -1 <= head.idr_pic_id < 65536


@given(st.binary(min_size=1, max_size=60))
def test_noise_after_a_slice_start(payload: bytes) -> None:
    for first in (b"\x65", b"\x41", b"\x67", b"\x68"):
        Reader(annex_b(sps(), PPS)).packet(memoryview(annex_b(first + payload)))


def test_a_cameras_counters_run_on(footage: Footage) -> None:
    track = picture_of(footage.segments[0]).of_kind("video")[0]
    assert track.slices is not None and track.h264 is not None
    assert min(track.slices.frame_num) >= 0 and track.h264.max_frame_num >= 16
    assert sum(value >= 0 for value in track.slices.idr_pic_id) > 3
