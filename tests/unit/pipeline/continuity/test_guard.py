"""A check that fails is a finding for a person to look at, and the others are made all the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipeline.continuity import verdict
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

PICTURE = Picture(name="a.mp4", size=1, kind="video")


def finds(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    yield Finding("A/B", Axis.FILE, Severity.NOTE, "说明", "words")


def fails_late(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    yield Finding("A/EARLY", Axis.FILE, Severity.NOTE, "说明", "words")
    raise IndexError("beyond")


def test_what_a_failing_check_left_open_is_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "CHECKS", (fails_late, finds))
    report = verdict.judge(PICTURE, "ab" * 32, Thresholds())
    assert [each.code for each in report.findings] == ["A/EARLY", "REC-TRUE/CHECK-FAILED", "A/B"]
    assert report.verdict == "review"
    assert report.findings[1].evidence == {"check": "test_guard.fails_late", "error": "IndexError: beyond"}


def test_a_users_interrupt_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
        yield from finds(picture, limits)
        raise KeyboardInterrupt

    monkeypatch.setattr(verdict, "CHECKS", (stopped,))
    with pytest.raises(KeyboardInterrupt):
        verdict.judge(PICTURE, "ab" * 32, Thresholds())
