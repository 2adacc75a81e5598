"""The coverage of an activity as inline SVG: a lane for each device, one for what nobody recorded. Pure.

Styled by class names as the timeline is; what is missing is hatched, so that it also reads in print and without colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape

from api.formats import duration
from pipeline.casework.coverage import Span
from pipeline.recorded import Recorded

WIDTH = 1000
LEFT = 130  # room for serial numbers
PLOT = WIDTH - LEFT - 30
ROW = 26
TOP = 28
MIN_BAR = 3.0  # pixels
_STEPS = (1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_HATCH = (
    '<defs><pattern id="missing" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect class="missing-ground" width="6" height="6"/><line class="missing-line" x1="0" y1="0" x2="0" y2="6"/>'
    "</pattern></defs>"
)


def draw(recorded: Recorded, lang: str = "zh") -> str:
    """An <svg> element. Times along the axis are those of the activity's time zone."""
    found = recorded.coverage
    rows = len(recorded.lanes) + 1 + bool(found.excused)
    height = TOP + ROW * rows + 6
    axis = _Axis(found.start, found.end)
    body = [_HATCH, *axis.draw(height)]
    for number, lane in enumerate(recorded.lanes):
        body += _lane(axis, number, lane.device or _say("未登记设备", "unregistered", lang), lane.spans, "covered")
    number = len(recorded.lanes)
    if found.excused:
        body += _lane(axis, number, _say("已采纳的中断", "accepted breaks", lang), found.excused, "excused")
        number += 1
    gaps = [Span(gap.start, gap.end) for gap in found.gaps]
    body += _lane(axis, number, _say("无设备录制", "nobody recorded", lang), gaps, "missing")
    label = _say("执法活动录制覆盖图", "chart of what was recorded of the activity", lang)
    return (
        f'<svg class="timeline coverage" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}" '
        f'xmlns="http://www.w3.org/2000/svg">{"".join(body)}</svg>'
    )


class _Axis:
    def __init__(self, start: datetime, end: datetime) -> None:
        self.start, self.length = start, (end - start).total_seconds()

    def x(self, moment: datetime) -> float:
        return LEFT + (moment - self.start).total_seconds() / self.length * PLOT

    def draw(self, height: int) -> Iterator[str]:
        step = next((each for each in _STEPS if self.length / each <= 9), _STEPS[-1])
        midnight = self.start.replace(hour=0, minute=0, second=0, microsecond=0)
        past = (self.start - midnight).total_seconds()
        at = midnight + timedelta(seconds=-(-past // step) * step)
        while (at - self.start).total_seconds() <= self.length:
            x = self.x(at)
            form = "%m-%d" if step >= 86400 else "%H:%M" if step >= 60 else "%H:%M:%S"
            yield f'<line class="tick" x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{height - 2}"/>'
            yield f'<text class="tick-label" x="{x:.1f}" y="{TOP - 11}">{at:{form}}</text>'
            at += timedelta(seconds=step)


def _lane(axis: _Axis, number: int, name: str, spans: Sequence[Span], kind: str) -> Iterator[str]:
    y = TOP + ROW * number
    yield f'<text class="lane" x="0" y="{y + 17}">{escape(name)}</text>'
    yield f'<line class="tick" x1="{LEFT}" y1="{y + ROW - 1}" x2="{LEFT + PLOT}" y2="{y + ROW - 1}"/>'
    for span in spans:
        x, width = axis.x(span.start), max(axis.x(span.end) - axis.x(span.start), MIN_BAR)
        zone = axis.start.tzinfo
        first, last = span.start.astimezone(zone), span.end.astimezone(zone)
        title = f"{name} · {first:%H:%M:%S} – {last:%H:%M:%S} · {duration(span.length.total_seconds())}"
        bar = f'<rect class="{kind}" x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="{ROW - 9}" rx="2"/>'
        bar = f"<title>{escape(title)}</title>{bar}"
        if kind == "covered":
            yield f'<a href="/recordings/{escape(span.what)}">{bar}</a>'
        else:
            yield f'<g fill="url(#missing)">{bar}</g>'  # reports carry the style sheet: no address in it


def _say(zh: str, en: str, lang: str) -> str:
    return en if lang == "en" else zh
