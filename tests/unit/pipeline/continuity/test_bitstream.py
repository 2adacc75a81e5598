"""The encoder's own counters: frame_num, idr_pic_id, group lengths."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import bitstream
from pipeline.continuity.coding import REFERENCE, Change, Coding
from pipeline.continuity.model import Picture, Track
from storage.records import Finding
from tests.support.pictures import LIMITS, picture, steady, told, video, with_slices


def found(file: Picture) -> list[Finding]:
    return [finding for check in bitstream.CHECKS for finding in check(file, LIMITS)]


def coded(groups: int, gop: int = 8, ids: tuple[int, ...] = (0, 1)) -> Track:
    """`groups` groups of `gop` pictures, frame_num counting in each, idr_pic_id going round `ids`."""
    numbers = [n % gop % 16 for n in range(groups * gop)]
    idr = {n * gop: ids[n % len(ids)] for n in range(groups)}
    return with_slices(video(steady(groups * gop * 0.04), gop=gop), numbers, idr)


def without(track: Track, removed: range) -> Track:
    """The track as a stream copy leaves it after taking out packets: counters missing, times closed up."""
    assert track.slices is not None
    kept = [n for n in range(track.stream.packets) if n not in removed]
    numbers = [track.slices.frame_num[n] for n in kept]
    idr = {new: track.slices.idr_pic_id[n] for new, n in enumerate(kept) if track.slices.idr_pic_id[n] >= 0}
    bare = video(steady(len(kept) * 0.04))
    for new, n in enumerate(kept):
        bare.packets.flags[new] = track.packets.flags[n]
    return with_slices(bare, numbers, idr)


def test_an_untouched_stream_has_no_findings() -> None:
    for ids in ((0,), (0, 1), (1, 2, 0)):
        assert found(picture(coded(12, ids=ids))) == []


def test_pictures_taken_out_of_a_group_leave_a_jump() -> None:
    jump = found(picture(without(coded(4), range(11, 14))))[0]
    assert told([jump]) == [("FRAME-NUM", "violation")]
    assert jump.evidence["packet"] == 11 and jump.evidence["expected"] == 3 and jump.evidence["found"] == 6
    assert jump.start == 0.44


@given(st.integers(17, 200), st.integers(1, 60))
def test_every_cut_within_a_long_group_is_found_unless_the_counter_comes_round(at: int, count: int) -> None:
    numbers = [n % 16 for n in range(300)]
    track = with_slices(video(steady(12), gop=300), numbers, {0: 0})
    cut = [f for f in found(picture(without(track, range(at, at + count)))) if f.code.endswith("FRAME-NUM")]
    assert bool(cut) == (count % 16 != 0)


def test_pictures_that_are_no_references_keep_the_number() -> None:
    track = with_slices(video(steady(0.24), gop=6), [0, 1, 1, 1, 2, 2], {0: 0})
    assert track.slices is not None
    for n in (1, 2, 4):
        track.slices.flags[n] &= ~REFERENCE
    assert found(picture(track)) == []


def test_a_jump_in_a_stream_that_allows_gaps_is_a_suspicion() -> None:
    track = without(coded(4), range(11, 14))
    free = dataclasses.replace(track, coding=Coding(max_frame_num=16, gaps_allowed=True))
    assert told(found(picture(free))) == [("FRAME-NUM", "suspicion")]


def test_unreadable_slices_are_no_jumps() -> None:
    assert found(picture(with_slices(video(steady(0.24), gop=6), [0, 1, -1, 9, 10, 11], {0: 0}))) == []


def test_a_whole_group_taken_out_breaks_the_pattern_of_ids() -> None:
    findings = found(picture(without(coded(12), range(40, 48))))
    assert told(findings) == [("IDR-ID", "violation")] and findings[0].evidence["packet"] == 40


def test_ids_without_a_pattern_prove_nothing() -> None:
    track = coded(12, ids=(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8))
    assert [f for f in found(picture(track)) if "IDR-ID" in f.code] == []


def test_counting_ids_that_skip_are_found() -> None:
    findings = found(picture(without(coded(30, ids=tuple(range(30))), range(80, 88))))
    assert told(findings) == [("IDR-ID", "violation")]


def test_an_odd_group_among_equal_ones_is_a_suspicion() -> None:
    findings = [f for f in found(picture(without(coded(20), range(84, 88)))) if "GOP" in f.code]
    assert told(findings) == [("GOP-BREAK", "suspicion")] and findings[0].evidence["pictures"] == 4


def test_variable_groups_are_normal() -> None:
    track = video(steady(8))
    for n in range(200):
        track.packets.flags[n] = int(n % 7 == 0 or n % 13 == 0)
    assert found(picture(track)) == []


def test_new_parameter_sets_within_the_file_are_a_suspicion() -> None:
    track = coded(4)
    changed = dataclasses.replace(track, coding=Coding(max_frame_num=16, changes=(Change(16, "sps"),)))
    assert told(found(picture(changed))) == [("PARAMETERS-CHANGED", "suspicion")]
