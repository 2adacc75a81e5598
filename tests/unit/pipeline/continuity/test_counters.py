"""H.264's own counters: frame_num, idr_pic_id."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import counters
from pipeline.continuity.coding import FIELD, IDR, INTRA, REFERENCE, RESET, SLICE
from pipeline.continuity.model import Track
from storage.records import Finding
from tests.support.coded import Shot, numbered, removed, track
from tests.support.pictures import LIMITS, picture, told


def found(of: Track) -> list[Finding]:
    return [finding for check in counters.CHECKS for finding in check(picture(of), LIMITS)]


def counted(shots: list[Shot], modulus: int = 16, *, gaps: bool = False) -> Track:
    return track(shots, max_frame_num=modulus, gaps_allowed=gaps)


def with_ids(shots: list[Shot], ids: list[int]) -> list[Shot]:
    """The groups' idr_pic_id, in turn."""
    given = iter(ids)
    return [dataclasses.replace(shot, idr=next(given)) if shot.flags & IDR else shot for shot in shots]


@pytest.mark.parametrize(
    "ids", [[0] * 40, [0, 1] * 20, [1, 2, 0] * 14, list(range(40)), [n % 8 for n in range(40)],
            [n * 30 % 65536 for n in range(40)], [7, *([0, 1] * 20)]]
)  # fmt: skip
def test_an_untouched_stream_has_no_findings(ids: list[int]) -> None:
    assert found(counted(with_ids(numbered(40, 8), ids))) == []


def test_pictures_taken_out_of_a_group_leave_a_jump() -> None:
    jump = found(counted(removed(numbered(4, 8), range(11, 14))))[0]
    assert told([jump]) == [("FRAME-NUM", "violation")]
    assert jump.evidence["packet"] == 11 and jump.evidence["expected"] == 3 and jump.evidence["found"] == 6
    assert jump.start == 0.44


@given(st.integers(17, 200), st.integers(1, 60))
def test_every_cut_within_a_long_group_is_found_unless_the_counter_comes_round(at: int, count: int) -> None:
    cut = found(counted(removed(numbered(1, 300), range(at, at + count))))
    assert bool(cut) == (count % 16 != 0)


def test_pictures_that_are_no_references_keep_the_number() -> None:
    numbers, references = [0, 1, 1, 1, 2, 2], (0, 3, 5)
    shots = [Shot(n / 25, frame_num=number, flags=SLICE | (REFERENCE if n in references else 0))
             for n, number in enumerate(numbers)]  # fmt: skip
    assert found(counted(shots)) == []


def test_a_jump_is_told_once_though_pictures_without_reference_share_it() -> None:
    numbers = [0, 1, 2, 7, 7, 7, 8]
    shots = [Shot(n / 25, frame_num=number, flags=SLICE | (0 if n in (3, 4) else REFERENCE))
             for n, number in enumerate(numbers)]  # fmt: skip
    assert [finding.evidence["packet"] for finding in found(counted(shots))] == [3]


def test_two_fields_share_a_number() -> None:
    shots = [Shot(n / 50, frame_num=n // 2 % 16, flags=SLICE | REFERENCE | FIELD) for n in range(60)]
    assert found(counted(shots)) == []


def test_an_idr_picture_is_number_0() -> None:
    foreign = dataclasses.replace(numbered(4, 8)[16], frame_num=5)
    shots = numbered(4, 8)
    assert told(found(counted([*shots[:16], foreign, *shots[17:]])))[0] == ("FRAME-NUM", "violation")


def test_a_picture_that_resets_the_count_is_no_jump() -> None:
    shots = [Shot(n / 25, frame_num=n % 16) for n in range(30)]
    shots[20] = dataclasses.replace(shots[20], flags=SLICE | REFERENCE | RESET)
    after = [dataclasses.replace(shot, frame_num=n) for n, shot in enumerate(shots[21:], 1)]
    assert found(counted([*shots[:21], *after])) == []
    assert told(found(counted([*[Shot(n / 25, frame_num=n % 16) for n in range(21)], *after])))[0][0] == "FRAME-NUM"


def test_a_jump_in_a_stream_that_allows_gaps_is_a_suspicion() -> None:
    assert told(found(counted(removed(numbered(4, 8), range(11, 14)), gaps=True))) == [("FRAME-NUM", "suspicion")]


def test_jumps_everywhere_are_one_suspicion() -> None:
    shots = [shot for n, shot in enumerate(numbered(1, 400)) if n % 10 != 7]
    assert told(found(counted(shots))) == [("FRAME-NUM", "suspicion")]


def test_unreadable_slices_are_no_jumps() -> None:
    shots = [Shot(n / 25, frame_num=number) for n, number in enumerate([0, 1, -1, 9, 10, 11])]
    assert found(counted(shots)) == []


@pytest.mark.parametrize("ids", [[0, 1] * 10, [n % 3 for n in range(20)], list(range(20))])
def test_a_whole_group_taken_out_breaks_the_pattern_of_ids(ids: list[int]) -> None:
    findings = found(counted(removed(with_ids(numbered(20, 8), ids), range(40, 48))))
    assert told(findings) == [("IDR-ID", "violation")] and findings[0].evidence["packet"] == 40


def test_a_second_recording_that_counts_from_0_is_found() -> None:
    ids = [*range(21), *range(17)]
    assert told(found(counted(with_ids(numbered(38, 8), ids)))) == [("IDR-ID", "violation")]


def test_neighbouring_idr_pictures_may_differ_from_the_pattern() -> None:
    """Two in a row must have different ids, even where all are 0 otherwise."""
    shots = with_ids(numbered(20, 8), [0] * 20)
    extra = dataclasses.replace(shots[80], flags=SLICE | REFERENCE | INTRA | IDR, idr=1)
    assert found(counted([*shots[:81], extra, *shots[81:]])) == []


def test_ids_without_a_pattern_prove_nothing() -> None:
    ids = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8]
    assert found(counted(with_ids(numbered(12, 8), ids))) == []


def test_ids_that_leave_the_pattern_often_are_suspicions() -> None:
    ids = [0, 1] * 30
    for n in (9, 17, 25, 33, 41, 49, 55):
        ids.insert(n, ids[n - 1])
    findings = found(counted(with_ids(numbered(len(ids), 8), ids)))
    assert findings and {severity for _, severity in told(findings)} == {"suspicion"}
