"""The last picture of a segment against the first of the next: a recording that goes on shows the same place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from pipeline.continuity import motion
from pipeline.continuity.content import Thumbnail
from pipeline.continuity.series import Member, Series
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity


def segment_pictures(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENT-PICTURE: the next segment begins with another place than this one ended with.

    Only where both were decoded (--deep) and the camera moved little before and after: cameras lose up to a second
    between segments, in which one that turns sees another place.
    """
    for before, after in series.pairs if not series.photos else ():
        last, first = _edge(before, last=True), _edge(after, last=False)
        if after.sequence == before.sequence + 1 and last and first:
            yield from _compared(before, after, last, first, limits)


def _edge(member: Member, *, last: bool) -> Thumbnail | None:
    sight = member.picture.content.sight if member.picture.content else None
    return (sight.last if last else sight.first) if sight else None


def _compared(
    before: Member, after: Member, last: Thumbnail, first: Thumbnail, limits: Thresholds
) -> Iterator[Finding]:
    usual = max(last.step, first.step)
    if (last.width, last.height) != (first.width, first.height) or usual > limits.seam_motion:
        return
    old, new = _luma(last), _luma(first)
    step, likeness = float(np.abs(new - old).mean()), motion.likeness(old, new)
    if likeness is not None and likeness < limits.seam_likeness and step > limits.seam_steps * usual + limits.seam_luma:
        yield _finding(before, after, step, usual, likeness)


def _luma(shown: Thumbnail) -> NDArray[np.float32]:
    return np.array(shown.luma, dtype=np.float32).reshape(shown.height, shown.width)


def _finding(before: Member, after: Member, step: float, usual: float, likeness: float) -> Finding:
    names = PurePath(before.picture.name).name, PurePath(after.picture.name).name
    return Finding(
        code="REC-CONTINUOUS/SEGMENT-PICTURE",
        axis=Axis.TIMELINE,
        severity=Severity.SUSPICION,
        zh=f"{names[1]} 的首帧与 {names[0]} 的末帧不是同一处画面，而前后镜头几乎不动：其间可能缺少内容。",
        en=f"{names[1]} begins with another place than {names[0]} ended with, though the camera hardly moved: "
        "something may be missing between them",
        evidence={
            "before": before.picture.name,
            "after": after.picture.name,
            "step": round(step, 2),
            "usual": round(usual, 2),
            "likeness": round(likeness, 3),
        },
    )


CHECKS = (segment_pictures,)
