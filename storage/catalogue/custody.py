"""The outbox of custody events, and a custody chain (保管链) as rows."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.catalogue.tables import Entry
from storage.clock import iso
from storage.records import CustodyEvent


def record(session: Session, event: CustodyEvent) -> None:
    """Put `event` into the outbox, in the transaction that holds its cause. The same event id again changes nothing.

    The draft is the entry's JSON without `prev`, which only the sequencer knows (docs/ledger.md).
    """
    if session.scalar(select(Entry.id).where(Entry.event_id == event.id)) is not None:
        return
    session.add(
        Entry(
            event_id=event.id,
            subject=event.subject,
            event=event.event,
            time=event.time,
            draft=_draft(event),
        )
    )


def chain(session: Session, subject: str) -> Sequence[Entry]:
    """The subject's custody chain, oldest first; events that are not sequenced yet come last."""
    rows = session.scalars(select(Entry).where(Entry.subject == subject).order_by(Entry.id)).all()
    return sorted(rows, key=lambda row: (row.index is None, row.index or 0, row.id))


def _draft(event: CustodyEvent) -> bytes:
    fields = {
        "id": event.id,
        "event": event.event,
        "time": iso(event.time),
        "actor": {"kind": event.actor.kind, "id": event.actor.id},
        "subject": event.subject,
        "payload": dict(event.payload),
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
