from __future__ import annotations

from typing import Any

import pytest

from pipeline.continuity.sidecars import check_sidecar

MEDIA: dict[str, Any] = {"created": "2026-11-20T01:30:00Z", "duration": 100.0, "device": {"serial": "LH-00012"}}


def codes(says: dict[str, str], **media: Any) -> list[str]:
    return [each.code for each in check_sidecar("a.json", says, "a.mp4", MEDIA | media)]


@pytest.mark.parametrize(
    "start",
    [
        "2026-11-20 09:30:05",  # the same in China's zone
        "2026-11-20T01:30:00Z",
        "2026/11/20 09:30:00",
        "20261120093000",
        "2026年11月20日 09:30:00",
        "2026年11月20日09时30分00秒",
        "2026-11-20 09:28:21",  # the file bears its end
        "yesterday",
        "",
    ],
)
def test_a_start_that_agrees_or_can_not_be_read_says_nothing(start: str) -> None:
    assert codes({"start": start}) == []


@pytest.mark.parametrize("start", ["2026-11-20 09:36:00", "2026-11-19 09:30:00", "20261121093000"])
def test_another_start_than_the_files_is_a_suspicion(start: str) -> None:
    assert codes({"start": start}) == ["REC-WHEN/SIDECAR-START"]


def test_a_file_without_a_time_contradicts_nobody() -> None:
    assert codes({"start": "2001-01-01 00:00:00"}, created=None) == []
    assert codes({"start": "2026-11-20 09:36:00"}, created=None, created_local="2026-11-20T09:30:00") == [
        "REC-WHEN/SIDECAR-START"
    ]


def test_another_camera_than_the_files() -> None:
    assert codes({"serial": "LH00077"}) == ["REC-TRUE/SIDECAR-DEVICE"]
    assert codes({"serial": "lh00012"}) == []
    assert codes({"serial": "LH00077"}, device={"serial": None}) == []
    assert codes({"serial": "LH00077"}, device=None) == []
