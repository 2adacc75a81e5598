"""The serial that a camera writes into its recordings: exiftool says it, in the sandbox."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from typing import Any

from ingest.card import CardFile, Changed, check_same
from pipeline.media import sandbox
from storage.errors import NotFound

LOOKED_INTO = 3  # of a card's files, the newest: all are one camera's, or nobody can say whose card it is
TAGS = ("CameraSerialNumber", "SerialNumber")
"""exiftool's names: GoPro's own and other makers' (CameraSerialNumber, SerialNumber), Exif's BodySerialNumber
(SerialNumber)."""
_LIMITS = sandbox.Limits(cpu_seconds=20, wall_seconds=30, memory_bytes=2 << 30, file_bytes=0, stdout_bytes=64 << 10)


def serials(files: Iterable[CardFile]) -> set[str]:
    """The serials in the newest files, as they stand there. Empty where none is there, or nothing can look:
    without exiftool or a sandbox that isolates, no file is opened.
    """
    if shutil.which("exiftool") is None or sandbox.unavailable():
        return set()
    newest = sorted((file for file in files if file.size), key=lambda file: file.mtime_ns, reverse=True)[:LOOKED_INTO]
    return {serial for file in newest if (serial := _serial(file))}


def _serial(file: CardFile) -> str:
    asked = ["exiftool", "-j", "-n", *(f"-{tag}" for tag in TAGS), "/in/file"]
    try:
        check_same(file, file.place.lstat())
        done = sandbox.run(asked, files={"file": file.place}, limits=_LIMITS)
        told: dict[str, Any] = json.loads(done.stdout)[0] if done.ok else {}
    except (OSError, Changed, NotFound, ValueError, LookupError):  # pulled out, or nothing that exiftool knows
        return ""
    return next((str(told[tag]).strip() for tag in TAGS if told.get(tag)), "")
