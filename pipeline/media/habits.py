"""Which program's habits do parameter sets show? Encoders choose fields that hardly anyone sets by hand.

A name left in the stream is removed in a moment; these fields are needed to decode it.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.media import h264_sets, hevc_sets

Habits = tuple[str, tuple[str, ...]]  # the program, "" for none we know; the fields that show it


def of_h264(sequences: Sequence[h264_sets.Sps], pictures: Sequence[h264_sets.Pps]) -> Habits:
    return "", ()


def of_hevc(sequences: Sequence[hevc_sets.Sps], pictures: Sequence[hevc_sets.Pps]) -> Habits:
    return "", ()
