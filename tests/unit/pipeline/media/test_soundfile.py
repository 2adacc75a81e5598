"""Files of sound frames: MP3, AAC, AMR, AC-3, from the real encoders and with frames and bytes moved about."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.framed import Count
from pipeline.media import soundfile
from pipeline.media.window import Window
from tests.support.bitstreams import adts
from tests.support.damage import damaged
from tests.support.made import made
from tests.support.sounds import (
    adts_frames,
    amr_frame,
    id3v1,
    id3v2,
    mp3_frames,
    only,
    read,
    spots,
    structure,
)

LINE = b"#!AMR\n"
SPEECH = LINE + amr_frame() * 500


@pytest.mark.parametrize("name", ["a.mp3", "plain.mp3", "variable.mp3", "a.aac", "a.ac3", "a.eac3"])
def test_whole_files_have_no_spot(name: str) -> None:
    found = read(made(name))
    assert found.spots == () and found.complete and found.bad_sums == 0
    assert found.seconds == pytest.approx(8 if "a.mp3" in name or "plain" in name else 4, abs=0.1)
    assert structure(made(name)).trailing is None


def test_what_the_first_frame_tells() -> None:
    found = structure(made("a.mp3"))
    assert found.layout == ("ID3v2.4", "Info", "frames") and found.signed[0][0] == "Info"
    assert found.framed is not None and {count.what for count in found.framed.counts} == {"frames", "bytes"}
    assert all(count.declared == count.found for count in found.framed.counts)
    assert found.framed.summed == 1, "the encoder's sum over all the sound"
    assert found.framed.rhythm == found.framed.frames


def test_sound_that_was_changed_no_longer_has_its_sum() -> None:
    data = bytearray(made("a.mp3"))
    data[-50] ^= 1
    assert only(bytes(data)).what == "checksum" and only(bytes(data)).text == "sound"


def test_frames_that_are_absent_are_counted() -> None:
    frames = mp3_frames(made("a.mp3"))
    found = read(b"".join(frames[:-9]))
    assert found.counts[0] == Count("frames", found.frames + 9, found.frames)
    assert found.counts[1].declared - found.counts[1].found == sum(map(len, frames[-9:]))


def test_frames_taken_out_shift_the_rhythm() -> None:
    frames = mp3_frames(made("plain.mp3"))
    shift = only(b"".join(frames[:150] + frames[157:]))
    assert shift.what == "rhythm" and shift.frame <= 150 <= shift.frame + shift.expected + 1
    assert shift.offset == sum(map(len, frames[: shift.frame]))
    assert read(b"".join(frames[:150] + frames[199:])).spots == (), "a whole period of 49 frames"


@pytest.mark.parametrize(
    ("first", "second", "signs"),
    [
        ("a.mp3", "a.mp3", [("begin", "ID3v2.4"), ("begin", "Info")]),
        ("plain.mp3", "variable.mp3", [("begin", "ID3v2.4"), ("begin", "Xing")]),
    ],
)
def test_files_one_behind_another(first: str, second: str, signs: list[tuple[str, str]]) -> None:
    assert [each for each in spots(made(first) + made(second)) if each[0] in ("begin", "restart")] == signs


def test_an_encoder_that_gives_its_name_too_early() -> None:
    """FFmpeg's does so in its first frame, and in every 256th."""
    named, plain = adts(b"\xde\x04\x00Lavc60.31.102" + bytes(80)), adts(bytes(100))
    run = named + plain * 255
    assert read(run + run).spots == ()
    assert [(spot.what, spot.frame, spot.found) for spot in read(run + run[: -9 * len(plain)] + run).spots] == [
        ("restart", 503, 247)
    ]


def test_a_tag_of_the_first_file_stands_between() -> None:
    frames = b"".join(mp3_frames(made("plain.mp3")))
    assert spots(frames + id3v1() + frames)[0] == ("begin", "ID3v1")
    assert read(frames + id3v1()).spots == () and structure(frames + id3v1()).layout == ("frames", "ID3v1")


