"""The timeline: a pure function from a check report to SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.timeline import LEFT, PLOT, WIDTH, draw
from tests.support.web import finding

NS = "{http://www.w3.org/2000/svg}"


def report(*durations: float, findings: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    files: list[dict[str, Any]] = [
        {"path": f"card/{n}.MP4", "media": {"duration": length}, "verdict": "continuous", "findings": []}
        for n, length in enumerate(durations, start=1)
    ]
    if findings:
        files[-1]["findings"] = findings
    return {"files": files, "series": []}


def marks(svg: str) -> list[ET.Element]:
    return [part for part in ET.fromstring(svg).iter(f"{NS}g") if part.get("class", "").startswith("mark")]


@pytest.mark.parametrize("empty", [None, {}, {"files": [], "series": []}])
def test_nothing_is_drawn_of_nothing(empty: dict[str, Any] | None) -> None:
    assert draw(empty) == ""


def test_segments_lie_one_after_another_in_proportion() -> None:
    svg = ET.fromstring(draw(report(10, 30)))
    boxes = [part.find(f"{NS}rect") for part in svg.iter(f"{NS}g") if "segment" in part.get("class", "")]
    first, second = (box for box in boxes if box is not None)
    assert float(first.get("x", "")) == LEFT
    assert float(second.get("x", "")) == pytest.approx(LEFT + PLOT / 4, abs=0.1)


def test_a_finding_stands_at_its_time_in_its_segment() -> None:
    (mark,) = marks(draw(report(10, 30, findings=[finding("A/B", start=5, end=8)])))
    assert (mark.get("data-seek"), mark.get("data-segment")) == ("5.000", "2")
    rect = mark.find(f"{NS}rect")
    assert rect is not None
    assert float(rect.get("x", "")) == pytest.approx(LEFT + PLOT * 15 / 40, abs=0.1)
    assert float(rect.get("width", "")) == pytest.approx(PLOT * 3 / 40, abs=0.1)


def test_a_tiny_gap_in_a_long_recording_can_still_be_hit() -> None:
    (mark,) = marks(draw(report(36_000, findings=[finding("A/B", start=100, end=100.2)])))
    rect = mark.find(f"{NS}rect")
    assert rect is not None
    assert float(rect.get("width", "")) >= 6


def test_severities_differ_in_shape_not_only_in_colour() -> None:
    found = [finding("A/B", severity, 1, 2) for severity in ("violation", "suspicion", "note")]
    shapes = [mark[2].get("d", "circle")[-20:] for mark in marks(draw(report(10, findings=found)))]
    assert len(set(shapes)) == 3


def test_marks_can_be_reached_and_read_without_a_mouse() -> None:
    (mark,) = marks(draw(report(10, findings=[finding("A/B", start=1, end=2)])))
    assert (mark.get("tabindex"), mark.get("role")) == ("0", "button")
    assert "A/B 的中文说明" in mark.get("aria-label", "")
    (english,) = marks(draw(report(10, findings=[finding("A/B", start=1, end=2)]), "en"))
    assert "A/B in English" in english.get("aria-label", "")


def test_findings_of_the_whole_recording_are_drawn_too() -> None:
    both = report(10, 10)
    both["series"] = [{"findings": [finding("A/MISSING", start=None)]}]
    (mark,) = marks(draw(both))
    assert "whole" in mark.get("class", "")


def dated(*files: tuple[str | None, float]) -> dict[str, Any]:
    whole = report(*(length for _, length in files))
    for file, (created, _) in zip(whole["files"], files, strict=True):
        file["media"]["created"] = created
    return whole


def places(svg: str) -> list[float]:
    """Where the segments begin, as a share of the axis."""
    boxes = [part.find(f"{NS}rect") for part in ET.fromstring(svg).iter(f"{NS}g") if "segment" in part.get("class", "")]
    return [(float(box.get("x", "")) - LEFT) / PLOT for box in boxes if box is not None]


def test_segments_with_dates_lie_where_their_dates_put_them() -> None:
    gap = dated(("2026-11-18T01:30:00Z", 12), ("2026-11-18T01:30:24Z", 12))
    assert places(draw(gap)) == pytest.approx([0.0, 24 / 36], abs=0.001)
    gap["series"] = [{"findings": [finding("A/MISSING", start=12, end=24)]}]
    rect = marks(draw(gap))[0].find(f"{NS}rect")
    assert rect is not None
    assert float(rect.get("x", "")) == pytest.approx(LEFT + PLOT * 12 / 36, abs=0.1)
    assert float(rect.get("width", "")) == pytest.approx(PLOT * 12 / 36, abs=0.1)


@pytest.mark.parametrize(
    "second",
    ["2026-11-18T01:29:00Z", "2026-11-18T01:30:00Z", "2026-12-18T01:30:00Z", None, "no date"],
    ids=["backwards", "one date for all", "a month later", "none", "nonsense"],
)
def test_segments_whose_dates_make_no_picture_lie_one_after_another(second: str | None) -> None:
    assert places(draw(dated(("2026-11-18T01:30:00Z", 10), (second, 10)))) == pytest.approx([0.0, 0.5], abs=0.001)


def test_a_finding_of_the_whole_leads_the_player_to_the_right_segment() -> None:
    both = report(10, 10)
    both["series"] = [{"findings": [finding("A/GAP", start=14, end=15)]}]
    (mark,) = marks(draw(both))
    assert (mark.get("data-segment"), mark.get("data-seek")) == ("2", "4.000")


def test_a_stream_that_begins_at_any_time_is_drawn_from_zero() -> None:
    late = report(10, findings=[finding("A/B", start=5005, end=5007)])
    late["files"][0]["media"]["streams"] = [{"start": 5000.0}, {"start": 5000.1}, {"start": None}]
    (mark,) = marks(draw(late))
    rect = mark.find(f"{NS}rect")
    assert rect is not None and mark.get("data-seek") == "5.000"
    assert float(rect.get("x", "")) == pytest.approx(LEFT + PLOT / 2, abs=0.1)


def test_what_the_dockings_say_is_drawn_over_the_whole() -> None:
    (mark,) = marks(draw(report(10) | {"docking": {"findings": [finding("UP/BACKDATED", start=None)]}}))
    assert "whole" in mark.get("class", "")


def test_without_a_player_nothing_asks_to_be_pressed() -> None:
    svg = draw(report(10, findings=[finding("A/B", start=1, end=2)]), still=True)
    assert "button" not in svg and "tabindex" not in svg
    assert len(marks(svg)) == 1


def test_hostile_names_stay_text() -> None:
    hostile = report(10)
    hostile["files"][0]["path"] = '"><script>alert(1)</script>.MP4'
    assert "<script" not in draw(hostile)
    ET.fromstring(draw(hostile))


def test_days_of_recording_have_a_bounded_axis() -> None:
    assert draw(report(*[3600.0] * 24 * 30)).count('class="tick"') <= 61


seconds = st.one_of(st.none(), st.floats(-10, 1e6, allow_nan=False))
found = st.builds(
    lambda severity, start, end, words: {**finding("A/B", severity, start, end), "zh": words, "en": words},
    st.sampled_from(["violation", "suspicion", "note"]),
    seconds,
    seconds,
    st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), max_size=20),
)


@given(st.lists(st.tuples(seconds, st.lists(found, max_size=5)), max_size=5), st.lists(found, max_size=3))
def test_any_report_draws_well_formed_svg_inside_its_frame(files: list[Any], series: list[Any]) -> None:
    whole = {
        "files": [{"path": "x", "media": {"duration": length}, "findings": each} for length, each in files],
        "series": [{"findings": series}],
    }
    svg = draw(whole)
    if not files:
        assert svg == ""
        return
    for rect in ET.fromstring(svg).iter(f"{NS}rect"):
        assert float(rect.get("x", "")) >= -0.1
        assert float(rect.get("x", "")) + float(rect.get("width", "")) <= WIDTH
