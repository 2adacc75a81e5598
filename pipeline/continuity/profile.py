"""Device profiles: what a device's genuine files have in common, and how another file departs from it. Pure.

What legitimately varies is learned as a set of values, within one mode of recording (codec, size, rate). From fewer
than ENOUGH files a set is no proof, so that a departure from it is a suspicion; likewise under a firmware not seen yet.
"""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.continuity import traits
from pipeline.continuity.model import Picture
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.traits import ENCODER, IDENTITY, KINDS, NAMES, WRITER, Trait
from storage.records import Axis, Finding, NotChecked, Severity

SCHEMA = "liuhen.profile/1"
ENOUGH = 3
# Traits that don't depend on the mode of recording.
_EVERYWHERE = {"software", "signed", "sensors", "metadata", "name", "named", "extras", "photo"}
# Of a mode that was not learned: these are compared with those of the other modes.
_ALIKE = {"format", "brand", "boxes"}
# Findings about how a file is written: a device may earn them with every file. Gaps and jumps are never usual.
_WRITTEN = ("UP-ORIGINAL/", "REC-TRUE/", "REC-MEDIA/", "REC-CONTINUOUS/AV-", "REC-CONTINUOUS/TELEMETRY-HEAD")
_NEVER_USUAL = ("REC-TRUE/PROFILE-", "REC-TRUE/UNREADABLE", "REC-TRUE/DAMAGED", "REC-TRUE/READ-STOPPED")


@dataclass(frozen=True, slots=True)
class Habits:
    """One mode of recording: its kind (video, audio, photos), how many files showed it, their traits, and the metadata
    tags all of them have.
    """

    kind: str
    files: int
    traits: Mapping[str, tuple[str, ...]]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """A device as its genuine files show it.

    `serial`: the device as it is registered; `inside`: serial numbers that the files themselves name. `files`: SHA-256
    of those learned. `usual`: code of a finding → in how many of them. `sound_late`, `sound_ends`: the greatest
    distance in seconds between picture and sound at their beginnings (a pre-event buffer has no sound) and ends;
    `interval`: the longest from one picture to the next. `borrowed`: learned from another device of the model, so that
    it proves nothing.
    """

    serial: str
    learned: str
    make: str = ""
    model: str = ""
    inside: tuple[str, ...] = ()
    firmware: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    modes: Mapping[str, Habits] = field(default_factory=dict)
    usual: Mapping[str, int] = field(default_factory=dict)
    sound_late: float = 0.0
    sound_ends: float = 0.0
    interval: float = 0.0
    borrowed: bool = False
    schema: str = SCHEMA


@dataclass(frozen=True, slots=True)
class Specimen:
    """A genuine file to learn from: its picture, its SHA-256, what the checks found in it."""

    picture: Picture
    sha256: str
    findings: tuple[Finding, ...] = ()


def learn(serial: str, specimens: Sequence[Specimen], now: str, before: Profile | None = None) -> Profile:
    """The profile with these files, added to `before`. Files it has learned already are left out."""
    known = before or Profile(serial, now)
    new = {each.sha256: each for each in specimens if each.sha256 not in known.files}
    pictures = [each.picture for each in new.values()]
    usual = Counter(known.usual)
    for each in new.values():
        usual.update({finding.code for finding in each.findings if finding.severity is not Severity.NOTE})
    return Profile(
        serial=serial,
        learned=now,
        make=known.make or _most(picture.metadata.make for picture in pictures),
        model=known.model or _most(picture.metadata.model for picture in pictures),
        inside=_united(known.inside, (picture.metadata.serial for picture in pictures)),
        firmware=_united(known.firmware, map(firmware, pictures)),
        files=(*known.files, *new),
        modes=_modes(known.modes, pictures),
        usual=dict(sorted(usual.items())),
        sound_late=max([known.sound_late, *(_apart(picture)[0] for picture in pictures)]),
        sound_ends=max([known.sound_ends, *(_apart(picture)[1] for picture in pictures)]),
        interval=max([known.interval, *map(_longest_interval, pictures)]),
    )


def borrowed(profile: Profile) -> Profile:
    """For another device of the same model."""
    return dataclasses.replace(profile, inside=(), borrowed=True)


def _most(values: Iterable[str]) -> str:
    common = Counter(value for value in values if value).most_common(1)
    return common[0][0] if common else ""


def _united(before: Sequence[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*before, *(each for each in more if each)}))


def _modes(before: Mapping[str, Habits], pictures: Sequence[Picture]) -> dict[str, Habits]:
    together: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        together[traits.mode(picture)].append(picture)
    modes = dict(before)
    for name, alike in sorted(together.items()):
        modes[name] = _habits(modes.get(name), alike)
    return modes


