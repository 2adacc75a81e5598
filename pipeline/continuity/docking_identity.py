"""Which camera, which name, which bytes: one card docked as two devices, one name with two contents, other bytes than
were listed. Pure.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from pipeline.continuity.docking import DockedCopy
from storage.records import Axis, Finding, Severity

QUARANTINE = "UNKNOWN-"
"""How the serial of a card begins that nothing named: named later, it is no second camera."""
_NAMES_ITS_START = re.compile(r"(?<!\d)\d{8}[_-]?\d{6}(?!\d)")


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that came for a listed line and were not what it lists. `expected`, `received`: SHA-256."""

    rejection: str
    docking: str
    path: str
    expected: str
    received: str | None


def check_two_devices(file: DockedCopy, device: str, elsewhere: Iterable[tuple[str, DockedCopy]]) -> Iterator[Finding]:
    """REC-TRUE/DOCK-TWO-DEVICES: the same bytes were listed on another camera. `elsewhere`: (serial, line)."""
    others = [
        (serial, line)
        for serial, line in elsewhere
        if line.sha256 == file.sha256 and serial != device and not _unnamed(serial) and not _unnamed(device)
    ]
    if others:
        serial, line = min(others, key=lambda each: each[1].time)
        yield Finding(
            code="REC-TRUE/DOCK-TWO-DEVICES",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"文件 {file.path} 曾作为设备 {serial} 的文件被采集（{line.path}），又作为 {device} 的文件被采集："
            "存储卡换过设备，或设备编号填错。",
            en=f"{file.path} was docked as a file of camera {serial} ({line.path}) and as one of {device}: "
            "the card changed cameras, or a serial is wrong",
            evidence={
                "path": file.path,
                "sha256": file.sha256,
                "device": device,
                "docking": file.docking,
                "other_device": serial,
                "other_docking": line.docking,
                "other_time": line.time.isoformat(),
            },
        )


def check_same_name(originals: Iterable[tuple[str, str]]) -> Iterator[Finding]:
    """REC-TRUE/SAME-NAME: originals (path, SHA-256) of one device under one path that names its start, and differ.

    Names that only count come again when a camera begins anew; those are the docking history's matter.
    """
    by_path: dict[str, set[str]] = defaultdict(set)
    for path, sha256 in originals:
        if _NAMES_ITS_START.search(PurePath(path).stem):
            by_path[path].add(sha256)
    for path, digests in sorted(by_path.items()):
        for first, second in pairwise(sorted(digests)):
            yield Finding(
                code="REC-TRUE/SAME-NAME",
                axis=Axis.PROVENANCE,
                severity=Severity.SUSPICION,
                zh=f"同一设备有两份内容不同的文件 {path}，文件名载明同一开始时间：其中之一被改动过；两份均已保存。",
                en=f"two files of one camera are named {path}, which names one start, and differ: one of them was "
                "changed; both are kept",
                evidence={"path": path, "sha256": first, "sha256_other": second},
            )


def check_refused(
    awaited: Iterable[DockedCopy], refused: Iterable[Refused], arrived: Collection[str]
) -> Iterator[Finding]:
    """REC-TRUE/DOCK-DIFFERS: for a listed file other bytes were delivered, and the listed ones never came."""
    lines = {(line.docking, line.path): line for line in awaited if line.sha256 not in arrived}
    for each in refused:
        line = lines.get((each.docking, each.path))
        if line is not None and line.sha256 == each.expected:
            yield Finding(
                code="REC-TRUE/DOCK-DIFFERS",
                axis=Axis.PROVENANCE,
                severity=Severity.SUSPICION,
                zh=f"采集站送来的 {each.path} 与其签名清单不符，已单独存放；清单所列的内容至今未入库。",
                en=f"what the station delivered as {each.path} is not what it listed and was set apart; "
                "the listed bytes have not come",
                evidence={
                    "path": each.path,
                    "docking": each.docking,
                    "expected": each.expected,
                    "received": each.received,
                    "rejection": each.rejection,
                },
            )


def _unnamed(serial: str) -> bool:
    return not serial or serial.startswith(QUARANTINE)
