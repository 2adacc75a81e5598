"""The Matroska reader: clusters against cues, notes and checksums; files of FFmpeg and mkvmerge, and edited ones."""

from __future__ import annotations

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.structure import Matroska, Structure
from pipeline.media import ebml, matroska
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.made import made, merged

CLUSTER = 0x1F43B675


def structure(data: bytes) -> Structure:
    found = matroska.read(Window(io.BytesIO(data)))
    assert found is not None
    return found


def read(data: bytes) -> Matroska:
    found = structure(data).matroska
    assert found is not None
    return found


def element(id: int, body: bytes, *, width: int = 8) -> bytes:
    name = id.to_bytes((id.bit_length() + 7) // 8, "big")
    return name + (len(body) | 1 << 7 * width).to_bytes(width, "big") + body


def clusters(data: bytes) -> list[ebml.Element]:
    window = Window(io.BytesIO(data))
    segment = ebml.element(window, (ebml.element(window, 0) or pytest.fail("no EBML")).end)
    assert segment is not None
    return [each for each in ebml.children(window, segment, 1000) if each.id == CLUSTER]


def without(data: bytes, first: int, last: int) -> bytes:
    """Clusters taken out, the segment's length put right."""
    found = clusters(data)
    start, end = found[first].start, found[last].start
    at = data.index(bytes.fromhex("18538067")) + 4
    size = (int.from_bytes(data[at : at + 8], "big") - (end - start)).to_bytes(8, "big")
    return data[:at] + size + data[at + 8 : start] + data[end:]


@pytest.mark.parametrize(
    "make", [lambda: made("a.mkv"), merged, lambda: made("live.webm")], ids=["ffmpeg", "mkvmerge", "live"]
)
def test_whole_files(make: object) -> None:
    found = structure(make())  # type: ignore[operator]
    assert found.matroska is not None and found.matroska.clusters >= 4
    assert found.matroska.steps == found.matroska.checksums == found.matroska.dangling == found.matroska.damaged == ()
    assert (found.missing, found.trailing) == (0, None)


def test_who_wrote_it_and_when() -> None:
    found = structure(merged())
    assert any("mkvmerge" in text for where, text in found.signed if where == "Info/WritingApp")
    ((where, unix, _),) = found.dates
    assert where == "Info/DateUTC" and unix is not None and unix > 1_600_000_000


def test_clusters_taken_out_leave_cues_dangling() -> None:
    for data in (made("a.mkv"), merged()):
        found = read(without(data, 1, 3))
        assert 0 < found.dangling_count <= found.cues and found.clusters == len(clusters(data)) - 2
        assert found.dangling[0][0] == pytest.approx(1.0, abs=0.3)


def test_a_changed_byte_breaks_the_checksum() -> None:
    data = bytearray(made("a.mkv"))
    third = clusters(bytes(data))[2]
    data[(third.body + third.end) // 2] ^= 1
    found = read(bytes(data))
    assert found.checksums == (("Cluster", third.start),) and found.checksums_right > 3


def handmade(*notes: tuple[int, bytes], lead: bytes = b"") -> bytes:
    """Clusters with a timestamp each, and what else is given."""
    inside = lead + b"".join(
        element(CLUSTER, element(0xE7, time.to_bytes(2, "big"), width=1) + more) for time, more in notes
    )
    return element(0x1A45DFA3, element(0x4282, b"matroska", width=1), width=1) + element(0x18538067, inside)


def test_clusters_that_note_another_place() -> None:
    size = len(handmade((0, b""))) - len(handmade())
    position = element(0xA7, (size + 4).to_bytes(2, "big"), width=1)
    right = element(0xA7, size.to_bytes(2, "big"), width=1)
    assert read(handmade((0, b""), (1000, right))).steps == ()
    (step,) = read(handmade((0, b""), (1000, position))).steps
    assert (step.what, step.time, step.noted, step.found) == ("position", 1.0, size + 4, size)


def test_clusters_that_note_another_length_before_them() -> None:
    size = len(handmade((0, b""))) - len(handmade())
    assert read(handmade((0, b""), (1000, element(0xAB, bytes([size]), width=1)))).steps == ()
    (step,) = read(handmade((0, b""), (1000, element(0xAB, bytes([size + 9]), width=1)))).steps
    assert (step.what, step.noted, step.found) == ("size-before", size + 9, size)


def test_time_that_runs_back() -> None:
    (step,) = read(handmade((0, b""), (5000, b""), (3000, b""))).steps
    assert (step.what, step.noted, step.found) == ("time", 5.0, 3.0)


def test_checksums_by_hand() -> None:
    tail = element(0xE7, b"\0\1", width=1)
    right = element(CLUSTER, element(0xBF, zlib.crc32(tail).to_bytes(4, "little"), width=1) + tail)
    start = element(0x1A45DFA3, b"", width=1)
    assert read(start + element(0x18538067, right)).checksums_right == 1
    assert read(start + element(0x18538067, right[:-1] + b"\2")).checksums[0][0] == "Cluster"


def test_space_between_clusters_and_ordered_chapters() -> None:
    void = element(0xEC, bytes(3000), width=2)
    data = handmade((0, b"")) + void
    segment = handmade((0, b""))
    inside = segment[segment.index(bytes.fromhex("18538067")) + 12 :]
    whole = segment[: segment.index(bytes.fromhex("18538067"))] + element(0x18538067, inside + void + inside)
    assert read(whole).void[0][1] == len(void) and structure(data).trailing == (len(segment), len(void))
    edition = element(0x1043A770, element(0x45B9, element(0x45DD, b"\1", width=1), width=1), width=1)
    assert read(handmade((0, b""), lead=edition)).ordered_chapters
    assert read(handmade((0, b""), lead=element(0x1549A966, element(0x3EB923, bytes(16), width=1), width=1))).linked


def test_a_file_that_was_cut_off() -> None:
    data = made("a.mkv")
    assert structure(data[: len(data) // 2]).missing > 1000


def test_damage_between_clusters() -> None:
    data = bytearray(merged())
    second = clusters(bytes(data))[1]
    data[second.start : second.start + 4] = b"\xff\xff\xff\xff"
    found = read(bytes(data))
    assert found.damaged == (second.start,) and found.clusters == len(clusters(merged())) - 1


@pytest.mark.parametrize("data", [b"", bytes(50), b"\x1a\x45\xdf\xa3\xff", element(0x1A45DFA3, b""), b"RIFF...."])
def test_other_files(data: bytes) -> None:
    assert matroska.read(Window(io.BytesIO(data))) is None


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([made("a.mkv"), merged(), made("live.webm")]))
    matroska.read(Window(io.BytesIO(data.draw(damaged(whole)))))
