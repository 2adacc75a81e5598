"""The encoder's picture count: what breaks it, and what is only time."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity import order
from pipeline.continuity.coding import BOTTOM, FIELD, INTRA, REFERENCE, RESET, SLICE
from pipeline.continuity.model import DISCARD, Track
from storage.records import Finding
from tests.support.coded import Shot, groups, left_open, removed, track
from tests.support.pictures import LIMITS, picture, told

COUNTED = {"order_modulus": 256}


def found(of: Track) -> list[Finding]:
    return list(order.picture_order(picture(of), LIMITS))


@pytest.mark.parametrize("reorder", [0, 1, 2, 3])
@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("step", [1, 2])
def test_an_untouched_stream_counts_on(reorder: int, closed: bool, step: int) -> None:
    assert found(track(groups(30, 12, closed=closed, step=step, reorder=reorder), **COUNTED)) == []


@pytest.mark.parametrize("reorder", [0, 2])
def test_pictures_taken_out_of_a_running_count_are_missed(reorder: int) -> None:
    findings = found(track(removed(groups(30, 12, closed=False, reorder=reorder), range(96, 120)), **COUNTED))
    assert told(findings) == [("PICTURE-ORDER", "violation")]
    assert findings[0].start == pytest.approx(96 / 25, abs=0.2) and findings[0].evidence["counts"] == 50


def test_a_count_that_is_time_may_jump_with_it() -> None:
    """A phone that records 15 pictures a second in the dark and 30 in the light, and drops some in between."""
    dark = [Shot(n / 15, 2 * n) for n in range(60)]
    light = [Shot(4 + n / 30, 120 + n) for n in range(90) if n not in (20, 21, 50)]
    assert found(track([*dark, *light], order_modulus=2048)) == []


def test_a_hole_left_open_is_for_the_timestamps() -> None:
    assert found(track(left_open(groups(30, 12, closed=False), range(100, 124)), **COUNTED)) == []


def test_a_piece_moved_elsewhere_breaks_the_count_three_times() -> None:
    whole = groups(40, 12, closed=False)
    moved = [*whole[:120], *whole[240:300], *whole[120:240], *whole[300:]]
    retimed = [dataclasses.replace(shot, time=n / 25) for n, shot in enumerate(moved)]
    assert told(found(track(retimed, order_modulus=4096))) == [("PICTURE-ORDER", "violation")] * 3


def test_a_piece_shown_twice_is_one_place_and_counts_back() -> None:
    whole = groups(30, 12, closed=False)
    twice = [dataclasses.replace(shot, time=n / 25) for n, shot in enumerate([*whole[:200], *whole[150:]])]
    findings = found(track(twice, order_modulus=4096))
    assert told(findings) == [("PICTURE-ORDER", "violation")] and findings[0].evidence["counts"] == -98


def test_a_picture_without_reference_taken_out_is_missed() -> None:
    shots = groups(20, 12, reorder=2)
    place = next(n for n in range(100, 120) if not shots[n].flags & REFERENCE)
    gone = removed(shots, range(place, place + 1))
    assert told(found(track(gone, **COUNTED))) == [("PICTURE-ORDER", "violation")]


def test_an_encoder_that_counts_anyhow_proves_nothing() -> None:
    shots = [Shot(n / 25, (n * n) % 97) for n in range(300)]
    assert found(track(shots, **COUNTED)) == []


def test_a_group_reordered_more_deeply_than_the_others_is_none() -> None:
    """As an encoder does that chooses, where it pays, to decode four pictures in the order 4 2 1 3."""
    shots = groups(30, 12, closed=False, reorder=0)
    plain = [shots[n + 1 - 2 * (n % 2)] for n in range(len(shots))]
    for place in (100, 220):
        plain[place : place + 4] = [shots[place + n] for n in (3, 1, 0, 2)]
    assert found(track(plain, order_modulus=64)) == []


def test_two_fields_are_one_picture() -> None:
    flags = [SLICE | REFERENCE | FIELD | (BOTTOM if n % 2 else 0) for n in range(200)]
    fields = [Shot(n / 50, 2 * (n // 2) + n % 2, n // 2 % 16, flags=flags[n]) for n in range(200)]
    frames = [Shot(4 + n / 25, 200 + 2 * n, (100 + n) % 16) for n in range(50)]
    assert found(track([*fields, *frames], order_modulus=65536)) == []


def test_without_timestamps_a_jump_is_a_suspicion() -> None:
    cut = track(removed(groups(30, 12, closed=False), range(96, 120)), **COUNTED)
    bare = [*cut.packets.pts]
    cut.packets.pts[:] = type(cut.packets.pts)("q", [-(1 << 63)] * len(bare))
    assert told(found(cut)) == [("PICTURE-ORDER", "suspicion")]


def test_pictures_hidden_by_an_edit_list_have_no_time_to_compare_with() -> None:
    dark = [Shot(n / 15, 2 * n) for n in range(20)]
    light = [Shot(20 / 15 + n / 30, 40 + n) for n in range(90)]
    hidden = track([*dark, *light], order_modulus=2048)
    for n in range(30):
        hidden.packets.flags[n] |= DISCARD
        hidden.packets.pts[n] -= 90_000
    assert found(hidden) == []


def mpeg2(count: int, gop: int = 12) -> list[Shot]:
    """Groups that count from 0 and begin with two pictures shown before the key picture."""
    shots = []
    for start in range(0, count * gop, gop):
        for number in (2, 0, 1, *(n for p in range(5, gop, 3) for n in (p, p - 2, p - 1))):
            flags = SLICE | (INTRA | RESET if number == 2 else 0) | (REFERENCE if number % 3 == 2 else 0)
            shots.append(Shot((start + number) / 25, number, flags=flags))
    return shots


def test_mpeg2_groups_count_from_0_each() -> None:
    whole = mpeg2(20)
    assert found(track(whole, codec="mpeg2", order_modulus=1024)) == []
    without_leading = [shot for n, shot in enumerate(whole) if n not in (121, 122)]
    late = [dataclasses.replace(shot, time=shot.time - 0.08 * (n >= 120)) for n, shot in enumerate(without_leading)]
    assert told(found(track(late, codec="mpeg2", order_modulus=1024))) == [("PICTURE-ORDER", "violation")]


def test_times_rounded_to_a_count_are_no_jump() -> None:
    """H.263 counts in 1/29.97 s: 15 pictures a second are 2 apart, now and then 1 or 3."""
    shots = [Shot(n / 15, int(n / 15 * 29.97)) for n in range(300)]
    assert found(track(shots, codec="h263", order_modulus=256, order_tick=1001 / 30000)) == []


@given(st.integers(20, 300), st.integers(1, 120), st.integers(0, 3))
def test_every_cut_is_found_unless_the_count_comes_round(at: int, count: int, reorder: int) -> None:
    cut = removed(groups(50, 12, closed=False, reorder=reorder), range(at, at + count))
    findings = found(track(cut, order_modulus=1 << 16))
    assert findings and all(abs((f.start or 0) - at / 25) < 0.8 for f in findings)
