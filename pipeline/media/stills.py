"""Single pictures out of an untrusted file, small and as JPEG: for film strips beside findings.

Decoded in the sandbox (`pipeline.media.still_reader`). What comes back is believed only in form: a baseline JPEG of
the size that was asked for, of bounded length.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.media import sandbox
from pipeline.media.sandbox import Limits

HEIGHT = 120  # pixels
_WIDEST = 480
_LARGEST = 64 << 10  # bytes of one picture
_MOST = 200  # pictures of one file
_HEAD = re.compile(rb"(\d{1,4}) (-?\d{1,12}\.\d{6}) (\d{1,6})\n")
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7]")  # in a scan: neither a stuffed byte nor a restart
_PLAIN = {0xC0, 0xC4, 0xDB, 0xE0, 0xFE, 0xDD}  # SOF0, DHT, DQT, APP0, COM, DRI


@dataclass(frozen=True, slots=True)
class Moment:
    """The last picture shown before second `at` of the file's timeline (`before`), the first from `at` on (`at`), or
    the picture of a JPEG file (`photo`).
    """

    side: Literal["before", "at", "photo"]
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Still:
    """A picture: when it is shown, in seconds of the file's timeline, and its JPEG."""

    at: float
    jpeg: bytes


def stills(path: Path, moments: Sequence[Moment]) -> list[Still | None]:
    """One picture for each moment, None where there is none or it can't be decoded. Raises NotFound without a file."""
    asked = sorted(set(moments), key=lambda each: (each.at, each.side != "before"))[:_MOST]
    if not asked:
        return [None] * len(moments)
    words = [f"{each.side}:{each.at:.6f}" for each in asked]
    argv = sandbox.python_module("pipeline.media.still_reader", "/in/media", str(HEIGHT), *words)
    done = sandbox.run(argv, files={"media": path.resolve()}, limits=_limits(len(asked)))
    found = {asked[number]: still for number, still in _parse(done.stdout) if number < len(asked)}
    return [found.get(each) for each in moments]


def _limits(pictures: int) -> Limits:
    """Time to decode to a picture in the worst of ten seconds' groups; what is done by then is kept."""
    seconds = 20 + 3 * pictures
    return Limits(
        cpu_seconds=2 * seconds,
        wall_seconds=float(seconds),
        memory_bytes=4 << 30,
        file_bytes=1 << 20,
        stdout_bytes=_MOST * (_LARGEST + 64),
    )


def _parse(said: bytes) -> Iterator[tuple[int, Still]]:
    """The whole pictures in what the child printed; whatever follows the first one that is none is left out."""
    at = 0
    while head := _HEAD.match(said, at):
        body = said[head.end() : head.end() + int(head[3])]
        at = head.end() + int(head[3])
        if at > len(said) or not _is_plain_jpeg(body):
            return
        yield int(head[1]), Still(float(head[2]), body)


def _is_plain_jpeg(body: bytes) -> bool:
    """Whether it is one baseline picture of our size with nothing behind it: who opens it shall meet no surprises."""
    if not body.startswith(b"\xff\xd8") or not body.endswith(b"\xff\xd9") or len(body) > _LARGEST:
        return False
    at, sized = 2, False
    while at + 4 <= len(body) and body[at] == 0xFF:
        marker, length = body[at + 1], struct.unpack_from(">H", body, at + 2)[0]
        if marker == 0xDA:
            return sized and not _MARKER.search(body, at + 2 + length, len(body) - 2)
        if marker not in _PLAIN or length < 2:
            return False
        if marker == 0xC0 and length >= 8:
            height, width = struct.unpack_from(">HH", body, at + 5)
            sized = height == HEIGHT and 0 < width <= _WIDEST
        at += 2 + length
    return False
