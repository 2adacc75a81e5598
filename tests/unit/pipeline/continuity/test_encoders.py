"""Parameter sets that change, and habits of software."""

from __future__ import annotations

from typing import Any

from pipeline.continuity import encoders
from pipeline.continuity.coding import Change
from pipeline.continuity.model import Picture, Trace
from storage.records import Finding
from tests.support.coded import groups, track
from tests.support.pictures import LIMITS, picture, told


def found(of: Picture) -> list[Finding]:
    return [finding for check in encoders.CHECKS for finding in check(of, LIMITS)]


def coded(**coding: Any) -> Picture:
    return picture(track(groups(6), **coding))


def changed(*changes: Change) -> list[Finding]:
    return found(coded(changes=changes))


def test_sets_that_stay_are_no_finding() -> None:
    assert changed() == []


def test_another_encoder_at_the_same_size_is_a_violation() -> None:
    findings = changed(Change(16, "sps", ("frame_num_bits", "level")), Change(16, "pps", ("arithmetic",)))
    assert told(findings) == [("PARAMETERS-CHANGED", "violation")]
    assert findings[0].evidence["changed"] == {"sps": ["frame_num_bits", "level"], "pps": ["arithmetic"]}


def test_another_size_or_rate_is_a_suspicion() -> None:
    for fields in (("size", "profile"), ("timing",), ("level", "hrd"), ()):
        assert told(changed(Change(16, "sps", fields))) == [("PARAMETERS-CHANGED", "suspicion")]


def test_quantisers_alone_are_rate_control() -> None:
    assert changed(*(Change(n, "pps", ("qp",)) for n in range(8, 40, 8))) == []


def test_sets_that_change_all_the_time_are_one_suspicion() -> None:
    assert told(changed(*(Change(n, "sps", ("profile",)) for n in range(1, 40)))) == [
        ("PARAMETERS-CHANGED", "suspicion")
    ]


def test_habits_of_software_are_a_suspicion_unless_its_name_says_so_anyhow() -> None:
    nameless = coded(encoder="x264", habits=("weighted_bipred_idc=2",))
    assert told(found(nameless)) == [("ENCODER-HABITS", "suspicion")]
    named = picture(*nameless.tracks, traces=(Trace(0, 0, "x264 - core 164"),))
    assert found(named) == []
