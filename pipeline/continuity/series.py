"""Files that belong to one recording: which they are, and whether one of them or time between them is missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.words import ranges
from storage.records import Axis, Finding, Severity

_PHOTO_SUFFIX = re.compile(r"\.(jpe?g|hei[cf]|dng|cr[23]|nef|arw|orf|rw2|png|tiff?)", re.IGNORECASE)
# A recording's start in 14 digits, then the number of the segment: LH00012_20261118093000_0001
_BODY_CAMERA = re.compile(r"(.*(?<!\d)\d{8}[_-]?\d{6}(?!\d).*?)[_-](\d{3,6})", re.DOTALL)
# GoPro chapters: GH010123, GX020123, GP010123 after GOPR0123 (gopro.com, "file naming convention")
_GOPRO = re.compile(r"(G[HXLSP])(\d\d)(\d{4})", re.IGNORECASE)
_GOPRO_FIRST = re.compile(r"GOPR(\d{4})", re.IGNORECASE)
# Design rule for Camera File system (JEITA CP-3461): four characters, then 0001 to 9999
_DCF = re.compile(r"([A-Za-z0-9_]{4})(\d{4})")
_DCF_LAST = 9999
_DCF_FOLDER = re.compile(r"\d{3}[A-Za-z0-9_]{5}")


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """`key`: the same for all files of one recording. `sequence`: the file's number in it, None for one alone."""

    key: str
    sequence: int | None


def series_key(name: str) -> SeriesKey:
    """Which recording a file belongs to, by its name alone (folders are left aside)."""
    path = PurePath(name.replace("\\", "/"))
    stem = path.stem
    if found := _BODY_CAMERA.fullmatch(stem):
        return SeriesKey(found[1], int(found[2]))
    if _PHOTO_SUFFIX.fullmatch(path.suffix):
        if found := _DCF.fullmatch(stem):
            return SeriesKey(found[1].rstrip("_").upper(), int(found[2]))
    elif found := _GOPRO.fullmatch(stem):
        return SeriesKey(f"{found[1].upper()}??{found[3]}", int(found[2]))
    elif found := _GOPRO_FIRST.fullmatch(stem):
        return SeriesKey(f"GP??{found[1]}", 0)
    return SeriesKey(stem, None)


@dataclass(frozen=True)
class Member:
    """One file of a series: its number, its picture, its place in the list that was given."""

    sequence: int
    picture: Picture
    index: int


@dataclass(frozen=True)
class Series:
    """Files of one recording in the order of their numbers. `taken`: numbers that films and sounds beside it bear."""

    key: str
    photos: bool
    members: tuple[Member, ...]
    taken: frozenset[int] = frozenset()

    @property
    def pairs(self) -> list[tuple[Member, Member]]:
        return list(pairwise(self.members))


