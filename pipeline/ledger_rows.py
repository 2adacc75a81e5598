"""The database's tables against the ledger: rows changed, added or removed behind its back.

For each kind of row there is a rule: which event vouches for it, and what it must say in that event's own words. Where
an entry holds a commitment, the row's salt and text must give it; rows whose text and salt were erased are passed over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import select
from sqlalchemy.orm import Session, undefer

from pipeline.derive import json_digest
from pipeline.ledger_facts import Facts, LedgerFacts, Rule, Wrong, apply, derivative_id, differs
from pipeline.officers import committed, licence_of
from storage.catalogue.stations import key_at
from storage.catalogue.tables import (
    AccessRequest,
    Case,
    Derivative,
    Docking,
    Excuse,
    Export,
    Grant,
    Original,
    Recording,
    Station,
    StationKey,
    User,
)
from storage.clock import iso
from storage.ledger import commitment
from storage.records import RetentionClass

DOCKING_DOMAIN = b"liuhen docking manifest v1\n"
"""Signed before a docking manifest's bytes (docs/docking-protocol.md)."""


def compare(session: Session, facts: LedgerFacts) -> Iterator[Wrong]:
    """Every difference between tables and ledger."""
    for rule in RULES:
        yield from apply(rule, session, facts)
    for recording in session.scalars(select(Recording).order_by(Recording.id)):
        yield from _recording(recording, facts)
    yield from _tiers(session, facts)
    yield from _dockings(session, facts)


def _originals(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(Original).order_by(Original.received, Original.sha256)):
        yield (
            row.sha256,
            {
                "root": row.root,
                "size": row.size,
                "name": row.name,
                "sequence": row.sequence,
                "docking": row.docking_id,
                "@subject": f"recording:{row.recording_id}",
                "@id": row.event_id,
            },
        )


def _derivatives(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(Derivative).order_by(Derivative.made, Derivative.id)):
        yield (
            derivative_id(row.original_sha256, row.kind, row.retention),
            {
                "sha256": row.sha256,
                "size": row.size,
                "media_type": row.media_type,
                "proof_sha256": json_digest(row.proof),
            },
        )


def _requests(session: Session) -> Iterator[tuple[str, Facts]]:
    logins = _logins(session)
    for row in session.scalars(select(AccessRequest).order_by(AccessRequest.made, AccessRequest.id)):
        yield (
            row.id,
            {
                "kind": row.kind,
                "@subject": f"recording:{row.recording_id}",
                "@actor": f"user:{logins.get(row.requester_id)}",
                **_committed("purpose", row.purpose, row.salt),
            },
        )


def _decisions(session: Session) -> Iterator[tuple[str, Facts]]:
    logins = _logins(session)
    query = select(AccessRequest).where(AccessRequest.state != "pending").order_by(AccessRequest.made)
    for row in session.scalars(query):
        yield (
            row.id,
            {
                "approved": row.state == "approved",
                "@subject": f"recording:{row.recording_id}",
                "@actor": f"user:{logins.get(row.decided_by or '')}",
                **_committed("reason", row.reason, row.salt),
            },
        )


def _grants(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(Grant).order_by(Grant.id)):
        yield (
            row.request_id,
            {
                "approved": True,
                "grant": row.id,
                "kind": row.kind,
                "expires": iso(row.expires),
                "@subject": f"recording:{row.recording_id}",
            },
        )


def _grant_owners(session: Session) -> Iterator[tuple[str, Facts]]:
    """A grant is its requester's."""
    logins = _logins(session)
    for row in session.scalars(select(Grant).order_by(Grant.id)):
        yield row.request_id, {"@actor": f"user:{logins.get(row.user_id)}"}


def _excuses(session: Session) -> Iterator[tuple[str, Facts]]:
    logins = _logins(session)
    for row in session.scalars(select(Excuse).order_by(Excuse.made, Excuse.id)):
        yield (
            row.id,
            {
                "finding": row.finding_code,
                "@subject": f"recording:{row.recording_id}",
                "@actor": f"user:{logins.get(row.made_by)}",
                **_committed("text", row.text, row.salt),
            },
        )


def _excuse_decisions(session: Session) -> Iterator[tuple[str, Facts]]:
    logins = _logins(session)
    for row in session.scalars(select(Excuse).where(Excuse.accepted.is_not(None)).order_by(Excuse.made)):
        yield row.id, {"accepted": row.accepted, "@actor": f"user:{logins.get(row.decided_by or '')}"}


