"""How the decoding child hands over what it saw and heard: a JSON head, then the columns, little-endian.

    "LHC1" · length of the head (u32) · head · columns of the picture · columns of the sound

The child has read hostile bytes, so the parent believes nothing: the head must fit its type exactly, the columns must
have the lengths it says, to the byte, and hold finite numbers.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from pipeline.continuity.content import BANDS, Break, Clock, Column, Content, Sight, Sound, Thumbnail, ToneBreak

MAGIC = b"LHC1"
SIGHT = {
    "time": "<f8", "step": "<f4", "luma": "<f4", "spread": "<f4", "detail": "<f4", "look": "<u8", "change": "<u8",
    "flags": "<u1",
}  # fmt: skip
SOUND = {"rms": "<f4", "peak": "<f4", "zero": "<u1", "bands": "<u1"}

_KEPT_OF_SIGHT = ("stream", "width", "height", "breaks", "first", "last", "errors")
_KEPT_OF_SOUND = ("stream", "rate", "start", "tones", "errors")


class Malformed(Exception):
    """The child's output is not what a child writes."""


@dataclass(frozen=True, slots=True)
class SightHead:
    """A Sight without its columns; `pictures`: their length."""

    stream: int
    width: int
    height: int
    pictures: int
    breaks: tuple[Break, ...] = ()
    first: Thumbnail | None = None
    last: Thumbnail | None = None
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class SoundHead:
    """A Sound without its columns; `entries`: their length."""

    stream: int
    rate: int
    start: float
    entries: int
    tones: tuple[ToneBreak, ...] = ()
    errors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Head:
    sight: SightHead | None = None
    sound: SoundHead | None = None
    clock: Clock = field(default_factory=Clock)
    problem: tuple[str, str] | None = None
    stopped: str = ""


def encode(head: Head, sight: Mapping[str, bytes], sound: Mapping[str, bytes]) -> Iterator[bytes]:
    """The pieces to write; `sight` and `sound`: the columns by name, for those parts that the head has."""
    text = json.dumps(dataclasses.asdict(head), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = text.encode("utf-8", "replace")
    yield MAGIC + struct.pack("<I", len(body)) + body
    for part, layout, columns in ((head.sight, SIGHT, sight), (head.sound, SOUND, sound)):
        if part:
            yield from (columns[name] for name in layout)


def decode(data: bytes) -> Content:
    """Raises Malformed."""
    head, at = _head(data)
    sight, at = _sight(head.sight, data, at)
    sound, at = _sound(head.sound, data, at)
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes too many")
    return Content(sight, sound, head.clock, head.problem, head.stopped)


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # the child does without it

    return TypeAdapter(Head)


def _head(data: bytes) -> tuple[Head, int]:
    if data[:4] != MAGIC or len(data) < 8:
        raise Malformed("no head")
    length = struct.unpack("<I", data[4:8])[0]
    try:
        head: Head = _adapter().validate_json(data[8 : 8 + length], strict=True)
    except ValueError as error:  # pydantic's ValidationError is one
        raise Malformed(str(error)[:300]) from error
    return head, 8 + length


def _sight(head: SightHead | None, data: bytes, at: int) -> tuple[Sight | None, int]:
    if head is None:
        return None, at
    columns, at = _columns(SIGHT, head.pictures, data, at)
    facts: dict[str, Any] = {name: getattr(head, name) for name in _KEPT_OF_SIGHT}
    return Sight(**facts, **columns), at


def _sound(head: SoundHead | None, data: bytes, at: int) -> tuple[Sound | None, int]:
    if head is None:
        return None, at
    columns, at = _columns(SOUND, head.entries, data, at)
    columns["bands"] = columns["bands"].reshape(-1, BANDS)
    facts: dict[str, Any] = {name: getattr(head, name) for name in _KEPT_OF_SOUND}
    return Sound(**facts, **columns), at


def _columns(layout: Mapping[str, str], entries: int, data: bytes, at: int) -> tuple[dict[str, Any], int]:
    columns: dict[str, Column] = {}
    for name, kind in layout.items():
        count = entries * (BANDS if name == "bands" else 1)
        end = at + count * np.dtype(kind).itemsize
        if entries < 0 or end > len(data):
            raise Malformed("columns are cut short")
        column = np.frombuffer(data, dtype=kind, count=count, offset=at)
        if column.dtype.kind == "f" and not np.isfinite(column).all():
            raise Malformed(f"{name} holds what is no number")
        columns[name], at = column, end
    return columns, at
