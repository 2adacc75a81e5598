"""MXF files: are the partitions where they say, is the footer there, and how many programs wrote the file?"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.continuity.model import Picture
from pipeline.continuity.places import Places
from pipeline.continuity.structure import Mxf
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import clock
from storage.records import Axis, Finding, Severity


def partitions(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PARTITION: a partition is not where it notes: bytes before it were taken out or put in."""
    mxf = picture.structure.mxf if picture.structure else None
    if mxf and mxf.broken:
        at = Places(picture).before(mxf.broken[0])
        yield Finding(
            code="REC-TRUE/PARTITION",
            axis=Axis.FILE,
            severity=Severity.VIOLATION,
            start=at,
            end=at,
            zh=f"有 {len(mxf.broken)} 个分区不在其自身记录的位置：此前有数据被移除或插入。",
            en=f"{len(mxf.broken)} partitions are not where they say: data before them were taken out or put in",
            evidence={"partition packs": list(mxf.broken[:20])},
        )


def packages(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/PACKAGE-COUNT: the count in the content packages (one to a picture) does not go on."""
    mxf = picture.structure.mxf if picture.structure else None
    places = Places(picture)
    for number, offset, expected, count in mxf.counts if mxf else ():
        start, end = places.before(offset), places.after(offset)
        at = f"{clock(start)} " if start is not None else ""
        yield Finding(
            code="REC-CONTINUOUS/PACKAGE-COUNT",
            axis=Axis.TIMELINE,
            severity=Severity.VIOLATION,
            start=start,
            end=end,
            zh=f"{at}处帧计数由 {expected} 变为 {count}：其间内容被移除或插入。",
            en=f"{at}the count of the pictures' packages jumps ({expected} is due, {count} is there): cut or joined",
            evidence={"offset": offset, "package": number, "expected": expected, "found": count},
        )


def footer(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/TRUNCATED: the header names a footer that isn't there. REC-TRUE/UNFINISHED: never closed."""
    mxf = picture.structure.mxf if picture.structure else None
    if not mxf or mxf.broken:
        return
    if mxf.footer_noted >= 0 and mxf.footer_noted != mxf.footer_found:
        yield _footer(mxf, picture)
    elif mxf.footer_found < 0 and mxf.status.startswith("open"):
        yield Finding(
            code="REC-TRUE/UNFINISHED",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh="文件没有正常写完（没有尾分区），多为录制时断电所致。",
            en="the file was never finished (no footer partition), as after a power cut",
            evidence={"status": mxf.status},
        )


def _footer(mxf: Mxf, picture: Picture) -> Finding:
    ends = [track.end for track in picture.tracks if track.end is not None]
    at = round(max(ends), 6) if ends else None
    return Finding(
        code="REC-CONTINUOUS/TRUNCATED",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=at,
        end=at,
        zh="文件被截断：文件头所记的尾分区不在文件中。",
        en="the file is cut off: the footer that the header names is not there",
        evidence={"noted": mxf.footer_noted, "found": mxf.footer_found, "size": picture.size},
    )


def writers(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/WRITTEN-AGAIN: more than one Identification set: each program that modifies the file adds its own."""
    mxf = picture.structure.mxf if picture.structure else None
    if mxf and len(mxf.identifications) > 1:
        names = [f"{each.company} {each.product}".strip() for each in mxf.identifications[:5]]
        yield Finding(
            code="UP-ORIGINAL/WRITTEN-AGAIN",
            axis=Axis.PROVENANCE,
            severity=Severity.SUSPICION,
            zh=f"文件由 {len(mxf.identifications)} 个程序先后写入或修改（{'、'.join(names)[:120]}）。",
            en=f"{len(mxf.identifications)} programs wrote or modified the file ({', '.join(names)[:120]})",
            evidence={
                "identifications": [
                    [each.company, each.product, each.version, each.modified] for each in mxf.identifications[:20]
                ]
            },
        )


def edit_units(picture: Picture, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/FRAME-COUNT: the structural metadata declare another number of pictures than the file holds."""
    mxf = picture.structure.mxf if picture.structure else None
    if mxf and mxf.edit_units > 0 and mxf.edit_units_found > 1 and abs(mxf.edit_units - mxf.edit_units_found) > 2:
        yield Finding(
            code="REC-TRUE/FRAME-COUNT",
            axis=Axis.FILE,
            severity=Severity.SUSPICION,
            zh=f"元数据声明有 {mxf.edit_units} 帧画面，文件中有 {mxf.edit_units_found} 帧。",
            en=f"the metadata declare {mxf.edit_units} pictures, the file holds {mxf.edit_units_found}",
            evidence={"declared": mxf.edit_units, "found": mxf.edit_units_found},
        )


CHECKS = (packages, partitions, footer, writers, edit_units)
