"""Lay out the sample footage: one folder a case, and an INDEX.csv that tells the truth of each file."""

from __future__ import annotations

import csv
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import cos, sin
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from pipeline.samples import camera, hostile, scene, stills, tampered

START = datetime(2026, 11, 18, 9, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
SEGMENT_SECONDS, SEGMENTS = 12, 3  # 300 pictures and 375 sound packets each, to the last sample
T = TypeVar("T")
PLACE = 31.23037, 121.47370  # People's Square, Shanghai


@dataclass(slots=True)
class Footage:
    """Where the files are. `index` holds the rows of INDEX.csv: file (relative to `root`), truth, what."""

    root: Path
    index: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def card(self) -> Path:
        """A camera's card: pass it to a docking station."""
        return self.root / "card"

    @property
    def segments(self) -> list[Path]:
        """The whole recording, in order."""
        return [self.card / "DCIM" / "100LHCAM" / segment_name(number) for number in range(1, SEGMENTS + 1)]

    @property
    def missing(self) -> list[Path]:
        """The same recording without segment 2."""
        return [self.root / "missing" / segment_name(number) for number in (1, 3)]

    @property
    def cut_open(self) -> Path:
        """Segment 2 with 3 s taken out by stream copy, the hole left in the timeline."""
        return self.root / "cut" / "open" / segment_name(2)

    @property
    def cut_closed(self) -> Path:
        """Segment 2 with 3 s taken out by stream copy, the timeline closed over the hole."""
        return self.root / "cut" / "closed" / segment_name(2)

    @property
    def cut_encoded(self) -> Path:
        """Segment 2 with 3 s taken out, all of it encoded again."""
        return self.root / "cut" / "encoded" / segment_name(2)

    @property
    def redated(self) -> Path:
        """Segment 2 with the dates in its header set to the day after."""
        return self.root / "redated" / segment_name(2)

    @property
    def foreign(self) -> Path:
        """Segment 2 re-encoded with 1 s of another scene inserted."""
        return self.root / "foreign" / segment_name(2)

    @property
    def frozen(self) -> Path:
        """Segment 2 re-encoded with its picture frozen for 3 s while the sound goes on."""
        return self.root / "frozen" / segment_name(2)

    @property
    def audio(self) -> Path:
        return self.root / "audio" / stills.MEMO

    @property
    def photos(self) -> list[Path]:
        return [self.root / "photos" / name for name in stills.NAMES]

    @property
    def photos_missing(self) -> list[Path]:
        return [self.root / "photos-missing" / name for name in stills.NAMES if name != stills.ABSENT]

    @property
    def hostile(self) -> Path:
        """A folder of files that are not what their names say."""
        return self.root / "hostile"

    def tell(self, path: Path, truth: str, what: str) -> None:
        self.index.append((path.relative_to(self.root).as_posix(), truth, what))


def segment_name(number: int) -> str:
    """Device, local start of the recording, segment: LH00012_20261118093000_0001.MP4."""
    return f"{scene.DEVICE}_{START:%Y%m%d%H%M%S}_{number:04d}.MP4"


def make_footage(out: Path, *, seed: int = 1, only: set[str] | None = None) -> Footage:
    """Write the sample footage into `out` (made if need be), the same bytes for the same seed on the same machine.

    `only` names the parts wanted: card, missing, cut, redated, foreign, frozen, audio, photos, photos-missing, hostile;
    None means all. Raises NotFound where ffmpeg or exiftool is missing, Unreadable with their words where they fail.
    """
    footage = Footage(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="liuhen-footage-") as temporary:
        work = Path(temporary)
        recording = Footage(work)
        if only is None or only & _NEEDS_RECORDING:
            _film(recording, work, seed)
        for name, make in _PARTS.items():
            if only is None or name in only:
                make(footage, recording, work, seed)
    _write_index(footage)
    return footage


def _film(recording: Footage, work: Path, seed: int) -> None:
    """One shot, cut into files by the camera itself: nothing is lost between two of them."""
    seconds = SEGMENT_SECONDS * SEGMENTS
    pictures, sps, pps = scene.film(work, START, seconds, seed)
    packets, places = scene.listen(work, seconds, seed), _walk(seconds, seed)
    for number, path in enumerate(recording.segments):
        track = camera.video_track(_part(pictures, number), sps, pps, size=(scene.WIDTH, scene.HEIGHT), rate=scene.RATE)
        tracks = [track, camera.audio_track(_part(packets, number), rate=scene.SOUND_RATE)]
        start = (START + timedelta(seconds=number * SEGMENT_SECONDS)).astimezone(UTC)
        here = _part(places, number)
        tracks.append(camera.gps_track(start, here))
        _save(path, camera.movie(tracks, start, serial=scene.DEVICE, place=here[0][:2]), start)


def _part(whole: Sequence[T], number: int) -> Sequence[T]:
    size = len(whole) // SEGMENTS
    return whole[number * size : (number + 1) * size]


def _walk(seconds: int, seed: int) -> list[tuple[float, float, float]]:
    """A walk of about 1 m/s: latitude, longitude (degrees), altitude (metres), one a second."""
    return [
        (PLACE[0] + 9e-6 * t + 4e-6 * sin(t / 5 + seed), PLACE[1] + 5e-6 * cos(t / 7 + seed), 4.5 + 0.3 * sin(t / 3))
        for t in range(seconds)
    ]


def _save(path: Path, content: bytes, start: datetime) -> None:
    """Write a segment with the file time a camera leaves: that of its last picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    date(path, start + timedelta(seconds=SEGMENT_SECONDS))


def date(path: Path, moment: datetime) -> None:
    """Give a file the time of its making on the camera."""
    os.utime(path, (moment.timestamp(), moment.timestamp()))


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


def _card(footage: Footage, recording: Footage, _work: Path, _seed: int) -> None:
    for source, target in zip(recording.segments, footage.segments, strict=True):
        _copy(source, target)
        footage.tell(target, "continuous", "body-camera recording in 3 segments, as the camera wrote it")


def _missing(footage: Footage, recording: Footage, _work: Path, _seed: int) -> None:
    for target in footage.missing:
        _copy(next(path for path in recording.segments if path.name == target.name), target)
        footage.tell(target, "one gap", "the same recording, segment 2 absent")


def _cut(footage: Footage, recording: Footage, work: Path, _seed: int) -> None:
    for target in (footage.cut_open, footage.cut_closed, footage.cut_encoded):
        target.parent.mkdir(parents=True, exist_ok=True)
    tampered.cut_open(recording.segments[1], footage.cut_open)
    tampered.cut_closed(recording.segments[1], footage.cut_closed, work)
    tampered.cut_encoded(recording.segments[1], footage.cut_encoded)
    footage.tell(footage.cut_open, "altered", "3 s taken out by stream copy at 0:04, hole left in the timeline")
    footage.tell(footage.cut_closed, "altered", "3 s taken out by stream copy at 0:04, timeline closed")
    footage.tell(footage.cut_encoded, "altered", "3 s taken out at 0:04, re-encoded")


def _redated(footage: Footage, recording: Footage, _work: Path, _seed: int) -> None:
    source = recording.segments[1]
    _copy(source, footage.redated)
    tampered.redate(footage.redated, START + timedelta(days=1, seconds=SEGMENT_SECONDS))
    shutil.copystat(source, footage.redated)
    footage.tell(footage.redated, "altered", "the dates in the header set to the day after")


def _foreign(footage: Footage, recording: Footage, _work: Path, _seed: int) -> None:
    footage.foreign.parent.mkdir(parents=True, exist_ok=True)
    tampered.insert_foreign(recording.segments[1], footage.foreign)
    footage.tell(footage.foreign, "altered", "re-encoded with 1 s of another scene inserted at 0:05")


def _frozen(footage: Footage, recording: Footage, _work: Path, _seed: int) -> None:
    footage.frozen.parent.mkdir(parents=True, exist_ok=True)
    tampered.freeze(recording.segments[1], footage.frozen)
    footage.tell(footage.frozen, "altered", "re-encoded, picture frozen from 0:04 to 0:07 while the sound goes on")


def _audio(footage: Footage, _recording: Footage, _work: Path, seed: int) -> None:
    footage.audio.parent.mkdir(parents=True, exist_ok=True)
    stills.make_memo(footage.audio, seed)
    date(footage.audio, stills.MEMO_START + timedelta(seconds=stills.MEMO_SECONDS))
    footage.tell(footage.audio, "continuous", "audio memo, Broadcast Wave with time reference")


def _photos(footage: Footage, _recording: Footage, work: Path, seed: int) -> None:
    for source, target in zip(_shots(work, seed), footage.photos, strict=True):
        _copy(source, target)
        footage.tell(target, "continuous", "photo series with EXIF counters")


def _photos_missing(footage: Footage, _recording: Footage, work: Path, seed: int) -> None:
    shots = {path.name: path for path in _shots(work, seed)}
    for target in footage.photos_missing:
        _copy(shots[target.name], target)
        footage.tell(target, "one gap", f"the same series, {stills.ABSENT} absent")


def _shots(work: Path, seed: int) -> list[Path]:
    paths = [work / name for name in stills.NAMES]
    if not paths[0].exists():
        stills.make_photos(work, seed)
        for number, path in enumerate(paths):
            date(path, stills.photo_time(number))
    return paths


def _hostile(footage: Footage, recording: Footage, work: Path, seed: int) -> None:
    footage.hostile.mkdir(parents=True, exist_ok=True)
    for name, what in hostile.make(footage.hostile, recording.segments[0], work, seed).items():
        footage.tell(footage.hostile / name, "unreadable", what)


_PARTS: dict[str, Callable[[Footage, Footage, Path, int], None]] = {
    "card": _card, "missing": _missing, "cut": _cut, "redated": _redated, "foreign": _foreign, "frozen": _frozen,
    "audio": _audio, "photos": _photos, "photos-missing": _photos_missing, "hostile": _hostile,
}  # fmt: skip
_NEEDS_RECORDING = {"card", "missing", "cut", "redated", "foreign", "frozen", "hostile"}


def _write_index(footage: Footage) -> None:
    with (footage.root / "INDEX.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file", "truth", "what"))
        writer.writerows(footage.index)
