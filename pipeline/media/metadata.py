"""What exiftool says of a file: the one module that starts exiftool. Runs inside the sandbox.

Family 1 group names and plain numbers (-G1 -n), so that values can be compared; binary values are left out; counts and
lengths are bounded because the file decides them.
"""

from __future__ import annotations

import calendar
import json
import math
import threading
from collections.abc import Mapping
from typing import Any

import exiftool

from pipeline.continuity.dates import exif
from pipeline.continuity.model import Fix, Tag
from pipeline.media.warm import Warm

_MOST_TAGS = 1500
_LONGEST = 400  # characters of one value
_LONGEST_WAIT = 20.0  # seconds for what takes a tenth of one; ten thousand tracks take it minutes
_PATIENCE = 10.0  # seconds that reading through the samples may take; an hour of footage takes about half of it
_PLAIN = ("-n", "-api", "largefilesupport=1")
_EMBEDDED = "$SampleTime;$GPSDateTime;$GPSMeasureMode"
# Kinds of timed metadata that `pipeline.media.telemetry` reads itself, or that hold no position.
_READ_ELSEWHERE = {"gpmd", "camm", "fdsc", "tmcd", "mebx"}
# Where the file lies and when it was copied is the host's business, not the recording's.
_NOT_OURS = ("System:", "SourceFile", "ExifTool:ExifToolVersion", "File:Directory")


def read(path: str, warm: Warm | None = None) -> dict[str, Tag]:
    """Tags of the file at `path` as "Group:Tag" → text or number; {} where exiftool knows nothing of it.

    `warm`: an exiftool that runs already; without one it is started.
    """
    with warm or exiftool.ExifTool(common_args=[]) as tool:
        answer = tool.execute("-j", "-G1", *_PLAIN, "-x", "System:all", path)
    found: list[dict[str, Any]] = json.loads(answer)
    kept = ((key, value) for key, value in found[0].items() if not key.startswith(_NOT_OURS))
    return {key[:100]: _plain(value) for (key, value), _ in zip(kept, range(_MOST_TAGS), strict=False)}


class Beside:
    """exiftool at work on `path` in threads of its own, while the caller reads the file itself."""

    def __init__(self, path: str, warm: Warm | None = None) -> None:
        self._path, self._warm = path, warm
        self._tags: dict[str, Tag] = {}
        self._fixes: list[Fix] | None = None
        self._first = threading.Thread(target=self._read, daemon=True)
        self._second = threading.Thread(target=self._look, daemon=True)
        self._first.start()

    def tags(self) -> dict[str, Tag]:
        """Waits for them. Without exiftool's words the picture is poorer, not wrong: its failure is one of the tags."""
        self._first.join(_LONGEST_WAIT)
        return {"Liuhen:ExifToolFailed": "TimeoutError"} if self._first.is_alive() else self._tags

    def positions(self) -> tuple[list[Fix], str]:
        """What `positions` gives where there is any, and why not where that took too long."""
        if not hides_telemetry(self.tags()):
            return [], ""
        self._second.join(_PATIENCE)
        return ([], "exiftool could not read the telemetry in time") if self._fixes is None else (self._fixes, "")

    def _read(self) -> None:
        try:
            self._tags.update(read(self._path, self._warm))
        except Exception as error:  # exiftool on hostile bytes: whatever it does, the rest of the probe goes on
            self._tags["Liuhen:ExifToolFailed"] = type(error).__name__
        if hides_telemetry(self._tags):
            self._second.start()

    def _look(self) -> None:
        try:
            self._fixes = positions(self._path, self._warm)
        except Exception:  # as above
            self._fixes = None


def hides_telemetry(tags: Mapping[str, Tag]) -> bool:
    """Whether exiftool says that there is more in the media data, of a kind that nobody else reads."""
    kinds = {str(value) for key, value in tags.items() if key.endswith((":MetaFormat", ":OtherFormat"))}
    told = any(key.endswith(":Warning") and "ExtractEmbedded" in str(value) for key, value in tags.items())
    return told and (not kinds or bool(kinds - _READ_ELSEWHERE))


def positions(path: str, warm: Warm | None = None) -> list[Fix]:
    """Times of a satellite receiver in the media data, as far as exiftool knows the format (Novatek, Sony, Insta360 …).

    It reads through the samples: seconds for an hour of footage, so the caller bounds its time.
    """
    with warm or exiftool.ExifTool(common_args=[]) as tool:
        lines = tool.execute("-ee", "-f", *_PLAIN, "-p", _EMBEDDED, path).splitlines()
    found = (_fix(line) for line in lines[: 10 * _MOST_TAGS])
    return [fix for fix in found if fix]


def _fix(line: str) -> Fix | None:
    at, _, rest = line.partition(";")
    date, _, mode = rest.partition(";")
    moment = exif(date)
    if moment is None:
        return None
    fraction = date.partition(".")[2].rstrip("Z")
    seconds = calendar.timegm(moment[0].timetuple()) + (float(f"0.{fraction}") if fraction.isdigit() else 0.0)
    return Fix(_number(at), seconds, int(mode) >= 2 if mode.isdigit() else None)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _plain(value: Any) -> Tag:
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    if isinstance(value, list):
        return ", ".join(str(each) for each in value[:50])[:_LONGEST]
    return str(value)[:_LONGEST]
