"""The AVI reader: footage against index and headers, of a real muxer's file and of the same after an edit."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.structure import Riff, Structure
from pipeline.media import avi
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.made import made


def structure(data: bytes) -> Structure:
    found = avi.read(Window(io.BytesIO(data)))
    assert found is not None
    return found


def riff(data: bytes) -> Riff:
    found = structure(data).riff
    assert found is not None
    return found


def entries(data: bytes) -> tuple[int, list[bytes]]:
    """Where the index stands, and its entries."""
    at = data.rindex(b"idx1")
    size = struct.unpack("<I", data[at + 4 : at + 8])[0]
    return at, [data[n : n + 16] for n in range(at + 8, at + 8 + size, 16)]


def place(data: bytes, entry: bytes) -> int:
    """Where the chunk of an index entry stands."""
    return data.index(b"movi") + struct.unpack("<I", entry[8:12])[0]


def with_index(data: bytes, kept: list[bytes]) -> bytes:
    at = entries(data)[0]
    return sized(data[:at] + b"idx1" + struct.pack("<I", 16 * len(kept)) + b"".join(kept))


def sized(data: bytes) -> bytes:
    """With the length of the whole put right."""
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def without(data: bytes, start: int, end: int) -> bytes:
    """Bytes of the movi list taken out, its length and the file's put right."""
    at = data.index(b"movi") - 4
    size = struct.unpack("<I", data[at : at + 4])[0] - (end - start)
    cut = data[:start] + data[end:]
    return sized(cut[:at] + struct.pack("<I", size) + cut[at + 4 :])


def test_a_whole_file() -> None:
    found = structure(made("a.avi"))
    assert found.riff is not None and (found.missing, found.trailing) == (0, None)
    counts = (found.riff.frames_header, found.riff.frames_stream, found.riff.frames_index, found.riff.frames_found)
    assert counts == (100, 100, 100, 100) and found.riff.interval == pytest.approx(0.04)
    assert found.riff.index == "idx1" and found.riff.unlisted == found.riff.dangling == found.riff.damaged == ()
    assert "LIST movi" in found.layout and "strl/strh vids MJPG" in found.layout


def test_chunks_taken_out_of_the_index() -> None:
    data = made("a.avi")
    _, all_entries = entries(data)
    found = riff(with_index(data, all_entries[:100] + all_entries[150:]))
    assert found.unlisted_count == 50 and not found.unlisted_last
    assert found.unlisted[0][0] == place(data, all_entries[100])
    assert riff(with_index(data, all_entries[:200])).unlisted_last


def test_chunks_taken_out_of_the_data() -> None:
    data = made("a.avi")
    _, all_entries = entries(data)
    found = riff(without(data, place(data, all_entries[100]), place(data, all_entries[150])))
    assert found.dangling[0][0] in (100, 101), "another chunk may begin just there"
    assert found.dangling_count >= 50
    assert found.frames_found < found.frames_header


def test_lengths_left_as_they_were() -> None:
    data = made("a.avi")
    _, all_entries = entries(data)
    raw = data[: place(data, all_entries[100])] + data[place(data, all_entries[150]) :]
    assert structure(raw).missing and riff(raw).dangling_count


def test_offsets_from_the_beginning_of_the_file() -> None:
    data = made("a.avi")
    base = data.index(b"movi")
    _, all_entries = entries(data)
    absolute = [e[:8] + struct.pack("<I", struct.unpack("<I", e[8:12])[0] + base) + e[12:] for e in all_entries]
    assert riff(with_index(data, absolute)).dangling_count == 0


def test_a_file_that_was_cut_off() -> None:
    data = made("a.avi")
    found = structure(data[: len(data) // 2])
    assert found.missing > 0 and found.riff is not None and found.riff.index == "none" and found.riff.damaged == ()


def test_a_file_that_was_never_closed() -> None:
    data = made("a.avi")
    assert not riff(data[:4] + bytes(4) + data[8 : entries(data)[0]]).closed


def test_damage_in_the_data() -> None:
    data = bytearray(made("a.avi"))
    _, all_entries = entries(bytes(data))
    at = place(bytes(data), all_entries[60])
    data[at : at + 8] = b"\xff" * 8
    found = riff(bytes(data))
    assert found.damaged == (at,) and found.dangling_count == 1


def test_bytes_after_the_end() -> None:
    assert structure(made("a.avi") + b"more").trailing == (len(made("a.avi")), 4)


def test_dates_and_names() -> None:
    data = made("a.avi")
    at = data.index(b"LIST", data.index(b"avih"))
    idit = b"IDIT\x1a\0\0\0WED NOV 18 09:30:00 2026\n\0"
    header = struct.unpack("<I", data[16:20])[0] + len(idit)
    dated = sized(data[:16] + struct.pack("<I", header) + data[20:at] + idit + data[at:])
    assert structure(dated).dates == (("hdrl/IDIT", None, "WED NOV 18 09:30:00 2026"),)
    listed = sized(data + b"LIST\x18\0\0\0INFOISFT\x0b\0\0\0VirtualDub\0\0")
    assert ("INFO/ISFT", "VirtualDub") in structure(listed).signed


def open_dml() -> bytes:
    """Two RIFF parts, an index of indices in the header, and standard indices beside the data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)

    def part(base: int, places: list[int]) -> bytes:
        rows = b"".join(struct.pack("<II", at + 8, 10) for at in places)
        return chunk(b"ix00", struct.pack("<HBBI4sQI", 2, 0, 1, len(places), b"00dc", base, 0) + rows)

    frames = b"".join(chunk(b"00dc", b"picture %02d" % n) for n in range(4))
    frame = len(frames) // 4
    strh = b"vidsMJPG" + bytes(12) + struct.pack("<II", 1, 25) + bytes(4) + struct.pack("<I", 8) + bytes(12)

    def whole(first_ix: int, second_ix: int, movi: int, second_movi: int) -> bytes:
        super_index = struct.pack("<HBBI4s12x", 4, 0, 0, 2, b"00dc") + struct.pack("<QII", first_ix, 0, 4)
        super_index += struct.pack("<QII", second_ix, 0, 4)
        strl = b"LIST" + struct.pack("<I", 4 + 8 + len(strh) + 8 + len(super_index)) + b"strl"
        strl += chunk(b"strh", strh) + chunk(b"indx", super_index)
        odml = b"LIST\x10\0\0\0odmldmlh\x04\0\0\0" + struct.pack("<I", 8)
        avih = chunk(b"avih", struct.pack("<I12xI20x", 40_000, 4))
        hdrl = chunk(b"LIST", b"hdrl" + avih + strl + odml)
        lists = [
            chunk(b"LIST", b"movi" + frames + part(base, [n * frame for n in range(4)])) for base in (movi, second_movi)
        ]
        return chunk(b"RIFF", b"AVI " + hdrl + lists[0]) + chunk(b"RIFF", b"AVIX" + lists[1])

    draft = whole(0, 0, 0, 0)
    movi, second = draft.index(b"movi") + 4, draft.rindex(b"movi") + 4
    return whole(draft.index(b"ix00"), draft.rindex(b"ix00"), movi, second)


def test_open_dml_files_are_read_to_the_end() -> None:
    found = riff(open_dml())
    assert (found.frames_header, found.frames_found, found.index) == (8, 8, "indx")
    assert found.unlisted == found.dangling == ()


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\x04\0\0\0WAVE", bytes(200)])
def test_other_files(data: bytes) -> None:
    assert avi.read(Window(io.BytesIO(data))) is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([made("a.avi"), open_dml()]))
    avi.read(Window(io.BytesIO(data.draw(damaged(whole)))))
