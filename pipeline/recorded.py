"""执法活动的录制覆盖: which spans of an activity the stored recordings of its devices cover, and which nobody recorded.

Breaks that an officer explained and another person accepted (REC-FORBIDDEN) are taken out of the account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from pipeline.casework.coverage import Coverage, Span, coverage, finding_span, recorded_spans
from storage.catalogue.tables import Excuse, Recording
from storage.errors import Refused

LONGEST = timedelta(days=7)
NEAR = timedelta(days=1)  # beside the activity: cameras that write local time lie hours off
_CLOCKS = timedelta(minutes=2)  # by which the clocks of camera and server may differ

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Break:
    """An accepted break, where the report locates it."""

    span: Span
    recording: Recording
    excuse: Excuse
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Lane:
    """What one device recorded within the activity. `spans`: `what` is the recording's identifier. `local`: its dates
    were read as local time.
    """

    device: str
    spans: tuple[Span, ...]
    local: bool


@dataclass(frozen=True, slots=True)
class Recorded:
    coverage: Coverage
    lanes: tuple[Lane, ...]
    breaks: tuple[Break, ...]
    undated: tuple[Recording, ...]

    def as_json(self) -> dict[str, Any]:
        devices = [
            {
                "device": lane.device,
                "dates_read_as": "local" if lane.local else "utc",
                "spans": [
                    {"start": span.start.isoformat(), "end": span.end.isoformat(), "recording": span.what}
                    for span in lane.spans
                ],
            }
            for lane in self.lanes
        ]
        return self.coverage.as_json() | {"devices": devices, "undated": [each.id for each in self.undated]}


def of(
    start: datetime,
    end: datetime,
    recordings: Sequence[Recording],
    excuses: Sequence[Excuse],
    *,
    local: bool = False,
) -> Recorded:
    """The account of [start, end], both in the bureau's time zone. `excuses`: accepted ones of these recordings.

    `local`: dates in the files are local time. It is found without being told where a recording would else end after
    it was received. Raises Refused for an activity that ends before it begins or lasts longer than a week.
    """
    if not timedelta(0) < end - start <= LONGEST:
        raise Refused(
            "执法活动的结束时间须晚于开始时间，且不超过7天。", "an activity ends after it begins, within seven days"
        )
    lanes, breaks = [], []
    for device in sorted({recording.device_serial for recording in recordings}):
        own = [recording for recording in recordings if recording.device_serial == device]
        as_local = local or any(_in_the_future(recording) for recording in own)
        moved = _mover(start.tzinfo or UTC) if as_local else _same
        spans = [moved(span) for each in own for span in recorded_spans(each.report or _NOTHING, each.id)]
        breaks += [replace(found, span=moved(found.span)) for each in own for found in _breaks(each, excuses)]
        lanes.append(Lane(device, tuple(_within(spans, start, end)), as_local))
    breaks = [each for each in breaks if each.span.start < end and each.span.end > start]
    found = coverage(
        start, end, [span for lane in lanes for span in lane.spans], [replace(each.span, what="") for each in breaks]
    )
    undated = tuple(each for each in recordings if not recorded_spans(each.report or _NOTHING))
    return Recorded(found, tuple(lanes), tuple(breaks), undated)


_NOTHING: Json = {"files": ()}


def _in_the_future(recording: Recording) -> bool:
    """By its own dates it was made after it was received: they are not UTC."""
    if recording.started is None:
        return False
    return recording.started + timedelta(seconds=recording.duration or 0.0) > recording.received + _CLOCKS


def _same(span: Span) -> Span:
    return span


def _mover(zone: tzinfo) -> Callable[[Span], Span]:
    def moved(span: Span) -> Span:
        begins = span.start.astimezone(UTC).replace(tzinfo=zone)
        return replace(span, start=begins, end=begins + span.length)

    return moved


def _within(spans: Sequence[Span], start: datetime, end: datetime) -> Iterator[Span]:
    for span in sorted(spans, key=lambda each: each.start):
        if span.start < end and span.end > start:
            yield replace(span, start=max(span.start, start), end=min(span.end, end))


def _breaks(recording: Recording, excuses: Sequence[Excuse]) -> Iterator[Break]:
    """Where the findings lie that this recording's accepted explanations are for."""
    answered = {each.finding_code: each for each in excuses if each.recording_id == recording.id}
    for finding, span in _located(recording.report or _NOTHING):
        if finding["code"] in answered:
            yield Break(span, recording, answered[finding["code"]], finding["zh"], finding["en"])


def _located(report: Json) -> Iterator[tuple[Json, Span]]:
    """Findings with the moments they are about; those between segments count from the first one's beginning."""
    files = {file["path"]: file for file in report["files"]}
    groups = [(file, file["findings"]) for file in report["files"]]
    groups += [
        (files[each["files"][0]], each["findings"])
        for each in report.get("series", ())
        if each["files"] and each["files"][0] in files
    ]
    for file, findings in groups:
        for finding in findings:
            if (span := finding_span(file, finding)) is not None and span.length > timedelta(0):
                yield finding, span
