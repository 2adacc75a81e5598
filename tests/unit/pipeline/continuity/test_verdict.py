"""What weighs most names the whole, and nothing unchecked is passed over."""

from __future__ import annotations

import json

import pytest

from pipeline.continuity.model import Picture
from pipeline.continuity.verdict import judge, of_findings, worst
from pipeline.continuity.words import clock, ranges
from storage.records import Axis, Finding, Severity, Verdict
from tests.support.pictures import LIMITS, boxes, picture, steady, track_box, video


def finding(axis: Axis, severity: Severity) -> Finding:
    return Finding("REC-TRUE/X", axis, severity, "一", "one")


@pytest.mark.parametrize(
    ("findings", "verdict"),
    [
        ([], Verdict.CONTINUOUS),
        ([(Axis.FILE, Severity.NOTE)], Verdict.CONTINUOUS),
        ([(Axis.TIMELINE, Severity.SUSPICION)], Verdict.REVIEW),
        ([(Axis.TIMELINE, Severity.VIOLATION), (Axis.FILE, Severity.SUSPICION)], Verdict.INTERRUPTED),
        ([(Axis.TIMELINE, Severity.VIOLATION), (Axis.FILE, Severity.VIOLATION)], Verdict.ALTERED),
        ([(Axis.PROVENANCE, Severity.VIOLATION)], Verdict.ALTERED),
    ],
)
def test_the_heaviest_finding_gives_the_verdict(findings: list[tuple[Axis, Severity]], verdict: Verdict) -> None:
    assert of_findings(finding(*each) for each in findings) is verdict


def test_the_worst_verdict_of_several() -> None:
    assert worst([Verdict.CONTINUOUS, Verdict.REVIEW, Verdict.INTERRUPTED]) is Verdict.INTERRUPTED
    assert worst([Verdict.ALTERED, Verdict.UNREADABLE]) is Verdict.UNREADABLE
    assert worst([]) is Verdict.CONTINUOUS


def test_an_unreadable_file_says_why_and_is_checked_for_nothing() -> None:
    report = judge(Picture("a.mp4", 0, "unknown", problem=("文件为空。", "the file is empty")), "00", LIMITS)
    assert report.verdict is Verdict.UNREADABLE
    assert "文件为空" in report.findings[0].zh and [each.check for each in report.not_checked] == ["all"]


def test_what_was_not_checked_is_said() -> None:
    report = judge(picture(video(steady(10)), isolated=False, why_not="no bwrap"), "00", LIMITS)
    skipped = {each.check: each.why for each in report.not_checked}
    assert {"decoding", "burned-in-clock", "frame-counters", "container", "telemetry", "signature"} <= set(skipped)
    assert "no bwrap" in skipped["sandbox"]
    assert report.verdict is Verdict.CONTINUOUS


def test_no_report_calls_anything_authentic() -> None:
    text = json.dumps(judge(picture(video(steady(10)), boxes=boxes(track_box())), "00", LIMITS).as_json())
    assert "authentic" not in text


def test_a_crafted_file_cannot_make_an_endless_report() -> None:
    times = [n * 0.04 + n // 5 for n in range(4000)]  # a second missing after every five pictures
    report = judge(picture(video(times)), "00", LIMITS)
    codes = [each.code for each in report.findings]
    assert len(codes) < 60 and any(code.endswith("/MORE") for code in codes)


def test_times_and_numbers_in_words() -> None:
    assert clock(3725.04) == "1:02:05.0" and clock(-0.333) == "-0:00:00.3" and clock(59.96) == "0:01:00.0"
    assert ranges([2]) == "2" and ranges([2, 4, 5, 6, 9]) == "2, 4–6, 9"
