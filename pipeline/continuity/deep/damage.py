"""Pictures and sound that can't be decoded whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pipeline.continuity.content import DAMAGED, REFRESH, Sight
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity

_EDGE = 0.5  # seconds at the end, where a stream may stop within a picture


def undecodable(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/UNDECODABLE: bytes changed or missing show when pictures are rebuilt from them.

    Left out: pictures before the second refresh (a recording may start within a group) and the last half second.
    """
    sight = picture.content.sight if picture.content else None
    if sight is None or not len(sight.time):
        return
    damaged = _damaged(sight)
    if damaged:
        yield Finding(
            code="REC-TRUE/UNDECODABLE",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            start=round(damaged[0], 6),
            end=round(damaged[-1], 6),
            zh=f"有 {len(damaged)} 处画面无法完整解码，首次在 {clock(damaged[0])}：数据缺失或被改动。",
            en=f"{len(damaged)} pictures can't be decoded whole, first at {clock(damaged[0])}: data missing or changed",
            evidence={"stream": sight.stream, "times": [round(time, 3) for time in damaged[:50]]},
        )


def _damaged(sight: Sight) -> list[float]:
    refreshes = np.flatnonzero(sight.flags & REFRESH)
    begun = float(sight.time[refreshes[1]]) if len(refreshes) > 1 else float(sight.time[0]) + _EDGE
    end = float(sight.time[-1]) - _EDGE
    times = [float(time) for time in sight.time[(sight.flags & DAMAGED) > 0]] + list(sight.errors)
    return sorted(time for time in times if begun <= time <= end)


CHECKS = (undecodable,)
