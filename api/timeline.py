"""The timeline as inline SVG: segments where their dates put them, findings below in a lane for each severity. Pure.

One component for the recording page and the HTML report. It carries no style of its own but class names and shapes
that differ by severity, so that it also reads in print and without colour. Elements with `data-seek` are what a click
or Enter takes the player to; the page's script does that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from api.formats import duration, span
from api.words import SEVERITIES, VERDICTS

WIDTH = 1000
LEFT = 64  # room for the lanes' names
PLOT = WIDTH - LEFT - 26  # room for half of the last label
LANES = ("violation", "suspicion", "note")
ROW = 24
TOP = 26
MIN_MARK = 6.0  # pixels: a gap of a tenth of a second in an hour must still be seen and hit
MOST_EMPTY = 20  # times the recorded time: segments further apart are drawn one after another
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)


@dataclass(frozen=True, slots=True)
class _Part:
    """A segment on the common axis, in seconds. `origin`: what the file's own timeline calls its first moment."""

    number: int
    name: str
    start: float
    length: float
    origin: float
    file: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Mark:
    """A finding on the common axis. `segment`, from 1, and its second `seek`: where a player shows it."""

    finding: Mapping[str, Any]
    start: float
    end: float
    segment: int
    seek: float


def draw(report: Mapping[str, Any] | None, lang: str = "zh", *, still: bool = False) -> str:
    """The timeline of a check report (the form of `liuhen check --json`) as an <svg> element, "" without a report.

    `lang` "zh" or "en" chooses the words of titles and lanes. `still`: on a page without a player, where nothing of it
    is there to be pressed.
    """
    parts = _parts(report or {})
    if not parts:
        return ""
    total = max(*(part.start + part.length for part in parts), 0.001)
    marks = list(_marks(report or {}, parts, total))
    lanes = [lane for lane in LANES if any(mark.finding["severity"] == lane for mark in marks)]
    height = TOP + ROW * (1 + len(lanes)) + 8
    label = _say(("时间轴：分段与发现", "timeline: segments and findings"), lang)
    body = [*_axis(total, height), *_segments(parts, total, lang)]
    for number, lane in enumerate(lanes, start=1):
        body += _lane(
            lane, TOP + ROW * number, [mark for mark in marks if mark.finding["severity"] == lane], total, lang
        )
    drawn = "".join(body).replace(_PRESSED, "") if still else "".join(body)
    return (
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="group" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg">{drawn}</svg>'
    )


_PRESSED = ' tabindex="0" role="button"'


def _parts(report: Mapping[str, Any]) -> list[_Part]:
    files = report.get("files", ())
    lengths = [_seconds(file.get("media", {}).get("duration")) for file in files]
    starts = _dated(files, lengths) or [sum(lengths[:number]) for number in range(len(files))]
    names = [str(file.get("path", "")).rpartition("/")[2] for file in files]
    return [
        _Part(number, name, start, length, _origin(file), file)
        for number, (name, start, length, file) in enumerate(zip(names, starts, lengths, files, strict=True), start=1)
    ]


def _dated(files: Sequence[Mapping[str, Any]], lengths: Sequence[float]) -> list[float]:
    """Seconds from the first file's date to each file's; [] where dates are unknown, or the files lie far apart."""
    try:
        dates = [datetime.fromisoformat(file["media"]["created"]).timestamp() for file in files]
    except (KeyError, TypeError, ValueError, OverflowError):
        return []
    starts = [date - dates[0] for date in dates]
    ends = [start + length for start, length in zip(starts, lengths, strict=True)]
    plain = starts == sorted(starts) and len(set(starts)) == len(starts) and all(lengths)
    return starts if plain and max(ends, default=0.0) <= MOST_EMPTY * sum(lengths) else []


def _origin(file: Mapping[str, Any]) -> float:
    """A transport stream may begin at any time; what is drawn and played begins at zero."""
    streams = file.get("media", {}).get("streams", ())
    starts = [each["start"] for each in streams if isinstance(each.get("start"), int | float)]
    return float(min(starts, default=0.0))


