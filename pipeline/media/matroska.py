"""Reads Matroska and WebM files (RFC 9559): clusters against cues and against what they note of themselves.

Runs inside the sandbox on untrusted bytes.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, field

from pipeline.continuity.structure import ClusterStep, Matroska, Structure
from pipeline.media import ebml
from pipeline.media.ebml import UNKNOWN_SIZE, Element
from pipeline.media.window import Window

_EBML, _SEGMENT, _CLUSTER, _INFO, _CUES, _VOID, _CRC = (
    0x1A45DFA3,
    0x18538067,
    0x1F43B675,
    0x1549A966,
    0x1C53BB6B,
    0xEC,
    0xBF,
)
_NAMES = {
    0x114D9B74: "SeekHead", _INFO: "Info", 0x1654AE6B: "Tracks", _CUES: "Cues", 0x1254C367: "Tags",
    0x1941A469: "Attachments", 0x1043A770: "Chapters", _CLUSTER: "Cluster", _VOID: "Void", _CRC: "CRC-32",
}  # fmt: skip
_TIMESTAMP, _POSITION, _BEFORE = 0xE7, 0xA7, 0xAB
_EPOCH_2001 = 978_307_200
_MOST_CLUSTERS = 1_000_000
_MOST_CHILDREN = 100_000
_MOST_CUES = 500_000
_MOST_LISTED = 100
_MOST_DAMAGED = 100
_SEARCH = 8 << 20
_PIECE = 1 << 20
_LARGEST_CHECKED = 64 << 20  # bytes of an element whose checksum is computed
_MOST_CHECKED = 384 << 20  # bytes in all: zlib takes a second for 300 MB


@dataclass
class _File:
    """What is known while the file is read. `clusters`: offset of each cluster → its timestamp in ticks."""

    segment: int = 0
    scale: int = 1_000_000
    duration: float | None = None
    clusters: dict[int, int] = field(default_factory=dict)
    previous: Element | None = None
    steps: list[ClusterStep] = field(default_factory=list)
    step_count: int = 0
    cues: list[tuple[int, int]] = field(default_factory=list)
    wrong: list[tuple[str, int]] = field(default_factory=list)
    right: int = 0
    skipped: int = 0
    checked: int = 0  # bytes
    stride: int = 1  # of so many clusters one is checked
    shift: int = 0  # of the last cluster against its own note
    void: list[tuple[int, int]] = field(default_factory=list)
    layout: list[str] = field(default_factory=list)
    signed: list[tuple[str, str]] = field(default_factory=list)
    dates: list[tuple[str, int | None, str]] = field(default_factory=list)
    ordered: bool = False
    linked: bool = False
    damaged: list[int] = field(default_factory=list)
    missing: int = 0
    complete: bool = True


def read(window: Window) -> Structure | None:
    """What the elements show, or None when the file is no Matroska."""
    head = ebml.element(window, 0)
    if head is None or head.id != _EBML or head.size == UNKNOWN_SIZE:
        return None
    file = _File()
    file.layout += [
        f"doctype {ebml.text(window, each)}" for each in ebml.children(window, head, 100) if each.id == 0x4282
    ]
    segment = ebml.element(window, head.end)
    if segment is None or segment.id != _SEGMENT:
        return None
    file.segment = segment.body
    file.stride = 1 + window.size // _MOST_CHECKED
    end = window.size if segment.size == UNKNOWN_SIZE else segment.end
    file.missing = max(0, end - window.size)
    _level_one(window, min(end, window.size), file)
    trailing = (end, window.size - end) if end < window.size else None
    return Structure(
        "matroska",
        tuple(file.layout[:100]),
        tuple(file.signed[:50]),
        tuple(file.dates[:20]),
        missing=file.missing,
        trailing=trailing,
        matroska=_result(file, window.size),
    )


def _level_one(window: Window, end: int, file: _File) -> None:
    at = file.segment
    while at < end:
        found = ebml.element(window, at)
        if found is None or found.id not in _NAMES or (found.size == UNKNOWN_SIZE and found.id != _CLUSTER):
            following = _resume(window, at, end, file)
            if following is None:
                return
            at = following
            continue
        file.missing = max(file.missing, found.end - window.size)
        name = _NAMES[found.id]
        if file.layout[-1:] != [name] and len(file.layout) < 200:
            file.layout.append(name)
        at = _take(window, found, end, file)
        if len(file.clusters) >= _MOST_CLUSTERS:
            file.complete = False
            return


def _take(window: Window, found: Element, end: int, file: _File) -> int:
    """One element of level 1; returns where the next one stands."""
    if found.id == _CLUSTER:
        return _cluster(window, found, end, file)
    if found.id == _VOID:
        if file.clusters and len(file.void) < _MOST_LISTED:
            file.void.append((found.start, found.end - found.start))
        return found.end
    _check(window, found, file)
    if found.id == _INFO:
        _info(window, found, file)
    elif found.id == _CUES:
        _cues(window, found, file)
    elif found.id == 0x1254C367:
        _tags(window, found, file)
    elif found.id == 0x1043A770:
        editions = [each for each in ebml.children(window, found, 100) if each.id == 0x45B9]
        inside = [each for edition in editions for each in ebml.children(window, edition, 100)]
        file.ordered = any(each.id == 0x45DD and ebml.number(window, each) for each in inside)
    return found.end


def _resume(window: Window, at: int, end: int, file: _File) -> int | None:
    """Where the next cluster stands after bytes that are no element."""
    if len(file.damaged) >= _MOST_DAMAGED:
        file.complete = False
        return None
    file.damaged.append(at)
    hit = window.read(at + 1, min(_SEARCH, end - at - 1)).find(_CLUSTER.to_bytes(4, "big"))
    return at + 1 + hit if hit >= 0 else None


def _info(window: Window, info: Element, file: _File) -> None:
    duration = None
    for each in ebml.children(window, info, 200):
        if each.id == 0x2AD7B1:
            file.scale = ebml.number(window, each) or file.scale
        elif each.id == 0x4489:
            duration = ebml.real(window, each)
        elif each.id in (0x4D80, 0x5741):
            file.signed.append(("Info/MuxingApp" if each.id == 0x4D80 else "Info/WritingApp", ebml.text(window, each)))
        elif each.id == 0x4461:
            ticks = int.from_bytes(window.read(each.body, min(each.size, 8)), "big", signed=True)
            file.dates.append(("Info/DateUTC", _EPOCH_2001 + ticks // 1_000_000_000, ""))
        elif each.id in (0x3CB923, 0x3EB923):
            file.linked = True
    file.duration = duration * file.scale / 1e9 if duration is not None and math.isfinite(duration) else None


def _tags(window: Window, tags: Element, file: _File) -> None:
    """SimpleTag names and texts in which programs sign (ENCODER, mkvmerge's statistics)."""
    for tag in ebml.children(window, tags, 1000):
        for simple in ebml.children(window, tag, 200):
            if simple.id != 0x67C8:
                continue
            name = said = ""
            for each in ebml.children(window, simple, 20):
                name = ebml.text(window, each) if each.id == 0x45A3 else name
                said = ebml.text(window, each) if each.id == 0x4487 else said
            if name in ("ENCODER", "ENCODED_BY", "SOFTWARE", "_STATISTICS_WRITING_APP") and len(file.signed) < 50:
                file.signed.append((f"Tags/{name}", said))


def _cues(window: Window, cues: Element, file: _File) -> None:
    """(time, position) of each cue; positions count from the segment's content."""
    for point in ebml.children(window, cues, _MOST_CUES):
        time = 0
        for each in ebml.children(window, point, 100):
            if each.id == 0xB3:
                time = ebml.number(window, each)
            elif each.id == 0xB7:
                for inner in ebml.children(window, each, 20):
                    if inner.id == 0xF1:
                        file.cues.append((time, ebml.number(window, inner)))


def _check(window: Window, found: Element, file: _File) -> None:
    """The checksum that an element may carry first, over all that follows in it (RFC 8794 11.3.1)."""
    first = ebml.element(window, found.body)
    if first is None or first.id != _CRC or first.size != 4 or found.size > _LARGEST_CHECKED or found.end > window.size:
        return
    if found.id == _CLUSTER and (file.checked > _MOST_CHECKED or (file.clusters and len(file.clusters) % file.stride)):
        file.skipped += 1
        return
    file.checked += found.size
    at, value = first.end, 0
    while at < found.end:
        piece = window.read(at, min(_PIECE, found.end - at))
        value = zlib.crc32(piece, value)
        at += len(piece) or found.end
    if value == int.from_bytes(window.read(first.body, 4), "little"):
        file.right += 1
    elif len(file.wrong) < _MOST_LISTED:
        file.wrong.append((_NAMES[found.id], found.start))


def _cluster(window: Window, found: Element, end: int, file: _File) -> int:
    """A cluster: its timestamp and its notes on its place; returns where it ends."""
    _check(window, found, file)
    time, at = 0, found.body
    close = found.end if found.size != UNKNOWN_SIZE else end
    for _ in range(_MOST_CHILDREN):
        each = ebml.element(window, at) if at < min(close, end) else None
        if each is None or (found.size == UNKNOWN_SIZE and each.id in _NAMES and each.id not in (_VOID, _CRC)):
            break
        if each.id == _TIMESTAMP:
            time = ebml.number(window, each)
        elif each.id == _POSITION:
            _position(found, ebml.number(window, each), time, file)
        elif each.id == _BEFORE:
            _before(found, ebml.number(window, each), time, file)
        elif found.size != UNKNOWN_SIZE and each.id in (0xA3, 0xA0):
            break  # blocks: libav reads them
        at = each.end
    last = next(reversed(file.clusters.values()), None)
    if last is not None and time < last:
        _step(
            ClusterStep("time", found.start, time * file.scale / 1e9, last * file.scale / 1e9, time * file.scale / 1e9),
            file,
        )
    file.clusters[found.start] = time
    file.previous = found
    return close if found.size != UNKNOWN_SIZE else max(at, found.body)


def _position(cluster: Element, noted: int, time: int, file: _File) -> None:
    """Where the cluster says that it stands; 0 in a live stream (RFC 9559 5.1.3.2). Told where the error changes."""
    found = cluster.start - file.segment
    if noted and noted - found != file.shift:
        file.shift = noted - found
        _step(ClusterStep("position", cluster.start, time * file.scale / 1e9, noted, found), file)


def _before(cluster: Element, noted: int, time: int, file: _File) -> None:
    """How long the cluster before it is, by its own note."""
    found = cluster.start - file.previous.start if file.previous else noted
    if noted != found:
        _step(ClusterStep("size-before", cluster.start, time * file.scale / 1e9, noted, found), file)


def _step(step: ClusterStep, file: _File) -> None:
    file.step_count += 1
    if len(file.steps) < _MOST_LISTED:
        file.steps.append(step)


def _result(file: _File, size: int) -> Matroska:
    dangling = [
        (time * file.scale / 1e9, file.segment + place)
        for time, place in file.cues
        if file.segment + place not in file.clusters and file.segment + place < size
    ]
    return Matroska(
        clusters=len(file.clusters),
        duration=file.duration,
        last_cluster=max(file.clusters.values(), default=0) * file.scale / 1e9,
        steps=tuple(file.steps),
        step_count=file.step_count,
        checksums=tuple(file.wrong),
        checksums_right=file.right,
        checksums_skipped=file.skipped,
        dangling=tuple(dangling[:_MOST_LISTED]),
        dangling_count=len(dangling),
        cues=len(file.cues),
        void=tuple(file.void),
        ordered_chapters=file.ordered,
        linked=file.linked,
        damaged=tuple(file.damaged),
        complete=file.complete,
    )
