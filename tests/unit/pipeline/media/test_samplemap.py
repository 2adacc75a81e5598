"""Which bytes belong to samples: files of a real muxer, and the same after somebody edited their tables."""

from __future__ import annotations

import io
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.continuity.samples import SampleMap
from pipeline.continuity.structure import Structure
from pipeline.media import boxes, samplemap, sampletable
from pipeline.media.samplemap import Placed
from pipeline.media.sampletable import Table, numbers
from pipeline.media.window import Window
from tests.support.damage import damaged
from tests.support.isofile import Edit, Sample, edited
from tests.support.made import made


def structure(data: bytes) -> Structure:
    found = boxes.examine(Window(io.BytesIO(data)))
    assert found is not None
    return found[1]


def mapped(data: bytes) -> SampleMap:
    samples = structure(data).samples
    assert samples is not None
    return samples


def pieces(*spans: tuple[float, float]) -> Edit:
    """Footage of these seconds in this order."""

    def edit(handler: str, scale: int, samples: list[Sample]) -> list[Sample]:
        times = list(accumulate((each.duration / scale for each in samples), initial=0.0))
        return [each for start, end in spans for each, time in zip(samples, times, strict=False) if start <= time < end]

    return edit


@pytest.mark.parametrize("name", ["a.mp4", "fragmented.mp4", "faststart.mp4", "a.mov"])
def test_every_byte_of_a_recording_is_some_samples(name: str) -> None:
    found = mapped(made(name))
    assert found.unreferenced == found.out_of_order == found.shared == found.outside == found.contradictions == ()
    assert found.complete and found.referenced_bytes > 20_000


def test_samples_taken_out_of_the_index_leave_their_bytes() -> None:
    found = mapped(edited(made("a.mp4"), pieces((0, 1.6), (2.4, 9))))
    assert {each.place for each in found.unreferenced} == {"middle"}
    assert "units" in {each.content for each in found.unreferenced} and found.unreferenced_bytes > 5000


def test_head_and_tail_are_told_apart() -> None:
    found = mapped(edited(made("a.mp4"), pieces((1, 3))))
    assert {"head", "tail"} <= {each.place for each in found.unreferenced}


def test_pieces_that_change_places_stand_out_of_order() -> None:
    found = mapped(edited(made("a.mp4"), pieces((0, 1), (2, 3), (1, 2), (3, 9))))
    assert found.unreferenced == () and {each.track for each in found.out_of_order} == {1, 2}
    assert all(each.offset < each.previous for each in found.out_of_order)


def test_a_passage_shown_twice_is_shared() -> None:
    found = mapped(edited(made("a.mp4"), pieces((0, 2), (1, 9))))
    assert found.shared_count > 20 and {each.tracks for each in found.shared} == {(1, 1), (2, 2)}


def test_tables_that_count_differently_contradict_each_other() -> None:
    data = made("a.mp4")
    at = data.index(b"stts") + 8
    longer = data[: at + 4] + (int.from_bytes(data[at + 4 : at + 8], "big") + 7).to_bytes(4, "big") + data[at + 8 :]
    ((track, box, count, other, others),) = mapped(longer).contradictions
    assert (track, box, other, count - others) == (1, "stts", "stsz", 7)


def test_zeros_and_boxes_within_the_data_are_told() -> None:
    def map_of(hole: bytes) -> str:
        data = b"\0\0\0\x05\x65abcd" + hole + b"\0\0\0\x05\x41abcd"
        table = Table(
            runs=[(1, 1, 1)],
            size=9,
            count=2,
            offsets=numbers(bytes(12) + (9 + len(hole)).to_bytes(4, "big"), "I", 8, 2),
        )
        found = samplemap.make(Window(io.BytesIO(data)), [Placed(1, "vide", 1000, table)], [], [(0, len(data))])
        (stretch,) = found.unreferenced
        assert (stretch.offset, stretch.size) == (9, len(hole))
        return stretch.content

    assert map_of(bytes(40)) == "zeros"
    assert map_of(b"\0\0\0\x28free" + b"GPS " * 8) == "free"
    assert map_of(b"\xffjunk" * 8) == "other"
    assert map_of(b"\0\0\0\x0c\x41" + b"x" * 11) == "units"
    assert map_of(b"sound!" + b"\0\0\0\x0c\x41" + b"x" * 11 + b"\0\0\0\x04\x06abc" + b"\0\0\0\x02\x41a") == "units"


