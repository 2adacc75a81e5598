"""Tracks with the counters of an encoder, made by hand, and what editors leave of them."""

from __future__ import annotations

import dataclasses
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.continuity.coding import IDR, INTRA, REFERENCE, SLICE, UNCOUNTED, UNSCALED, Coding, Slices
from pipeline.continuity.model import KEY, Packets, Track
from tests.support.pictures import TICKS, video


@dataclass(frozen=True)
class Shot:
    """One picture: when it is shown (seconds) and what its head says."""

    time: float
    order: int = UNCOUNTED
    frame_num: int = -1
    idr: int = -1
    flags: int = SLICE | REFERENCE
    qp: int = UNSCALED
    size: int = 1000


def track(shots: Sequence[Shot], **coding: Any) -> Track:
    """A video track of the shots in order of decoding; key pictures are those coded INTRA."""
    bare = video([0.0] * len(shots))
    times = array("q", [round(shot.time * TICKS) for shot in shots])
    flags = array("B", [KEY if shot.flags & (INTRA | IDR) else 0 for shot in shots])
    sizes = array("i", [shot.size for shot in shots])
    packets = Packets(times, times, bare.packets.duration, bare.packets.pos, sizes, flags)
    slices = Slices(
        array("i", [shot.frame_num for shot in shots]),
        array("i", [shot.idr for shot in shots]),
        array("i", [shot.order for shot in shots]),
        array("b", [shot.qp for shot in shots]),
        array("H", [shot.flags for shot in shots]),
    )
    stream = dataclasses.replace(bare.stream, codec=str(coding.get("codec", "h264")))
    return Track(stream, packets, Coding(**coding), slices)


def groups(
    count: int, gop: int = 8, *, closed: bool = True, step: int = 2, reorder: int = 0, rate: float = 25.0
) -> list[Shot]:
    """`count` groups of `gop` pictures. closed: each begins with an IDR and order 0; else only the first does.

    `reorder`: pictures without reference between two references, shown before the second.
    """
    shots = []
    for place, shown in enumerate(_decoding_order(count * gop, gop, reorder)):
        key = place % gop == 0
        idr = key and (closed or place == 0)
        reference = key or reorder == 0 or shown % gop % (reorder + 1) == 0
        flags = SLICE | (REFERENCE if reference else 0) | (INTRA if key else 0) | (IDR if idr else 0)
        order = step * (shown % gop if closed else shown)
        shots.append(Shot(shown / rate, order, idr=(place // gop) % 2 if idr else -1, flags=flags))
    return shots


def _decoding_order(total: int, gop: int, reorder: int) -> list[int]:
    """Display numbers in order of decoding: in each group the key, then each reference before those shown before it."""
    decoded = []
    for start in range(0, total, gop):
        place = start
        decoded.append(place)
        while place < start + gop - 1:
            following = min(place + reorder + 1, start + gop - 1)
            decoded += [following, *range(place + 1, following)]
            place = following
    return decoded


def removed(shots: Sequence[Shot], out: range, rate: float = 25.0) -> list[Shot]:
    """Without the pictures at these places, the timeline closed over the hole."""
    return retimed(left_open(shots, out), rate)


def retimed(shots: Sequence[Shot], rate: float = 25.0) -> list[Shot]:
    """The same pictures in the same order of display, one after the other."""
    ranks = {n: rank for rank, n in enumerate(sorted(range(len(shots)), key=lambda n: shots[n].time))}
    return [dataclasses.replace(shot, time=ranks[n] / rate) for n, shot in enumerate(shots)]


def left_open(shots: Sequence[Shot], out: range) -> list[Shot]:
    """Without the pictures at these places, their time left empty."""
    return [shot for n, shot in enumerate(shots) if n not in out]


def numbered(count: int, gop: int, *, modulus: int = 16) -> list[Shot]:
    """Closed groups without reordering, with frame_num in each."""
    shots = groups(count, gop)
    return [dataclasses.replace(shot, frame_num=n % gop % modulus) for n, shot in enumerate(shots)]
