"""What exiftool says of a file: the one module that starts exiftool. Runs inside the sandbox.

Family 1 group names and plain numbers (-G1 -n), so that values can be compared; binary values are left out; counts and
lengths are bounded because the file decides them.
"""

from __future__ import annotations

from typing import Any

import exiftool

from pipeline.continuity.model import Tag

_MOST_TAGS = 1500
_LONGEST = 400  # characters of one value
# Where the file lies and when it was copied is the host's business, not the recording's.
_NOT_OURS = ("System:", "SourceFile", "ExifTool:ExifToolVersion", "File:Directory")


def read(path: str) -> dict[str, Tag]:
    """Tags of the file at `path` as "Group:Tag" → text or number; {} where exiftool knows nothing of it."""
    with exiftool.ExifTool(common_args=["-G1", "-n", "-api", "largefilesupport=1"]) as tool:
        found: list[dict[str, Any]] = tool.execute_json("-x", "System:all", path)
    kept = ((key, value) for key, value in found[0].items() if not key.startswith(_NOT_OURS))
    return {key[:100]: _plain(value) for (key, value), _ in zip(kept, range(_MOST_TAGS), strict=False)}


def _plain(value: Any) -> Tag:
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 1 << 63):
        return value
    if isinstance(value, list):
        return ", ".join(str(each) for each in value[:50])[:_LONGEST]
    return str(value)[:_LONGEST]
