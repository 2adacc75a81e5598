"""What counters leave open is said."""

from __future__ import annotations

import dataclasses
from typing import Any

from pipeline.continuity import uncounted
from pipeline.continuity.coding import IDR, Level
from tests.support.coded import groups, numbered, track
from tests.support.pictures import steady, video


def why(of: Any) -> list[str]:
    return [f"{each.check}: {each.why.partition(': ')[2]}" for each in uncounted.of_video(of)]


def test_codecs_without_counters_and_without_reader() -> None:
    alone = dataclasses.replace(video(steady(1)), stream=dataclasses.replace(video([0.0]).stream, codec="mjpeg"))
    assert why(alone) == ["frame-counters: every picture stands by itself and holds no counter"]
    other = dataclasses.replace(alone, stream=dataclasses.replace(alone.stream, codec="vp9"))
    assert why(other) == ["frame-counters: the counters of this codec are not read in this version"]


def test_groups_that_count_anew_leave_whole_groups_open() -> None:
    alternating = track(numbered(20, 8), max_frame_num=16)
    assert why(alternating) == ["whole-groups: key picture ids alternate: an even number leaves no trace"]
    constant = [dataclasses.replace(shot, idr=0) if shot.flags & IDR else shot for shot in numbered(20, 8)]
    assert why(track(constant, max_frame_num=16)) == [
        "whole-groups: each group counts anew, and the key picture id never changes"
    ]
    hevc = [dataclasses.replace(shot, idr=-1) for shot in groups(20, 8)]
    assert why(track(hevc, codec="hevc", order_modulus=256)) == [
        "whole-groups: each group counts anew, and key pictures bear no id"
    ]


def test_counts_that_run_or_accounts_that_are_kept_leave_nothing_open() -> None:
    assert why(track(groups(20, 8, closed=False), order_modulus=256)) == []
    levels = tuple(Level(8 * n, 0.5) for n in range(20))
    assert why(track(numbered(20, 8), max_frame_num=16, bit_rate=1000, levels=levels)) == []
    counting = [
        dataclasses.replace(shot, idr=n // 8) if shot.flags & IDR else shot for n, shot in enumerate(numbered(20, 8))
    ]
    assert why(track(counting, max_frame_num=16)) == []


def test_gaps_that_are_allowed_and_headers_that_could_not_be_read() -> None:
    free = track(groups(20, 8, closed=False), order_modulus=256, gaps_allowed=True)
    assert why(free) == ["frame-counters: the stream allows gaps in frame_num: a jump is a suspicion only"]
    dark = track([dataclasses.replace(shot, order=-(1 << 31), idr=-1) for shot in groups(4, 8)])
    assert why(dark) == ["frame-counters: no picture header could be read"]
