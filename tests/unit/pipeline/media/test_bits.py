"""Bits written are bits read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.media.bits import Bits, plain
from tests.support.bitstreams import bits, escaped, signed


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(32, 40)) | st.integers(0, 2**31)))
def test_fields_come_back(fields: list[tuple[int, int] | int]) -> None:
    reader = Bits(bits(*fields))
    for field in fields:
        assert (reader.u(field[1]) == field[0]) if isinstance(field, tuple) else (reader.ue() == field)
    assert not reader.more


@given(st.integers(-(2**30), 2**30))
def test_signed_numbers_come_back(value: int) -> None:
    assert Bits(bits(signed(value))).se() == value


@given(st.binary(max_size=100))
def test_emulation_prevention_is_undone(payload: bytes) -> None:
    assert plain(escaped(payload)) == payload
    assert not any(start in escaped(payload) for start in (b"\0\0\0", b"\0\0\1", b"\0\0\2"))


@given(st.binary(max_size=20), st.lists(st.sampled_from(["u", "ue", "se", "flag"]), max_size=200))
def test_the_end_is_an_end_and_no_other_error(payload: bytes, calls: list[str]) -> None:
    reader = Bits(payload)
    for call in calls:
        try:
            getattr(reader, call)(*([9] if call == "u" else []))
        except EOFError:
            return
        assert 0 <= reader.left <= 8 * len(payload)


def test_what_is_known_is_skipped() -> None:
    assert Bits(b"\x0f", 4).u(4) == 15


def test_more_than_32_zeros_are_no_number() -> None:
    with pytest.raises(EOFError):
        Bits(bytes(5) + b"\xff" * 9).ue()
