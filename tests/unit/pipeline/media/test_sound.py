"""Heads of AAC and MP3 frames, from our own writer and from noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.coding import Fault, Sound
from pipeline.media import heads
from tests.support.bitstreams import aac_frame, adts, mp3_frame
from tests.support.made import made

LONG, START, SHORT, STOP = range(4)
LC = b"\x11\x88"  # AudioSpecificConfig of AAC-LC


def heard(codec: str, *packets: bytes, extradata: bytes = b"") -> Sound:
    reader = heads.of_audio(codec, extradata)
    assert reader is not None
    for packet in packets:
        reader.take(memoryview(packet))
    return reader.sound()


@pytest.mark.parametrize("pair", [False, True])
def test_windows_that_fit_are_no_fault(pair: bool) -> None:
    row = (LONG, LONG, START, SHORT, SHORT, STOP, LONG, START, STOP, START, SHORT, STOP)
    assert heard("aac", *(aac_frame(window, pair=pair) for window in row), extradata=LC).faults == ()


@pytest.mark.parametrize("pair", [False, True])
def test_windows_that_do_not_fit_are(pair: bool) -> None:
    row = (LONG, START, LONG, LONG, SHORT, SHORT, LONG)
    found = heard("aac", *(aac_frame(window, pair=pair) for window in row), extradata=LC)
    assert found.faults == (Fault(2, "window", 1, 0), Fault(4, "window", 0, 1), Fault(6, "window", 1, 0))
    assert found.samples == 1024 and found.frames == 7


def test_other_elements_and_kinds_of_aac_are_left_alone() -> None:
    filled = b"\xc0" + bytes(8)
    assert heard("aac", aac_frame(START), filled, aac_frame(LONG), extradata=LC).faults == ()
    low_delay = bytes([23 << 3, 0])
    assert heard("aac", aac_frame(START), aac_frame(LONG), extradata=low_delay).faults == ()


def test_adts_headers_that_change_are_a_fault() -> None:
    frames = [
        adts(aac_frame(LONG)),
        adts(aac_frame(LONG)),
        adts(aac_frame(LONG), rate=4),
        adts(aac_frame(LONG), rate=4),
    ]
    found = heard("aac", *frames)
    assert [(fault.packet, fault.what) for fault in found.faults] == [(2, "header")]
    assert heard("aac", adts(aac_frame(START)), adts(aac_frame(LONG))).faults == (Fault(1, "window", 1, 0),)


def mp3(count: int, *, lean: int = 300) -> list[bytes]:
    """Frames of 384 bytes (363 for data) of which every other leaves `lean` bytes to the one after it."""
    return [mp3_frame(lean if n % 2 else 0, 363 - lean if n % 2 == 0 else 363 + lean) for n in range(count)]


def test_a_reservoir_that_adds_up_is_no_fault() -> None:
    found = heard("mp3float", *mp3(20))
    assert found == Sound("mp3", 1152, 20)


def test_a_frame_that_was_taken_out_is_missed() -> None:
    frames = mp3(20)
    found = heard("mp3", *frames[:8], *frames[9:])  # the one that leaves bytes
    assert found.faults == (Fault(8, "reservoir", 0, 300),)


def test_a_head_cut_off_and_declared_frames_are_told() -> None:
    assert heard("mp3", *mp3(9)[1:]).borrowed == 300
    tagged = bytearray(mp3_frame(0, 0))
    tagged[21:33] = b"Xing\0\0\0\1" + (77).to_bytes(4, "big")
    found = heard("mp3", bytes(tagged), *mp3(9))
    assert found.declared == 77 and found.borrowed == 0 and found.faults == ()


@given(
    st.sampled_from(["aac", "mp3", "flac", "ac3", "eac3", "amrnb", "amrwb"]),
    st.lists(st.binary(max_size=60) | st.binary(max_size=300), max_size=20),
)
def test_noise_gives_no_error(codec: str, payloads: list[bytes]) -> None:
    starts = b"", b"\xff\xf1", b"\xff\xfb\x94\xc0", b"\xff\xf3\x94\x00"
    packets = [start + payload for payload in payloads for start in starts]
    found = heard(codec, *packets)
    assert found.frames == len(packets) and len(found.faults) <= 100


def test_packets_of_amr_and_ac3_are_whole_frames() -> None:
    speech, pause = bytes([7 << 3 | 4]) + bytes(31), bytes([8 << 3 | 4]) + bytes(5)
    assert heard("amrnb", speech, pause, speech * 10).faults == ()
    assert heard("amrnb", speech[:-1]).faults == (Fault(0, "size", 32, 31),)
    assert heard("amrwb", bytes([2 << 3 | 4]) + bytes(32)).samples == 320
    frame = made("a.ac3")[:384]
    changed = frame[:200] + bytes([frame[200] ^ 1]) + frame[201:]
    assert [fault.what for fault in heard("ac3", frame, changed, frame[:300]).faults] == ["sum", "size"]
