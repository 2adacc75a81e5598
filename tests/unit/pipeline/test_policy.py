from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from pipeline.bootstrap import thresholds
from pipeline.continuity.thresholds import Thresholds
from pipeline.policy import DEFAULT, Policy, load
from storage.errors import Refused
from storage.records import Role


def policy(folder: Path, text: str) -> Policy:
    (folder / "policy.yaml").write_text(text, encoding="utf-8")
    return load(folder / "policy.yaml")


def test_a_missing_file_is_written_and_says_what_the_code_defaults_to(tmp_path: Path) -> None:
    assert load(tmp_path / "policy.yaml") == Policy()
    assert (tmp_path / "policy.yaml").read_text(encoding="utf-8") == DEFAULT


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("retention: {five_years_years: 4}", "five_years_years"),  # KEEP-5Y: at least five
        ("viewing: {grant_hours: 0}", "grant_hours"),
        ("viewing: {approvers: [nobody]}", "approvers"),
        ("viewing: {approver: [legal]}", "approver"),
        ("keeping: {}", "keeping"),
        ("deadlines: {remind_minutes: 0}", "remind_minutes"),
        ("calendar: {notices: [{rule: x, days_off: [2027-02-30]}]}", "out of range"),
        ("calendar: {notices: [{rule: x, days_off: ['2027-02-30']}]}", "calendar.notices.0.days_off"),
        ("retention: [", "flow node"),
    ],
)
def test_a_wrong_figure_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Refused, match=named):
        policy(tmp_path, text)


def test_a_file_may_say_only_what_differs(tmp_path: Path) -> None:
    given = policy(tmp_path, "viewing: {approvers: [legal]}")
    assert given.viewing.approvers == frozenset({Role.LEGAL})
    assert given.retention == Policy().retention


def test_thresholds_come_over_the_defaults(tmp_path: Path) -> None:
    limits = thresholds(policy(tmp_path, "continuity: {thresholds: {segment_gap: 0.04}}"))
    assert limits.segment_gap == 0.04
    assert all(getattr(limits, each.name) == each.default for each in fields(Thresholds) if each.name != "segment_gap")


def test_an_unknown_threshold_is_named(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="segment_gpa"):
        thresholds(policy(tmp_path, "continuity: {thresholds: {segment_gpa: 1}}"))
