"""What a sidecar (随附说明) says against what the media itself says. The media is believed. Pure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.continuity.clocks import off_by_zone
from storage.records import Axis, Finding, Severity

START_MARGIN = 120.0  # seconds
_FORMS = ("%Y/%m/%d %H:%M:%S", "%Y%m%d%H%M%S", "%Y%m%d_%H%M%S", "%Y年%m月%d日 %H:%M:%S", "%Y年%m月%d日%H时%M分%S秒")


def check_sidecar(sidecar: str, says: Mapping[str, str], path: str, media: Mapping[str, Any]) -> Iterator[Finding]:
    """Findings for the file `path` and its `sidecar` that `says` (field → text). `media`: as in a report."""
    told, own = says.get("serial", ""), str((media.get("device") or {}).get("serial") or "")
    if told and own and _plain(told) != _plain(own):
        yield _finding(
            "REC-TRUE/SIDECAR-DEVICE",
            f"随附说明 {sidecar} 称设备为 {told}，文件 {path} 自载的设备编号是 {own}：以文件为准，说明可能配错。",
            f"the sidecar {sidecar} names the camera {told}, {path} itself {own}: the file is believed, "
            "the sidecar may belong to another",
            {"sidecar": sidecar, "path": path, "told": told, "own": own},
        )
    began = _moment(media.get("created") or media.get("created_local") or "")
    start = _moment(says.get("start", ""))
    if began is None or start is None:
        return
    off = (start - began).total_seconds()
    rest = min((off_by_zone(off + late) for late in (0.0, float(media.get("duration") or 0.0))), key=abs)
    if abs(rest) > START_MARGIN:
        yield _finding(
            "REC-WHEN/SIDECAR-START",
            f"随附说明 {sidecar} 称录制始于 {says['start']}，文件 {path} 自载 {began:%Y-%m-%d %H:%M:%S}"
            "（时区除外）：以文件为准。",
            f"the sidecar {sidecar} says that the recording began at {says['start']}, {path} itself says "
            f"{began:%Y-%m-%d %H:%M:%S}, zones aside: the file is believed",
            {"sidecar": sidecar, "path": path, "told": says["start"], "own": began.isoformat()},
        )


def _finding(code: str, zh: str, en: str, evidence: Mapping[str, Any]) -> Finding:
    return Finding(code, Axis.PROVENANCE, Severity.SUSPICION, zh=zh, en=en, evidence=dict(evidence))


def _plain(serial: str) -> str:
    return "".join(each for each in serial.casefold() if each.isalnum()).lstrip("0")


def _moment(text: str) -> datetime | None:
    """As one of the forms in which cameras write times; without a zone it counts as UTC (zones are left aside)."""
    text = text.strip()
    found: datetime | None = None
    with contextlib.suppress(ValueError):
        found = datetime.fromisoformat(text)
    for form in _FORMS if found is None else ():
        with contextlib.suppress(ValueError):
            found = datetime.strptime(text, form)  # noqa: DTZ007 - its zone is not known
    if found is None:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
