"""The genuine sources: what each camera of the corpus is like."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from scripts.corpus_lib import avi, mkv, mp4, nal, ts
from scripts.corpus_lib.coders import Picture, Sound, film, listen
from scripts.corpus_lib.media import Media, Packet, Track

Style = mp4.Style | ts.Style | avi.Style | mkv.Style
Idr = Callable[[int], int]
_START = datetime(2026, 11, 18, 1, 30, tzinfo=UTC)
LOCAL = timedelta(hours=8)  # what the cameras burn in
OTHER_TAKE = 5000  # added to the seed of a camera's second recording


@dataclass(frozen=True)
class Source:
    """One camera and its recording.

    `pattern`: its file's name on the card, {t} for the local time of its start. `late`: seconds of picture before the
    sound begins. `idr`: how its encoder numbers IDR pictures (constant, alternating, counting; "" as the encoder did).
    `vui`: whether its SPS has usability information. `long`: in the full corpus only.
    `hard`: why a cut between whole groups of pictures leaves nothing in the stream ("" if it does). `real`: the file of
    a real device, where it is one; its container is not ours to write, so surgery writes one in a plain camera's style.
    """

    name: str
    pattern: str
    seconds: float
    picture: Picture
    sound: Sound | None
    style: Style
    idr: str = ""
    vui: bool = True
    late: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    quick: bool = False
    long: bool = False
    hard: str = ""
    real: Path | None = None

    @property
    def start(self) -> datetime:
        return _START + timedelta(seconds=zlib.crc32(self.name.encode()) % 20_000)

    def file(self, take: int = 0) -> str:
        """The file's name as the camera gives it."""
        return self.pattern.format(t=self.start + timedelta(hours=take) + LOCAL)


_IDR: dict[str, Idr] = {
    "constant": lambda number: 0, "alternating": lambda number: number & 1,
    "counting": lambda number: number & 0xFFFF, "cycling": lambda number: number % 16,
}  # fmt: skip


def record(source: Source, seed: int, work: Path, *, take: int = 0, seconds: float | None = None) -> Media:
    """Film and listen. `take` 1: another recording of the same camera. Raises Missing where an encoder is not there."""
    length = seconds or source.seconds
    own = seed * 10_007 + zlib.crc32(source.name.encode()) % 1000 + take * OTHER_TAKE
    start = source.start + timedelta(hours=take)
    video = as_camera(source, film(source.picture, length, own, (start + LOCAL).replace(tzinfo=None), work))
    tracks = [video]
    if source.sound:
        sound = listen(source.sound, length - source.late, own, work)
        tracks.append(_delayed(_trimmed(sound, video.end - source.late), source.late))
    return Media(tuple(tracks), start, f"LH{zlib.crc32(source.name.encode()) % 100_000:05d}", source.tags)


def as_camera(source: Source, track: Track) -> Track:
    """Without the encoder's names, with the camera's own counters and parameter sets."""
    if track.codec == "h264":
        return nal.h264_track(track, vui=source.vui, idr=_IDR.get(source.idr))
    if track.codec == "hevc":
        return nal.hevc_track(track)
    if track.codec == "mpeg4":
        packets = tuple(nal.mpeg4_without_names(packet) for packet in track.packets)
        return replace(track, packets=packets, config=nal.mpeg4_clean(track.config))
    return track


def _trimmed(track: Track, end: float) -> Track:
    """Sound that ends with the picture, whole packets."""
    packets = tuple(packet for packet in track.packets if packet.pts / track.scale < end - 1e-3)
    return replace(track, packets=packets)


def _delayed(track: Track, seconds: float) -> Track:
    shift = round(seconds * track.scale)
    packets = tuple(Packet(p.pts + shift, p.dts + shift, p.duration, p.key, p.data) for p in track.packets)
    return replace(track, packets=packets)


def write(media: Media, style: Style) -> bytes:
    """The file as the camera writes it."""
    if isinstance(style, mp4.Style):
        return mp4.write(media, style)
    if isinstance(style, ts.Style):
        return ts.write(media, style)
    if isinstance(style, avi.Style):
        return avi.write(media, style)
    return mkv.write(media, style)
