"""Cyclic sums, against a sum bit by bit and published check values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.media import crc
from tests.support.sounds import slow_sum


@given(st.binary(max_size=300), st.integers(0, 300))
def test_the_rest_is_that_of_a_sum_bit_by_bit(data: bytes, at: int) -> None:
    summed = data + slow_sum(data, 0x8005, 16).to_bytes(2, "big")
    assert crc.remainder(summed) == 0
    assert crc.remainder(data[at:], crc.remainder(data[:at])) == crc.remainder(data)
    assert crc.remainder(summed[:-1] + bytes([summed[-1] ^ 1])) != 0


def test_published_check_values() -> None:
    reflected = crc.Reflected()
    reflected.take(b"1234")
    reflected.take(b"56789")
    assert reflected.value == 0xBB3D, "CRC-16/ARC"
    assert crc.crc8(b"123456789") == 0xF4, "CRC-8"


@given(st.binary(max_size=200))
def test_that_of_an_ogg_page(data: bytes) -> None:
    assert crc.ogg(data) == slow_sum(data, 0x04C11DB7, 32)
