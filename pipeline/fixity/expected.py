"""What a file must be, by its ledger entry. The database's row is believed only where the entry says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.export.disc import export_key
from pipeline.intake import chunks_key, original_key
from pipeline.tier import derivative_key
from storage.catalogue import fixity as rows
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.fixity import Kind
from storage.catalogue.tables import Derivative, Entry, Export, Fixity, Original
from storage.errors import IntegrityError, Transient
from storage.ledger import entry, proof
from storage.ledger.sequencer import Sequencer
from storage.records import CustodyEvent


@dataclass(frozen=True, slots=True)
class Expected:
    """One stored file. `sha256` is the whole file's, of a chunk list the original's; `root` of originals and lists."""

    kind: Kind
    tier: str
    key: str
    subject: str
    sha256: str
    size: int
    root: str | None = None

    def as_json(self) -> dict[str, Any]:
        said = {"sha256": self.sha256, "root": self.root, "size": self.size}
        return {name: value for name, value in said.items() if value is not None}


class Altered(Exception):
    """The row is not what its entry says. `said` is the entry's word, `row` the database's."""

    def __init__(self, zh: str, en: str, said: Mapping[str, Any], row: Mapping[str, Any]) -> None:
        super().__init__(en)
        self.zh, self.en, self.said, self.row = zh, en, said, row


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a row says of a file, and which event must say so too: the one whose payload has `named`."""

    event: str
    named: Mapping[str, Any]
    facts: Mapping[str, Any]
    key: str
    event_id: str | None = None


class Expectations:
    """Looks entries up, each proven against the signed ledger."""

    def __init__(self, catalogue: Catalogue, sequencer: Sequencer) -> None:
        self._catalogue, self._sequencer = catalogue, sequencer

    def of(self, blob: Fixity) -> Expected | None:
        """None while the entry waits to be published. Raises Altered, and IntegrityError when the ledger itself and the
        database's copy of it disagree."""
        with self._catalogue.read() as session:
            recording = rows.owner(session, blob.kind, blob.ref)
            claim = _claim(session, blob)
            if claim is None or recording is None:
                raise Altered("数据库中的记录已不存在", "its row in the database is gone", {}, {})
            subject = f"recording:{recording}"
            events = _events(session, subject, claim)
        if any(event.index is None for event in events):
            return None
        try:
            said = self._said(events, subject, claim)
        except Transient:
            return None
        return Expected(
            Kind(blob.kind), blob.tier, claim.key, subject, str(said["sha256"]), int(said["size"]), said.get("root")
        )

    def _said(self, events: list[Entry], subject: str, claim: _Claim) -> Mapping[str, Any]:
        for event in events:
            logged = self._proven(event)
            if claim.named.items() <= logged.payload.items():
                if (logged.event, logged.subject) != (claim.event, subject) or not _same(claim, logged.payload):
                    zh, en = "数据库中的记录与存证条目不符", "its row in the database is not what the ledger entry says"
                    raise Altered(zh, en, logged.payload, claim.facts)
                return logged.payload
        raise Altered("数据库中的记录没有存证条目", "its row in the database has no ledger entry", {}, claim.facts)

    def _proven(self, event: Entry) -> CustodyEvent:
        """The event in the entry's exact bytes, which are in the signed ledger."""
        receipt = self._sequencer.receipt(event.event_id)
        body = proof.verify_receipt(receipt, self._sequencer.keys()).body
        if body != event.body:
            raise IntegrityError("数据库中的条目与存证链不同。", "the database has another entry than the ledger")
        return entry.parse(body).event


def _same(claim: _Claim, payload: Mapping[str, Any]) -> bool:
    return all(payload.get(name) == value for name, value in claim.facts.items())


def _claim(session: Session, blob: Fixity) -> _Claim | None:
    if blob.kind in (Kind.ORIGINAL, Kind.CHUNKS):
        return _of_original(session.get(Original, blob.ref), Kind(blob.kind))
    if blob.kind == Kind.DERIVATIVE:
        return _of_derivative(session.get(Derivative, blob.ref))
    return _of_export(session.get(Export, blob.ref))


def _of_original(row: Original | None, kind: Kind) -> _Claim | None:
    if row is None:
        return None
    key = original_key(row.sha256) if kind is Kind.ORIGINAL else chunks_key(row.sha256)
    facts = {"sha256": row.sha256, "root": row.root, "size": row.size}
    return _Claim("original.received", {}, facts, key, row.event_id)


def _of_derivative(row: Derivative | None) -> _Claim | None:
    if row is None:
        return None
    named = {"original": row.original_sha256, "kind": row.kind, "retention": row.retention}
    return _Claim("derivative.made", named, {"sha256": row.sha256, "size": row.size}, derivative_key(row.sha256))


def _of_export(row: Export | None) -> _Claim | None:
    if row is None:
        return None
    facts = {"sha256": row.sha256, "size": row.size}
    return _Claim("export.made", {"request": row.request_id}, facts, export_key(row.sha256))


def _events(session: Session, subject: str, claim: _Claim) -> list[Entry]:
    """The entries that may hold the claim's event, the newest first."""
    query = select(Entry).order_by(Entry.id.desc())
    if claim.event_id is not None:
        return list(session.scalars(query.where(Entry.event_id == claim.event_id)))
    return list(session.scalars(query.where(Entry.subject == subject, Entry.event == claim.event)))
