"""An audio memo and a photo series, as a recorder and a camera of the same officer make them."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pipeline.samples import scene
from pipeline.samples.program import exiftool, ffmpeg

_ZONE = ZoneInfo("Asia/Shanghai")
MEMO_START, MEMO_SECONDS, _MEMO_RATE = datetime(2026, 11, 18, 10, 15, tzinfo=_ZONE), 10, 16_000
MEMO = f"{scene.DEVICE}_{MEMO_START:%Y%m%d%H%M%S}_0001.WAV"
_FIRST, _COUNT = 101, 6
NAMES = [f"DSCF{number:04d}.JPG" for number in range(_FIRST, _FIRST + _COUNT)]
ABSENT = "DSCF0104.JPG"
_SERIES_START = datetime(2026, 11, 18, 9, 41, 7, tzinfo=_ZONE)


def make_memo(target: Path, seed: int) -> None:
    """A Broadcast Wave file (EBU Tech 3285): device, date, time, and samples since local midnight."""
    midnight = MEMO_START.replace(hour=0, minute=0, second=0)
    reference = int((MEMO_START - midnight).total_seconds()) * _MEMO_RATE
    tags = {
        "description": "现场语音备忘", "originator": "Liuhen Sample Cam", "originator_reference": scene.DEVICE,
        "origination_date": f"{MEMO_START:%Y-%m-%d}", "origination_time": f"{MEMO_START:%H:%M:%S}",
        "time_reference": str(reference),
    }  # fmt: skip
    metadata = [part for tag, value in tags.items() for part in ("-metadata", f"{tag}={value}")]
    ffmpeg(
        "-f", "lavfi", "-i", scene.sound(seed + 1, _MEMO_RATE, MEMO_SECONDS), "-t", str(MEMO_SECONDS),
        "-c:a", "pcm_s16le", "-write_bext", "1",
        *metadata, "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "wav", target,
    )  # fmt: skip


def photo_time(number: int) -> datetime:
    """When photo `number` (from 0) was taken."""
    return _SERIES_START + timedelta(seconds=9 * number + number % 2)


def make_photos(folder: Path, seed: int) -> None:
    """Write the series into `folder`: one picture of the scene each, with make, model, serial number, time, counter."""
    ffmpeg(
        "-f", "lavfi", "-i", scene.picture(seed + 2, 960, 720), "-vf", "fps=1", "-frames:v", str(_COUNT), "-q:v", "6",
        "-pix_fmt", "yuvj420p", "-threads", "1", "-flags:v", "+bitexact", "-start_number", str(_FIRST), "-f", "image2",
        folder / "DSCF%04d.JPG",
    )  # fmt: skip
    lines: list[str] = []
    for number, name in enumerate(NAMES):
        lines += [*_tags(number), "-overwrite_original", str(folder / name), "-execute"]
    (folder / "tags.args").write_text("\n".join(lines), encoding="utf-8")
    exiftool("-@", folder / "tags.args")


def _tags(number: int) -> list[str]:
    moment = f"{photo_time(number):%Y:%m:%d %H:%M:%S}"
    tags = {
        "Make": "Liuhen", "Model": "Liuhen Sample Still", "SerialNumber": "LHP00007", "ImageNumber": _FIRST + number,
        "DateTimeOriginal": moment, "CreateDate": moment, "ModifyDate": moment, "OffsetTimeOriginal": "+08:00",
        "OffsetTime": "+08:00", "OffsetTimeDigitized": "+08:00", "ExposureTime": "1/125", "FNumber": "4", "ISO": "200",
        "FocalLength": "24", "GPSLatitude": "31.23037", "GPSLatitudeRef": "N", "GPSLongitude": "121.47370",
        "GPSLongitudeRef": "E",
    }  # fmt: skip
    return ["-q", *(f"-EXIF:{tag}={value}" for tag, value in tags.items())]
