"""Photos of one camera against each other: which of them was saved again, redated or put in?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import PurePath

from pipeline.continuity.clocks import off_by_zone
from pipeline.continuity.model import Picture
from pipeline.continuity.series import Member, Series
from pipeline.continuity.thresholds import Thresholds
from storage.records import Axis, Finding, Severity

_CAMERA_GROUPS = (
    "File",
    "ExifTool",
    "Composite",
    "XMP",
    "ICC",
    "JFIF",
    "IPTC",
    "Photoshop",
    "GPS",
    "Liuhen",
    "MP",
    "IFD",
)
Words = tuple[str, str]


def odd_ones(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """UP-ORIGINAL/PHOTO-ODD: a photo is built otherwise than the others of its series, in two ways or more.

    A camera builds all its photos alike: order of the segments, sampling of the colours, Huffman tables, byte order,
    its own notes. Saving again by any program changes several of these at once; one alone may be a mode of the camera.
    Quantisation tables, sizes and positions vary from photo to photo and are left out.
    """
    members = [m for m in series.members if m.picture.photo and m.picture.photo.jpeg]
    if not series.photos or len(members) < 2:
        return
    every = [built(member.picture) for member in members]
    marked = [_marks(own, every) for own in every]
    for n, member in enumerate(members):
        if not any(marked) or marked[n]:
            reasons = marked[n] + _lesser(every[n], every, half=not any(marked) or bool(marked[n]))
            if len(reasons) > 1:
                yield _odd_one(member, reasons)


def built(picture: Picture) -> dict[str, str]:
    """How the photo is built, trait by trait."""
    coded = picture.photo.jpeg if picture.photo else None
    assert coded  # noqa: S101  (callers leave out what has none)
    tags = picture.metadata.tags
    return {
        "JFIF": "yes" if any(part.startswith("APP0/JFIF") for part in coded.segments) else "no",
        "segments": " ".join(_unrepeated([part for part in coded.segments if not part.startswith("APP0")])),
        "sampling": coded.sampling,
        "Huffman tables": "standard" if coded.standard_huffman else "own",
        "byte order": str(tags.get("File:ExifByteOrder", "")),
        "maker notes": "yes" if _maker_notes(picture) else "no",
        "thumbnail": "x".join(map(str, coded.thumbnail)) if coded.thumbnail else "no",
        "software": str(tags.get("IFD0:Software", "")),
    }


def _unrepeated(parts: Sequence[str]) -> list[str]:
    """Extended XMP, ICC and preview data take as many segments as they need."""
    return [part for n, part in enumerate(parts) if not (n and parts[n - 1] == part and part.startswith("APP"))]


def _maker_notes(picture: Picture) -> bool:
    """A group of the camera's own: neither of the file, of EXIF, nor of what programs add."""
    groups = {key.partition(":")[0] for key in picture.metadata.tags}
    return any(not group.startswith((*_CAMERA_GROUPS, "Exif", "Interop", "SubIFD", "APP")) for group in groups)


# Traits that programs add or lose when they save: having them beside photos that do not is enough, even half and half.
_LEFT_BY_SAVING = {"JFIF": "yes", "maker notes": "no", "thumbnail": "no"}
_TRAITS = {
    "JFIF": ("带有 JFIF 标记", "it has a JFIF marker"),
    "segments": ("文件段的次序不同", "its segments are in another order"),
    "sampling": ("色度采样不同", "its colours are sampled otherwise"),
    "Huffman tables": ("霍夫曼表的种类不同", "its Huffman tables are of another kind"),
    "byte order": ("EXIF 字节序不同", "its EXIF data have another byte order"),
    "maker notes": ("没有厂商注释", "it lacks the maker's notes"),
    "thumbnail": ("缩略图不同", "its thumbnail differs"),
    "software": ("软件名称不同", "another software signed it"),
}


def _marks(own: Mapping[str, str], every: Sequence[Mapping[str, str]]) -> list[Words]:
    """What saving leaves behind in this photo and not in others: the odd side, however many are on it."""
    return [
        _TRAITS[trait]
        for trait, value in _LEFT_BY_SAVING.items()
        if own[trait] == value and any(other[trait] != value for other in every)
    ]