def _docking_rows(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(
        select(Docking).options(undefer(Docking.manifest)).order_by(Docking.received, Docking.id)
    ):
        yield (
            row.id,
            {
                "manifest_sha256": hashlib.sha256(row.manifest).hexdigest(),
                "station": row.station_id,
                "station_time": iso(row.station_time),
                "@subject": f"device:{row.device_serial}",
            },
        )


def _exports(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(Export).order_by(Export.made, Export.id)):
        subject = f"recording:{row.recording_id}"
        yield row.request_id, {"sha256": row.sha256, "size": row.size, "@subject": subject}


def _cases(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(Case).order_by(Case.opened, Case.id)):
        yield row.id, {"flags": row.flags, "@subject": f"case:{row.id}"}


def _users(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(User).order_by(User.login)):
        yield row.id, {"roles": row.roles, "@subject": f"user:{row.login}"}


def _certificates(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(User).where(User.certificate_salt != "").order_by(User.login)):
        yield row.id, _committed("certificate", committed(licence_of(row)), row.certificate_salt)


def _stations(session: Session) -> Iterator[tuple[str, Facts]]:
    """Only those whose key is in the history, too: it was not kept of old."""
    history = select(StationKey.public_key)
    for row in session.scalars(select(Station).where(Station.public_key.in_(history)).order_by(Station.id)):
        yield f"station:{row.id}", {"public_key": row.public_key}


def _station_keys(session: Session) -> Iterator[tuple[str, Facts]]:
    for row in session.scalars(select(StationKey).order_by(StationKey.since, StationKey.public_key)):
        yield row.public_key, {"@subject": f"station:{row.station_id}"}


def _logins(session: Session) -> Mapping[str, str]:
    return {row.id: row.login for row in session.scalars(select(User))}


def _committed(name: str, text: str, salt: str) -> Facts:
    return {name: commitment.make(text, bytes.fromhex(salt)).as_json()} if salt else {}


RULES = (
    Rule("原件", "original", "original.received", _originals),
    Rule("衍生件", "derivative", "derivative.made", _derivatives),
    Rule("调阅申请", "request", "request.made", _requests),
    Rule("审批", "decision on request", "request.decided", _decisions),
    Rule("调阅许可（申请）", "grant of request", "request.decided", _grants, both=False),
    Rule("调阅许可（申请）", "grant of request", "request.made", _grant_owners, both=False),
    Rule("中断说明", "explanation", "excuse.made", _excuses),
    Rule("中断说明的审核", "decision on explanation", "excuse.decided", _excuse_decisions),
    Rule("采集清单", "docking", "docking.received", _docking_rows),
    Rule("导出光盘（申请）", "export of request", "export.made", _exports),
    Rule("案卷", "case", "case", _cases),
    Rule("用户", "user", "user", _users),
    Rule("执法证", "certificate of user", "certificate", _certificates, both=False),
    Rule("采集站", "station", "station", _stations),
    Rule("采集站密钥", "station key", "station-key", _station_keys),
)

_RECORDING = Rule("音像记录", "recording", "", lambda session: ())


def _recording(row: Recording, facts: LedgerFacts) -> Iterator[Wrong]:
    """Verdict and report by the newest analysis, class and date by retention.set, case by its filing."""
    subject = f"recording:{row.id}"
    analysed, kept = facts.last("analysis.made", subject), facts.last("retention.set", subject)
    until = row.keep_until.isoformat() if row.keep_until else None
    pairs = {
        "verdict": (row.verdict, analysed.get("verdict")),
        "report_sha256": (json_digest(row.report) if row.report else None, analysed.get("report_sha256")),
        "retention": (row.retention, kept.get("to", RetentionClass.FIVE_YEARS.value)),
        "keep_until": (until, kept.get("keep_until", until)),
        "case": (row.case_id, facts.last("filed", subject).get("case")),
    }
    for name, values in pairs.items():
        if values[0] != values[1]:
            yield differs(_RECORDING, row.id, name, values, subject)


def _tiers(session: Session, facts: LedgerFacts) -> Iterator[Wrong]:
    rule = Rule("原件", "original", "tier.moved", _originals)
    for row in session.scalars(select(Original).order_by(Original.received, Original.sha256)):
        told = facts.last("tier.moved", row.sha256).get("to", RetentionClass.FIVE_YEARS.value)
        if row.tier != told:
            yield differs(rule, row.sha256, "tier", (row.tier, told), f"recording:{row.recording_id}")


def _dockings(session: Session, facts: LedgerFacts) -> Iterator[Wrong]:
    """Each manifest is signed by the key that the station it names had then, by the ledger's order."""
    present = {row.id: row.public_key for row in session.scalars(select(Station))}
    for row in session.scalars(
        select(Docking).options(undefer(Docking.manifest)).order_by(Docking.received, Docking.id)
    ):
        key = facts.last("docking.received", row.id).get("@key") or key_at(session, row.station_id, row.received)
        if not _signed(row.manifest, row.signature, key or present.get(row.station_id, "")):
            yield Wrong(
                f"device:{row.device_serial}",
                f"采集清单 {row.id} 的签名不是采集站 {row.station_id} 的。",
                f"the signature of docking {row.id} is not that of station {row.station_id}",
            )


def _signed(manifest: bytes, signature: str, public_key: str) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), DOCKING_DOMAIN + manifest)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True
