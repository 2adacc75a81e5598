"""A device's docking history against what it brings now. Pure.

The station signed what was on the card each time, so a file that should have been listed earlier, or was listed with
other bytes, is provable from two manifests (continuity.md: "docking history").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import PurePath

from pipeline.continuity.clocks import off_by_zone
from storage.records import Axis, Finding, Severity

CLOCK_MARGIN = timedelta(seconds=120)  # card file systems keep times to 2 s, camera clocks drift by seconds a day
_CARD_STEP = 2.0  # seconds

# Names with which cameras number through: DCF's four characters and four digits; GoPro's with the chapter between.
_COUNTED = re.compile(r"(G[HXP](?=\d{6}$)|[A-Z0-9_]{3}[A-Z_])(?:\d\d(?=\d{4}$))?(\d{4})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DockedCopy:
    """One line of one docking manifest. `time`: when the station listed it, at the latest when the server received the
    list; `modified`: the card's own date; `received`: by the server's clock (None: as `time`). No digest: it was there
    and could not be read.
    """

    docking: str
    time: datetime
    path: str
    sha256: str
    modified: datetime
    received: datetime | None = None

    @property
    def waits_from(self) -> datetime:
        """From when on its bytes are awaited: a station whose clock is behind must not be late before it begins."""
        return self.received or self.time


def check_history(file: DockedCopy, history: Sequence[DockedCopy]) -> Iterator[Finding]:
    """Findings for `file` from every line of the device's other manifests."""
    yield from _changed_since(file, history)
    earlier = [line for line in history if line.docking != file.docking and line.time < file.time]
    if any(line.sha256 == file.sha256 for line in earlier):
        return  # these bytes were on the card before: nothing new
    file = replace(file, modified=file.modified - _zone_change(file, earlier, history))
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
    history: Sequence[DockedCopy],
    kept: Collection[str],
    now: datetime,
    allowed: timedelta,
    lists: Sequence[DockedCopy] = (),
) -> Iterator[Finding]:
    """Findings for files of `history` that a station listed and nobody ever received (`kept`: digests of originals).

    `allowed`: how long the hand-over may take (UP-24H). A file listed again later waits from its last listing. `lists`:
    all lines of the device: where a later list of the same card (it has another line in common) lacks the file, it is
    gone, and nobody need wait.
    """
    last: dict[str, DockedCopy] = {}
    for line in history:
        if line.sha256 not in kept and (line.sha256 not in last or line.time > last[line.sha256].time):
            last[line.sha256] = line
    dockings = _by_docking(lists) if last else {}
    for line in sorted(last.values(), key=lambda each: (each.time, each.path)):
        if (without := _gone_by(line, dockings)) is not None:
            yield _gone(line, without)
        elif now - line.waits_from > allowed:
            yield _vanished(line, allowed)


def _by_docking(lists: Sequence[DockedCopy]) -> dict[str, tuple[datetime, set[str], DockedCopy]]:
    """Of each docking: when, its digests and the paths it could not read, one of its lines."""
    found: dict[str, tuple[datetime, set[str], DockedCopy]] = {}
    for line in lists:
        found.setdefault(line.docking, (line.time, set(), line))[1].add(line.sha256 or line.path)
    return found


def _gone_by(line: DockedCopy, dockings: Mapping[str, tuple[datetime, set[str], DockedCopy]]) -> DockedCopy | None:
    """A line of the first later docking of the same card that does not list the file any more."""
    own = dockings.get(line.docking)
    later = [] if own is None else [each for each in dockings.values() if each[0] > line.time and own[1] & each[1]]
    without = [each for each in later if not {line.sha256, line.path} & each[1]]
    return min(without, key=lambda each: each[0])[2] if without else None


def _changed_since(file: DockedCopy, history: Sequence[DockedCopy]) -> Iterator[Finding]:
    """REC-TRUE/DOCK-CHANGED, told of the bytes that were there first: a later list has others under their name."""
    later = [line for line in history if line.docking != file.docking and line.time > file.time]
    other = [line for line in later if line.path == file.path and line.sha256 != file.sha256]
    news = [line for line in other if line.modified <= file.time + CLOCK_MARGIN]
    if news:
        line = min(news, key=lambda each: each.time)
        earlier = [each for each in history if each.time < line.time and each.docking != line.docking]
        shift = _zone_change(line, earlier, history)
        if line.modified - shift <= file.time + CLOCK_MARGIN and all(each.sha256 != line.sha256 for each in earlier):
            yield _changed_later(file, line)


def _zone_change(file: DockedCopy, earlier: Sequence[DockedCopy], history: Sequence[DockedCopy]) -> timedelta:
    """By how much the zone in which the card's dates are read was changed: all files listed before and now say so.

    Card file systems keep local time, so a station's or camera's new zone moves every date by the same whole zone.
    """
    before = {line.sha256: line.modified for line in earlier}
    same = [line for line in history if line.docking == file.docking and line.sha256 in before]
    shifts = {line.modified - before[line.sha256] for line in same}
    if len(shifts) == 1:
        (shift,) = shifts
        if abs(shift) > CLOCK_MARGIN and abs(off_by_zone(shift.total_seconds())) <= _CARD_STEP:
            return shift
    return timedelta(0)


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


def _gone(line: DockedCopy, without: DockedCopy) -> Finding:
    return Finding(
        code="REC-CONTINUOUS/DOCK-VANISHED",
        axis=Axis.PROVENANCE,
        severity=Severity.VIOLATION,
        zh=f"采集站 {_day(line.time)} 的签名清单中有 {line.path}，同一存储卡 {_day(without.time)} 的清单中已没有，"
        "从未入库：文件在两次采集之间消失。",
        en=f"the station's signed list of {_day(line.time)} has {line.path}, that of {_day(without.time)}, of the same "
        "card, does not, and it was never received: it vanished between two dockings",
        evidence={
            "path": line.path,
            "sha256": line.sha256,
            "modified": line.modified.isoformat(),
            "docking": line.docking,
            "listed": line.time.isoformat(),
            "later_docking": without.docking,
            "later_time": without.time.isoformat(),
        },
    )


def _changed_later(file: DockedCopy, later: DockedCopy) -> Finding:
    return Finding(
        code="REC-TRUE/DOCK-CHANGED",
        axis=Axis.PROVENANCE,
        severity=Severity.VIOLATION,
        zh=f"采集站后来（{_day(later.time)}）的签名清单中，同名文件 {file.path} 的摘要不同：文件在两次采集之间被改动，"
        "本份是先入库的内容。",
        en=f"a later signed list of the station ({_day(later.time)}) has other bytes under the name {file.path}: the "
        "file was changed between two dockings; these bytes were there first",
        evidence={
            "path": file.path,
            "sha256": file.sha256,
            "modified": file.modified.isoformat(),
            "docking": file.docking,
            "later_docking": later.docking,
            "later_time": later.time.isoformat(),
            "sha256_after": later.sha256,
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
