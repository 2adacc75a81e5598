"""Which pictures stand beside which finding: around it, at the edge between files, over the length of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline import strips
from pipeline.check import check_files
from pipeline.media.stills import Moment, Still
from pipeline.samples import Footage


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[Path, list[Moment]]:
    """What is asked of each file, by a reader that finds every picture where it is looked for."""
    seen: dict[Path, list[Moment]] = {}

    def find(path: Path, moments: list[Moment]) -> list[Still]:
        seen.setdefault(path, []).extend(moments)
        return [Still(each.at - 0.04 * (each.side == "before"), b"jpeg") for each in moments]

    monkeypatch.setattr(strips, "stills", find)
    return seen


def finding(severity: str, start: float | None, end: float | None = None, **evidence: Any) -> dict[str, Any]:
    return {"code": "A/B", "severity": severity, "start": start, "end": end, "evidence": evidence}


def video(path: str, *findings: dict[str, Any], start: float = 0.0, end: float = 12.0, verdict: str = "review") -> Any:
    streams = [{"kind": "video", "start": start, "end": end}, {"kind": "audio", "start": 0.0, "end": 99.0}]
    return {"path": path, "verdict": verdict, "media": {"kind": "video", "streams": streams}, "findings": [*findings]}


def report(*files: Any, series: Any = ()) -> dict[str, Any]:
    return {"files": [*files], "series": [*series]}


def test_around_a_gap_stand_pictures_from_before_and_behind(footage: Footage) -> None:
    found = check_files([footage.cut_open]).as_json()
    made = strips.collect(found, [footage.cut_open])
    place = next(n for n, each in enumerate(found["files"][0]["findings"]) if each["code"].endswith("/GAP-PTS"))
    strip = made.files[0, place]
    assert [frame.at for frame in strip if not frame.after] == pytest.approx([2.96, 3.48, 3.96])
    assert [frame.at for frame in strip if frame.after] == pytest.approx([7.0, 7.52, 8.0])
    assert len(made.over[0]) == 5  # six asked for, two of them in the gap


def test_at_a_missing_segment_stand_the_end_of_one_and_the_beginning_of_the_other(footage: Footage) -> None:
    found = check_files(footage.missing).as_json()
    (strip,) = strips.collect(found, footage.missing).series.values()
    assert [(frame.file, frame.after) for frame in strip] == [(0, False)] * 3 + [(1, True)] * 3
    assert strip[2].at == pytest.approx(11.96) and strip[3].at == pytest.approx(0.0)


def test_a_missing_photo_is_shown_by_its_neighbours(footage: Footage) -> None:
    found = check_files(footage.photos_missing).as_json()
    made = strips.collect(found, footage.photos_missing)
    (strip,) = made.series.values()
    assert [frame.after for frame in strip] == [False, True]
    assert len(made.over) == len(footage.photos_missing)


def test_what_can_not_be_read_is_not_opened(asked: dict[Path, list[Moment]]) -> None:
    made = strips.collect(report(video("a", verdict="unreadable")), [Path("a")])
    assert asked == {} and not made.over and not made.files


def test_what_has_no_pictures_or_no_times_is_not_opened(asked: dict[Path, list[Moment]]) -> None:
    sound, raw = video("a"), video("b", finding("violation", 1.0))
    sound["media"]["streams"] = sound["media"]["streams"][1:]
    raw["media"]["streams"][0] |= {"start": None, "end": None}
    strips.collect(report(sound, raw), [Path("a"), Path("b")])
    assert asked == {}


def test_a_stream_that_begins_at_any_time_is_looked_at_there(asked: dict[Path, list[Moment]]) -> None:
    strips.collect(report(video("a", start=5000.0, end=5012.0)), [Path("a")])
    assert min(each.at for each in asked[Path("a")]) == 5000.0


def test_pictures_are_bounded_and_the_gravest_findings_come_first(asked: dict[Path, list[Moment]]) -> None:
    many = [finding("suspicion", float(at)) for at in range(100)] + [finding("violation", 500.0)]
    made = strips.collect(report(video("a", *many, end=1000.0)), [Path("a")], most=18)
    assert sum(map(len, asked.values())) == 18
    assert (0, 100) in made.files and not made.over


def test_findings_without_a_place_have_no_strip(asked: dict[Path, list[Moment]]) -> None:
    assert strips.collect(report(video("a", finding("violation", None))), [Path("a")]).files == {}


@pytest.mark.parametrize("named", [None, 7, "elsewhere.mp4", ["a", "b"]])
def test_evidence_that_names_no_file_gives_no_strip(asked: dict[Path, list[Moment]], named: Any) -> None:
    series = {"files": ["a", "b"], "findings": [finding("violation", 1.0, 2.0, before=named, after="b")]}
    made = strips.collect(report(video("a"), video("b"), series=[series]), [Path("a"), Path("b")])
    assert made.series == {}


def test_progress_reaches_the_whole(asked: dict[Path, list[Moment]]) -> None:
    shares: list[float] = []
    strips.collect(report(video("a"), video("b")), [Path("a"), Path("b")], shares.append)
    assert shares == [0.5, 1.0]
