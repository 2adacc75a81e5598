"""Clocks and counters of MPEG-4 visual, H.263 and MPEG-2, from our own writer and from noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.coding import INTRA, REFERENCE, RESET, SLICE, SPLICE, UNCOUNTED, Change, Level
from pipeline.media import h263, heads, mpeg2, mpeg4
from tests.support.bitstreams import (
    h263_picture,
    mpeg2_group,
    mpeg2_picture,
    mpeg2_sequence,
    mpeg4_group,
    mpeg4_layer,
    mpeg4_picture,
)

INTRA_CODED, P, B = 0, 1, 2


def fed(reader: heads.Pictures, *packets: bytes) -> list[tuple[int, int]]:
    """(order, flags) of each packet."""
    for packet in packets:
        reader.take(memoryview(packet))
    columns = reader.arrays()
    return list(zip(columns[2], columns[4], strict=True))


def test_mpeg4_time_runs_on_from_second_to_second() -> None:
    packets = [mpeg4_picture(P if n else INTRA_CODED, n % 25, seconds=int(n % 25 == 0 and n > 0)) for n in range(60)]
    found = fed(mpeg4.Reader(mpeg4_layer()), *packets)
    assert [order for order, _ in found] == list(range(60))
    assert found[0][1] == SLICE | INTRA | REFERENCE and found[1][1] == SLICE | REFERENCE


def test_mpeg4_pictures_that_are_shown_earlier_have_earlier_times() -> None:
    packets = [
        mpeg4_picture(kind, ticks) for kind, ticks in ((INTRA_CODED, 23), (P, 1), (B, 24), (B, 0), (P, 4), (B, 2))
    ]
    assert [order for order, _ in fed(mpeg4.Reader(mpeg4_layer()), *packets)] == [23, 26, 24, 25, 29, 27]


def test_mpeg4_headers_in_the_packet_are_used_and_groups_tell_the_time() -> None:
    reader = mpeg4.Reader(b"")
    found = fed(reader, mpeg4_layer() + mpeg4_group(3725) + mpeg4_picture(INTRA_CODED, 7), mpeg4_picture(P, 8))
    assert [order for order, _ in found] == [7, 8]
    assert reader.coding().stamps == ((0, 3725.0),) and reader.coding().order_tick == pytest.approx(0.04)


def test_mpeg4_broken_links_and_new_layers_are_noted() -> None:
    reader = mpeg4.Reader(mpeg4_layer())
    found = fed(
        reader,
        mpeg4_picture(INTRA_CODED, 0),
        mpeg4_layer(30) + mpeg4_group(9, broken=True) + mpeg4_picture(INTRA_CODED, 1),
    )
    assert found[1][1] & SPLICE and not found[0][1] & SPLICE
    assert reader.coding().changes == (Change(1, "vol"),) and reader.coding().order_modulus == 30


def test_mpeg4_without_layer_has_pictures_without_time() -> None:
    assert fed(mpeg4.Reader(b""), mpeg4_picture(P, 3)) == [(UNCOUNTED, SLICE | REFERENCE)]


def test_h263_references_are_unwrapped() -> None:
    packets = [h263_picture(2 * n % 256, key=n % 50 == 0) for n in range(300)]
    found = fed(h263.Reader(), *packets)
    assert [order for order, _ in found] == [2 * n for n in range(300)]
    assert [n for n, (_, flags) in enumerate(found) if flags & INTRA] == [0, 50, 100, 150, 200, 250]


def test_mpeg2_counts_in_groups() -> None:
    first = mpeg2_sequence() + mpeg2_group(60) + mpeg2_picture(0, 1, 9000)
    second = mpeg2_sequence() + mpeg2_group(60, 3, broken=True) + mpeg2_picture(2, 1, 8000)
    reader = mpeg2.Reader(b"")
    found = fed(reader, first, mpeg2_picture(2, 2), mpeg2_picture(1, 3), second, mpeg2_picture(0, 3))
    assert [order for order, _ in found] == [0, 2, 1, 2, 0]
    assert [bool(flags & RESET) for _, flags in found] == [True, False, False, True, False]
    assert [bool(flags & SPLICE) for _, flags in found] == [False, False, False, True, False]
    coding = reader.coding()
    assert coding.stamps == ((0, 60.0), (3, 60.12)) and coding.bit_rate == 1_000_000
    assert coding.levels == (Level(0, 9000 / 90_000, 0.0), Level(3, 8000 / 90_000, 3 / 25))


def test_mpeg2_sequences_that_change_are_noted() -> None:
    reader = mpeg2.Reader(mpeg2_sequence())
    fed(
        reader,
        mpeg2_picture(0, 1),
        mpeg2_sequence() + mpeg2_picture(0, 1),
        mpeg2_sequence(rate=5) + mpeg2_picture(0, 1),
    )
    assert reader.coding().changes == (Change(2, "sequence"),)


@given(st.sampled_from(["mpeg4", "h263", "mpeg1video", "mpeg2video"]), st.binary(max_size=120),
       st.lists(st.binary(max_size=120), max_size=5))  # fmt: skip
def test_noise_gives_a_row_and_never_an_error(codec: str, extradata: bytes, payloads: list[bytes]) -> None:
    reader = heads.of_video(codec, extradata)
    assert reader is not None
    starts = b"\0\0\1\xb6", b"\0\0\1\0", b"\0\0\1\xb3", b"\0\0\1\xb8", b"\0\0\1\x20", b"\0\0\x80"
    packets = [start + payload for payload in payloads for start in (b"", *starts)]
    assert len(fed(reader, *packets)) == len(packets)
    assert len(reader.coding().changes) <= 100


@given(st.integers(1, 65535), st.lists(st.integers(0, 65534), min_size=1, max_size=30))
def test_mpeg4_times_written_are_times_read(resolution: int, times: list[int]) -> None:
    packets = [mpeg4_picture(P, time % resolution, resolution=resolution) for time in times]
    found = fed(mpeg4.Reader(mpeg4_layer(resolution)), *packets)
    assert [order % resolution for order, _ in found] == [time % resolution for time in times]


def test_other_codecs_have_no_reader() -> None:
    assert heads.of_video("mjpeg", b"") is None and heads.of_audio("pcm_s16le", b"") is None
