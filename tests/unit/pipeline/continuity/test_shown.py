"""What is shown when, kept in little memory, behaves as the list of pairs that it stands for."""

from __future__ import annotations

from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.continuity.shown import Shown

times = st.lists(st.floats(-1e9, 1e9, allow_nan=False), max_size=50)


@given(times)
def test_it_is_in_order_of_time_and_of_packets_where_times_are_equal(given: list[float]) -> None:
    pairs = [(time, number) for number, time in enumerate(given)]
    assert list(Shown.of(pairs)) == sorted(pairs)


@given(times)
def test_intervals_are_those_between_neighbours(given: list[float]) -> None:
    shown = Shown.of((time, number) for number, time in enumerate(given))
    assert list(shown.intervals()) == [after - before for (before, _), (after, _) in pairwise(shown)]


def test_it_is_read_like_a_list() -> None:
    shown = Shown.of([(0.0, 0), (2.0, 1), (1.0, 2)])
    assert shown[0] == (0.0, 0) and shown[-1] == (2.0, 1) and len(shown) == 3
    assert shown[1:] == [(1.0, 2), (2.0, 1)] and (1.0, 2) in shown
    assert not Shown(array("d"), array("q"))
    with pytest.raises(IndexError):
        shown[3]
