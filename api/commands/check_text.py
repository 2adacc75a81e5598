"""The report of `liuhen check` as text for a terminal: a timeline and the findings of each file and series."""

from __future__ import annotations

import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from api import unchecked
from api.commands.bar import plain
from api.formats import device, duration, size
from api.words import MEDIA, SEVERITIES, VERDICTS

Json = Mapping[str, Any]

_COLOURS = {
    "continuous": "green",
    "interrupted": "red",
    "altered": "red",
    "review": "yellow",
    "unreadable": "bright_black",
}
_SIGNS = {"continuous": "✔", "interrupted": "✖", "altered": "✖", "review": "▲", "unreadable": "?"}
_MARKS = {"violation": ("◆", "red"), "suspicion": ("▲", "yellow"), "note": ("·", "bright_black")}
_WEIGHT = ("note", "suspicion", "violation")
_LINE = 56  # columns of a timeline


def write(report: Json, lang: str, *, verbose: bool = False) -> None:
    """Print the report on standard output, Chinese or English; colours only on a terminal. `verbose`: evidence too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal in GBK has no check marks
    console = Console(highlight=False, soft_wrap=True)
    for line in _lines(report, lang, verbose):
        console.print(line)


def _lines(report: Json, lang: str, verbose: bool) -> Iterator[Text]:
    common = unchecked.of_many(report["files"])
    alone = {each["files"][0]: each["findings"] for each in report["series"] if len(each["files"]) == 1}
    for file in report["files"]:
        own = unchecked.own(file, common)
        yield from _file(file, [*file["findings"], *alone.get(file["path"], ())], own, lang, verbose)
    for series in report["series"]:
        if len(series["files"]) > 1:
            yield from _series(series, report["files"], lang, verbose)
    yield from _activity(report, lang)
    yield from _common(common, lang)
    yield _summary(report["files"], lang)


def _file(
    file: Json, findings: Sequence[Json], not_checked: Sequence[Json], lang: str, verbose: bool
) -> Iterator[Text]:
    yield _heading(file["verdict"], file["path"], lang)
    yield Text("  " + plain(_facts(file)), style="bright_black")
    length = file["media"]["duration"]
    if length:
        begins = [each["start"] for each in file["media"]["streams"] if each["start"] is not None]
        yield _timeline([(0.0, length)], file["findings"], length, origin=min(begins, default=0.0))
    for finding in findings:
        yield from _finding(finding, lang, verbose)
    yield from _unchecked(not_checked, lang)
    yield Text()


def _series(series: Json, files: Sequence[Json], lang: str, verbose: bool) -> Iterator[Text]:
    words = "同一录像" if lang == "zh" else "one recording"
    yield _heading(series["verdict"], f"{words}: {series['key']} ({len(series['files'])})", lang)
    members = set(series["files"])
    spans = _spans([file for file in files if file["path"] in members])
    if spans:
        yield _timeline(spans, series["findings"], max(end for _, end in spans))
    for finding in series["findings"]:
        yield from _finding(finding, lang, verbose)
    yield from _unchecked(series["not_checked"], lang)
    yield Text()


def _heading(verdict: str, name: str, lang: str) -> Text:
    word = VERDICTS[verdict][lang == "en"]
    return Text.assemble((f"{_SIGNS[verdict]} {word}", f"bold {_COLOURS[verdict]}"), "  ", (plain(name), "bold"))


def _facts(file: Json) -> str:
    media = file["media"]
    parts = [_stream(stream) for stream in media["streams"] if stream["kind"] in ("video", "audio")]
    camera = device(*(media["device"][name] for name in ("make", "model", "serial")))
    when = media["created"] or media["created_local"]
    length = duration(media["duration"]) if media["duration"] else ""
    known: list[str] = [*parts, length, size(media["size"]), camera, when or ""]
    return " · ".join([*(each for each in known if each), f"SHA-256 {file['sha256'] or '—'}"])


def _stream(stream: Json) -> str:
    if stream["kind"] == "video":
        rate = stream.get("frame_rate")
        return f"{stream['codec']} {stream.get('width')}×{stream.get('height')}" + (f" {rate:.4g} fps" if rate else "")
    return f"{stream['codec']} {stream.get('sample_rate')} Hz"


def _spans(files: Sequence[Json]) -> list[tuple[float, float]]:
    """Start and end of each file in seconds from the first one's date; [] where dates or lengths are unknown."""
    spans = []
    for file in files:
        created, length = file["media"]["created"], file["media"]["duration"]
        if not created or not length:
            return []
        start = datetime.fromisoformat(created).timestamp()
        spans.append((start, start + length))
    first = min((start for start, _ in spans), default=0.0)
    return [(start - first, end - first) for start, end in spans]


