"""执法活动的录制覆盖: which spans of an activity no device recorded (REC-CONTINUOUS, REC-WHEN). Pure.

Breaks that were excused under REC-FORBIDDEN are taken out of the account: they are neither covered nor missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any

ROUNDING = timedelta(seconds=1)  # dates in containers have whole seconds


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, both moments with a time zone. `what`: the device, recording or reason it stands for."""

    start: datetime
    end: datetime
    what: str = ""

    @property
    def length(self) -> timedelta:
        return max(timedelta(0), self.end - self.start)


@dataclass(frozen=True, slots=True)
class Gap:
    """A span of the activity that nothing covers, in words of both languages."""

    start: datetime
    end: datetime
    zh: str
    en: str

    def as_json(self) -> dict[str, Any]:
        return {"start": self.start.isoformat(), "end": self.end.isoformat(), "zh": self.zh, "en": self.en}


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is recorded of an activity. `covered_fraction`: of its time without the excused breaks, 0 to 1.

    `covered` and `excused` are joined spans within the activity, in order; a recorded moment is never excused.
    """

    start: datetime
    end: datetime
    gaps: tuple[Gap, ...]
    covered: tuple[Span, ...]
    excused: tuple[Span, ...]
    covered_fraction: float

    @property
    def whole(self) -> bool:
        return not self.gaps

    def as_json(self) -> dict[str, Any]:
        return {
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "covered_fraction": round(self.covered_fraction, 6),
            "gaps": [gap.as_json() for gap in self.gaps],
            "covered": [_span_json(span) for span in self.covered],
            "excused": [_span_json(span) for span in self.excused],
        }


def coverage(
    start: datetime,
    end: datetime,
    spans: Iterable[Span],
    excused: Iterable[Span] = (),
    *,
    rounding: timedelta = ROUNDING,
) -> Coverage:
    """The spans of [start, end] that none of `spans` covers, `excused` ones taken out.

    Gaps no longer than `rounding` are not told, but count in the fraction. Raises ValueError when the activity ends
    before it begins or a moment has no time zone.
    """
    if start.tzinfo is None or end.tzinfo is None or end < start:
        raise ValueError("an activity begins before it ends, in a time zone")
    zone = start.tzinfo
    covered = _joined(spans, start, end)
    forgiven = list(_without(_joined(excused, start, end), covered))
    missing = list(_without([Span(start, end)], [*covered, *forgiven]))
    account = (end - start) - sum((span.length for span in forgiven), timedelta(0))
    recorded = sum((span.length for span in covered), timedelta(0))
    return Coverage(
        start=start,
        end=end,
        gaps=tuple(_gap(span, zone) for span in missing if span.length > rounding),
        covered=tuple(covered),
        excused=tuple(forgiven),
        covered_fraction=recorded / account if account else 1.0,
    )


def _joined(spans: Iterable[Span], start: datetime, end: datetime) -> list[Span]:
    """What the spans cover of [start, end], overlapping ones as one, in order."""
    inside = [Span(max(span.start, start), min(span.end, end), span.what) for span in spans]
    joined: list[Span] = []
    for span in sorted((each for each in inside if each.start < each.end), key=lambda each: (each.start, each.end)):
        if joined and span.start <= joined[-1].end:
            last = joined[-1]
            joined[-1] = Span(last.start, max(last.end, span.end), _both(last.what, span.what))
        else:
            joined.append(span)
    return joined


def _both(one: str, other: str) -> str:
    names = [name for name in dict.fromkeys([*one.split("、"), other]) if name]
    return "、".join(names)


def _without(spans: Sequence[Span], taken: Sequence[Span]) -> Iterator[Span]:
    """What is left of the spans when everything in `taken` is cut out of them."""
    for span in spans:
        at = span.start
        for cut in sorted(taken, key=lambda each: each.start):
            if cut.end <= at or cut.start >= span.end:
                continue
            if cut.start > at:
                yield Span(at, cut.start, span.what)
            at = max(at, cut.end)
        if at < span.end:
            yield Span(at, span.end, span.what)


def _gap(span: Span, zone: tzinfo) -> Gap:
    since, until = span.start.astimezone(zone), span.end.astimezone(zone)
    form = "%H:%M:%S" if since.date() == until.date() else "%Y-%m-%d %H:%M:%S"
    first, last, lasts = f"{since:{form}}", f"{until:{form}}", _lasting(span.length)
    return Gap(
        start=since,
        end=until,
        zh=f"{first} 至 {last} 没有设备录制（{lasts}）。",
        en=f"no device recorded from {first} to {last} ({lasts})",
    )


def _lasting(length: timedelta) -> str:
    """h:mm:ss, rounded to the second."""
    seconds = round(length.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _span_json(span: Span) -> dict[str, str]:
    return {"start": span.start.isoformat(), "end": span.end.isoformat(), "what": span.what}


def recorded_spans(report: Mapping[str, Any], what: str = "") -> list[Span]:
    """What a check report (its JSON form) says was recorded: each dated film and sound, without its located gaps.

    `what`: the name of the spans; default: of the file. Segments that a camera dates by their end lie late by their
    length.
    """
    spans: list[Span] = []
    for file in report["files"]:
        media = file["media"]
        if not media.get("created") or not media.get("duration") or media.get("kind") == "photos":
            continue
        start = datetime.fromisoformat(media["created"])
        whole = Span(start, start + timedelta(seconds=media["duration"]), what or file["path"])
        spans += _without([whole], [_absent(start, finding) for finding in file["findings"] if _is_gap(finding)])
    return spans


def _is_gap(finding: Mapping[str, Any]) -> bool:
    """Time that the file proves to be missing."""
    located = finding["start"] is not None and finding["end"] is not None
    return located and finding["severity"] == "violation" and finding["code"] == "REC-CONTINUOUS/GAP-PTS"


def _absent(start: datetime, finding: Mapping[str, Any]) -> Span:
    return Span(start + timedelta(seconds=finding["start"]), start + timedelta(seconds=finding["end"]))


def finding_span(file: Mapping[str, Any], finding: Mapping[str, Any]) -> Span | None:
    """When a located finding of a file in a check report happened, for excusing it; None without a date."""
    created = file["media"].get("created")
    if not created or finding["start"] is None or finding["end"] is None:
        return None
    return _absent(datetime.fromisoformat(created), finding)
