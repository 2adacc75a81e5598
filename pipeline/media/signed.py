"""Verifies the signatures that a camera put into its H.264 or H.265 stream: Axis Signed Video, ONVIF Media Signing.

Both hash every slice as it stands in the stream, without start code or length and without zeros behind it, and leave
out parameter sets, delimiters and other people's messages. The file is read a second time for this, and only when a
message was seen. Runs inside the sandbox; never raises on what is in the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from pipeline.continuity.signed import Signature
from pipeline.media import axis, onvif, sei
from pipeline.media.chain import Chain
from pipeline.media.matching import FIRST, MORE, PICTURE
from pipeline.media.sei import Message, UserData

Packets = Callable[[], Iterable[tuple[int, bytes]]]  # (number, payload) of each packet, from the beginning

_MOST_MESSAGES = 400_000  # a day of four a second
_SCHEMES = {sei.AXIS: (axis.SCHEME, axis.read), sei.ONVIF: (onvif.SCHEME, onvif.read)}
_COVERED = {"h264": frozenset((1, 5)), "hevc": frozenset((0, 1, *range(16, 22)))}
_KEYS = {"h264": frozenset((5,)), "hevc": frozenset(range(16, 22))}  # slices of key pictures
_UNCOVERED = {"h264": frozenset((2, 3, 4)), "hevc": frozenset((*range(2, 10), *range(22, 32)))}


def verify(packets: Packets, *, stream: int, codec: str, extradata: bytes) -> Signature | None:
    """What the messages in this stream say of its pictures; None when there are none.

    `codec`: h264 or hevc. `packets` is called again where the messages name another hash algorithm than the usual one.
    """
    try:
        return _verified(packets, stream, codec, extradata)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # a case that was not foreseen: the report says so
        return Signature(stream, "", 0, unread="failed")


def _verified(packets: Packets, stream: int, codec: str, extradata: bytes) -> Signature | None:
    algorithm = "sha256"
    for _ in range(2):
        reader = Reader(codec, extradata, algorithm)
        for number, payload in packets():
            reader.take(number, payload)
            if reader.other_algorithm:
                break
        if not reader.other_algorithm:
            break
        algorithm = reader.other_algorithm
    return reader.result(stream)


class Reader:
    """Takes one stream packet by packet."""

    def __init__(self, codec: str, extradata: bytes, algorithm: str) -> None:
        self.other_algorithm = ""
        self._codec, self._length = codec, sei.length_size(extradata, codec)
        self._header = 1 if codec == "h264" else 2
        self._algorithm = algorithm
        self._uuid = b""
        self._chain = Chain("", algorithm)
        self._messages = self._uncovered = self._uncovered_packet = 0

    def take(self, number: int, payload: bytes) -> None:
        for unit in sei.split(payload, self._length):
            kind = sei.kind_of(unit[0], self._codec)
            if kind in _COVERED[self._codec]:
                self._slice(unit, kind, number)
            elif kind in _UNCOVERED[self._codec]:
                self._uncovered_packet = self._uncovered_packet if self._uncovered else number
                self._uncovered += 1
            elif (data := sei.user_data(unit, self._codec)) is not None:
                self._message(data, number)

    def _slice(self, unit: bytes, kind: int, number: int) -> None:
        begins = bool(unit[self._header] & 0x80)  # the first slice of its picture
        place = (FIRST if kind in _KEYS[self._codec] else PICTURE) if begins else MORE
        self._chain.unit(hashlib.new(self._algorithm, unit).digest(), number, place)

    def _message(self, data: UserData, number: int) -> None:
        if self._uuid not in (b"", data.uuid) or self._messages >= _MOST_MESSAGES:
            return
        self._uuid = data.uuid
        self._messages += 1
        self._chain.scheme, read = _SCHEMES[data.uuid]
        if not data.complete:
            self._chain.fragment()
            return
        try:
            message = read(data)
        except ValueError:
            self._chain.unreadable()
            return
        message.packet = number
        if self._other(message):
            return
        self._chain.message(message)

    def _other(self, message: Message) -> bool:
        """Whether another hash algorithm is in use than was thought: the first message that names one tells."""
        if message.algorithm in ("", self._algorithm) or self._chain.readable:
            return False
        self.other_algorithm = message.algorithm
        return True

    def result(self, stream: int) -> Signature | None:
        if not self._messages:
            return None
        return self._chain.finish(stream, uncovered=(self._uncovered, self._uncovered_packet))