def _timeline(
    spans: Sequence[tuple[float, float]], findings: Sequence[Json], total: float, *, origin: float = 0.0
) -> Text:
    """0:00:00 ━━━━━◆     ━━━━ 0:01:00: footage as a line, its absence blank, findings at their places."""
    cells = [" "] * _LINE
    for start, end in spans:
        for column in range(_column(start, total), _column(end, total, last=True) + 1):
            cells[column] = "━"
    for finding in findings:
        if finding["severity"] == "violation" and "GAP" in finding["code"] and finding["end"] is not None:
            for column in range(_column(finding["start"] - origin, total) + 1, _column(finding["end"] - origin, total)):
                cells[column] = " "
    line = Text("".join(cells), style="green")
    for finding in sorted(findings, key=lambda each: _WEIGHT.index(each["severity"])):
        if finding["start"] is not None:
            column = _column(finding["start"] - origin, total)
            sign, colour = _MARKS[finding["severity"]]
            line = Text.assemble(line[:column], (sign, colour), line[column + 1 :])
    return Text.assemble("  0:00:00 ", line, f" {duration(total)}")


def _column(seconds: float, total: float, *, last: bool = False) -> int:
    share = min(max(seconds / total, 0.0), 1.0)
    return max(0, min(_LINE - 1, int(share * _LINE - (1e-9 if last else 0.0))))


def _finding(finding: Json, lang: str, verbose: bool) -> Iterator[Text]:
    sign, colour = _MARKS[finding["severity"]]
    word = SEVERITIES[finding["severity"]][lang == "en"]
    yield Text.assemble(
        "  ", (f"{sign} {word}", colour), " ", plain(finding[lang]), (f"  [{finding['code']}]", "bright_black")
    )
    if verbose:
        for name, value in finding["evidence"].items():
            yield Text(plain(f"      {name}: {json.dumps(value, ensure_ascii=False)}"), style="bright_black")


def _common(common: Mapping[str, Sequence[Json]], lang: str) -> Iterator[Text]:
    """What was left open in all files of a kind, once for all of them."""
    for kind, items in common.items():
        name = MEDIA[kind][lang == "en"]
        words = f"所有{name}未检查：" if lang == "zh" else f"not checked in any {name}: "
        said = ("；" if lang == "zh" else "; ").join(plain(each["zh" if lang == "zh" else "why"]) for each in items)
        yield Text(words + said, style="bright_black")
    if common:
        yield Text()


def _unchecked(items: Sequence[Json], lang: str) -> Iterator[Text]:
    if items:
        listed = dict.fromkeys(plain(each["zh" if lang == "zh" else "why"]) for each in items)
        line = f"未检查：{'；'.join(listed)}" if lang == "zh" else f"not checked: {'; '.join(listed)}"
        yield Text(f"  {line}", style="bright_black")


def _activity(report: Json, lang: str) -> Iterator[Text]:
    """How much of the activity is recorded, and which spans are not."""
    found = report.get("activity")
    if not found:
        return
    share = f"{100 * found['covered_fraction']:.1f} %"
    start, end = (datetime.fromisoformat(found[name]).strftime("%Y-%m-%d %H:%M:%S") for name in ("start", "end"))
    words = f"活动 {start} — {end}：已录制 {share}" if lang == "zh" else f"activity {start} to {end}: {share} recorded"
    gaps = found["gaps"]
    yield Text.assemble((f"{'✖' if gaps else '✔'} {words}", "bold red" if gaps else "bold green"))
    for gap in gaps:
        yield Text.assemble("  ", ("◆", "red"), " ", plain(gap[lang]))
    if found["dates_read_as"] == "local":
        yield Text("  " + _LOCAL[lang == "en"], style="bright_black")
    yield Text()


_LOCAL = ("文件内的时间按设备当地时间解读。", "the dates in the files were read as the device's local time")


def _summary(files: Sequence[Json], lang: str) -> Text:
    counts = Counter(file["verdict"] for file in files)
    parts = [f"{VERDICTS[verdict][lang == 'en']} {counts[verdict]}" for verdict in _SIGNS if counts[verdict]]
    head = f"共 {len(files)} 个文件" if lang == "zh" else f"{len(files)} files"
    return Text(f"{head}: {' · '.join(parts)}", style="bold")
