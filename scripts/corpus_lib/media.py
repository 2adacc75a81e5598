"""A recording in memory: coded packets with their times, free of any container."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded picture or block of sound; times in units of the track's scale. H.264/HEVC: 4-byte lengths."""

    pts: int
    dts: int
    duration: int
    key: bool
    data: bytes


@dataclass(frozen=True, slots=True)
class Track:
    """`scale`: units a second. `config`: the codec's own header (avcC, hvcC, AudioSpecificConfig …)."""

    kind: str
    codec: str
    scale: int
    packets: tuple[Packet, ...]
    config: bytes = b""
    size: tuple[int, int] = (0, 0)
    rate: int = 0
    channels: int = 0

    @property
    def end(self) -> float:
        return max(packet.pts + packet.duration for packet in self.packets) / self.scale if self.packets else 0.0

    @property
    def start(self) -> float:
        return min(packet.pts for packet in self.packets) / self.scale if self.packets else 0.0


@dataclass(frozen=True, slots=True)
class Media:
    """`start`: the moment of the first picture. `tags`: what the camera writes of itself."""

    tracks: tuple[Track, ...]
    start: datetime
    serial: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def video(self) -> Track | None:
        return next((track for track in self.tracks if track.kind == "video"), None)

    @property
    def audio(self) -> Track | None:
        return next((track for track in self.tracks if track.kind == "audio"), None)

    @property
    def seconds(self) -> float:
        return max(track.end for track in self.tracks)


def key_times(track: Track) -> list[float]:
    """Seconds of the pictures that decode without those before them, in order."""
    return sorted(packet.pts / track.scale for packet in track.packets if packet.key)


def group_seconds(media: Media) -> float:
    """The length of the longest group of pictures; of the whole recording where there is but one."""
    if not media.video:
        return 0.0
    edges = [*key_times(media.video), media.video.end]
    return max(after - before for before, after in pairwise(edges))


def span(track: Track, start: float, end: float) -> tuple[Packet, ...]:
    """The packets from `start` to `end` in decoding order: a piece begins where its first picture decodes."""
    moments = [packet.dts for packet in track.packets]
    shift = track.packets[0].pts - track.packets[0].dts if track.packets else 0
    a, b = (bisect_left(moments, round(second * track.scale) - shift) for second in (start, end))
    return track.packets[a:b]


def shifted(packets: Iterable[Packet], by: int) -> tuple[Packet, ...]:
    return tuple(replace(packet, pts=packet.pts + by, dts=packet.dts + by) for packet in packets)


def spliced(media: Media, pieces: Sequence[tuple[Media, float, float]]) -> tuple[Media, list[float]]:
    """`pieces` (recording, start, end) one after another without a hole. Returns the seconds where they meet, too.

    Sound is taken whole packets at a time, so that it follows the picture to within a packet.
    """
    kinds = [track.kind for track in media.tracks]
    made: dict[str, list[Packet]] = {kind: [] for kind in kinds}
    at, meets = 0.0, []
    for source, start, end in pieces:
        taken = at
        for own in media.tracks:
            track = next(each for each in source.tracks if each.kind == own.kind)
            packets = span(track, start, end)
            if packets:
                _append(made[own.kind], packets, own.scale, round(at * own.scale), own.kind == "audio")
            if own.kind == kinds[0] and made[own.kind]:
                taken = max(packet.pts + packet.duration for packet in made[own.kind]) / own.scale
        at = taken
        meets.append(at)
    tracks = tuple(replace(track, packets=tuple(made[track.kind])) for track in media.tracks)
    return replace(media, tracks=tracks), meets[:-1]


def _append(into: list[Packet], packets: Sequence[Packet], scale: int, at: int, close: bool) -> None:
    if into and close:  # sound: straight on from the last packet
        at = into[-1].pts + into[-1].duration
    elif into:
        at = max(at, *(each.pts + each.duration for each in into))
        packets = shifted(packets, at - min(each.pts for each in packets))
        into.extend(_decoding_on(packets, into[-1]))
        return
    into.extend(shifted(packets, at - min(each.pts for each in packets)))


def _decoding_on(packets: Sequence[Packet], last: Packet) -> list[Packet]:
    """Decoding times that go on strictly after the last one, never after the presentation."""
    made, before = [], last.dts
    for packet in packets:
        dts = max(packet.dts, before + 1)
        made.append(replace(packet, dts=dts))
        before = dts
    return made
