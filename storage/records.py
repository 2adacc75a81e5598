"""The domain's words as frozen types. No I/O here.

The Chinese term stands beside each word: it is the one the users know (see docs/words.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class Digest:
    """What a file is, in three figures (摘要).

    `sha256`: 64 lower-case hex digits over the whole file. `root`: the RFC 6962 Merkle root, hex, over its 1 MiB
    chunks as leaves. `size`: bytes. `sm3`: 64 hex digits over the whole file (GB/T 32905), if the setting asks for it.
    """

    sha256: str
    root: str
    size: int
    sm3: str | None = None


class Verdict(StrEnum):
    """结论: what the checks say of one recording. Never "authentic": only what was checked and found."""

    CONTINUOUS = "continuous"  # 连续
    INTERRUPTED = "interrupted"  # 中断
    ALTERED = "altered"  # 疑似篡改
    REVIEW = "review"  # 待核查
    UNREADABLE = "unreadable"  # 无法读取


class Severity(StrEnum):
    VIOLATION = "violation"  # 违规: a rule is broken and the file proves it
    SUSPICION = "suspicion"  # 疑点: a person must look
    NOTE = "note"  # 提示: context


class Axis(StrEnum):
    FILE = "file"
    TIMELINE = "timeline"
    PROVENANCE = "provenance"


@dataclass(frozen=True, slots=True)
class Finding:
    """发现: one thing a check found. Immutable for ever; people answer it with an excuse (中断说明).

    `code` is RULE/SIGNAL, such as "REC-CONTINUOUS/GAP-PTS". `start` and `end` are seconds on the file's timeline,
    None where the finding is of the file as a whole. `evidence` is plain JSON: packet numbers, byte offsets, boxes.
    """

    code: str
    axis: Axis
    severity: Severity
    zh: str
    en: str
    start: float | None = None
    end: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "axis": self.axis.value,
            "severity": self.severity.value,
            "start": self.start,
            "end": self.end,
            "evidence": dict(self.evidence),
            "zh": self.zh,
            "en": self.en,
        }


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A check that could not be made, and why: in English (`why`) and in Chinese (`zh`)."""

    check: str
    why: str
    zh: str

    def as_json(self) -> dict[str, str]:
        return {"check": self.check, "why": self.why, "zh": self.zh}


class Role(StrEnum):
    OFFICER = "officer"  # 执法人员
    APPROVER = "approver"  # 审批人
    LEGAL = "legal"  # 法制审核
    ARCHIVIST = "archivist"  # 档案管理员
    AUDITOR = "auditor"  # 审计员
    ADMIN = "admin"  # 系统管理员


class RetentionClass(StrEnum):
    """保管期限: KEEP-5Y and KEEP-LONG of the rules."""

    FIVE_YEARS = "five_years"
    LONG_TERM = "long_term"


class MediaKind(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"
    PHOTOS = "photos"
    UNKNOWN = "unknown"


class DerivativeKind(StrEnum):
    ACCESS = "access"  # 调阅件
    MASTER = "master"  # 归档件
    POSTER = "poster"  # 封面


class RequestKind(StrEnum):
    VIEW = "view"  # 调阅
    EXPORT = "export"  # 导出


class RequestState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class JobKind(StrEnum):
    ANALYSE = "analyse"
    DEEP = "deep"
    ACCESS = "access"
    MASTER = "master"
    TIER = "tier"
    RELEASE = "release"
    EXPORT = "export"
    TIMESTAMP = "timestamp"
    FIXITY = "fixity"
    REMIND = "remind"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class CaseFlag(StrEnum):
    """The grounds of rule KEEP-LONG: one of them makes a case's recordings long-term."""

    MEASURES = "measures"  # (1) enforcement measures were taken against the party 采取强制措施
    OBJECTION = "objection"  # (2) the party objects on site 当事人现场提出异议
    OBSTRUCTION = "obstruction"  # (3) the party refuses, obstructs, insults or attacks 拒绝、阻碍、侮辱、袭击
    OTHER = "other"  # (4) other need 其他需要


class RotationReason(StrEnum):
    """Why the ledger's key is replaced. It stands in the ledger in clear."""

    SCHEDULED = "scheduled"  # 定期更换
    COMPROMISED = "compromised"  # 疑似泄露
    MOVED = "moved"  # 迁移（如迁入密码设备）


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it. `kind`: user, station, service. `id`: login, station name or program part. Never a person's name."""

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class CustodyEvent:
    """One event of a custody chain (保管链), before the ledger gives it its index and `prev`.

    `subject` names whose chain it joins, "recording:ID", "case:ID", "station:ID", "request:ID", "device:SERIAL",
    "user:LOGIN", "ledger:keys". `payload` is plain JSON and holds no personal data in clear (see `storage.commitment`).
    `id` makes the event idempotent: the same id is logged once.
    """

    id: str
    event: str
    time: datetime
    actor: Actor
    subject: str
    payload: Mapping[str, Any]
