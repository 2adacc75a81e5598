"""Which spans of an activity the checked files cover: `liuhen check --activity START/END`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from pipeline.casework.coverage import Coverage, Span, coverage, recorded_spans
from storage.errors import Refused


def parse(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """START/END, such as 2026-11-18T09:30/10:45 or with two dates; times are local (`zone`) unless they say otherwise.

    Raises Refused.
    """
    first, slash, last = text.strip().partition("/")
    try:
        start = datetime.fromisoformat(first.strip())
        end = _end(last.strip(), start.date())
    except ValueError as error:
        raise _unclear(text) from error
    start, end = (moment if moment.tzinfo else moment.replace(tzinfo=zone) for moment in (start, end))
    if not slash or end <= start:
        raise _unclear(text)
    return start, end


def _end(text: str, day: date) -> datetime:
    try:
        return datetime.combine(day, time.fromisoformat(text))
    except ValueError:
        return datetime.fromisoformat(text)


def _unclear(text: str) -> Refused:
    return Refused(
        f"活动起止时间 {text!r} 不明，应如 2026-11-18T09:30/2026-11-18T10:45（开始/结束，当地时间）。",
        f"the activity {text!r} is unclear: write START/END in local time, such as 2026-11-18T09:30/2026-11-18T10:45",
    )


def of_report(report: Mapping[str, Any], start: datetime, end: datetime) -> tuple[Coverage, bool]:
    """The coverage by the files of a check report (its JSON form), and whether their dates were read as local time.

    The standard wants UTC in headers; some cameras write their local time. That is how they are read when none of them
    falls into the activity in UTC and all do so in local time.
    """
    spans = recorded_spans(report)
    local = [_as_local(span, start.tzinfo or UTC) for span in spans]
    meant_local = bool(spans) and not _inside(spans, start, end) and len(_inside(local, start, end)) == len(spans)
    return coverage(start, end, local if meant_local else spans), meant_local


def _as_local(span: Span, zone: tzinfo) -> Span:
    begins = span.start.astimezone(UTC).replace(tzinfo=zone)
    return replace(span, start=begins, end=begins + span.length)


def _inside(spans: Sequence[Span], start: datetime, end: datetime) -> list[Span]:
    """Those that overlap the activity, a minute before and after it included."""
    margin = timedelta(minutes=1)
    return [span for span in spans if span.start < end + margin and span.end > start - margin]
