"""Dates as containers, EXIF and file names write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_EXIF = re.compile(r"(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|[+-]\d\d:\d\d)?$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def exif(text: str, zone: str = "") -> tuple[datetime, bool] | None:
    """(moment, whether its time zone is known) of exiftool's 2024:01:24 14:50:14[+08:00]; None for anything else.

    `zone`: the offset from a tag beside it, such as OffsetTimeOriginal. Without any, the moment is local time labelled
    UTC: good for differences only.
    """
    found = _EXIF.match(text.strip())
    if not found:
        return None
    year, month, day, hours, own = found.groups()
    offset = own or (zone if re.fullmatch(r"[+-]\d\d:\d\d", zone) else "")
    try:
        moment = datetime.fromisoformat(f"{year}-{month}-{day}T{hours}{offset.replace('Z', '+00:00') or '+00:00'}")
        return moment.astimezone(UTC), bool(offset)
    except (ValueError, OverflowError):
        return None


def unix(seconds: int) -> datetime | None:
    """The moment so many seconds after 1970; None outside the calendar."""
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None


def rfc3339(text: str) -> datetime | None:
    """libav's creation_time, such as 2019-11-18T15:45:32.000000Z."""
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def compact(text: str) -> datetime | None:
    """The 14 digits of a file name, 20261118093000, labelled UTC whatever the camera's zone was."""
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
