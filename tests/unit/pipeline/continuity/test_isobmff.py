"""What the sample map and the fragments prove, and what they leave as a suspicion. Packet n stands at byte 100 n."""

from __future__ import annotations

from array import array
from typing import Any

from pipeline.continuity import isobmff
from pipeline.continuity.model import Box, Packets, Track
from pipeline.continuity.samples import Fragments, FragmentStep, OutOfOrder, SampleMap, Shared, Stretch
from pipeline.continuity.structure import Structure
from storage.records import Finding
from tests.support.pictures import LIMITS, boxes, picture, steady, told, track_box, video

FILM = video(steady(10))


def found(track: Track = FILM, *, fragments: Fragments | None = None, **samples: Any) -> list[Finding]:
    structure = Structure("isobmff", samples=SampleMap(referenced_bytes=25_000, **samples), fragments=fragments)
    file = picture(track, structure=structure, boxes=boxes(track_box()))
    return [finding for check in isobmff.CHECKS for finding in check(file, LIMITS)]


def at(*positions: int) -> Track:
    """The film with its packets at other places."""
    old = FILM.packets
    return Track(FILM.stream, Packets(old.pts, old.dts, old.duration, array("q", positions), old.size, old.flags))


def test_a_whole_map_and_no_map_tell_nothing() -> None:
    assert found() == []
    file = picture(FILM)
    assert [finding for check in isobmff.CHECKS for finding in check(file, LIMITS)] == []


def test_pictures_left_in_the_data_were_taken_out() -> None:
    (cut,) = found(unreferenced=(Stretch(10_050, 4000, "middle", "units"),), unreferenced_bytes=4000)
    assert told([cut]) == [("UNREFERENCED", "violation")] and (cut.start, cut.end) == (4.0, 4.04)


def test_stretches_without_a_picture_between_are_one() -> None:
    stretches = tuple(Stretch(10_010 + 20 * n, 15, "middle", "units" if n % 2 else "other") for n in range(4))
    (cut,) = found(unreferenced=stretches, unreferenced_bytes=60)
    assert cut.evidence["stretches"] == 4 and cut.evidence["bytes"] == 60


def test_two_places_are_two_findings() -> None:
    stretches = (Stretch(5050, 90, "middle", "units"), Stretch(15_050, 90, "middle", "units"))
    assert [finding.start for finding in found(unreferenced=stretches, unreferenced_bytes=180)] == [2.0, 6.0]


def test_pictures_before_the_first_or_after_the_last_are_a_suspicion() -> None:
    """Encoders run in, and a device may leave out what comes before the first key picture."""
    moved = at(*range(5000, 30_000, 100))
    assert told(found(moved, unreferenced=(Stretch(0, 5000, "head", "units"),))) == [("UNREFERENCED", "suspicion")]
    assert told(found(unreferenced=(Stretch(26_000, 900, "tail", "units"),))) == [("UNREFERENCED", "suspicion")]


def test_free_space_and_alignment_are_nothing() -> None:
    free = (
        Stretch(50, 4000, "middle", "free"),
        Stretch(10_050, 9000, "tail", "zeros"),
        Stretch(99, 60, "middle", "other"),
    )
    assert found(unreferenced=free) == []


def test_a_regular_habit_is_context() -> None:
    """A device that puts its own data between the samples from one end of the file to the other."""
    stretches = tuple(Stretch(100 * n, 2000, "middle", "other") for n in range(0, 250, 10))
    assert told(found(unreferenced=stretches, unreferenced_bytes=0)) == [("UNREFERENCED", "note")]
    second = tuple(Stretch(100 * n, 2000, "middle", "units") for n in range(0, 250, 10))
    assert told(found(unreferenced=second, unreferenced_bytes=0)) == [("UNREFERENCED", "suspicion")]


def test_something_unknown_in_one_place_is_a_suspicion() -> None:
    (unknown,) = found(unreferenced=(Stretch(10_050, 4000, "middle", "other"),), unreferenced_bytes=4000)
    assert (
        told([unknown]) == [("UNREFERENCED", "suspicion")]
        and unknown.code.startswith("REC-TRUE")
        and unknown.start == 4.0
    )


