"""The database's entries beside the ledger's, in step (step 2 of `pipeline.verify`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.ledger_facts import LedgerFacts, Wrong
from storage.catalogue.tables import Entry
from storage.clock import iso
from storage.errors import IntegrityError
from storage.ledger import entry, merkle
from storage.records import CustodyEvent


@dataclass(slots=True)
class Chain:
    """保管链: the entries of one subject, as the ledger's folder has them, their `prev` checked by the audit.

    `first` and `last` are (index, event, time); `head` is the leaf hash of the last, in hex. `waiting`: events that are
    in no published entry yet.
    """

    subject: str
    length: int = 0
    first: tuple[int, str, str] | None = None
    last: tuple[int, str, str] | None = None
    head: str = ""
    waiting: int = 0

    def add(self, index: int, event: CustodyEvent, body: bytes) -> None:
        if event.subject == self.subject:
            self.length += 1
            self.last = (index, event.event, iso(event.time))
            self.first = self.first or self.last
            self.head = merkle.leaf_hash(body).hex()


class EntryTable:
    """The database's entries beside the ledger's, in step. `compare` is given each of the ledger's entries."""

    def __init__(self, session: Session, facts: LedgerFacts, chain: Chain | None) -> None:
        self._session, self._facts, self._chain = session, facts, chain
        self._rows: Iterator[Any] | None = None
        self._next = 0
        self.found: list[Wrong] = []

    def compare(self, index: int, body: bytes) -> None:
        event = entry.parse(body).event
        self._facts.add(event)
        if self._chain:
            self._chain.add(index, event, body)
        self._next = index + 1
        row = next(self._published(), None)
        if row is None or row.position != index:
            self._report(index, event.subject, "数据库中缺少该条目", "the database lacks this entry")
        elif row.body != body or row.leaf != merkle.leaf_hash(body):
            self._report(index, event.subject, "数据库中的条目与存证链不同", "the database has another entry there")
        elif (row.event_id, row.subject, row.event) != (event.id, event.subject, event.event):
            self._report(
                index, event.subject, "数据库中条目的索引列被改动", "the database's columns of it were changed"
            )

    def finish(self) -> int:
        """Take in what the ledger does not have yet; say how many events that is."""
        waiting = [row.draft for row in self._published()]
        waiting += self._session.scalars(select(Entry.draft).where(Entry.index.is_(None)).order_by(Entry.id))
        for draft in waiting:
            try:
                event = entry.parse_draft(draft)
                self._facts.add(event)
                if self._chain and event.subject == self._chain.subject:
                    self._chain.waiting += 1
            except IntegrityError as error:
                self.found.append(Wrong("ledger", f"待发布的条目：{error.zh}", f"waiting entry: {error.en}"))
        return len(waiting)

    def _published(self) -> Iterator[Any]:
        """The rows from where the comparison stands. Opened at the first entry, when the checkpoint has been read."""
        if self._rows is None:
            columns = (
                Entry.index.label("position"),
                Entry.body,
                Entry.leaf,
                Entry.event_id,
                Entry.subject,
                Entry.event,
                Entry.draft,
            )
            query = select(*columns).where(Entry.index.is_not(None)).order_by(Entry.index)
            self._rows = iter(self._session.execute(query.execution_options(yield_per=1000)))
        return self._rows

    def _report(self, index: int, subject: str, zh: str, en: str) -> None:
        self.found.append(Wrong(subject, f"存证链第 {index} 条：{zh}。", f"ledger entry {index}: {en}"))
