"""A device's docking history against what it brings now. Pure.

The station signed what was on the card each time, so a file that should have been listed earlier, or was listed with
other bytes, is provable from two manifests (continuity.md: "docking history").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from storage.records import Axis, Finding, Severity

CLOCK_MARGIN = timedelta(seconds=120)  # card file systems keep times to 2 s, camera clocks drift by seconds a day


@dataclass(frozen=True, slots=True)
class DockedCopy:
    """One line of one docking manifest. `time`: when the station listed it; `modified`: the card's own date."""

    docking: str
    time: datetime
    path: str
    sha256: str
    modified: datetime


def check_history(file: DockedCopy, history: Sequence[DockedCopy]) -> Iterator[Finding]:
    """Findings for `file` from every line of the device's other manifests."""
    earlier = [line for line in history if line.docking != file.docking and line.time < file.time]
    if any(line.sha256 == file.sha256 for line in earlier):
        return  # these bytes were on the card before: nothing new
    changed = [line for line in earlier if line.path == file.path and file.modified <= line.time + CLOCK_MARGIN]
    if changed:
        yield _changed(file, max(changed, key=lambda line: line.time))
    elif passed := _passed_over(file, earlier):
        yield _backdated(file, passed)


def _passed_over(file: DockedCopy, earlier: Sequence[DockedCopy]) -> DockedCopy | None:
    """The newest docking that should have listed the file by its date and did not (one of its lines)."""
    after = [line for line in earlier if line.time > file.modified + CLOCK_MARGIN]
    return max(after, key=lambda line: line.time) if after else None


def _changed(file: DockedCopy, before: DockedCopy) -> Finding:
    return Finding(
        code="REC-TRUE/DOCK-CHANGED",
        axis=Axis.PROVENANCE,
        severity=Severity.VIOLATION,
        zh=f"采集站 {_day(before.time)} 的签名清单中，同名文件 {file.path} 的摘要不同：文件在两次采集之间被改动。",
        en=f"the station's signed list of {_day(before.time)} has other bytes under the name {file.path}: "
        "the file was changed between two dockings",
        evidence=_evidence(file, before) | {"sha256_before": before.sha256},
    )


def _backdated(file: DockedCopy, before: DockedCopy) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/DOCK-BACKDATED",
        axis=Axis.PROVENANCE,
        severity=Severity.VIOLATION,
        zh=f"文件 {file.path} 的日期早于 {_day(before.time)} 的采集，"
        "但当时的签名清单中没有它：疑为事后补录或时钟被回拨。",
        en=f"{file.path} is dated before the docking of {_day(before.time)}, whose signed list does not have it: "
        "made later, or the clock was set back",
        evidence=_evidence(file, before),
    )


def _evidence(file: DockedCopy, before: DockedCopy) -> dict[str, str]:
    return {
        "path": file.path,
        "sha256": file.sha256,
        "modified": file.modified.isoformat(),
        "docking": file.docking,
        "earlier_docking": before.docking,
        "earlier_time": before.time.isoformat(),
    }


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}Z"
