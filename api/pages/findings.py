"""What a recording's page says of its wholeness: findings with explanations and pictures, and what was checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api import checked
from pipeline.excuses import needing_words
from pipeline.strips import Frame, Strips
from storage.catalogue.recordings import Dossier
from storage.catalogue.tables import Excuse
from storage.records import Severity

Json = Mapping[str, Any]
_NO_STRIPS = Strips({}, {}, {})
_ORDER = [severity.value for severity in Severity]


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as the page shows it. `segment` from 1, 0: of the whole recording."""

    finding: Json
    segment: int
    excuses: Sequence[Excuse]
    answerable: bool
    frames: Sequence[Frame]


def whole(dossier: Dossier, strips: Strips = _NO_STRIPS) -> dict[str, Any]:
    """Is it whole: the findings gravest first, how many of each severity, what was checked and what was not."""
    findings = sorted(_findings(dossier, strips), key=_rank)
    lines = checked.lines(dossier.recording.report or {})
    return {
        "findings": [row for row in findings if row.finding["severity"] != Severity.NOTE],
        "notes": [row for row in findings if row.finding["severity"] == Severity.NOTE],
        "counts": {name: sum(row.finding["severity"] == name for row in findings) for name in _ORDER},
        "checked": lines,
        "unmade": sum(line.state == "open" for line in lines),
        "locatable": any(_has_pictures(row) for row in findings),
    }


def _findings(dossier: Dossier, strips: Strips) -> Iterator[Found]:
    report = dossier.recording.report or {}
    answerable = {finding["code"] for finding in needing_words(dossier.recording.report)}
    for number, finding, frames in _groups(report, strips):
        excuses = [excuse for excuse in dossier.excuses if excuse.finding_code == finding["code"]]
        yield Found(finding, number, excuses, finding["code"] in answerable, frames)


def _groups(report: Json, strips: Strips) -> Iterator[tuple[int, Json, Sequence[Frame]]]:
    """Segment number, finding and pictures of everything in the report."""
    for place, file in enumerate(report.get("files", ())):
        for n, finding in enumerate(file["findings"]):
            yield place + 1, finding, strips.files.get((place, n), ())
    for place, series in enumerate(report.get("series", ())):
        for n, finding in enumerate(series["findings"]):
            yield 0, finding, strips.series.get((place, n), ())
    for finding in report.get("docking", {}).get("findings", ()):
        yield 0, finding, ()


def _rank(row: Found) -> tuple[int, int, float]:
    return _ORDER.index(row.finding["severity"]), row.segment, row.finding["start"] or 0.0


def _has_pictures(row: Found) -> bool:
    """Whether there may be any: it has a place in a segment, or lies between two."""
    return row.finding["start"] is not None or "after" in row.finding["evidence"]
