"""Times and lists as people read them, for the sentences of findings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime


def clock(seconds: float) -> str:
    """h:mm:ss.t, such as 0:01:05.3; negative times (before the shown start) with a minus."""
    tenths = round(abs(seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    sign = "-" if seconds < 0 and tenths else ""
    return f"{sign}{minutes // 60}:{minutes % 60:02d}:{rest // 10:02d}.{rest % 10}"


def date(unix: float) -> str:
    """2026-11-18 09:30:00 UTC."""
    try:
        return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{unix:.0f}"


def ranges(numbers: Sequence[int]) -> str:
    """2, 4–6 for 2, 4, 5, 6 (sorted, without repeats)."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("–".join(map(str, part)) for part in parts)
