"""The FLAC reader: numbers, sums, what the head says, tags and second heads."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.framed import Count
from pipeline.media import flac_heads, heads, soundfile
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.made import made
from tests.support.sounds import flac_frames, id3v1, only, read, renumbered, spots, structure


def test_a_whole_file() -> None:
    found = structure(made("a.flac"))
    assert found.layout[:2] == ("STREAMINFO", "VORBIS_COMMENT") and found.layout[-1] == "frames"
    assert ("VORBIS_COMMENT/vendor", "ffmpeg") in found.signed
    head, frames = flac_frames(made("a.flac"))
    framed = read(made("a.flac"))
    assert framed.frames == len(frames) == framed.summed and framed.first == len(head)
    assert framed.spots == () and framed.counts == (Count("samples", 64_000, 64_000),)
    assert (framed.seconds, framed.first_number) == (4.0, 0)


def test_frames_taken_out() -> None:
    head, frames = flac_frames(made("a.flac"))
    gap = only(head + b"".join(frames[:10] + frames[14:]))
    assert (gap.what, gap.expected, gap.found, gap.frame) == ("number", 10, 14, 10)
    assert gap.offset == len(head) + sum(map(len, frames[:10]))
    assert read(head + b"".join(frames[3:])).first_number == 3


def test_frames_put_in_moved_or_repeated() -> None:
    head, frames = flac_frames(made("a.flac"))
    moved = read(head + b"".join([*frames[:10], *frames[20:25], *frames[10:20], *frames[25:]]))
    assert [(s.what, s.expected, s.found) for s in moved.spots] == [
        ("number", 10, 20),
        ("number", 25, 10),
        ("number", 20, 25),
    ]


def test_numbers_mended_by_hand_leave_the_count() -> None:
    head, frames = flac_frames(made("a.flac"))
    mended = [*frames[:10], *(renumbered(frame, 10 + n) for n, frame in enumerate(frames[14:]))]
    framed = read(head + b"".join(mended))
    assert framed.spots == () and framed.counts[0].declared - framed.counts[0].found == 4 * 1152


def test_bytes_changed_or_cut_out() -> None:
    data = made("a.flac")
    head, frames = flac_frames(data)
    middle = len(head) + sum(map(len, frames[:10])) + 100
    changed = bytearray(data)
    changed[middle] ^= 8
    assert (only(bytes(changed)).what, only(bytes(changed)).frame) == ("checksum", 10)
    assert [what for what, _ in spots(data[:middle] + data[middle + 20 :])] == ["checksum"]


def test_an_end_cut_through() -> None:
    end = only(made("a.flac")[:-100])
    assert end.what == "cut" and read(made("a.flac")[:-100]).counts[0].found < 64_000


def test_two_files_one_behind_the_other() -> None:
    data = made("a.flac")
    joint = only(data + data)
    assert (joint.what, joint.text, joint.offset, joint.time) == ("begin", "fLaC", len(data), 4.0)
    assert spots(data + id3v1() + data)[0] == ("begin", "ID3v1")
    assert read(data + id3v1()).spots == ()


def test_frames_of_another_coding() -> None:
    head, frames = flac_frames(made("a.flac"))
    told = bytearray(head)
    told[8 + 10] ^= 1  # another rate in STREAMINFO
    assert all(what in ("parameters", "between") for what, _ in spots(bytes(told) + b"".join(frames)))
    smaller = bytearray(head)
    smaller[8 + 7 : 8 + 10] = (50).to_bytes(3, "big")  # the largest frame
    assert {what for what, _ in spots(bytes(smaller) + b"".join(frames))} == {"range"}


def test_a_seek_table_that_points_elsewhere() -> None:
    head, frames = flac_frames(made("a.flac"))

    def with_table(offset: int) -> bytes:
        point = (1152 * 5).to_bytes(8, "big") + offset.to_bytes(8, "big") + (1152).to_bytes(2, "big")
        table = b"\3" + (36).to_bytes(3, "big") + point + b"\xff" * 18
        return head[:42] + table + head[42:] + b"".join(frames)

    assert read(with_table(sum(map(len, frames[:5])))).spots == ()
    assert only(with_table(sum(map(len, frames[:4])))).what == "index"


def test_numbers_in_other_containers() -> None:
    _, frames = flac_frames(made("a.flac"))
    reader = heads.of_audio("flac", b"")
    assert reader is not None
    for frame in (*frames[:10], *frames[12:]):
        reader.take(memoryview(frame))
    assert [(f.packet, f.what, f.expected, f.found) for f in reader.sound().faults] == [(10, "number", 10, 12)]


@given(st.integers(0, (1 << 36) - 1))
def test_coded_numbers(number: int) -> None:
    count = 1 if number < 0x80 else next(n for n in range(2, 8) if number < 1 << 5 * n + 1)
    lead = number.to_bytes(1, "big") if count == 1 else bytes([0xFF << 8 - count & 0xFF | number >> 6 * (count - 1)])
    rest = bytes(0x80 | number >> 6 * (count - 2 - n) & 0x3F for n in range(count - 1))
    assert flac_heads._coded(b"\xff\xf8\0\0" + lead + rest) == (number, 4 + count)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    soundfile.read(Window(io.BytesIO(data.draw(damaged(made("a.flac"))))))
