"""The Ogg reader: page numbers, sums, positions against the packets of Opus, Vorbis and FLAC."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.media import soundfile
from pipeline.media.ogg_packets import Vorbis, packets_of
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.made import made
from tests.support.sounds import only, page, pages, position, read, shifted, spots, structure

NAMES = ["a.opus", "a.ogg", "flac.oga"]


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_file(name: str) -> None:
    found = read(made(name))
    assert found.spots == () and found.closed and found.first_number == 0
    assert found.frames == found.summed == len(pages(made(name))) > 6
    assert found.seconds == pytest.approx(4, abs=0.05)
    assert any("vendor" in where for where, _ in structure(made(name)).signed)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_taken_out(name: str) -> None:
    whole = pages(made(name))
    found = read(b"".join(whole[:5] + whole[6:]))
    gap = next(spot for spot in found.spots if spot.what == "number")
    assert (gap.expected, gap.found, gap.frame) == (5, 6, 5)
    assert gap.offset == sum(map(len, whole[:5]))
    assert any(spot.what == "position" for spot in found.spots)


@pytest.mark.parametrize("name", NAMES)
def test_numbers_mended_by_hand_leave_the_positions(name: str) -> None:
    whole = pages(made(name))
    mended = [*whole[:5], *(page(each, number=5 + n) for n, each in enumerate(whole[6:]))]
    leap = next(spot for spot in read(b"".join(mended)).spots if spot.what == "position")
    apart = position(whole[5]) - position(whole[4])
    assert leap.found - leap.expected == pytest.approx(apart, abs=2100)


def test_pages_mended_all_through_leave_nothing() -> None:
    """Opus needs no page before: who renumbers and recounts all that follows leaves no trace."""
    whole = pages(made("a.opus"))
    back = position(whole[5]) - position(whole[4])
    assert read(b"".join(whole[:5]) + shifted(whole[6:], back, 1)).spots == ()


def test_a_page_changed() -> None:
    data = bytearray(made("a.opus"))
    data[sum(map(len, pages(bytes(data))[:5])) + 80] ^= 1
    assert (only(bytes(data)).what, only(bytes(data)).frame) == ("checksum", 5)


def test_files_one_behind_another() -> None:
    joint = only(made("a.opus") + made("a.ogg"))
    assert joint.what == "begin" and joint.text.startswith("Vorbis") and joint.offset == len(made("a.opus"))


def test_sound_behind_the_end() -> None:
    whole = pages(made("a.opus"))
    early = page(whole[5], flags=4)
    assert ("begin", "end of stream") in spots(b"".join([*whole[:5], early, *whole[6:]]))


def test_no_end_and_no_beginning() -> None:
    whole = pages(made("a.opus"))
    assert not read(b"".join(whole[:-1])).closed
    assert read(b"".join(whole[3:])).first_number == 3
    late = [*whole[:2], *(page(each, position=position(each) + 480_000) for each in whole[2:])]
    assert only(b"".join(late)).text == "head"


def test_bytes_between_and_behind_pages() -> None:
    whole = pages(made("a.opus"))
    junk = only(b"".join(whole[:4]) + b"junk" + b"".join(whole[4:]))
    assert (junk.what, junk.found, junk.frame) == ("between", 4, 4)
    assert only(made("a.opus")[:-9]).what == "cut"
    assert structure(made("a.opus") + b"x" * 50).trailing == (len(made("a.opus")), 50)


def test_a_packet_that_does_not_go_on() -> None:
    whole = pages(made("a.opus"))
    mended = [*whole[:4], page(whole[4], flags=1), *whole[5:]]
    assert ("continued", "") in spots(b"".join(mended))


@given(st.binary(max_size=60), st.lists(st.binary(max_size=20), max_size=5))
def test_packets_of_anything(first: bytes, bodies: list[bytes]) -> None:
    for start in (b"", b"OpusHead", b"\x01vorbis", b"\x7fFLAC", b"Speex   "):
        packets = packets_of((start + first)[:64])
        for body in bodies:
            packets.take(bytes([len(body)]), body, continued=False)


def test_blocks_of_vorbis_are_known() -> None:
    whole = pages(made("a.ogg"))
    packets = packets_of(whole[0][28:])
    assert isinstance(packets, Vorbis) and packets.rate == 48_000
    total = 0
    for each in whole:
        lacing = each[27 : 27 + each[26]]
        total += packets.take(lacing, each[27 + each[26] :], continued=bool(each[5] & 1)) or 0
    assert total >= struct.unpack("<Q", whole[-1][6:14])[0] > total - 4096


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(NAMES))
def test_any_damage(data: st.DataObject, name: str) -> None:
    soundfile.read(Window(io.BytesIO(data.draw(damaged(made(name))))))