def _lesser(own: Mapping[str, str], every: Sequence[Mapping[str, str]], *, half: bool) -> list[Words]:
    """In what this photo is of the lesser part of its series; `half`: or of one of two equal parts."""
    reasons = []
    for trait in own.keys() - _LEFT_BY_SAVING.keys():
        others = Counter(other[trait] for other in every if other[trait] != own[trait])
        alike = len(every) - others.total()
        most = max(others.values(), default=0)
        if most > alike or (half and most == alike):
            reasons.append(_TRAITS[trait])
    return sorted(reasons)


def _odd_one(member: Member, reasons: Sequence[Words]) -> Finding:
    name = PurePath(member.picture.name).name
    return Finding(
        code="UP-ORIGINAL/PHOTO-ODD",
        axis=Axis.PROVENANCE,
        severity=Severity.SUSPICION,
        zh=f"{name} 的构成与同一系列的其他照片不同（{'、'.join(zh for zh, _ in reasons)}），可能被另存过。",
        en=f"{name} is built otherwise than the others of its series ({', '.join(en for _, en in reasons)}): "
        "it may have been saved again",
        evidence={"file": member.picture.name, "built": built(member.picture)},
    )


def out_of_order(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PHOTO-ORDER: a photo with a higher number was taken earlier, and no change of time zone explains it."""
    dated = [(m, m.picture.metadata.taken[0]) for m in series.members if m.picture.photo and m.picture.metadata.taken]
    for (before, was), (after, now) in pairwise(dated if series.photos else []):
        back = off_by_zone((was - now).total_seconds())
        if was > now and back > limits.photo_modified and after.sequence > before.sequence:
            names = PurePath(before.picture.name).name, PurePath(after.picture.name).name
            yield Finding(
                code="REC-TRUE/PHOTO-ORDER",
                axis=Axis.TIMELINE,
                severity=Severity.SUSPICION,
                zh=f"{names[1]} 编号在 {names[0]} 之后，拍摄时间却早 {(was - now).total_seconds():.0f} 秒："
                "时钟被回拨，或日期、编号被改过。",
                en=f"{names[1]} comes after {names[0]} by its number and {(was - now).total_seconds():.0f} s before it "
                "by its date: the clock was set back, or a date or number changed",
                evidence={
                    "files": [before.picture.name, after.picture.name],
                    "numbers": [before.sequence, after.sequence],
                    "taken": [f"{was:%Y-%m-%dT%H:%M:%S}", f"{now:%Y-%m-%dT%H:%M:%S}"],
                },
            )


def run_time(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PHOTO-RUN-TIME: an iPhone's time since power-up advanced by more than the dates did.

    It counts while the telephone is awake and begins anew at 0, so between two photos it can't gain on the calendar.
    """
    timed = [(member, run, taken) for member in series.members if (run := _run_time(member.picture)) is not None
             and (taken := member.picture.metadata.taken)]  # fmt: skip
    by_date = sorted(timed, key=lambda each: each[2][0])
    for (before, was, then), (after, now, later) in pairwise(by_date):
        passed = (later[0] - then[0]).total_seconds()
        ran = now - was if now >= was else now  # after a new start it began at 0 within the time between
        if ran > passed + limits.photo_run_time:
            names = PurePath(before.picture.name).name, PurePath(after.picture.name).name
            yield Finding(
                code="REC-TRUE/PHOTO-RUN-TIME",
                axis=Axis.PROVENANCE,
                severity=Severity.SUSPICION,
                zh=f"{names[0]} 与 {names[1]} 的拍摄时间相隔 {passed:.0f} 秒，手机却运行了 {ran:.0f} 秒：日期被改过。",
                en=f"{names[0]} and {names[1]} are {passed:.0f} s apart by their dates, the telephone ran {ran:.0f} s "
                "in between: a date was changed",
                evidence={"files": [before.picture.name, after.picture.name], "run": [was, now], "dates": passed},
            )


def _run_time(picture: Picture) -> float | None:
    """Seconds since the telephone was switched on (Apple maker notes, RunTime)."""
    value, scale = (picture.metadata.tags.get(f"Apple:RunTime{part}") for part in ("Value", "Scale"))
    if not picture.photo or not isinstance(value, int) or not isinstance(scale, int) or scale <= 0:
        return None
    return value / scale


CHECKS = (odd_ones, out_of_order, run_time)
