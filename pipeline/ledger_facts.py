"""What the ledger's entries say of each thing, and how rows of the database are held against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from storage.records import CustodyEvent

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is not as recorded. `subject`: whose chain it concerns, "ledger" for the ledger itself."""

    subject: str
    zh: str
    en: str

    def as_json(self) -> dict[str, str]:
        return {"subject": self.subject, "zh": self.zh, "en": self.en}


@dataclass(slots=True)
class LedgerFacts:
    """The last word of the ledger on each thing: (topic, identifier) → the event's payload.

    A payload carries "@subject", "@actor" and "@id" of its event too. Memory grows with the number of things.
    """

    said: dict[str, dict[str, Facts]] = field(default_factory=dict)

    def add(self, event: CustodyEvent) -> None:
        """Take in the next event, in the ledger's order."""
        payload = {**event.payload, "@subject": event.subject, "@actor": str(event.actor), "@id": event.id}
        if event.event == "docking.received":  # with the key that its station had then
            payload["@key"] = self.last("station", f"station:{payload.get('station')}").get("public_key")
        for topic, key in _topics(event):
            self.said.setdefault(topic, {})[key] = payload

    def all(self, topic: str) -> Mapping[str, Facts]:
        return self.said.get(topic, {})

    def last(self, topic: str, key: str) -> Facts:
        """Empty when the ledger never spoke of it."""
        return self.all(topic).get(key, {})


_BY_PAYLOAD = {
    "original.received": "sha256",
    "tier.moved": "sha256",
    "request.made": "request",
    "request.decided": "request",
    "excuse.made": "excuse",
    "excuse.decided": "excuse",
    "docking.received": "docking",
    "export.made": "request",
}


def _topics(event: CustodyEvent) -> Iterator[tuple[str, str]]:
    name, payload = event.event, event.payload
    if name in _BY_PAYLOAD:
        yield name, str(payload.get(_BY_PAYLOAD[name]))
    elif name in ("analysis.made", "retention.set"):
        yield name, event.subject
    elif name == "derivative.made":
        yield name, derivative_id(payload.get("original"), payload.get("kind"), payload.get("retention"))
    elif name in ("case.opened", "case.changed") and event.subject.startswith("recording:"):
        yield "filed", event.subject
    elif name in ("case.opened", "case.changed") and "flags" in payload:
        yield "case", str(payload.get("case"))
    elif name in ("user.created", "user.changed") and "roles" in payload:
        yield "user", str(payload.get("user"))
    elif name == "user.certified":
        yield "certificate", str(payload.get("user"))
    elif name in ("station.enrolled", "station.key-rotated"):
        yield "station", event.subject
        yield "station-key", str(payload.get("public_key"))


def derivative_id(original: object, kind: object, retention: object) -> str:
    """How rows and entries name a derivative here."""
    return f"{original}/{kind}/{retention}"


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of one kind: (identifier, what the row says in the words of the event `topic`) for each.

    `both`: each entry must have its row too.
    """

    zh: str
    en: str
    topic: str
    rows: Callable[[Session], Iterable[tuple[str, Facts]]]
    both: bool = True


def apply(rule: Rule, session: Session, facts: LedgerFacts) -> Iterator[Wrong]:
    """What differs between the rows of one rule and the ledger."""
    seen = set()
    for key, row in rule.rows(session):
        seen.add(key)
        entry = facts.last(rule.topic, key)
        if not entry:
            yield Wrong(
                str(row.get("@subject", "")),
                f"数据库中的{rule.zh} {key} 在存证链中没有条目。",
                f"the {rule.en} {key} in the database has no entry in the ledger",
            )
            continue
        for name, value in row.items():
            if entry.get(name) != value:
                yield differs(rule, key, name, (value, entry.get(name)), str(entry["@subject"]))
    if rule.both:
        yield from _missing_rows(rule, seen, facts)


def _missing_rows(rule: Rule, seen: set[str], facts: LedgerFacts) -> Iterator[Wrong]:
    for key, entry in facts.all(rule.topic).items():
        if key not in seen:
            yield Wrong(
                str(entry["@subject"]),
                f"存证链中的{rule.zh} {key} 在数据库中缺失。",
                f"the {rule.en} {key} of the ledger is missing from the database",
            )


def differs(rule: Rule, key: str, name: str, values: tuple[Any, Any], subject: str) -> Wrong:
    """`values`: what the database says, what the ledger says."""
    field_zh, field_en = _FIELDS.get(name, (name, name))
    here, there = (_short(value) for value in values)
    return Wrong(
        subject,
        f"{rule.zh} {key} 的{field_zh}：数据库为 {here}，存证链记为 {there}。",
        f"{field_en} of the {rule.en} {key}: the database says {here}, the ledger {there}",
    )


_FIELDS = {
    "@subject": ("所属", "owner"),
    "@actor": ("经手人", "actor"),
    "@id": ("条目", "entry"),
    "accepted": ("审核结果", "acceptance"),
    "approved": ("审批结果", "approval"),
    "case": ("所属案卷", "case"),
    "certificate": ("内容", "content"),
    "docking": ("采集批次", "docking"),
    "expires": ("有效期", "expiry"),
    "finding": ("对应发现", "finding"),
    "flags": ("长期保存依据", "grounds"),
    "grant": ("许可编号", "grant"),
    "keep_until": ("保管期限截止日", "end of keeping"),
    "kind": ("类别", "kind"),
    "manifest_sha256": ("清单摘要", "manifest's digest"),
    "media_type": ("媒体类型", "media type"),
    "name": ("文件名", "name"),
    "proof_sha256": ("比对证明", "proof"),
    "public_key": ("公钥", "public key"),
    "purpose": ("用途", "purpose"),
    "reason": ("审批理由", "reason"),
    "report_sha256": ("检测报告", "report"),
    "retention": ("保管期限", "retention class"),
    "roles": ("角色", "roles"),
    "root": ("分块根哈希", "root"),
    "sequence": ("分段序号", "sequence number"),
    "sha256": ("SHA-256 摘要", "SHA-256"),
    "size": ("大小", "size"),
    "station": ("采集站", "station"),
    "station_time": ("采集时间", "time of docking"),
    "text": ("内容", "text"),
    "tier": ("存储层", "tier"),
    "verdict": ("检测结论", "verdict"),
}


def _short(value: Any) -> str:
    text = "无/none" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
