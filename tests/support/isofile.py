"""Edits the sample tables of an ISO media file as somebody would who wants pictures gone and the data left alone.

Only for files that end with their movie box and have the tables of this list: stts, ctts, stsc, stsz, stco, stss.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_INSIDE = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts")


@dataclass
class Sample:
    """One sample of a track: where it lies, how long it lasts and how much later it is shown (ticks)."""

    offset: int
    size: int
    duration: int
    shift: int
    key: bool


Edit = Callable[[str, int, list[Sample]], list[Sample]]  # handler, timescale, samples → samples


def boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, start of the content, end) of the boxes in a stretch."""
    while at + 8 <= end:
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", data[at + 8 : at + 16])[0], 16
        yield kind, at + head, at + size
        at += size


def edited(data: bytes, edit: Edit) -> bytes:
    """The file with every track's samples as `edit` returns them; the data box stays as it is."""
    moov = next(each for each in boxes(data, 0, len(data)) if each[0] == b"moov")
    return data[: moov[1] - 8] + _box(b"moov", _inside(data, moov[1], moov[2], edit))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _inside(data: bytes, at: int, end: int, edit: Edit) -> bytes:
    parts = []
    for kind, start, stop in boxes(data, at, end):
        if kind == b"mdia":
            parts.append(_box(kind, _media(data, start, stop, edit)))
        elif kind in _INSIDE:
            parts.append(_box(kind, _inside(data, start, stop, edit)))
        else:
            parts.append(_box(kind, data[start:stop]))
    return b"".join(parts)


def _media(data: bytes, at: int, end: int, edit: Edit) -> bytes:
    found = {kind: (start, stop) for kind, start, stop in boxes(data, at, end)}
    handler = data[found[b"hdlr"][0] + 8 :][:4].decode()
    scale = struct.unpack(">I", data[found[b"mdhd"][0] + 12 :][:4])[0]

    def tables(start: int, stop: int) -> bytes:
        parts = []
        for kind, begin, close in boxes(data, start, stop):
            body = data[begin:close]
            if kind == b"minf":
                body = tables(begin, close)
            elif kind == b"stbl":
                body = _table(data, begin, close, lambda samples: edit(handler, scale, samples))
            parts.append(_box(kind, body))
        return b"".join(parts)

    return tables(at, end)


def _table(data: bytes, at: int, end: int, edit: Callable[[list[Sample]], list[Sample]]) -> bytes:
    bodies = {kind: data[start:stop] for kind, start, stop in boxes(data, at, end)}
    kept = edit(_samples(bodies))
    new = {
        b"stts": _entries([(1, each.duration) for each in kept]),
        b"stsc": _entries([(1, 1, 1)]),
        b"stsz": struct.pack(">III", 0, 0, len(kept)) + b"".join(struct.pack(">I", each.size) for each in kept),
        b"stco": _entries([(each.offset,) for each in kept]),
        b"ctts": _entries([(1, each.shift) for each in kept]),
        b"stss": _entries([(number,) for number, each in enumerate(kept, start=1) if each.key]),
    }
    return b"".join(_box(kind, new.get(kind, body)) for kind, body in bodies.items())


def _entries(rows: list[tuple[int, ...]]) -> bytes:
    return struct.pack(">II", 0, len(rows)) + b"".join(struct.pack(f">{len(row)}I", *row) for row in rows)


def _rows(body: bytes, width: int) -> list[tuple[int, ...]]:
    return list(struct.iter_unpack(f">{width}I", body[8:]))


def _samples(bodies: dict[bytes, bytes]) -> list[Sample]:
    same, count = struct.unpack(">II", bodies[b"stsz"][4:12])
    sizes = [same] * count if same else [row[0] for row in struct.iter_unpack(">I", bodies[b"stsz"][12:])]
    durations = [duration for many, duration in _rows(bodies[b"stts"], 2) for _ in range(many)]
    shifts = [shift for many, shift in _rows(bodies.get(b"ctts", bytes(8)), 2) for _ in range(many)] or [0] * count
    keys = {row[0] for row in _rows(bodies.get(b"stss", bytes(8)), 1)}
    offsets = _offsets([row[0] for row in _rows(bodies[b"stco"], 1)], _rows(bodies[b"stsc"], 3), sizes)
    return [
        Sample(offset, size, duration, shift, number in keys or not keys)
        for number, (offset, size, duration, shift) in enumerate(
            zip(offsets, sizes, durations, shifts, strict=True), start=1
        )
    ]


def _offsets(chunks: list[int], runs: list[tuple[int, ...]], sizes: list[int]) -> list[int]:
    offsets: list[int] = []
    for number, chunk in enumerate(chunks, start=1):
        many = next(run[1] for run in reversed(runs) if run[0] <= number)
        inside = sizes[len(offsets) : len(offsets) + many]
        offsets += [chunk + sum(inside[:index]) for index in range(many)]
    return offsets