def _habits(before: Habits | None, pictures: Sequence[Picture]) -> Habits:
    values: dict[str, set[str]] = defaultdict(set)
    for name, known in before.traits.items() if before else ():
        values[name].update(known)
    for picture in pictures:
        for trait in traits.traits(picture):
            values[trait.name].add(trait.value)
    tags = [traits.tag_names(picture) for picture in pictures] + ([frozenset(before.tags)] if before else [])
    return Habits(
        kind=pictures[0].kind,
        files=len(pictures) + (before.files if before else 0),
        traits={name: tuple(sorted(each)) for name, each in sorted(values.items())},
        tags=tuple(sorted(frozenset.intersection(*tags))),
    )


def firmware(picture: Picture) -> str:
    """What the device says of its own software."""
    return picture.metadata.first("FirmwareVersion", "CanonFirmwareVersion", "Software", "AndroidVersion")[:80]


def _apart(picture: Picture) -> tuple[float, float]:
    """Seconds between the first pictures and sounds, and between the last."""
    seen, heard = (
        [track for track in picture.of_kind(kind) if track.start is not None and track.end is not None]
        for kind in ("video", "audio")
    )
    if not seen or not heard:
        return 0.0, 0.0
    starts = abs((heard[0].start or 0.0) - (seen[0].start or 0.0))
    return round(starts, 3), round(abs((heard[0].end or 0.0) - (seen[0].end or 0.0)), 3)


def _longest_interval(picture: Picture) -> float:
    """Without the first and last, as the gap check does."""
    inner = [each for track in picture.of_kind("video") for each in track.intervals[1:-1]]
    return round(max(inner, default=0.0), 3)


def limits_for(profile: Profile, limits: Thresholds) -> Thresholds:
    """The figures with what this device is known to do."""
    return dataclasses.replace(
        limits,
        av_start=max(limits.av_start, 1.2 * profile.sound_late),
        av_end=max(limits.av_end, 1.2 * profile.sound_ends),
        video_gap_suspicion=max(limits.video_gap_suspicion, 1.2 * profile.interval),
    )


def compare(picture: Picture, profile: Profile) -> Iterator[Finding]:
    """REC-TRUE/PROFILE-…: in what the file departs from the device's genuine files."""
    if picture.problem:
        return
    yield from _other_serial(picture, profile)
    proving = _firmware_known(picture, profile)
    if not proving and not profile.borrowed:
        yield _other_firmware(picture, profile)
    habits = profile.modes.get(traits.mode(picture))
    if not any(each.kind == picture.kind for each in profile.modes.values()):
        return
    departures: dict[str, list[str]] = defaultdict(list)
    for trait in traits.traits(picture):
        if _departs(trait, _known(profile, habits, picture.kind, trait.name)):
            departures[trait.name].append(trait.value)
    for name, values in departures.items():
        known = _known(profile, habits, picture.kind, name)
        severity = _severity(profile, habits, name, proving=proving)
        yield _departure(profile, severity, name, values, known)
    yield from _missing_tags(picture, profile, habits, proving=proving)


def _known(profile: Profile, habits: Habits | None, kind: str, name: str) -> tuple[str, ...]:
    """The values of a trait that count as the device's own; () where there is nothing to compare with."""
    if habits and name not in _EVERYWHERE:
        return habits.traits.get(name, ())
    if habits or name in _EVERYWHERE | _ALIKE:
        alike = [each for each in profile.modes.values() if each.kind == kind]
        return _united((), (value for each in alike for value in each.traits.get(name, ())))
    return ()


def _departs(trait: Trait, known: Sequence[str]) -> bool:
    if not known:
        return trait.name == "software"  # a device that signs with no program of our tables
    return trait.value not in known and _comparable(trait.name, trait.value, known)


def _comparable(name: str, value: str, known: Sequence[str]) -> bool:
    """Whether both sides are definite: short files show any pattern, some devices have none."""
    if name == "counters":
        return not any(word in each for each in (value, *known) for word in (" any", " other"))
    return not (name == "group" and ("variable" in known or value == "variable"))


def _firmware_known(picture: Picture, profile: Profile) -> bool:
    own = firmware(picture)
    if profile.borrowed:
        return False
    return not own or own in profile.firmware or any(t.name == "software" for t in traits.traits(picture))


def _severity(profile: Profile, habits: Habits | None, name: str, *, proving: bool) -> Severity:
    """What a rewritten container or another encoder shows is a violation once enough files have proved the habit."""
    if name == "software":
        return Severity.VIOLATION if len(profile.files) >= ENOUGH and not profile.borrowed else Severity.SUSPICION
    if KINDS[name] in (WRITER, ENCODER):
        return Severity.VIOLATION if proving and habits and habits.files >= ENOUGH else Severity.SUSPICION
    return Severity.NOTE if name in ("extras", "sensors") else Severity.SUSPICION