def test_a_second_file_behind_half_a_frame() -> None:
    data = made("plain.mp3")
    assert ("begin", "ID3v2.4") in spots(data[: len(data) // 2] + id3v2(bytes(3000)) + data)


def test_the_time_stamps_of_a_stream_are_no_second_file() -> None:
    stamp = id3v2(b"PRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0" + bytes(8))
    frames = b"".join(adts_frames(made("a.aac"))[1:40])
    assert read(stamp + frames + stamp + frames).spots == ()


def test_amr() -> None:
    found = read(SPEECH)
    assert (found.format, found.frames, found.seconds, found.spots) == ("amr", 500, 10.0, ())
    assert read(b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * 50).seconds == 1.0
    joint = only(SPEECH + SPEECH)
    assert (joint.what, joint.text, joint.frame, joint.time, joint.offset) == ("begin", "#!AMR", 500, 10.0, len(SPEECH))


def test_amr_with_pauses_has_no_change_of_rate() -> None:
    pauses = LINE + (amr_frame() * 60 + amr_frame(8) + amr_frame(15) * 7) * 5
    assert read(pauses).spots == ()
    changed = only(LINE + amr_frame(7) * 100 + amr_frame(4) * 100)
    assert (changed.what, changed.text, changed.time) == ("mode", "12.2 kbit/s → 7.4 kbit/s", 2.0)
    adaptive = LINE + b"".join(amr_frame(n // 7 % 8) for n in range(300))
    assert read(adaptive).spots == ()


@pytest.mark.parametrize(("name", "least"), [("plain.mp3", 1), ("a.aac", 1), ("a.ac3", 1)])
def test_bytes_cut_out_of_the_middle(name: str, least: int) -> None:
    data = made(name)
    hole = data[: len(data) // 2] + data[len(data) // 2 + 1111 :]
    assert "between" in [what for what, _ in spots(hole)]
    (junk,) = [spot for spot in read(hole).spots if spot.what == "between"]
    assert abs(junk.offset - len(data) // 2) < 2000 and junk.found >= least


def test_zeros_between_frames_are_told() -> None:
    frames = adts_frames(made("a.aac"))
    blank = only(b"".join(frames[:20]) + bytes(512) + b"".join(frames[20:]))
    assert (blank.what, blank.text, blank.found, blank.frame) == ("between", "zeros", 512, 20)


def test_a_head_cut_through() -> None:
    data = made("plain.mp3")
    assert only(data[1000:]).what == "between" and only(data[1000:]).offset == 0


def test_an_end_cut_through() -> None:
    for data in (made("plain.mp3"), made("a.aac"), made("a.ac3"), SPEECH):
        end = only(data[:-7])
        assert end.what == "cut" and end.expected - end.found == 7


def test_bytes_behind_the_end() -> None:
    data = made("plain.mp3")
    assert structure(data + b"x" * 100).trailing == (len(data), 100) and read(data + bytes(512)).spots == ()


def test_sums_of_ac3() -> None:
    data = bytearray(made("a.ac3"))
    assert read(bytes(data)).summed == read(bytes(data)).frames > 50
    data[len(data) // 2] ^= 4
    assert only(bytes(data)).what == "checksum" and read(bytes(data)).bad_sums == 1


def test_coding_that_changes() -> None:
    changed = only(b"".join(adts_frames(made("a.aac"))[1:40]) + made_at_48())
    assert changed.what == "parameters" and "16000 Hz" in changed.text and "24000 Hz" in changed.text


def made_at_48() -> bytes:
    """The same frames under another rate."""
    return b"".join(bytes([f[0], f[1], f[2] & 0xC3 | 6 << 2, *f[3:]]) for f in adts_frames(made("a.aac"))[1:40])


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"RIFF\4\0\0\0WAVE", b"ID3\4\0\0\0\0\0\0", b"\xff\xfb" * 400])
def test_other_files(data: bytes) -> None:
    assert soundfile.read(Window(io.BytesIO(data))) is None


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(["a.mp3", "plain.mp3", "a.aac", "a.ac3", "a.eac3", "amr"]))
def test_any_damage(data: st.DataObject, name: str) -> None:
    whole = SPEECH if name == "amr" else made(name)
    soundfile.read(Window(io.BytesIO(data.draw(damaged(whole)))))


@given(
    st.sampled_from([b"", b"#!AMR\n", b"#!AMR-WB\n", b"fLaC\0\0\0\x22", b"OggS\0\2", b"\x0bw", b"\xff\xf1"]),
    st.binary(),
)
def test_noise(start: bytes, noise: bytes) -> None:
    soundfile.read(Window(io.BytesIO(start + noise)))


def test_frames_of_one_size_tell_whether_they_are_shifted() -> None:
    damaged_frames = LINE + amr_frame() * 100 + b"\xff" * 64 + amr_frame() * 100
    assert (only(damaged_frames).expected, only(damaged_frames).found) == (0, 64)
    garbage = LINE + amr_frame() * 600 + bytes(range(7, 7 + 64)) + amr_frame() * 600
    assert {spot.expected for spot in read(garbage).spots if spot.what == "between"} <= {0}
    cut = LINE + amr_frame() * 100 + amr_frame(7, 0xFF)[:9] + amr_frame(7, 0xFF) * 100
    junk = only(cut)
    assert junk.expected == 32
    assert only(LINE + (amr_frame() * 10 + amr_frame(8)) * 20 + b"\xff" * 9 + amr_frame() * 20).expected == 0
