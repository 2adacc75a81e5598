"""The clocks and the nonce of one docking: station's against server's and its other dockings', camera's by it. Pure.

Every conclusion from a docking's dates rests on the station's clock; the server's own time of receipt bounds it from
above: nothing was signed after it had arrived.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pipeline.continuity.clocks import off_by_zone
from storage.records import Axis, Finding, Severity

STATION_MARGIN = timedelta(seconds=120)
OVERTAKEN = timedelta(hours=1)
"""An agent that could deliver one manifest would have delivered an older one too: its pauses are seconds."""
CAMERA_NOTE, CAMERA_SUSPICION = 120.0, 300.0  # seconds; they drift by seconds a day, zones are quarters of an hour
EASTERNMOST = 14 * 3600.0  # seconds; the zone that is farthest ahead


@dataclass(frozen=True, slots=True)
class DockingTimes:
    """One docking. `signed`: by the station's clock; `received`: by the server's; `jumped`: seconds by which the
    station saw its clock set; `camera`: seconds by which the camera's clock was ahead of the station's, None: not
    known. `overtaken_by`: of the station's dockings that came more than an hour earlier the one signed last
    (identifier, signed, received); `twin`: another manifest of the station with the same nonce.
    """

    docking: str
    station: str
    signed: datetime
    received: datetime
    jumped: float = 0.0
    camera: float | None = None
    camera_bound: Literal["exact", "at-least"] = "exact"
    overtaken_by: tuple[str, datetime, datetime] | None = None
    twin: str | None = None


def check_clocks(times: DockingTimes) -> Iterator[Finding]:
    """Findings of one docking's clocks and nonce. Delivered late is no fault; signed in the future is one."""
    ahead = times.signed - times.received
    if ahead > STATION_MARGIN:
        yield _station(
            times,
            Severity.SUSPICION,
            f"采集站时钟比服务器快 {_seconds(ahead)} 秒，该次清单的日期以服务器收到时间为限",
            f"the station's clock was {_seconds(ahead)} s ahead of the server's: this list's dates count from receipt",
        )
    if times.overtaken_by and min(times.overtaken_by[1:]) - times.signed > OVERTAKEN:
        yield _set_back(times, times.overtaken_by)
    if abs(times.jumped) > STATION_MARGIN.total_seconds():
        yield _station(
            times,
            Severity.NOTE,
            f"采集站自报其时钟在运行中被调整 {times.jumped:+.0f} 秒",
            f"the station says that its clock was set by {times.jumped:+.0f} s while it ran",
        )
    if times.twin:
        yield _nonce(times, times.twin)
    yield from _camera(times)


def _camera(times: DockingTimes) -> Iterator[Finding]:
    off = _camera_off(times)
    if abs(off) > CAMERA_NOTE:
        least = "至少 " if times.camera_bound == "at-least" else ""
        at_least = "at least " if least else ""
        way = ("快", "ahead of") if off > 0 else ("慢", "behind")
        yield Finding(
            code="REC-WHEN/DOCK-CAMERA-CLOCK",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION if abs(off) > CAMERA_SUSPICION else Severity.NOTE,
            zh=f"采集时设备时钟比采集站{way[0]} {least}{abs(off):.0f} 秒（整时区之差不计）：录制时间须据此核对。",
            en=f"at the docking the camera's clock was {at_least}{abs(off):.0f} s {way[1]} the station's, whole zones "
            "aside: the recording's times are off by it",
            evidence=_evidence(times) | {"camera": times.camera, "bound": times.camera_bound},
        )


def _camera_off(times: DockingTimes) -> float:
    """By how many seconds the camera's clock is surely ahead (negative: behind), whole zones aside.

    Of a clock that is ahead by at least so much: nothing where that is less than a zone, for the newest file may be as
    old as it likes. Behind it can't be shown to be.
    """
    ahead = times.camera or 0.0
    return off_by_zone(ahead) if times.camera_bound == "exact" else max(0.0, ahead - EASTERNMOST)


def _set_back(times: DockingTimes, other: tuple[str, datetime, datetime]) -> Finding:
    docking, signed, received = other
    found = _station(
        times,
        Severity.SUSPICION,
        f"采集站先送到的清单签于 {_day(signed)}，本清单后到却签于更早的 {_day(times.signed)}：采集站时钟被回拨",
        f"a list of the station that came earlier was signed on {_day(signed)}, this one, which came later, on "
        f"{_day(times.signed)}: the station's clock was set back",
    )
    more = {"other_docking": docking, "other_signed": signed.isoformat(), "other_received": received.isoformat()}
    return Finding(
        found.code, found.axis, found.severity, zh=found.zh, en=found.en, evidence={**found.evidence, **more}
    )


def _station(times: DockingTimes, severity: Severity, zh: str, en: str) -> Finding:
    return Finding(
        code="REC-WHEN/DOCK-STATION-CLOCK",
        axis=Axis.PROVENANCE,
        severity=severity,
        zh=f"{zh}（采集站 {times.station}）。",
        en=f"{en} (station {times.station})",
        evidence=_evidence(times) | {"jumped": times.jumped},
    )


def _nonce(times: DockingTimes, twin: str) -> Finding:
    return Finding(
        code="REC-TRUE/DOCK-NONCE",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"采集站 {times.station} 的两份不同清单使用了同一随机数：密钥可能被复制，或清单是仿制的。",
        en=f"two different lists of station {times.station} bear one nonce: a key may be copied, or a list forged",
        evidence=_evidence(times) | {"other_docking": twin},
    )


def _evidence(times: DockingTimes) -> dict[str, object]:
    return {
        "docking": times.docking,
        "station": times.station,
        "signed": times.signed.isoformat(),
        "received": times.received.isoformat(),
    }


def _seconds(span: timedelta) -> str:
    return f"{span.total_seconds():.0f}"


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
