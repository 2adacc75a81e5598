"""Messages an H.264 encoder sends beside its pictures (ITU-T H.264 annex D): its buffer's state, a camcorder's clock.

Damaged messages raise EOFError.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator

from pipeline.continuity.coding import Level
from pipeline.media.bits import Bits, plain
from pipeline.media.h264_sets import Hrd, Sps

BUFFERING, TIMING, UNREGISTERED = 0, 1, 5  # payloadType
_FIRST = (bytes([BUFFERING]), bytes([UNREGISTERED]))
_MOST = 16  # messages of one unit
_LONGEST = 2048  # bytes of a unit that are read
_MOST_KEPT = 50_000
_CAMCORDER = bytes.fromhex("17ee8c60f84d11d98cd60800200c9a66") + b"MDPM"  # AVCHD's modified digital video pack metadata
_DAY_AND_TIME = 0x19  # tag of its entry with day, hour, minute, second in binary coded decimals


def messages(unit: bytes) -> Iterator[tuple[int, bytes]]:
    """(payloadType, payload) of a unit with its header byte (7.3.2.3.1)."""
    body = plain(unit[1:])
    at = 0
    for _ in range(_MOST):
        if at + 2 > len(body) or body[at:] == b"\x80":
            return
        kind, at = _number(body, at)
        size, at = _number(body, at)
        yield kind, body[at : at + size]
        at += size


def _number(body: bytes, at: int) -> tuple[int, int]:
    total = 0
    while at < len(body) and body[at] == 255:
        total += 255
        at += 1
    return total + (body[at] if at < len(body) else 0), at + 1


def buffering(payload: bytes, hrd: Hrd) -> tuple[float, float]:
    """D.1.2: seconds the picture waits in the decoder's buffer, and as many as the buffer holds when full."""
    bits = Bits(payload)
    bits.ue()
    delay, offset = bits.u(hrd.delay_bits), bits.u(hrd.delay_bits)
    return delay / 90_000, (delay + offset) / 90_000


def elapsed(payload: bytes, hrd: Hrd, sps: Sps) -> float:
    """D.1.3: seconds since the last picture that told the buffer's state; -1 where no clock is given."""
    ticks = Bits(payload).u(hrd.removal_bits)
    units, scale, _ = sps.timing or (0, 0, False)
    return ticks * units / scale if scale and units else -1.0


def clock(payload: bytes) -> float | None:
    """Seconds of the day by a camcorder's clock; None where the message is another."""
    if not payload.startswith(_CAMCORDER):
        return None
    entries = payload[len(_CAMCORDER) + 1 :]
    for at in range(0, len(entries) - 4, 5):
        if entries[at] == _DAY_AND_TIME:
            hour, minute, second = (_decimal(byte) for byte in entries[at + 2 : at + 5])
            return 3600.0 * hour + 60.0 * minute + second if hour < 24 and minute < 60 and second < 60 else None
    return None


def _decimal(byte: int) -> int:
    return 10 * (byte >> 4) + (byte & 15)


class Messages:
    """Keeps what the messages of a stream say, as they come."""

    def __init__(self) -> None:
        self.bit_rate = 0
        self.levels: list[Level] = []
        self.stamps: list[tuple[int, float]] = []
        self._model: tuple[Hrd, Sps] | None = None  # of the last buffering period

    def take(self, unit: memoryview, packet: int, sets: Callable[[int], Sps]) -> None:
        """A unit of messages in a packet; `sets` finds a sequence parameter set, raising KeyError.

        A buffering period comes first of all messages of its picture (7.4.1.2.3); only then are the others read too.
        """
        begun = bool(self.levels) and self.levels[-1].packet == packet
        if not (begun or unit[1:2] in _FIRST) or len(self.levels) >= _MOST_KEPT:
            return
        with contextlib.suppress(EOFError, KeyError):
            for kind, payload in messages(bytes(unit[:_LONGEST])):
                if kind == BUFFERING:
                    self._buffering(payload, packet, sets)
                elif kind == TIMING and self._model and self.levels and self.levels[-1].packet == packet:
                    self.levels[-1] = dataclasses.replace(self.levels[-1], elapsed=elapsed(payload, *self._model))
                elif kind == UNREGISTERED:
                    self._clock(payload, packet)

    def _buffering(self, payload: bytes, packet: int, sets: Callable[[int], Sps]) -> None:
        sps = sets(Bits(payload).ue())
        if sps.hrd:
            delay, full = buffering(payload, sps.hrd)
            self.bit_rate = sps.hrd.bit_rate
            self._model = sps.hrd, sps
            self.levels.append(Level(packet, delay, full=full))

    def _clock(self, payload: bytes, packet: int) -> None:
        time = clock(payload)
        if time is not None and len(self.stamps) < _MOST_KEPT:
            self.stamps.append((packet, time))
