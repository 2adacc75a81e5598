"""Bits of a header, big-endian, with Exp-Golomb codes (ITU-T H.264 9.1, H.265 9.2)."""

from __future__ import annotations


class Bits:
    """Reads from the first bit on. Everything raises EOFError where the bits end, whatever they are."""

    __slots__ = ("_left", "_value")

    def __init__(self, payload: bytes, skip: int = 0) -> None:
        """`skip`: bits already known."""
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload) - skip

    @property
    def left(self) -> int:
        return self._left

    @property
    def more(self) -> bool:
        """Whether anything but the stop bit and its zeros follows (more_rbsp_data, H.264 7.2)."""
        rest = self._value & ((1 << self._left) - 1)
        return rest != 0 and rest != 1 << (self._left - 1)

    def u(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.u(1) == 1

    def ue(self) -> int:
        """Exp-Golomb, unsigned, up to 32 bits after the zeros."""
        rest = self._value & ((1 << self._left) - 1)
        zeros = self._left - rest.bit_length()
        if zeros > 32 or rest == 0:
            raise EOFError
        self._left -= zeros
        return self.u(zeros + 1) - 1

    def se(self) -> int:
        """Exp-Golomb, signed."""
        code = self.ue()
        return (code + 1) // 2 if code % 2 else -(code // 2)


def plain(payload: bytes) -> bytes:
    """The payload of a NAL unit without its emulation prevention: 00 00 03 stands for 00 00 (H.264 7.3.1)."""
    return payload.replace(b"\0\0\3", b"\0\0")