def group(pictures: Sequence[Picture], beside: Iterable[str] = ()) -> list[Series]:
    """The series among the files: those of one folder and key, photos also of one device. Files alone are left out.

    A photo series that runs over 9999 is put in the order it was taken, its numbers going on at 10000; one that goes on
    in the next DCF folder (100CANON, 101CANON) is one. `beside`: names of further files that lay with these.
    """
    found: dict[tuple[str, ...], list[Member]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        own = series_key(picture.name)
        if own.sequence is not None:
            found[_together(picture, own.key)].append(Member(_number(picture, own.sequence), picture, index))
    taken = _taken_numbers([*(picture.name for picture in pictures), *beside])
    series = []
    for key, members in _folders_joined(found).items():
        photos = key[1] == "photos"
        ordered = _after_rollover(members) if photos else members
        if len(members) > 1 or (not photos and members[0].sequence > 1):
            numbers = frozenset(taken[_parent(key[0])]) if photos else frozenset()
            in_order = tuple(sorted(ordered, key=lambda m: (m.sequence, m.index)))
            series.append(Series(key[2], photos, in_order, numbers))
    return series


def _together(picture: Picture, key: str) -> tuple[str, ...]:
    folder = _folder(picture.name)
    if _PHOTO_SUFFIX.fullmatch(PurePath(picture.name).suffix):
        return folder, "photos", key, picture.metadata.make, picture.metadata.model, picture.metadata.serial
    return folder, "segments", key


def _folder(name: str) -> str:
    return str(PurePath(name.replace("\\", "/")).parent)


def _parent(folder: str) -> str:
    """The folder of the DCF folders, for any other folder itself."""
    path = PurePath(folder)
    return str(path.parent) if _DCF_FOLDER.fullmatch(path.name) else folder


def _taken_numbers(names: Iterable[str]) -> dict[str, set[int]]:
    """By folder (of the DCF folders): numbers that files other than photos bear. Many cameras count both in one."""
    taken: dict[str, set[int]] = defaultdict(set)
    for name in names:
        path = PurePath(name.replace("\\", "/"))
        if (found := _DCF.fullmatch(path.stem)) and not _PHOTO_SUFFIX.fullmatch(path.suffix):
            taken[_parent(str(path.parent))].add(int(found[2]))
    return taken


def _folders_joined(found: Mapping[tuple[str, ...], list[Member]]) -> dict[tuple[str, ...], list[Member]]:
    """Photo series of DCF folders side by side are one where the numbers go on, two where they begin again."""
    joined: dict[tuple[str, ...], list[Member]] = {}
    for key in sorted(found):
        before = next((k for k in joined if k[1:] == key[1:] and _goes_on(k[0], key[0], joined[k], found[key])), None)
        if key[1] == "photos" and before is not None:
            joined[before] = joined[before] + found[key]
        else:
            joined[key] = list(found[key])
    return joined


def _goes_on(folder: str, following: str, members: Sequence[Member], more: Sequence[Member]) -> bool:
    if folder == following or _parent(folder) != _parent(following) or _parent(folder) == folder:
        return False
    return max(m.sequence for m in members) < min(m.sequence for m in more)


def counter(picture: Picture) -> int | None:
    """The camera's own file number from EXIF, without its folder part (Canon: 1020446 → 446)."""
    for name in ("FileNumber", "FileIndex", "ImageNumber"):
        text = picture.metadata.first(name)
        if text.replace("-", "").isdigit():
            return int(text.replace("-", "")) % (_DCF_LAST + 1)
    return None


def _number(picture: Picture, by_name: int) -> int:
    own = counter(picture) if picture.photo else None
    return by_name if own is None else own


def _after_rollover(members: Sequence[Member]) -> list[Member]:
    """Where high and low numbers meet, the low ones come after 9999: cameras go on at 0001."""
    numbers = sorted({member.sequence for member in members})
    holes = [(after - before, after) for before, after in pairwise(numbers)]
    widest, first_high = max(holes, default=(0, 0))
    if widest <= _DCF_LAST // 2:
        return list(members)
    return [m if m.sequence >= first_high else Member(m.sequence + _DCF_LAST, m.picture, m.index) for m in members]


def missing_numbers(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENT-MISSING, PHOTO-MISSING: a number between two others has no file."""
    for before, after in series.pairs:
        between = range(before.sequence + 1, after.sequence)
        absent = [number for number in between[:1000] if (number - 1) % _DCF_LAST + 1 not in series.taken]
        count = len(absent) + max(0, len(between) - 1000)
        if count > 0:
            yield (
                _photos_missing(before, after, absent, count, limits)
                if series.photos
                else _missing(series, before, after, absent)
            )


def _missing(series: Series, before: Member, after: Member, absent: list[int]) -> Finding:
    start = _on_series_clock(series, before)
    end = _on_series_clock(series, after)
    return Finding(
        code="REC-CONTINUOUS/SEGMENT-MISSING",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION,
        start=None if start is None else round(start + (before.picture.media_duration or 0.0), 3),
        end=None if end is None else round(end, 3),
        zh=f"缺少第 {ranges(absent)} 段：{_name(before)} 之后即为 {_name(after)}。",
        en=f"segment {ranges(absent)} is missing between {_name(before)} and {_name(after)}",
        evidence={"before": before.picture.name, "after": after.picture.name, "missing": absent},
    )


def _photos_missing(before: Member, after: Member, absent: list[int], count: int, limits: Thresholds) -> Finding:
    counted = counter(before.picture) is not None and counter(after.picture) is not None
    proven = counted and count <= limits.photo_hole
    numbers = ranges([(number - 1) % _DCF_LAST + 1 for number in absent])
    return Finding(
        code="REC-CONTINUOUS/PHOTO-MISSING",
        axis=Axis.TIMELINE,
        severity=Severity.VIOLATION if proven else Severity.SUSPICION,
        zh=f"照片编号不连续：{_name(before)} 与 {_name(after)} 之间缺少 {numbers}，共 {count} 张。",
        en=f"photo numbers are not continuous: {numbers} ({count}) missing between {_name(before)} and {_name(after)}",
        evidence={
            "before": before.picture.name,
            "after": after.picture.name,
            "missing": absent[:100],
            "count": count,
            "counter": "EXIF" if counted else "file name",
            "taken": [_taken(before.picture), _taken(after.picture)],
        },
    )


def _taken(picture: Picture) -> str | None:
    taken = picture.metadata.taken
    return taken[0].strftime("%Y-%m-%dT%H:%M:%S") if taken else None


def first_missing(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-CONTINUOUS/SEGMENTS-BEFORE: the first file at hand is not the recording's first segment."""
    first = series.members[0]
    if not series.photos and first.sequence > 1:
        alone = len(series.members) == 1
        yield Finding(
            code="REC-CONTINUOUS/SEGMENTS-BEFORE",
            axis=Axis.TIMELINE,
            severity=Severity.NOTE if alone else Severity.SUSPICION,
            zh=f"从第 {first.sequence} 段开始，此前的分段不在所检查的文件中。",
            en=f"begins with segment {first.sequence}: the segments before it are not among the files checked",
            evidence={"first": first.picture.name, "sequence": first.sequence},
        )


def same_number(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SAME-NUMBER: two files of one kind carry the same number (a RAW beside its JPEG is normal)."""
    for before, after in series.pairs:
        alike = PurePath(before.picture.name).suffix.lower() == PurePath(after.picture.name).suffix.lower()
        if before.sequence == after.sequence and alike:
            yield Finding(
                code="REC-TRUE/SAME-NUMBER",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"{_name(before)} 与 {_name(after)} 编号相同（{before.sequence}）。",
                en=f"{_name(before)} and {_name(after)} carry the same number ({before.sequence})",
                evidence={"files": [before.picture.name, after.picture.name], "number": before.sequence},
            )


def renamed(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/RENAMED: a photo's name and the number inside it differ."""
    for member in series.members:
        own, named = counter(member.picture), series_key(member.picture.name).sequence
        if series.photos and member.picture.photo and own is not None and named is not None and own != named:
            yield Finding(
                code="REC-TRUE/RENAMED",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"{_name(member)} 内记录的编号为 {own}，文件可能被改名。",
                en=f"{_name(member)} has number {own} inside: it may have been renamed",
                evidence={"file": member.picture.name, "name": named, "counter": own},
            )


def foreign_device(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/SERIAL-CHANGED: segments of one recording name different devices."""
    serials = {member.picture.metadata.serial: member.picture.name for member in series.members}
    serials.pop("", None)
    if len(serials) > 1 and not series.photos:
        listed = "、".join(sorted(serials))
        yield Finding(
            code="REC-TRUE/SERIAL-CHANGED",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION,
            zh=f"同一录像的分段来自不同设备：{listed}。",
            en=f"segments of one recording come from different devices: {', '.join(sorted(serials))}",
            evidence={"serials": serials},
        )


def other_coding(series: Series, limits: Thresholds) -> Iterator[Finding]:
    """REC-TRUE/PARAMETERS-CHANGED: a segment is coded otherwise than the one before (codec, size, parameter sets)."""
    if series.photos:
        return
    for before, after in series.pairs:
        was, now = _coding(before.picture), _coding(after.picture)
        if was and now and was != now:
            yield Finding(
                code="REC-TRUE/PARAMETERS-CHANGED",
                axis=Axis.FILE,
                severity=Severity.SUSPICION,
                zh=f"{_name(after)} 的编码参数与前一段不同，可能不是同一台设备连续录制。",
                en=f"{_name(after)} is coded otherwise than the segment before: perhaps not recorded in one go",
                evidence={"before": [list(each) for each in was], "after": [list(each) for each in now]},
            )


def _coding(picture: Picture) -> list[tuple[object, ...]]:
    return [
        (s.kind, s.codec, s.width, s.height, s.sample_rate, s.channels, s.extradata_sha256[:16])
        for s in (track.stream for track in picture.tracks)
        if s.kind in ("video", "audio")
    ]


def _on_series_clock(series: Series, member: Member) -> float | None:
    """Seconds from the first segment's date to this one's; None without dates."""
    first = series.members[0].picture.created
    return None if first is None or member.picture.created is None else float(member.picture.created - first)


def _name(member: Member) -> str:
    return PurePath(member.picture.name).name
