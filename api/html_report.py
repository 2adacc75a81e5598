"""The report of `liuhen check` as one HTML page that stands alone: no network, no script, both languages, printable.

What it is made of (names, tags, words of findings) comes from untrusted files and is escaped throughout; a policy in
the page forbids everything but its own styles and the pictures in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePath
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup

from api import timeline, unchecked, words
from api.formats import device
from api.render import make_templates
from pipeline.continuity.words import clock
from pipeline.strips import Frame, Strips

Json = Mapping[str, Any]
_Row = tuple[Json, Sequence[Frame]]

_HERE = Path(__file__).parent
_MANY = 200  # files from which those without a finding have a line in the list and no part of their own
_NO_STRIPS = Strips({}, {}, {})
VERDICTS = ("altered", "interrupted", "review", "unreadable", "continuous")
SEVERITIES = ("violation", "suspicion", "note")


@dataclass(frozen=True, slots=True)
class _Part:
    """A file or a series as the page shows it. `number` from 1. `rows`: findings with their strips, gravest first."""

    number: int
    report: Json
    svg: Mapping[str, Markup]
    rows: Sequence[_Row]
    over: Sequence[Frame]
    not_checked: Sequence[Json]


def render(report: Json, strips: Strips = _NO_STRIPS, *, zone: ZoneInfo, now: datetime, lang: str = "zh") -> str:
    """The page for a report as `liuhen check --json` prints it. `zone`: of the times shown. `lang`: shown at first."""
    common = unchecked.of_many(report["files"])
    many = len(report["files"]) > _MANY
    alone = _alone(report["series"], strips)
    files = [_file(number, file, strips, common, alone) for number, file in enumerate(report["files"], start=1)]
    by_path = {file["path"]: file for file in report["files"]}
    series = [_series(n, each, by_path, strips) for n, each in enumerate(report["series"], 1) if len(each["files"]) > 1]
    values = {
        "report": report,
        "files": files,
        "shown": [part for part in files if not many or part.report["verdict"] != "continuous"],
        "series": series,
        "common": common,
        "counts": Counter(file["verdict"] for file in report["files"]),
        "activity": report.get("activity"),
        "now": now,
        "lang": lang,
        "styles": Markup(_styles()),  # noqa: S704  (ours)
    }
    return _environment(zone).get_template("check_report.html").render(values)


def _alone(series: Sequence[Json], strips: Strips) -> dict[str, list[_Row]]:
    """What was found of series of which only one file is there, by that file's path: it is shown with the file."""
    return {
        each["files"][0]: [(finding, strips.series.get((place, n), ())) for n, finding in enumerate(each["findings"])]
        for place, each in enumerate(series)
        if len(each["files"]) == 1
    }


def _file(
    number: int, file: Json, strips: Strips, common: Mapping[str, Sequence[Json]], alone: Mapping[str, list[_Row]]
) -> _Part:
    svg = _svg({"files": [file], "series": []}) if file["media"]["duration"] else {}
    rows = [(each, strips.files.get((number - 1, place), ())) for place, each in enumerate(file["findings"])]
    rows += alone.get(file["path"], [])
    own = unchecked.own(file, common)
    return _Part(number, file, svg, _ranked(rows), strips.over.get(number - 1, ()), own)


def _series(number: int, series: Json, by_path: Mapping[str, Json], strips: Strips) -> _Part:
    files = [by_path[path] for path in series["files"] if path in by_path]
    lasting = any(file["media"]["duration"] for file in files)
    svg = _svg({"files": files, "series": [series]}) if lasting else {}
    rows = [(each, strips.series.get((number - 1, place), ())) for place, each in enumerate(series["findings"])]
    return _Part(number, series, svg, _ranked(rows), (), series.get("not_checked", ()))


def _ranked(rows: Sequence[_Row]) -> list[_Row]:
    """Gravest first; a strip that shows what one before it shows is left out."""
    ranked = sorted(rows, key=lambda row: (SEVERITIES.index(row[0]["severity"]), row[0]["start"] or -1.0))
    seen: set[tuple[tuple[int, float, bool], ...]] = set()
    kept = []
    for finding, frames in ranked:
        view = tuple((frame.file, round(frame.at, 1), frame.after) for frame in frames)
        kept.append((finding, () if view in seen else frames))
        seen.add(view)
    return kept


def _svg(report: Json) -> dict[str, Markup]:
    return {lang: Markup(timeline.draw(report, lang, still=True)) for lang in ("zh", "en")}  # noqa: S704  (it escapes)


def _environment(zone: ZoneInfo) -> Environment:
    environment = make_templates()
    environment.globals.update(
        t=_t, say=_say, moment=lambda text: _moment(text, zone), when=lambda at: _when(at, zone),
        wall=lambda file, finding: _wall(file, finding, zone), verdicts=VERDICTS, severities=SEVERITIES,
    )  # fmt: skip
    environment.filters.update(
        clock=clock, container=_container, name=lambda path: PurePath(path).name, device=_device, stream=_stream,
    )  # fmt: skip
    return environment


def _t(zh: Any, en: Any) -> Markup:
    """Both languages; the page's styles show one of them."""
    return Markup('<span class="zh" lang="zh-CN">{}</span><span class="en" lang="en">{}</span>').format(zh, en)


def _say(table: Mapping[str, words.Pair], key: Any) -> Markup:
    return _t(*table.get(str(key), (str(key), str(key))))


def _when(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def _moment(text: str | None, zone: ZoneInfo) -> str:
    """A moment of the report in local time; "" for none."""
    return _when(datetime.fromisoformat(text), zone) if text else ""


def _wall(file: Json, finding: Json, zone: ZoneInfo) -> str:
    """When by the camera's clock what was found begins; "" where the file has no date."""
    created, starts = file["media"].get("created"), [s["start"] for s in file["media"].get("streams", ()) if s["start"]]
    if not created or finding["start"] is None:
        return ""
    after = finding["start"] - min(starts, default=0.0)
    try:
        return (datetime.fromisoformat(created) + timedelta(seconds=after)).astimezone(zone).strftime("%H:%M:%S")
    except (ValueError, OverflowError):  # a timestamp of the file's own invention
        return ""


def _container(name: str) -> str:
    """libav's name of a container as people know it."""
    known = {"mov,mp4,m4a,3gp,3g2,mj2": "MP4/MOV/3GP", "matroska,webm": "Matroska/WebM", "mpegts": "MPEG-TS"}
    return known.get(name, name)


def _device(found: Json) -> str:
    return device(found["make"], found["model"], found["serial"])


def _stream(stream: Json) -> str:
    if stream["kind"] == "video":
        rate = stream.get("frame_rate")
        seen = f"{stream['codec']} {stream.get('width')}×{stream.get('height')}"
        return seen + (f" {rate:.4g} fps" if rate else "")
    if stream["kind"] == "audio":
        return f"{stream['codec']} {stream.get('sample_rate')} Hz"
    return f"{stream['kind']} {stream['codec']}".strip()


def _styles() -> str:
    own = (_HERE / "templates" / "check_report.css").read_text(encoding="utf-8")
    return (_HERE / "static" / "liuhen.css").read_text(encoding="utf-8") + own
