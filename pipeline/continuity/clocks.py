"""Dates that contradict each other: what wrote one of them was not the device, or its clock was moved.

Where a time zone is not known, differences are taken modulo a quarter of an hour, the step in which zones differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath

from pipeline.continuity.dates import compact, exif
from pipeline.continuity.model import Picture
from pipeline.continuity.series import series_key
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import date
from storage.records import Axis, Finding, Severity

ZONE = 900.0  # seconds: time zones differ by quarters of an hour
FARTHEST = 15 * 3600.0  # and by no more than this from one another, with a margin (UTC−12 to UTC+14 against UTC)
_DAY = 86_400.0
_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d{6})[_-]?(\d{6})(?:\d{3})?(?!\d)")


def off_by_zone(seconds: float) -> float:
    """What is left of a difference that may hold a time zone: −450 to 450 s, or all of it where no zone is so far."""
    return seconds if abs(seconds) > FARTHEST else (seconds + ZONE / 2) % ZONE - ZONE / 2


def apple_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/APPLE-DATE: Apple's own creation date against the movie header's, which an export renews."""
    told = _moment(str(picture.metadata.tags.get("Keys:CreationDate", "")))
    if told is None or picture.created is None or picture.metadata.make != "Apple":
        return
    apart = abs(told - picture.created)
    if apart > limits.apple_date_suspicion:
        yield Finding(
            code="REC-TRUE/APPLE-DATE",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION if apart > limits.apple_date else Severity.SUSPICION,
            zh=f"拍摄时间 {date(told)} 与文件头时间 {date(picture.created)} 相差 {apart:.0f} 秒，文件是后来导出的。",
            en=f"creation date {date(told)} and header {date(picture.created)} are {apart:.0f} s apart: exported later",
            evidence={"Keys:CreationDate": told, "moov/mvhd": picture.created},
        )


def name_date(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/NAME-DATE: the time in the file's name is not the one inside it, neither at its start nor at its end.

    Devices name a file by the clock with which they date it, people as they like: another day is a suspicion, another
    hour a note (a suspicion by the profile of a device whose names agree). Later segments bear the recording's start:
    left out.
    """
    found, apart = name_and_date(picture)
    inside = _dated(picture)
    if inside is not None and abs(apart) > limits.name_date:
        yield Finding(
            code="REC-TRUE/NAME-DATE",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION if abs(apart) > FARTHEST else Severity.NOTE,
            zh=f"文件名中的时间 {found} 与文件内的时间 {date(inside)} 不符（时区除外），文件可能被改名或改过日期。",
            en=f"the time in the name, {found}, is not the one inside, {date(inside)}, in any time zone: "
            "renamed, or its dates were changed",
            evidence={"name": found, "inside": inside, "apart": round(apart, 1)},
        )


def name_and_date(picture: Picture) -> tuple[str, float]:
    """The time in the file's name and the seconds by which that inside it is later, time zones aside; "" and 0 where
    one of them is not there. Of the recording's start and end the nearer one counts.
    """
    found = _IN_NAME.search(PurePath(picture.name.replace("\\", "/")).stem)
    named = compact(found[1] + found[2]) if found else None
    inside = _dated(picture)
    if not found or named is None or inside is None or (series_key(picture.name).sequence or 0) > 1:
        return "", 0.0
    off = inside - named.timestamp()
    return found[0], min((off_by_zone(off - late) for late in (0.0, picture.media_duration or 0.0)), key=abs)


def _dated(picture: Picture) -> float | None:
    """When the file says it was made, in Unix seconds; local time counts as UTC."""
    if picture.created is not None:
        return float(picture.created)
    return picture.metadata.taken[0].timestamp() if picture.metadata.taken else None


def written_too_fast(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/WRITTEN-TOO-FAST: the header was begun and ended within less time than the recording lasts.

    A device that writes two dates writes the recording's start and end. Equal dates say nothing; 3 s may be the time
    in which a camera closes a file.
    """
    boxes, lasts = picture.boxes, picture.media_duration
    if not boxes or boxes.created is None or boxes.modified is None or not lasts:
        return
    took = boxes.modified - boxes.created
    if limits.written_least < took < lasts * limits.written_share - limits.written_least:
        yield Finding(
            code="REC-TRUE/WRITTEN-TOO-FAST",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"文件在 {took} 秒内写成，而录像长 {lasts:.0f} 秒：写得比实时快，可能是后来生成的。",
            en=f"the file was written within {took} s and lasts {lasts:.0f} s: faster than real time, so perhaps later",
            evidence={"created": boxes.created, "modified": boxes.modified, "duration": round(lasts, 3)},
        )


def _within_day(seconds: float) -> float:
    return (seconds + _DAY / 2) % _DAY - _DAY / 2


def timecode(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/TIMECODE: the time code of the first picture against the header's date, in a GoPro.

    It counts the time of day there (57 to 69 s beside the header in genuine files); other cameras count from zero or
    from a studio's clock, which says nothing.
    """
    tracks = picture.boxes.tracks if picture.boxes else ()
    counts_day = any("tmcd" in track.descriptions and "GoPro" in track.handler_name for track in tracks)
    found = re.fullmatch(r"(\d\d):(\d\d):(\d\d)[:;.](\d\d)", picture.telemetry.timecode)
    if not found or picture.created is None or not counts_day:
        return
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    apart = off_by_zone(_within_day(seconds - picture.created % _DAY))
    if abs(apart) > limits.timecode:
        yield Finding(
            code="REC-TRUE/TIMECODE",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"时间码 {found[0]} 与文件头时间 {date(picture.created)} 不符（时区除外），日期可能被改过。",
            en=f"the time code {found[0]} and the header's {date(picture.created)} disagree in any time zone: "
            "its date may have been changed",
            evidence={"timecode": found[0], "moov/mvhd": picture.created, "apart": round(apart, 1)},
        )


def _moment(text: str) -> float | None:
    found = exif(text)
    return found[0].timestamp() if found else None


CHECKS = (apple_date, name_date, written_too_fast, timecode)
