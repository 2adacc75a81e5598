"""The outbox of custody events, and a custody chain (保管链) as rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import LargeBinary, bindparam, select, text
from sqlalchemy.orm import Session

from storage.catalogue.tables import Entry, Utc
from storage.ledger.entry import encode_draft
from storage.records import CustodyEvent

# Written out: every custody event passes here, and one statement costs a fifth of the mapper's look-up and insert.
_INSERT = text(
    "INSERT INTO entries (event_id, subject, event, time, draft) VALUES (:event_id, :subject, :event, :time, :draft) "
    "ON CONFLICT (event_id) DO NOTHING"
).bindparams(bindparam("time", type_=Utc()), bindparam("draft", type_=LargeBinary()))


def record(session: Session, *events: CustodyEvent) -> None:
    """Put `events` into the outbox, in the transaction that holds their cause. The same event id again changes nothing.

    The draft is the entry's JSON without `prev`, which only the sequencer knows (docs/ledger.md). Raises Refused
    when an event could never be published: over 65,535 bytes, or not plain JSON.
    """
    rows = [
        {
            "event_id": event.id,
            "subject": event.subject,
            "event": event.event,
            "time": event.time,
            "draft": encode_draft(event),
        }
        for event in events
    ]
    session.flush()  # the rows that caused them come first
    if rows:
        session.execute(_INSERT, rows)


def is_recorded(session: Session, event_id: str) -> bool:
    """Whether the event is in the outbox or the ledger."""
    return session.scalar(select(Entry.id).where(Entry.event_id == event_id)) is not None


def chain(session: Session, subject: str) -> Sequence[Entry]:
    """The subject's custody chain, oldest first; events that are not sequenced yet come last."""
    rows = session.scalars(select(Entry).where(Entry.subject == subject).order_by(Entry.id)).all()
    return sorted(rows, key=lambda row: (row.index is None, row.index or 0, row.id))