def test_pieces_that_changed_places() -> None:
    order = [*range(0, 5000, 100), *range(10_000, 15_000, 100), *range(5000, 10_000, 100), *range(15_000, 25_000, 100)]
    (swapped,) = found(at(*order), out_of_order=(OutOfOrder(1, 100, 5000, 14_900),), out_of_order_count=1)
    assert told([swapped]) == [("REORDERED", "violation")] and swapped.start == 4.0


def test_a_ring_buffer_begins_late_in_the_file() -> None:
    order = [*range(15_000, 25_000, 100), *range(0, 15_000, 100)]
    (ring,) = found(at(*order), out_of_order=(OutOfOrder(1, 100, 0, 24_900),), out_of_order_count=1)
    assert told([ring]) == [("REORDERED", "suspicion")]


def test_telemetry_may_stand_anywhere() -> None:
    assert found(out_of_order=(OutOfOrder(9, 1, 0, 100),), out_of_order_count=1, shared=(Shared(0, 9, (9, 9)),)) == []


def test_a_passage_shown_twice_is_a_loop() -> None:
    order = [*range(0, 10_000, 100), *range(5000, 20_000, 100)]
    (loop,) = found(at(*order), shared=tuple(Shared(n, 100, (1, 1)) for n in range(5000, 10_000, 100)), shared_count=50)
    assert told([loop]) == [("REPEATED", "violation")] and loop.start == 2.0


def test_one_picture_shown_twice_is_a_suspicion() -> None:
    assert told(found(shared=(Shared(5000, 100, (1, 1)),), shared_count=1)) == [("REPEATED", "suspicion")]


def test_samples_outside_the_data_and_tables_that_disagree() -> None:
    assert told(found(outside=(7,), outside_count=1)) == [("OUTSIDE-DATA", "suspicion")]
    assert told(found(contradictions=((1, "stts", 250, "stsz", 240),))) == [("TABLES", "suspicion")]


def test_another_description_is_another_recording() -> None:
    (join,) = found(switches=((1, 10_000, 1, 2),))
    assert told([join]) == [("JOINED", "violation")] and (join.start, join.end) == (3.96, 4.0)
    assert found(switches=((7, 10_000, 1, 2),)) == [], "of another track"


def fragments(*steps: FragmentStep, count: int = 100) -> Fragments:
    return Fragments(count, 1, steps, len(steps))


def test_absent_fragments_are_located() -> None:
    (gap,) = found(fragments=fragments(FragmentStep(9000, 10, 10, 13, 1, 6.0, 2.0)))
    assert told([gap]) == [("FRAGMENT", "violation")] and (gap.start, gap.end) == (4.0, 6.0)


def test_repeated_fragments_run_back() -> None:
    (again,) = found(fragments=fragments(FragmentStep(9000, 10, 10, 5, 1, 2.0, -3.0)))
    assert told([again]) == [("FRAGMENT", "violation")] and (again.start, again.end) == (5.0, 5.0)


def test_a_number_left_out_without_a_gap_is_a_suspicion() -> None:
    assert told(found(fragments=fragments(FragmentStep(9000, 10, 10, 12, 1, 4.0, 0.0)))) == [("FRAGMENT", "suspicion")]
    assert told(found(fragments=fragments(FragmentStep(9000, 10, 10, 12, 1, None, None)))) == [
        ("FRAGMENT", "suspicion")
    ]


def test_numbers_that_do_not_count_prove_nothing() -> None:
    steps = [FragmentStep(9000, n, 2 * n, 2 * n + 2, 1, float(n), 0.0) for n in range(1, 9)]
    assert found(fragments=fragments(*steps, count=10)) == []


def test_a_gap_in_time_alone_is_for_the_timestamps() -> None:
    assert found(fragments=fragments(FragmentStep(9000, 10, 10, 11, 1, 6.0, 2.0))) == []


def test_a_second_movie_box() -> None:
    structure = Structure("isobmff", samples=SampleMap(referenced_bytes=1))
    top = (Box("moov", 0, 8), Box("mdat", 8, 8), Box("moov", 16, 8))
    file = picture(FILM, structure=structure, boxes=boxes(track_box(), top=top))
    assert told([f for check in isobmff.CHECKS for f in check(file, LIMITS)]) == [("SECOND-MOVIE", "suspicion")]
