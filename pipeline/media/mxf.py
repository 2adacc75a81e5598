"""Reads MXF files (SMPTE ST 377-1): partitions, who wrote and modified them, and where the essence ends.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.continuity.structure import Identification, Mxf, Structure
from pipeline.media.window import Window

_PREFIX = b"\x06\x0e\x2b\x34"
_PARTITION = bytes.fromhex("060e2b34020501010d01020101")
_SET = bytes.fromhex("060e2b34025301010d01010101")
_ESSENCE = bytes.fromhex("060e2b34010201010d010301")
_SYSTEM = (bytes.fromhex("060e2b34020501010d0103010401"), bytes.fromhex("060e2b34020501010d0103011401"))
_PICTURE = (0x05, 0x15)  # item types: compound system 4, picture 0x15, in the first edition 0x05
_KINDS = {2: "header", 3: "body", 4: "footer"}
_STATUS = {1: "open, incomplete", 2: "closed, incomplete", 3: "open, complete", 4: "closed, complete"}
_MOST_KLV = 4_000_000
_MOST_SETS = 20_000
_MOST_COUNTS = 1000
_RUN_IN = 65536  # bytes that may stand before the header partition
_LARGEST_SET = 1 << 16


@dataclass
class _File:
    """What is known while the file is read. `start`: of the header partition; offsets in the file count from it."""

    start: int = 0
    partitions: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    status: str = ""
    pattern: str = ""
    noted: int = -1
    found: int = -1
    broken: list[int] = field(default_factory=list)
    identifications: dict[tuple[str, ...], Identification] = field(default_factory=dict)
    modified: str = ""
    created: dict[str, None] = field(default_factory=dict)
    durations: set[int] = field(default_factory=set)
    pictures: int = 0
    count: int = -1  # of the last content package
    counts: list[tuple[int, int, int, int]] = field(default_factory=list)
    counted: int = 0
    sets: int = 0
    missing: int = 0
    end: int = 0


def read(window: Window) -> Structure | None:
    """What the partitions show, or None when the file is no MXF."""
    start = window.read(0, _RUN_IN + len(_PARTITION)).find(_PARTITION + b"\2")
    if start < 0:
        return None
    file = _File(start)
    _walk(window, file)
    who = tuple(file.identifications.values())[:20]
    trailing = (file.end, window.size - file.end) if file.end < window.size else None
    mxf = Mxf(
        partitions=len(file.partitions),
        status=file.status,
        pattern=file.pattern,
        identifications=who,
        modified=file.modified,
        created=tuple(filter(None, file.created))[:20],
        footer_noted=file.noted,
        footer_found=file.found,
        broken=tuple(file.broken[:100]),
        packages=file.counted,
        counts=tuple(file.counts[:100]) if len(file.counts) * 20 <= file.counted else (),
        edit_units=min(file.durations, key=lambda units: abs(units - file.pictures), default=-1),
        edit_units_found=file.pictures,
    )
    signed = tuple((f"Identification {n}", f"{each.company} {each.product}") for n, each in enumerate(who, start=1))
    dates = tuple(("Package created", None, each) for each in mxf.created)
    layout = (f"mxf {file.pattern} {file.status}", *_runs(file.kinds))
    return Structure("mxf", layout, signed, dates, missing=file.missing, trailing=trailing, mxf=mxf)


def _runs(kinds: list[str]) -> list[str]:
    return [kind for n, kind in enumerate(kinds) if n == 0 or kinds[n - 1] != kind]


def _walk(window: Window, file: _File) -> None:
    """Every key, length and value to the end of the file."""
    at = file.end = file.start
    for _ in range(_MOST_KLV):
        head = window.read(at, 25)
        if len(head) < 17 or not head.startswith(_PREFIX):
            return
        size, width = _length(head[16:])
        if width == 0:
            return
        body = at + 16 + width
        file.missing = max(file.missing, body + size - window.size)
        if head.startswith(_PARTITION) and head[13] in _KINDS:
            _partition(window.read(body, min(size, 88)), head, at, file)
        elif head.startswith(_SET) and file.sets < _MOST_SETS:
            file.sets += 1
            _set(head[14], window.read(body, min(size, _LARGEST_SET)), file)
        elif head.startswith(_SYSTEM) and head[14] == 1:
            _package(int.from_bytes(window.read(body + 5, 2), "big"), at, file)
        elif head.startswith(_ESSENCE) and head[12] in _PICTURE:
            file.pictures += 1
        at = file.end = body + size


def _package(count: int, at: int, file: _File) -> None:
    """The continuity count of a content package (SMPTE ST 385): one more each time, modulo 65536."""
    if file.counted and count != (file.count + 1) & 0xFFFF and len(file.counts) < _MOST_COUNTS:
        file.counts.append((file.counted, at, (file.count + 1) & 0xFFFF, count))
    file.count = count
    file.counted += 1


def _length(field: bytes) -> tuple[int, int]:
    """(length, bytes of its field) in BER; (0, 0) when it is none."""
    if field[0] < 0x80:
        return field[0], 1
    width = field[0] & 0x7F
    if not 1 <= width <= 8 or len(field) < 1 + width:
        return 0, 0
    return int.from_bytes(field[1 : 1 + width], "big"), 1 + width


def _partition(body: bytes, head: bytes, at: int, file: _File) -> None:
    """A partition pack notes where it stands, where the one before and where the footer."""
    if len(body) < 80:
        return
    kind = _KINDS[head[13]]
    place, before, footer = (int.from_bytes(body[n : n + 8], "big") for n in (8, 16, 24))
    last = file.partitions[-1] if file.partitions else 0
    if place != at - file.start or (before and before != last):
        file.broken.append(at)
    if not file.partitions or kind == "footer":
        file.status = _STATUS.get(head[14], str(head[14]))
    if not file.partitions:
        file.pattern = body[64:80].hex()[24:28]
        file.noted = file.start + footer if footer else -1
    if kind == "footer":
        file.found = at
    file.partitions.append(at - file.start)
    file.kinds.append(kind)


def _set(kind: int, body: bytes, file: _File) -> None:
    items = _items(body)
    if kind == 0x30 and len(file.identifications) < 100:
        texts = [_text(items.get(tag, b"")) for tag in (0x3C01, 0x3C02, 0x3C04)]
        generation = items.get(0x3C09, b"").hex()
        one = Identification(texts[0], texts[1], texts[2], _date(items.get(0x3C06, b"")), generation)
        file.identifications[one.company, one.product, one.version, generation] = one
    elif kind == 0x2F:
        file.modified = _date(items.get(0x3B02, b"")) or file.modified
    elif kind in (0x36, 0x37) and len(file.created) < 100:
        file.created[_date(items.get(0x4405, b""))] = None
    if len(items.get(0x0202, b"")) == 8:
        units = int.from_bytes(items[0x0202], "big", signed=True)
        if units > 0 and len(file.durations) < 1000:
            file.durations.add(units)


def _items(body: bytes) -> dict[int, bytes]:
    """The items of a local set: tag and length of two bytes each."""
    items, at = {}, 0
    while at + 4 <= len(body):
        tag, size = int.from_bytes(body[at : at + 2], "big"), int.from_bytes(body[at + 2 : at + 4], "big")
        items[tag] = body[at + 4 : at + 4 + size]
        at += 4 + size
    return items


def _text(body: bytes) -> str:
    return body.decode("utf-16-be", "replace").split("\0")[0][:200]


def _date(body: bytes) -> str:
    """Year, month, day, hour, minute, second, and quarter milliseconds, as an ISO 8601 text; "" without."""
    if len(body) < 7 or not any(body):
        return ""
    year, (month, day, hour, minute, second) = int.from_bytes(body[:2], "big"), body[2:7]
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
