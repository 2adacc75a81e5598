"""How the probe's child hands its picture to the parent: a JSON head, then the packet arrays, little-endian.

    "LHP1" · length of the head (u32) · head · for each stream: pts dts duration pos (i64), size (i32), flags (u8),
    and for those with coding frame_num idr_pic_id order (i32), qp (i8), flags (u16); `packets` entries each

The child has read hostile bytes, so the parent believes nothing: the head must fit its type exactly and the arrays must
have the lengths the head says, to the byte.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pipeline.continuity.coding import Coding, Slices, Sound
from pipeline.continuity.model import (
    Boxes,
    Metadata,
    Packets,
    Photo,
    Picture,
    Stream,
    Tag,
    Telemetry,
    Trace,
    Track,
)
from pipeline.continuity.signed import Signature
from pipeline.continuity.structure import Structure

MAGIC = b"LHP1"
_PACKETS = "qqqqiB"
_SLICES = "iiibH"


@dataclass(frozen=True, slots=True)
class Head:
    """What the child found, without the arrays.

    `coding`, `sound`: by stream index. `problem`: (zh, en) when unreadable.
    """

    kind: str
    format: str = ""
    duration: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    streams: tuple[Stream, ...] = ()
    coding: Mapping[int, Coding] = field(default_factory=dict)
    sound: Mapping[int, Sound] = field(default_factory=dict)
    boxes: Boxes | None = None
    structure: Structure | None = None
    metadata: Mapping[str, Tag] = field(default_factory=dict)
    traces: tuple[Trace, ...] = ()
    photo: Photo | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    signatures: tuple[Signature, ...] = ()
    stopped: str = ""
    problem: tuple[str, str] | None = None


class Malformed(Exception):
    """The child's output is not what a child writes."""


def encode(head: Head, arrays: Iterable[Sequence[array[int]]]) -> Iterable[bytes]:
    """The pieces to write. `arrays`: for each stream its 6 or, for those in `head.coding`, 11 arrays."""
    # What libav and exiftool read may hold lone surrogates; JSON in ASCII would carry them, strict parsers refuse them.
    text = json.dumps(dataclasses.asdict(head), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = text.encode("utf-8", "replace")
    yield MAGIC + struct.pack("<I", len(body)) + body
    for of_stream in arrays:
        for one in of_stream:
            yield _little(one).tobytes()


def decode(data: bytes, *, name: str, size: int) -> Picture:
    """The picture of the file displayed as `name` and `size` bytes long. Raises Malformed."""
    head, at = _head(data)
    tracks = []
    view = memoryview(data)
    for stream in head.streams:
        coding = head.coding.get(stream.index)
        layout = _PACKETS + (_SLICES if coding else "")
        arrays, at = _arrays(view, at, layout, stream.packets)
        slices = Slices(*arrays[6:]) if coding else None
        tracks.append(Track(stream, Packets(*arrays[:6]), coding, slices, head.sound.get(stream.index)))
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes too many")
    return Picture(
        name=name,
        size=size,
        kind=head.kind,
        format=head.format,
        duration=head.duration,
        tags=head.tags,
        tracks=tuple(tracks),
        boxes=head.boxes,
        structure=head.structure,
        metadata=Metadata(head.metadata),
        traces=head.traces,
        photo=head.photo,
        telemetry=head.telemetry,
        signatures=head.signatures,
        stopped=head.stopped,
        problem=head.problem,
    )


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter  # the child does without it: a tenth of a second for each file

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


def _arrays(data: memoryview, at: int, layout: str, count: int) -> tuple[list[array[int]], int]:
    arrays = []
    for code in layout:
        one = array(code)
        end = at + count * one.itemsize
        if count < 0 or end > len(data):
            raise Malformed("arrays are cut short")
        one.frombytes(data[at:end])
        arrays.append(_little(one))
        at = end
    return arrays, at


def _little(one: array[int]) -> array[int]:
    if sys.byteorder == "big":
        one.byteswap()
    return one
