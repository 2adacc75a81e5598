"""What became of the files of a card, in values and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.card import CardFile, Changed, Unreadable
from ingest.device import Identity
from ingest.manifest import DeviceLine
from storage.errors import LiuhenError, Refused
from storage.records import Digest

NOTE = ("设备说明文件，仅列入清单", "a note about the camera, listed only")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one file. `safe`: its receipt is verified and kept at `receipt`. `note`: it was only listed.

    `passing`: what kept it from being safe may pass by itself.
    """

    path: str
    size: int
    sha256: str | None
    safe: bool
    zh: str
    en: str
    receipt: Path | None = None
    note: bool = False
    passing: bool = False

    def as_json(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "size": self.size,
            "sha256": self.sha256,
            "safe": self.safe,
            "zh": self.zh,
            "en": self.en,
            "receipt": str(self.receipt) if self.receipt else None,
        }


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a card. `rejections`: what the server has set apart of this station, as it says it."""

    docking: str
    identity: Identity
    results: tuple[Result, ...]
    card: str = ""
    rejections: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def device(self) -> DeviceLine:
        return self.identity.device

    @property
    def kept(self) -> bool:
        """Whether every file that is no note about the camera itself is safe."""
        return all(result.safe or result.note for result in self.results)

    @property
    def safe(self) -> bool:
        """Whether the camera may be wiped (可清除): everything is kept, and it is known whose recordings they are."""
        return self.kept and (self.empty or not self.device.quarantine)

    @property
    def empty(self) -> bool:
        """Whether there was nothing to bring over."""
        return all(result.note for result in self.results)

    @property
    def passing(self) -> bool:
        """Whether docking it again may bring over what is missing now."""
        return any(result.passing for result in self.results)

    def as_json(self) -> dict[str, Any]:
        return {
            "docking": self.docking,
            "device": self.device.serial,
            "named_by": self.device.named_by,
            "quarantine": self.device.quarantine,
            "card": self.card,
            "safe_to_wipe": self.safe,
            "files": [result.as_json() for result in self.results],
            "rejections": list(self.rejections),
        }


def card_error(file: CardFile, error: Exception) -> Refused:
    """The clear sentence for a file that could not be read, or was not the same any more."""
    if isinstance(error, Changed):
        return Refused(
            f"“{file.path}”在采集过程中发生变化，未入库；请停止写入后重新采集。",
            f"“{file.path}” changed while it was docked and was not accepted: stop what writes to it, dock again",
        )
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return Refused(
        f"读取“{file.path}”失败（{why}）；请勿清除设备，检查存储卡后重新采集。",
        f"reading “{file.path}” failed ({why}): do not wipe the camera, check the card and dock again",
    )


def safe(file: CardFile, digest: Digest, receipt: Path) -> Result:
    return Result(file.path, file.size, digest.sha256, True, "可清除", "safe to wipe", receipt)


def failed(file: CardFile, digest: Digest, error: LiuhenError, *, passing: bool = False) -> Result:
    return Result(file.path, file.size, digest.sha256, False, error.zh, error.en, passing=passing)


def unreadable(each: Unreadable) -> Result:
    zh = f"无法读取（{each.why}），已列入清单但未上传；请勿清除设备。"
    en = f"can't be read ({each.why}); listed, not uploaded: do not wipe the camera"
    return Result(each.path, 0, None, False, zh, en)


def note(file: CardFile) -> Result:
    return Result(file.path, file.size, None, False, *NOTE, note=True)


def of(result: Result, file: CardFile) -> Result:
    """The result of the same bytes under another name."""
    return Result(
        file.path,
        file.size,
        result.sha256,
        result.safe,
        result.zh,
        result.en,
        result.receipt,
        passing=result.passing,
    )
