"""The database side of sequencing: events without an index become entries with index, `prev`, bytes and leaf hash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry
from storage.errors import IntegrityError
from storage.ledger import entry, merkle


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An entry that has its place: `body` are its exact bytes, `leaf` its leaf hash."""

    event_id: str
    index: int
    body: bytes
    leaf: bytes


LeafCheck = Callable[[int, bytes], None]
"""Raises IntegrityError unless the entry of that index has that leaf hash in the log."""


def count(catalogue: Catalogue) -> int:
    """How many entries have an index. Indexes begin at 0 and have no gaps."""
    with catalogue.read() as session:
        return _count(session)


def from_index(catalogue: Catalogue, first: int, limit: int) -> list[Sequenced]:
    """The sequenced entries from index `first` on. Raises IntegrityError when rows are missing or were changed."""
    with catalogue.read() as session:
        query = select(Entry.event_id, Entry.index, Entry.body, Entry.leaf).where(Entry.index >= first)
        rows = session.execute(query.order_by(Entry.index).limit(limit)).all()
    return [_sequenced(first + position, *row) for position, row in enumerate(rows)]


def find(catalogue: Catalogue, event_id: str) -> Sequenced | None:
    """The entry of an event, None while it has no index. Raises LookupError when there is no such event."""
    with catalogue.read() as session:
        query = select(Entry.event_id, Entry.index, Entry.body, Entry.leaf).where(Entry.event_id == event_id)
        row = session.execute(query).one_or_none()
    if row is None:
        raise LookupError(event_id)
    return None if row[1] is None else _sequenced(row[1], *row)


def sequence(catalogue: Catalogue, limit: int, check: LeafCheck) -> list[Sequenced]:
    """Give up to `limit` waiting events, in the order they were recorded, their place. One transaction.

    `check` is asked about each earlier entry that a new one names as its `prev`, so that a changed row of the database
    is never chained to.
    """
    if not _anything_waits(catalogue):
        return []
    with catalogue.write() as session:
        waiting = _waiting(session, limit)
        last = _last_leaves(session, [event.row for event in waiting], check)
        first = _count(session)
        placed = [_place(event, first + position, last) for position, event in enumerate(waiting)]
        rows = [
            {"id": event.row, "index": made.index, "body": made.body, "leaf": made.leaf}
            for event, made in zip(waiting, placed, strict=True)
        ]
        session.execute(update(Entry), rows)
        return placed


@dataclass(frozen=True, slots=True)
class _Waiting:
    row: int
    event_id: str
    subject: str
    draft: bytes


def _waiting(session: Session, limit: int) -> list[_Waiting]:
    query = select(Entry.id, Entry.event_id, Entry.subject, Entry.draft).where(Entry.index.is_(None))
    return [_Waiting(*row) for row in session.execute(query.order_by(Entry.id).limit(limit))]


def _anything_waits(catalogue: Catalogue) -> bool:
    with catalogue.read() as session:
        return session.scalar(select(Entry.id).where(Entry.index.is_(None)).limit(1)) is not None


def _count(session: Session) -> int:
    highest = session.scalar(select(func.max(Entry.index)))
    return 0 if highest is None else highest + 1


def _last_leaves(session: Session, rows: Sequence[int], check: LeafCheck) -> dict[str, bytes]:
    """The leaf hash of each subject's newest entry. One look-up in the index (subject, log_index) for each subject."""
    subjects = select(Entry.subject).where(Entry.id.in_(rows)).distinct().subquery()
    newest = select(func.max(Entry.index)).where(Entry.subject == subjects.c.subject).correlate(subjects)
    query = select(Entry.subject, Entry.index, Entry.leaf).join(subjects, Entry.index == newest.scalar_subquery())
    last: dict[str, bytes] = {}
    for subject, index, leaf in session.execute(query):
        if index is None or leaf is None:
            raise _changed(subject, subject)
        check(index, leaf)
        last[subject] = leaf
    return last


def _place(waiting: _Waiting, index: int, last: dict[str, bytes]) -> Sequenced:
    if not _is_bytes(waiting.draft):
        raise _changed(f"事件 {waiting.event_id}", f"event {waiting.event_id}")
    event = entry.parse_draft(waiting.draft)
    if (event.id, event.subject) != (waiting.event_id, waiting.subject):
        raise _changed(f"事件 {waiting.event_id}", f"event {waiting.event_id}")
    body = entry.encode(event, last.get(event.subject))
    leaf = last[event.subject] = merkle.leaf_hash(body)
    return Sequenced(event.id, index, body, leaf)


def _sequenced(expected: int, event_id: str, index: int | None, body: bytes | None, leaf: bytes | None) -> Sequenced:
    if index != expected or body is None or not _is_bytes(body) or leaf != merkle.leaf_hash(body):
        raise _changed(f"第 {expected} 条", f"entry {expected}")
    return Sequenced(event_id, expected, body, leaf)


def _is_bytes(value: object) -> bool:
    """A row edited by hand may hold text where bytes were."""
    return isinstance(value, bytes)


def _changed(zh: str, en: str) -> IntegrityError:
    return IntegrityError(
        f"数据库中的存证条目（{zh}）缺失或被改动，已停止签发。请保留现场并核验存证链。",
        f"a ledger entry in the database ({en}) is missing or was changed; signing is stopped: keep everything as it "
        "is and verify the ledger",
    )