def _marks(report: Mapping[str, Any], parts: Sequence[_Part], total: float) -> Iterator[_Mark]:
    for part in parts:
        for finding in part.file.get("findings", ()):
            begin = min(_seconds(finding.get("start"), less=part.origin), part.length)
            whole = finding.get("start") is None
            end = part.length if whole else _seconds(finding.get("end"), begin, less=part.origin)
            last = part.start + max(begin, min(end, part.length))
            yield _Mark(finding, part.start + begin, last, part.number, begin)
    for series in report.get("series", ()):
        for finding in series.get("findings", ()):
            begin = _seconds(finding.get("start"))
            end = total if finding.get("start") is None else _seconds(finding.get("end"), begin)
            yield _Mark(finding, min(begin, total), min(max(begin, end), total), *_player(parts, begin))
    for finding in report.get("docking", {}).get("findings", ()):
        yield _Mark(finding, 0.0, total, 1, 0.0)


def _player(parts: Sequence[_Part], at: float) -> tuple[int, float]:
    """The segment that a player goes to for a moment of the whole recording, and the second in it."""
    part = max((each for each in parts if each.start <= at), key=lambda each: each.start, default=parts[0])
    return part.number, min(max(at - part.start, 0.0), part.length)


def _axis(total: float, height: int) -> Iterator[str]:
    step = next((step for step in STEPS if total / step <= 10), STEPS[-1])
    if total / step > 60:  # days of recording: never more ticks than a page can show
        step = int(total / 10)
    for tick in range(0, int(total) + 1, step):
        x = _x(tick, total)
        yield f'<line class="tick" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 4}"/>'
        yield f'<text class="tick-label" x="{x:.1f}" y="{TOP - 11}">{duration(tick)}</text>'


def _segments(parts: Sequence[_Part], total: float, lang: str) -> Iterator[str]:
    yield _lane_name(_say(("分段", "segments"), lang), TOP)
    for part in parts:
        x, width = _x(part.start, total), max(part.length / total * PLOT, 2.0)
        verdict = str(part.file.get("verdict") or "none")
        word = _say(VERDICTS.get(verdict, VERDICTS["none"]), lang)
        title = f"{part.number}. {part.name} · {duration(part.length)} · {word}"
        yield (
            f'<g class="segment v-{escape(verdict)}" tabindex="0" role="button" data-seek="0" '
            f'data-segment="{part.number}" aria-label="{escape(title)}"><title>{escape(title)}</title>'
            f'<rect x="{x:.1f}" y="{TOP + 2}" width="{max(width - 1.5, 1):.1f}" height="{ROW - 6}" rx="2"/>'
        )
        if width > 26:
            yield f'<text class="segment-label" x="{x + 7:.1f}" y="{TOP + 15}">{part.number}</text>'
        yield "</g>"


def _lane(lane: str, y: int, marks: Sequence[_Mark], total: float, lang: str) -> Iterator[str]:
    yield _lane_name(_say(SEVERITIES[lane], lang), y)
    for mark in marks:
        x = _x(mark.start, total)
        width = max((mark.end - mark.start) / total * PLOT, MIN_MARK)
        x = min(x, LEFT + PLOT - width)
        whole = mark.finding.get("start") is None
        when = span(mark.finding.get("start"), mark.finding.get("end"))
        title = f"{_say(SEVERITIES[lane], lang)} {mark.finding['code']} · {when} · {mark.finding[lang]}"
        top, tall = (y + 11, 2) if whole else (y + 7, 10)
        yield (
            f'<g class="mark s-{lane}{" whole" if whole else ""}" tabindex="0" role="button" '
            f'data-seek="{mark.seek:.3f}" data-segment="{mark.segment}" '
            f'aria-label="{escape(title)}"><title>{escape(title)}</title>'
            f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{tall}" rx="1"/>{_shape(lane, x, y + 12)}</g>'
        )


def _shape(lane: str, x: float, y: int) -> str:
    """A diamond for a violation, a triangle for a suspicion, a dot for a note: told apart without colour."""
    if lane == "violation":
        return f'<path d="M{x:.1f} {y - 8}l8 8-8 8-8-8z"/>'
    if lane == "suspicion":
        return f'<path d="M{x:.1f} {y - 8}l8 14h-16z"/>'
    return f'<circle cx="{x:.1f}" cy="{y}" r="5"/>'


def _lane_name(name: str, y: int) -> str:
    return f'<text class="lane" x="0" y="{y + 15}">{escape(name)}</text>'


def _x(second: float, total: float) -> float:
    return LEFT + second / total * PLOT


def _seconds(value: Any, otherwise: float = 0.0, *, less: float = 0.0) -> float:
    return max(0.0, float(value) - less) if isinstance(value, int | float) else otherwise


def _say(pair: tuple[str, str], lang: str) -> str:
    return pair[1] if lang == "en" else pair[0]
