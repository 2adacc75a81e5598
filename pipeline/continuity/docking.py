"""A device's docking history against what it brings now. Pure.

The station signed what was on the card each time, so a file that should have been listed earlier, or was listed with
other bytes, is provable from two manifests (continuity.md: "docking history").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

from pipeline.continuity.clocks import off_by_zone
from storage.records import Axis, Finding, Severity

CLOCK_MARGIN = timedelta(seconds=120)  # card file systems keep times to 2 s, camera clocks drift by seconds a day

# Names with which cameras number through: DCF's four characters and four digits; GoPro's with the chapter between.
_COUNTED = re.compile(r"(G[HXP](?=\d{6}$)|[A-Z0-9_]{3}[A-Z_])(?:\d\d(?=\d{4}$))?(\d{4})", re.IGNORECASE)


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
    elif reset := _clock_set_back(file, earlier):
        yield _set_back(file, reset)
    elif passed := _passed_over(file, earlier):
        yield _backdated(file, passed)


def check_card_date(file: DockedCopy, began: datetime, lasts: float) -> Iterator[Finding]:
    """REC-TRUE/DOCK-DATE: the date the card gives the file is neither its recording's beginning nor its end.

    `began`: as the file says it; `lasts`: seconds. The camera writes both by one clock, card file systems keep local
    time: differences of a time zone are left aside. Whoever changes a file on the card, or puts one there, dates it.
    """
    off = (file.modified - began).total_seconds()
    rest = min((off_by_zone(off - late) for late in (0.0, lasts)), key=abs)
    if abs(rest) > CLOCK_MARGIN.total_seconds():
        yield Finding(
            code="REC-TRUE/DOCK-DATE",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"存储卡上 {file.path} 的修改时间 {_day(file.modified)} 与录制时间 {_day(began)} 不符（时区除外）："
            "文件在录制之后被写过，或日期被改过。",
            en=f"the card dates {file.path} {_day(file.modified)}, the recording is of {_day(began)}, zones aside: "
            "it was written after it was recorded, or a date was changed",
            evidence={
                "path": file.path,
                "sha256": file.sha256,
                "modified": file.modified.isoformat(),
                "began": began.isoformat(),
                "lasts": lasts,
                "docking": file.docking,
            },
        )


def check_vanished(
    history: Sequence[DockedCopy], kept: Collection[str], now: datetime, allowed: timedelta
) -> Iterator[Finding]:
    """Findings for files of `history` that a station listed and nobody ever received (`kept`: digests of originals).

    `allowed`: how long the hand-over may take (UP-24H). A file listed again later waits from its last listing.
    """
    last: dict[str, DockedCopy] = {}
    for line in history:
        if line.sha256 not in kept and (line.sha256 not in last or line.time > last[line.sha256].time):
            last[line.sha256] = line
    for line in sorted(last.values(), key=lambda each: (each.time, each.path)):
        if now - line.time > allowed:
            yield _vanished(line, allowed)


def _passed_over(file: DockedCopy, earlier: Sequence[DockedCopy]) -> DockedCopy | None:
    """The newest docking that should have listed the file by its date and did not (one of its lines)."""
    after = [line for line in earlier if line.time > file.modified + CLOCK_MARGIN]
    return max(after, key=lambda line: line.time) if after else None


def _clock_set_back(file: DockedCopy, earlier: Sequence[DockedCopy]) -> DockedCopy | None:
    """The file listed earlier that bears a lower number of the same counter and a later date."""
    own = _number(file.path)
    if own is None:
        return None
    counted = [(number, line) for line in earlier if (number := _number(line.path)) and number[0] == own[0]]
    highest = max((number[1] for number, _ in counted), default=own[1])
    later = [line for _, line in counted if line.modified > file.modified + CLOCK_MARGIN]
    return max(later, key=lambda line: line.modified) if own[1] > highest and later else None


def _number(path: str) -> tuple[str, int] | None:
    """(kind of name, number) where a camera numbers its files through: DCF photos and films, GoPro."""
    stem = PurePath(path.replace("\\", "/")).stem
    found = _COUNTED.fullmatch(stem)
    return (found[1].upper(), int(found[2])) if found else None


def _set_back(file: DockedCopy, before: DockedCopy) -> Finding:
    factory = (file.modified.month, file.modified.day) == (1, 1) and file.modified.year < file.time.year
    why = (
        ("（疑为设备断电后恢复出厂日期）", " (perhaps a factory date after the battery ran out)")
        if factory
        else ("", "")
    )
    return Finding(
        code="REC-CONTINUOUS/DOCK-CLOCK-BACK",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION if factory else Severity.VIOLATION,
        zh=f"文件 {file.path} 的编号在 {before.path} 之后，日期却更早（{_day(file.modified)} 早于 "
        f"{_day(before.modified)}，后者见 {_day(before.time)} 的签名清单）：设备时钟被回拨{why[0]}。",
        en=f"{file.path} comes after {before.path} by its number and is dated before it ({_day(file.modified)}, "
        f"{_day(before.modified)} in the signed list of {_day(before.time)}): the clock was set back{why[1]}",
        evidence=_evidence(file, before)
        | {"earlier_path": before.path, "earlier_modified": before.modified.isoformat()},
    )


def _vanished(line: DockedCopy, allowed: timedelta) -> Finding:
    hours = allowed.total_seconds() / 3600
    return Finding(
        code="REC-CONTINUOUS/DOCK-VANISHED",
        axis=Axis.PROVENANCE,
        severity=Severity.VIOLATION,
        zh=f"采集站 {_day(line.time)} 的签名清单中有 {line.path}，{hours:.0f} 小时后仍未入库。",
        en=f"the station's signed list of {_day(line.time)} has {line.path}, which had not arrived {hours:.0f} h later",
        evidence={
            "path": line.path,
            "sha256": line.sha256,
            "modified": line.modified.isoformat(),
            "docking": line.docking,
            "listed": line.time.isoformat(),
            "hours": hours,
        },
    )


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
