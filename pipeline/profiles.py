"""Device profiles kept and found: learned from genuine files of a registered device, stored in the catalogue.

`liuhen check --profile FILE.json` uses the same form without a server.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.check import walk
from pipeline.continuity.profile import SCHEMA, Profile, Specimen, borrowed, learn
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import judge
from pipeline.derive import json_digest
from pipeline.reading import Progress, Readers
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, DeviceProfile
from storage.clock import Clock, iso, new_id
from storage.errors import NotFound, Refused
from storage.records import Actor, CustodyEvent, Severity

_LARGEST = 16 << 20  # bytes of a profile file


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not learned: its name, and why in both languages."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Lesson:
    """What came of learning."""

    profile: Profile
    learned: tuple[str, ...]
    refused: tuple[Refusal, ...]


class Profiles:
    """The profiles of a catalogue. Learning and forgetting are custody events of the device."""

    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue, self._clock = catalogue, clock

    def learn(
        self, serial: str, paths: Sequence[Path], limits: Thresholds, *, by: Actor, anyway: bool = False,
        progress: Progress | None = None,
    ) -> Lesson:  # fmt: skip
        """Learn the files and add them to the device's profile.

        Raises NotFound for an unregistered device, Refused when none of the files could be learned; see `lesson`.
        """
        with self._catalogue.read() as session:
            if session.get(Device, serial) is None:
                raise NotFound(
                    f"设备 {serial} 未登记，请先在“管理 · 设备”中登记。",
                    f"device {serial} is not registered: register it under Administration first",
                )
            before = find(session, serial)
        made = lesson(serial, paths, limits, iso(self._clock()), before=before, anyway=anyway, progress=progress)
        with self._catalogue.write() as session:
            self._keep(session, made.profile, by)
        return made

    def all(self) -> list[Profile]:
        with self._catalogue.read() as session:
            rows = session.scalars(select(DeviceProfile).order_by(DeviceProfile.serial)).all()
        return [parse(row.profile) for row in rows]

    def get(self, serial: str) -> Profile:
        """Raises NotFound."""
        with self._catalogue.read() as session:
            profile = find(session, serial)
        if profile is None:
            raise NotFound(f"设备 {serial} 没有特征档案。", f"device {serial} has no profile")
        return profile

    def forget(self, serial: str, *, by: Actor) -> None:
        """Raises NotFound."""
        with self._catalogue.write() as session:
            row = session.get(DeviceProfile, serial)
            if row is None:
                raise NotFound(f"设备 {serial} 没有特征档案。", f"device {serial} has no profile")
            session.delete(row)
            self._record(session, "device.forgotten", serial, {"device": serial}, by)

    def _keep(self, session: Session, profile: Profile, by: Actor) -> None:
        row = session.get(DeviceProfile, profile.serial)
        if row is None:
            row = DeviceProfile(serial=profile.serial)
            session.add(row)
        row.model, row.files, row.profile = profile.model, len(profile.files), as_json(profile)
        row.made = self._clock()
        payload = {
            "device": profile.serial,
            "files": len(profile.files),
            "newest": list(profile.files[-20:]),
            "profile_sha256": json_digest(row.profile),
        }
        self._record(session, "device.learned", profile.serial, payload, by)

    def _record(self, session: Session, event: str, serial: str, payload: dict[str, Any], by: Actor) -> None:
        made = CustodyEvent(
            id=new_id(), event=event, time=self._clock(), actor=by, subject=f"device:{serial}", payload=payload
        )
        custody.record(session, made)


def find(session: Session, serial: str) -> Profile | None:
    """The profile of the device with that serial number."""
    row = session.get(DeviceProfile, serial)
    return parse(row.profile) if row else None


def for_device(session: Session, serial: str) -> Profile | None:
    """The device's own profile, else that of another of its model, whose departures are suspicions only."""
    if (own := find(session, serial)) is not None:
        return own
    device = session.get(Device, serial)
    if device is None or not device.model:
        return None
    query = (
        select(DeviceProfile).join(Device, Device.serial == DeviceProfile.serial).where(Device.model == device.model)
    )
    row = session.scalars(query.order_by(DeviceProfile.files.desc(), DeviceProfile.serial)).first()
    return borrowed(parse(row.profile)) if row else None


def lesson(
    serial: str,
    paths: Sequence[Path],
    limits: Thresholds,
    now: str,
    *,
    before: Profile | None = None,
    anyway: bool = False,
    progress: Progress | None = None,
) -> Lesson:
    """Read the files (and those in folders) and learn those that may be genuine.

    Left out: what can't be read, and, unless `anyway`, files in which the checks find a violation. Raises Refused when
    nothing is left, NotFound or Refused when a file is absent or may not be opened.
    """
    files = walk(paths)
    specimens, refused = [], []
    with Readers([_size(file) for file in files], progress) as readers:
        for file in files:
            specimen = _specimen(readers, file, limits)
            if (refusal := _refusal(specimen, anyway=anyway)) is not None:
                refused.append(refusal)
            else:
                specimens.append(specimen)
    if not specimens:
        zh = "；".join(f"{each.name}：{each.zh}" for each in refused[:5]) or "没有文件"
        en = "; ".join(f"{each.name}: {each.en}" for each in refused[:5]) or "there is no file"
        raise Refused(f"没有可学习的文件（{zh}）。", f"there is nothing to learn ({en})")
    learned = tuple(each.picture.name for each in specimens)
    return Lesson(learn(serial, specimens, now, before), learned, tuple(refused))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError as error:
        raise NotFound(f"找不到文件：{file}", f"no such file: {file}") from error
    except OSError as error:
        raise Refused(f"无法读取 {file}：{error.strerror}", f"can't read {file}: {error.strerror}") from error


def _specimen(readers: Readers, file: Path, limits: Thresholds) -> Specimen:
    picture, sha256 = readers.look(file, str(file))
    return Specimen(picture, sha256, judge(picture, sha256, limits).findings)


def _refusal(specimen: Specimen, *, anyway: bool) -> Refusal | None:
    picture = specimen.picture
    if picture.problem:
        return Refusal(picture.name, *picture.problem)
    broken = [finding for finding in specimen.findings if finding.severity is Severity.VIOLATION]
    if broken and not anyway:
        codes = ", ".join(dict.fromkeys(finding.code for finding in broken))
        return Refusal(picture.name, f"检测出违规（{codes}），不作为真实文件学习", f"the checks find {codes} in it")
    return None


def as_json(profile: Profile) -> dict[str, Any]:
    """Plain JSON, as docs/continuity.md describes it."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(profile)))
    return plain


def parse(data: Any) -> Profile:
    """Raises Refused for anything but a profile of this version."""
    try:
        profile = TypeAdapter(Profile).validate_python(data)
    except ValueError as error:
        raise Refused(f"不是有效的设备特征档案：{error}", f"this is no device profile: {error}") from error
    if profile.schema != SCHEMA:
        raise Refused(
            f"设备特征档案的版本不符：{profile.schema}", f"a device profile of another version: {profile.schema}"
        )
    return profile


def load(path: Path) -> Profile:
    """A profile from a file, as `liuhen admin device show` prints it. Raises NotFound or Refused."""
    if _size(path) > _LARGEST:
        raise Refused(f"{path} 过大，不是设备特征档案。", f"{path} is too large for a device profile")
    try:
        return parse(json.loads(path.read_bytes()))
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path} 不是 JSON：{error}", f"{path} is no JSON: {error}") from error
