"""Where a packet stands: its time, its words, and what the encoder did on both sides of it."""

from __future__ import annotations

from typing import Any

from pipeline.continuity.coding import UNSCALED
from pipeline.continuity.model import KEY, UNKNOWN, Track
from pipeline.continuity.words import clock


def time_of(track: Track, number: int) -> float | None:
    """Seconds at which the packet is shown (or decoded); None in streams without timestamps."""
    for times in (track.packets.pts, track.packets.dts):
        if number < len(times) and times[number] != UNKNOWN:
            return round(times[number] * track.tick, 6)
    return None


def at(track: Track, number: int) -> tuple[str, str]:
    """(zh, en) words for the packet's place: its time, or its number where it has none."""
    seconds = time_of(track, number)
    if seconds is None:
        return f"第 {number} 个数据包处", f"at packet {number}"
    return f"{clock(seconds)} 处", f"at {clock(seconds)}"


def evidence(track: Track, number: int, **more: Any) -> dict[str, Any]:
    """Stream, packet, byte offset, and in support the key pictures' size and quantiser on both sides."""
    place = {"stream": track.stream.index, "packet": number, "offset": track.packets.pos[number]}
    return place | more | beside(track, number)


def beside(track: Track, number: int) -> dict[str, Any]:
    """Bytes and quantiser (H.264) of the last key picture before the packet and the first one from it on."""
    flags = track.packets.flags
    before = next((n for n in range(number - 1, -1, -1) if flags[n] & KEY), None)
    after = next((n for n in range(number, len(flags)) if flags[n] & KEY), None)
    if before is None or after is None:
        return {}
    found: dict[str, Any] = {"key_bytes": [track.packets.size[before], track.packets.size[after]]}
    qp = [track.slices.qp[n] for n in (before, after)] if track.slices else []
    return found | ({"key_qp": qp} if qp and UNSCALED not in qp else {})