def test_chunks_outside_the_data_are_told() -> None:
    table = Table(runs=[(1, 1, 1)], size=10, count=1, offsets=numbers((50).to_bytes(4, "big"), "I", 0, 1))
    found = samplemap.make(Window(io.BytesIO(bytes(100))), [Placed(1, "vide", 1000, table)], [], [(0, 20)])
    assert found.outside == (50,)


def test_samples_in_another_file_are_not_looked_for() -> None:
    table = Table(runs=[(1, 1, 1)], size=10, count=1, offsets=numbers(bytes(4), "I", 0, 1), external=True)
    found = samplemap.make(Window(io.BytesIO(bytes(100))), [Placed(1, "vide", 1000, table)], [], [(0, 100)])
    assert found.referenced_bytes == 0


def test_descriptions_that_change_are_placed() -> None:
    offsets = numbers(b"".join(n.to_bytes(4, "big") for n in (0, 10, 20, 30)), "I", 0, 4)
    runs = sampletable.runs(bytes(7) + b"\2" + b"".join(n.to_bytes(4, "big") for n in (1, 1, 1, 3, 1, 2)))
    assert sampletable.switches(Table(runs=runs, offsets=offsets)) == [(20, 1, 2)]
    assert sampletable.switches(Table(runs=[(1, 1, 1), (3, 2, 1), (9, 1, 2)], offsets=offsets)) == []


def test_small_sizes_of_every_width() -> None:
    assert sampletable.small_sizes(bytes(7) + b"\x04" + (3).to_bytes(4, "big") + b"\x12\x30")[0].tolist() == [1, 2, 3]
    assert sampletable.small_sizes(bytes(7) + b"\x08" + (2).to_bytes(4, "big") + b"\x05\x06")[0].tolist() == [5, 6]
    assert sampletable.small_sizes(bytes(7) + b"\x10" + (1).to_bytes(4, "big") + b"\x01\0")[0].tolist() == [256]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 40)), min_size=1, max_size=40))
def test_the_map_covers_exactly_what_the_chunks_cover(chunks: list[tuple[int, int]]) -> None:
    """Against a byte array: whatever chunks, in whatever order, overlapping or not."""
    data = bytes(500)
    sizes = b"".join(size.to_bytes(4, "big") for _, size in chunks)
    offsets = b"".join(offset.to_bytes(4, "big") for offset, _ in chunks)
    many = len(chunks)
    table = Table(
        runs=[(1, 1, 1)], sizes=numbers(sizes, "I", 0, many), count=many, offsets=numbers(offsets, "I", 0, many)
    )
    found = samplemap.make(Window(io.BytesIO(data)), [Placed(1, "vide", 1000, table)], [], [(0, 500)])
    covered = {at for offset, size in chunks for at in range(offset, offset + size)}
    assert found.unreferenced_bytes == 500 - len(covered)
    assert bool(found.shared_count) == (sum(size for _, size in chunks) > len(covered))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage(data: st.DataObject) -> None:
    whole = made(data.draw(st.sampled_from(["a.mp4", "fragmented.mp4", "faststart.mp4"])))
    boxes.examine(Window(io.BytesIO(data.draw(damaged(whole)))))


def test_the_fingerprint_is_of_the_program_and_not_of_the_footage() -> None:
    found = structure(made("a.mp4"))
    assert found.layout[:5] == ("ftyp isom 512 isom,iso2,avc1,mp41", "free", "mdat", "moov", "mvhd 1000")
    assert found.layout[5].startswith(
        "trak(tkhd edts(elst) mdia(mdhd hdlr vide VideoHandler minf(vmhd dinf(dref) stbl(stsd avc1"
    )
    assert structure(edited(made("a.mp4"), pieces((0, 2)))).layout == found.layout
    assert structure(made("fragmented.mp4")).layout[-3:] == ("moof", "mdat", "mfra")
