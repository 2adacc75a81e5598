"""Small pictures of files for the continuity rules, made by hand: what a probe would give, without a file."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from pipeline.continuity.coding import IDR, REFERENCE, SLICE, UNCOUNTED, UNSCALED, Coding, Slices
from pipeline.continuity.model import (
    KEY,
    Boxes,
    Edit,
    Metadata,
    Packets,
    Picture,
    Stream,
    Track,
    TrackBox,
)
from pipeline.continuity.thresholds import Thresholds
from storage.records import Finding

LIMITS = Thresholds()
TICKS = 90_000


def video(times: Sequence[float], *, gop: int = 25, duration: float = 0.04, **facts: Any) -> Track:
    """A video track shown at `times` (seconds), each picture `duration` long, a key picture every `gop`."""
    return _track("video", times, duration, [KEY if n % gop == 0 else 0 for n in range(len(times))], **facts)


def audio(times: Sequence[float], *, duration: float = 0.032, **facts: Any) -> Track:
    return _track("audio", times, duration, [KEY] * len(times), **facts)


def steady(seconds: float, step: float = 0.04, start: float = 0.0) -> list[float]:
    """Times `step` apart over `seconds`."""
    return [start + n * step for n in range(round(seconds / step))]


def with_slices(track: Track, frame_numbers: Sequence[int], idr_ids: dict[int, int], *, modulus: int = 16) -> Track:
    """The track with H.264 counters; `idr_ids`: packet number → idr_pic_id of the IDR pictures, all are references."""
    count = len(frame_numbers)
    slices = Slices(
        array("i", frame_numbers),
        array("i", [idr_ids.get(n, -1) for n in range(count)]),
        array("i", [UNCOUNTED] * count),
        array("b", [UNSCALED] * count),
        array("H", [SLICE | REFERENCE | (IDR if n in idr_ids else 0) for n in range(count)]),
    )
    return Track(track.stream, track.packets, Coding(max_frame_num=modulus), slices)


def picture(*tracks: Track, name: str = "a.mp4", tags: dict[str, Any] | None = None, **facts: Any) -> Picture:
    kind = "video" if any(track.stream.kind == "video" for track in tracks) else "audio"
    return Picture(name=name, size=1000, kind=kind, tracks=tracks, metadata=Metadata(tags or {}), **facts)


def boxes(*tracks: TrackBox, **facts: Any) -> Boxes:
    ordinary: dict[str, Any] = {
        "top": (),
        "brand": "mp42",
        "minor": 0,
        "compatible": ("mp42",),
        "created": 1_700_000_000,
        "modified": 1_700_000_000,
        "timescale": 90_000,
        "duration": 10.0,
        "tracks": tracks,
        "fragmented": False,
        "missing": 0,
        "trailing": None,
        "trailing_zero": False,
    }
    return Boxes(**(ordinary | facts))


def track_box(handler: str = "vide", *, edits: Sequence[Edit] = (), **facts: Any) -> TrackBox:
    ordinary: dict[str, Any] = {
        "id": 1,
        "handler": handler,
        "handler_name": "Camera",
        "created": 1_700_000_000,
        "modified": 1_700_000_000,
        "media_created": 1_700_000_000,
        "duration": 10.0,
        "media_duration": 10.0,
        "first_offset": 0.0,
        "edits": tuple(edits),
        "descriptions": ("avc1",),
        "samples": 250,
    }
    return TrackBox(**(ordinary | facts))


def told(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """(signal, severity) of each finding, without the rule: ("GAP-PTS", "violation")."""
    return [(finding.code.partition("/")[2], finding.severity.value) for finding in findings]


def _track(kind: str, times: Sequence[float], duration: float, flags: Sequence[int], **facts: Any) -> Track:
    count = len(times)
    ticks = [round(time * TICKS) for time in times]
    packets = Packets(
        array("q", ticks),
        array("q", ticks),
        array("q", [round(duration * TICKS)] * count),
        array("q", [100 * n for n in range(count)]),
        array("i", [100] * count),
        array("B", flags),
    )
    return Track(Stream(0 if kind == "video" else 1, kind, "", (1, TICKS), count, **facts), packets)
