"""Where an encoder began, and began again."""

from __future__ import annotations

import dataclasses

from pipeline.continuity import starts
from pipeline.continuity.coding import ENDED, IDR, INTRA, LEADING, REFERENCE, RESET, SLICE, SPLICE
from storage.records import Finding
from tests.support.coded import Shot, groups, retimed, track
from tests.support.pictures import LIMITS, picture, told

COUNTED = {"order_modulus": 256}


def found(shots: list[Shot], container: str = "mov,mp4", **coding: object) -> list[Finding]:
    of = picture(track(shots, **(COUNTED | coding)), format=container)
    return [finding for check in starts.CHECKS for finding in check(of, LIMITS)]


def test_a_recording_from_its_beginning_has_no_findings() -> None:
    for closed in (True, False):
        for reorder in (0, 2):
            assert found(groups(20, 12, closed=closed, reorder=reorder)) == []


def test_a_head_cut_off_is_a_suspicion_and_a_note_where_people_tune_in() -> None:
    tail = groups(20, 12, closed=False)[36:]
    assert told(found(tail)) == [("HEAD-MISSING", "suspicion")]
    assert told(found(tail, container="mpegts")) == [("HEAD-MISSING", "note")]
    leading = [*tail[:1], dataclasses.replace(tail[1], flags=SLICE | LEADING), *tail[2:]]
    assert found(leading, codec="hevc")[0].evidence["leading_pictures"] == 1
    assert found(tail, codec="mpeg2") == []


def test_a_second_idr_picture_where_one_is_usual() -> None:
    joined = retimed([*groups(10, 12, closed=False), *[dataclasses.replace(s, time=s.time + 5) for s in
                                                       groups(10, 12, closed=False)]])  # fmt: skip
    assert told(found(joined)) == [("ENCODER-AGAIN", "suspicion")]
    regular = [dataclasses.replace(s, flags=s.flags | IDR) if n % 48 == 0 else s
               for n, s in enumerate(groups(32, 12, closed=False))]  # fmt: skip
    assert [f for f in found(regular) if f.code.endswith("AGAIN")] == []


def test_groups_that_overlap_in_time_were_joined() -> None:
    shots = groups(20, 12, reorder=2)
    early = [dataclasses.replace(shot, time=shot.time - 0.1) if n >= 120 else shot for n, shot in enumerate(shots)]
    findings = found(early)
    assert told(findings) == [("GROUP-OVERLAP", "violation")] and findings[0].evidence["packet"] == 120
    everywhere = [dataclasses.replace(shot, time=shot.time - 0.1 * (n // 12)) for n, shot in enumerate(shots)]
    assert found(everywhere) == []


def quantised(qps: list[int], sizes: list[int]) -> list[Shot]:
    """A key picture each second of this quantiser and size."""
    shots = groups(len(qps), 25)
    for n, (qp, size) in enumerate(zip(qps, sizes, strict=True)):
        shots[25 * n] = dataclasses.replace(shots[25 * n], qp=qp, size=size)
    return shots


def test_a_key_picture_quantised_as_the_first_is_another_beginning() -> None:
    qps, sizes = [38, 32, 30, 31, 32, 33, 34, 33], [7, 17, 18, 19, 16, 13, 11, 12]
    findings = found(quantised(qps + qps, sizes + sizes))
    assert told(findings) == [("ENCODER-START", "suspicion")] and findings[0].start == 8.0


def test_scenes_that_change_are_no_beginning() -> None:
    qps, sizes = [38, 32, 30, 31, 38, 33, 34, 33, 32, 31], [7, 17, 18, 19, 18, 19, 18, 17, 18, 19]
    assert found(quantised(qps, sizes)) == []  # coarser and yet as large
    assert found(quantised([29, 29, 30, 31, 29, 31, 29, 33], [9] * 8)) == []
    assert found(quantised([40, 30, 40, 29, 39, 30, 41, 30, 40, 31], [5, 9] * 5)) == []


def test_marks_of_splices_and_ends_within_the_stream() -> None:
    shots = groups(20, 12)
    shots[120] = dataclasses.replace(shots[120], flags=SLICE | REFERENCE | INTRA | RESET | SPLICE)
    shots[60] = dataclasses.replace(shots[60], flags=shots[60].flags | ENDED)
    assert told(found(shots)) == [("SPLICE-MARK", "suspicion"), ("SEQUENCE-END", "suspicion")]


def test_marks_at_the_very_start_and_end_are_normal() -> None:
    shots = groups(20, 12)
    shots[0] = dataclasses.replace(shots[0], flags=shots[0].flags | SPLICE)
    shots[-1] = dataclasses.replace(shots[-1], flags=shots[-1].flags | ENDED)
    assert found(shots) == []
