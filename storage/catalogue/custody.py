"""The outbox of custody events, and a custody chain (保管链) as rows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.catalogue.tables import Entry
from storage.ledger.entry import encode_draft
from storage.records import CustodyEvent


def record(session: Session, event: CustodyEvent) -> None:
    """Put `event` into the outbox, in the transaction that holds its cause. The same event id again changes nothing.

    The draft is the entry's JSON without `prev`, which only the sequencer knows (docs/ledger.md). Raises Refused
    when the event could never be published: over 65,535 bytes, or not plain JSON.
    """
    if session.scalar(select(Entry.id).where(Entry.event_id == event.id)) is not None:
        return
    session.add(
        Entry(
            event_id=event.id,
            subject=event.subject,
            event=event.event,
            time=event.time,
            draft=encode_draft(event),
        )
    )


def chain(session: Session, subject: str) -> Sequence[Entry]:
    """The subject's custody chain, oldest first; events that are not sequenced yet come last."""
    rows = session.scalars(select(Entry).where(Entry.subject == subject).order_by(Entry.id)).all()
    return sorted(rows, key=lambda row: (row.index is None, row.index or 0, row.id))