def _departure(profile: Profile, severity: Severity, name: str, values: Sequence[str], known: Sequence[str]) -> Finding:
    zh, en = NAMES[name]
    own, usual = "；".join(values)[:160], "；".join(known)[:160] or "—"
    files = len(profile.files)
    return Finding(
        code=f"REC-TRUE/PROFILE-{name.upper()}",
        axis=Axis.PROVENANCE,
        severity=severity,
        zh=f"与设备 {profile.serial} 的真实文件不符：{zh}为「{own}」，所学 {files} 个文件为「{usual}」。",
        en=f"not as device {profile.serial} writes its files: {en}: {own!r}, in the {files} files learned {usual!r}",
        evidence={"found": list(values)[:20], "learned": list(known)[:20], "files": files, "kind": KINDS[name]},
    )


def _other_serial(picture: Picture, profile: Profile) -> Iterator[Finding]:
    own = picture.metadata.serial
    if own and len(profile.inside) == 1 and own not in profile.inside:
        yield Finding(
            code="REC-TRUE/PROFILE-SERIAL",
            axis=Axis.PROVENANCE,
            severity=Severity.VIOLATION,
            zh=f"文件内的设备编号为 {own[:60]}，设备 {profile.serial} 的文件内为 {profile.inside[0]}：出自另一台设备。",
            en=f"the file names device {own[:60]}, those of {profile.serial} name {profile.inside[0]}: not from it",
            evidence={"found": own, "learned": list(profile.inside)},
        )


def _other_firmware(picture: Picture, profile: Profile) -> Finding:
    own, known = firmware(picture), profile.firmware
    return Finding(
        code="REC-TRUE/PROFILE-FIRMWARE",
        axis=Axis.PROVENANCE,
        severity=Severity.NOTE,
        zh=f"设备软件版本 {own} 未学习过（已学习：{'、'.join(known) or '—'}），与档案不符之处只作疑点。",
        en=f"firmware {own} has not been learned ({', '.join(known) or 'none'} was): departures from the profile are "
        "suspicions only",
        evidence={"found": own, "learned": list(profile.firmware)},
    )


def _missing_tags(picture: Picture, profile: Profile, habits: Habits | None, *, proving: bool) -> Iterator[Finding]:
    """REC-TRUE/PROFILE-TAGS: metadata that every genuine file has is absent; its identity above all."""
    own = traits.tag_names(picture)
    absent = [tag for tag in habits.tags if tag not in own] if habits else []
    identity = [tag for tag in absent if tag.rpartition(":")[2] in IDENTITY]
    if not absent or not habits:
        return
    stripped = bool(identity) or len(absent) > len(habits.tags) / 2
    proven = proving and bool(identity) and habits.files >= ENOUGH
    severity = Severity.VIOLATION if proven else Severity.SUSPICION if stripped else Severity.NOTE
    listed = ", ".join((identity or absent)[:5])
    yield Finding(
        code="REC-TRUE/PROFILE-TAGS",
        axis=Axis.PROVENANCE,
        severity=severity,
        zh=f"缺少设备 {profile.serial} 的文件都有的元数据（{listed}），共 {len(absent)} 项。",
        en=f"metadata that every file of device {profile.serial} has are absent ({listed}), {len(absent)} in all",
        evidence={"absent": absent[:50], "files": habits.files},
    )


def in_its_light(findings: Iterable[Finding], profile: Profile) -> Iterator[Finding]:
    """The findings, where those that the device's genuine files earn as well become notes.

    A suspicion when two of the files learned have it, or all; a violation only when all of at least ENOUGH do.
    """
    for finding in findings:
        seen, files = profile.usual.get(finding.code, 0), len(profile.files)
        enough = seen >= 2 or seen == files
        if finding.severity is Severity.VIOLATION:
            enough = seen == files >= ENOUGH
        written = finding.code.startswith(_WRITTEN) and not finding.code.startswith(_NEVER_USUAL)
        if seen and enough and written and finding.severity is not Severity.NOTE:
            yield dataclasses.replace(
                finding,
                severity=Severity.NOTE,
                zh=f"{finding.zh.rstrip('。')}（该设备的真实文件也是如此）。",
                en=f"{finding.en} (so do this device's genuine files)",
            )
        else:
            yield finding


def reservations(picture: Picture, profile: Profile) -> Iterator[NotChecked]:
    """What the profile leaves open for this file."""
    own = traits.mode(picture)
    habits = profile.modes.get(own)
    if profile.borrowed:
        why = f"the profile is of another device of the model ({profile.serial}): departures are suspicions only"
        yield NotChecked("device-profile", why, f"设备特征：借用同型号设备 {profile.serial} 的档案，不符之处只作疑点")
    if habits is None:
        modes = "、".join(profile.modes) or "—"
        why = f"device {profile.serial} has not been learned in this mode ({own}): {', '.join(profile.modes) or 'none'}"
        yield NotChecked("device-profile", why, f"设备特征：未学习过该录制模式（{own}），已学习 {modes}")
    elif habits.files < ENOUGH:
        why = f"learned from {habits.files} files in this mode, fewer than {ENOUGH}: departures are suspicions only"
        yield NotChecked("device-profile", why, f"设备特征：该模式只学习了 {habits.files} 个文件，不符之处只作疑点")
