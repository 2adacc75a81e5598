"""Whether the file lay still while it was read: what is said of it is said of one state of it only then."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity import words
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity


def changed_while_read(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """Size or modification time differ before and after: a recording that still runs, a copy that is not done."""
    if picture.changed is None:
        return
    (size, time), (size_after, time_after) = picture.changed
    yield Finding(
        code="REC-TRUE/CHANGED-WHILE-READ",
        axis=Axis.FILE,
        severity=Severity.SUSPICION,
        zh=f"检查期间文件被改动（{size} → {size_after} 字节）：可能仍在写入。请待写完后重新检查。",
        en=f"the file changed while it was read ({size} → {size_after} bytes): it may still be written; check it again",
        evidence={
            "size": [size, size_after],
            "modified": [words.date(time / 1e9), words.date(time_after / 1e9)],
            "modified_ns": [time, time_after],
        },
    )


CHECKS = (changed_while_read,)
