"""The rhythm of padding at a constant bit rate."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.rhythm import share, shifts

PART = share(128, 1152, 44_100)  # 47 of 49


def padding(count: int, part: Fraction = PART, phase: Fraction = Fraction(0)) -> bytes:
    """As encoders do it: a byte whenever the shares add up to one."""
    return bytes(int((n + 1) * part + phase) - int(n * part + phase) for n in range(count))


def test_the_share_of_a_frame() -> None:
    assert Fraction(47, 49) == PART and share(64, 576, 22_050) == Fraction(48, 49)
    assert share(128, 1152, 48_000) == 0 and share(64, 576, 16_000) == 0


@given(st.integers(0, 48), st.integers(196, 1000))
def test_an_encoders_rhythm_has_no_shift(phase: int, count: int) -> None:
    assert shifts(padding(count, phase=Fraction(phase, 49)), PART, 3) == (count, [])


@given(st.integers(1, 48), st.integers(110, 400), st.integers(0, 48))
def test_frames_taken_out_shift_it_there(taken: int, at: int, phase: int) -> None:
    whole = padding(700, phase=Fraction(phase, 49))
    _, found = shifts(whole[:at] + whole[at + taken :], PART, 3)
    assert len(found) == 1 and found[0].earliest <= at <= found[0].latest + 1
    assert found[0].latest - found[0].earliest <= 98


def test_whole_periods_leave_no_trace() -> None:
    whole = padding(700)
    assert shifts(whole[:300] + whole[349:], PART, 3) == (651, [])


def test_padding_without_a_rhythm_proves_nothing() -> None:
    assert shifts(bytes(1000), PART, 3) == (0, []), "never padded"
    assert shifts(b"\1\1\0\1\0\0" * 100, PART, 3) == (0, [])
    assert shifts(padding(100), PART, 3) == (0, []), "too short"
    assert shifts(bytes(1000), Fraction(0), 3) == (0, []), "a rate that needs none"
