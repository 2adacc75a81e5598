"""Cyclic sums over many bytes, without a loop over them: CRC-16 of FLAC, AC-3 and LAME, CRC-8 of FLAC, CRC-32 of Ogg.

A sum is the rest of a division of polynomials over two numbers; the rest of A followed by B is that of A moved by the
length of B, plus that of B. So all 16-bit words of the first half are moved at once (a table look-up for each byte,
`bytes.translate`) and added to the second half, until a few are left.
"""

from __future__ import annotations

import zlib
from functools import cache

_POLYNOMIAL = 0x18005  # x^16 + x^15 + x^2 + 1: CRC-16-ANSI
_FEW = 8  # words that are divided one by one
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_Tables = tuple[bytes, bytes, bytes, bytes]


def remainder(data: bytes, before: int = 0) -> int:
    """The rest of `data` divided by CRC-16-ANSI's polynomial; `before`: the rest of what came before it.

    0 where the data end with their own sum (most significant bit first, begun with 0).
    """
    data = before.to_bytes(2, "big") + data if before else data
    if len(data) & 1:
        data = b"\0" + data
    high, low = data[::2], data[1::2]
    while len(high) > _FEW:
        half = 1 << (len(high) - 1).bit_length() - 1  # words of the second part, the greater one
        tables = _moved(half)
        high, low = _folded(high, low, half, tables)
    rest = 0
    for one, other in zip(high, low, strict=True):
        rest = _times(rest, _STEP) ^ one << 8 ^ other
    return rest


def _folded(high: bytes, low: bytes, half: int, tables: _Tables) -> tuple[bytes, bytes]:
    """The words before the last `half` moved onto them."""
    first_high, first_low = high[:-half], low[:-half]
    hh, hl, lh, ll = tables
    new_high = _number(first_high.translate(hh)) ^ _number(first_low.translate(lh)) ^ _number(high[-half:])
    new_low = _number(first_high.translate(hl)) ^ _number(first_low.translate(ll)) ^ _number(low[-half:])
    return new_high.to_bytes(half, "big"), new_low.to_bytes(half, "big")


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _times(one: int, other: int) -> int:
    """The product of two rests."""
    product = 0
    for bit in range(15, -1, -1):
        product <<= 1
        if product & 0x10000:
            product ^= _POLYNOMIAL
        if other >> bit & 1:
            product ^= one
    return product


_STEP = 0x8005  # x^16: moves by one word


@cache
def _power(words: int) -> int:
    """x^(16·words); `words` is a power of two."""
    return _STEP if words == 1 else _times(_power(words // 2), _power(words // 2))


@cache
def _moved(words: int) -> _Tables:
    """What becomes of a word's two bytes when it is moved by so many words: high to high, high to low, and so on."""
    by = _power(words)
    high, low = ([_times(byte << shift, by) for byte in range(256)] for shift in (8, 0))
    return tuple(bytes(v >> shift & 255 for v in of) for of in (high, low) for shift in (8, 0))  # type: ignore[return-value]


class Reflected:
    """CRC-16 with the least significant bit first, begun with 0, as LAME sums the sound (CRC-16/ARC)."""

    def __init__(self) -> None:
        self._rest = 0

    def take(self, data: bytes) -> None:
        self._rest = remainder(data.translate(_REVERSED), self._rest)

    @property
    def value(self) -> int:
        return int(f"{_times(self._rest, _STEP):016b}"[::-1], 2)


def crc8(data: bytes) -> int:
    """Of a FLAC frame's header (RFC 9639 9.1.8): x^8 + x^2 + x + 1, begun with 0. 0 where it ends with its own sum."""
    rest = 0
    for byte in data:
        rest = _CRC8[rest ^ byte]
    return rest


def _crc8_of(byte: int) -> int:
    for _ in range(8):
        byte = (byte << 1 ^ 0x107) if byte & 0x80 else byte << 1
    return byte


_CRC8 = bytes(_crc8_of(byte) for byte in range(256))


def ogg(data: bytes) -> int:
    """Of an Ogg page whose own sum is set to 0 (RFC 3533 6): CRC-32, most significant bit first, begun with 0.

    zlib's runs the other way round, over bytes turned round.
    """
    value = zlib.crc32(data.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{value:032b}"[::-1], 2)
