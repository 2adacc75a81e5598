"""The database side of sequencing: events without an index become entries with index, `prev`, bytes and leaf hash.

The statements are written out: each durable append passes here, and building them anew took longer than running them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import LargeBinary, bindparam, select, text
from sqlalchemy.orm import Session

from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry
from storage.errors import IntegrityError
from storage.ledger import entry, merkle, rotation
from storage.ledger.logkeys import LogKeys
from storage.ledger.note import Ed25519Verifier
from storage.records import CustodyEvent

REMEMBERED = 4096  # subjects whose newest leaf is kept in memory
_WAITING = text(
    "SELECT id, event_id, event, subject, draft FROM entries WHERE log_index IS NULL ORDER BY id LIMIT :limit"
)
_WAITS = text("SELECT 1 FROM entries WHERE log_index IS NULL LIMIT 1")
_COUNT = text("SELECT max(log_index) FROM entries")
_NEWEST = text(
    "SELECT subject, log_index, leaf FROM entries WHERE log_index IN "
    "(SELECT max(log_index) FROM entries WHERE subject IN :subjects GROUP BY subject)"
).bindparams(bindparam("subjects", expanding=True))
_PLACE = text("UPDATE entries SET log_index = :index, body = :body, leaf = :leaf WHERE id = :id").bindparams(
    bindparam("body", type_=LargeBinary()), bindparam("leaf", type_=LargeBinary())
)


@dataclass(frozen=True, slots=True)
class Sequenced:
    """An entry that has its place: `body` are its exact bytes, `leaf` its leaf hash."""

    event_id: str
    index: int
    body: bytes
    leaf: bytes


LeafCheck = Callable[[int, bytes], None]
"""Raises IntegrityError unless the entry of that index has that leaf hash in the log."""


class Chains:
    """The newest leaf hash of the subjects that were written to last, at most `REMEMBERED` of them."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, bytes] = OrderedDict()

    def get(self, subject: str) -> bytes | None:
        return self._last.get(subject)

    def remember(self, last: dict[str, bytes]) -> None:
        for subject, leaf in last.items():
            self._last[subject] = leaf
            self._last.move_to_end(subject)
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    def forget(self) -> None:
        self._last.clear()


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


def find(catalogue: Catalogue, event_ids: Sequence[str]) -> dict[str, Sequenced | None]:
    """The entries of events by their identifiers, None while one has no index.

    Raises LookupError naming an event that is not there.
    """
    with catalogue.read() as session:
        query = select(Entry.event_id, Entry.index, Entry.body, Entry.leaf).where(Entry.event_id.in_(event_ids))
        found = {row[0]: None if row[1] is None else _sequenced(row[1], *row) for row in session.execute(query)}
    if missing := set(event_ids) - found.keys():
        raise LookupError(min(missing))
    return found


def keys(catalogue: Catalogue, first: Ed25519Verifier) -> LogKeys:
    """The log's keys over time, from the rotations among the entries. `first` is the key it began with.

    Raises IntegrityError when a rotation is not signed by both keys or does not follow the one before.
    """
    rotated = (Entry.subject == rotation.SUBJECT, Entry.event == rotation.EVENT, Entry.index.is_not(None))
    with catalogue.read() as session:
        query = select(Entry.event_id, Entry.index, Entry.body, Entry.leaf).where(*rotated).order_by(Entry.index)
        rows = session.execute(query).all()
    return turned(LogKeys((first,)), [_sequenced(row[1] or 0, *row) for row in rows])


def turned(known: LogKeys, entries: Sequence[Sequenced]) -> LogKeys:
    """The keys with the rotations among `entries` that are not known yet. Raises IntegrityError as `keys` does."""
    for each in entries:
        if rotation.MARK in each.body and each.index not in known.turns:
            event = entry.parse(each.body).event
            if rotation.is_rotation(event):
                known = known.after(each.index, _next_key(known, event))
    return known


def _next_key(known: LogKeys, event: CustodyEvent) -> Ed25519Verifier:
    found = rotation.parse(event)
    if found.old != known.current:
        raise IntegrityError(
            f"密钥轮换 {event.id} 的旧密钥不是当前密钥，已停止签发。请保留现场并联系管理员。",
            f"the key rotation {event.id} is not from the present key; signing is stopped: keep everything as it is",
        )
    return found.new


def sequence(catalogue: Catalogue, limit: int, chains: Chains, check: LeafCheck, known: LogKeys) -> list[Sequenced]:
    """Give up to `limit` waiting events, in the order they were recorded, their place. One transaction.

    A rotation from the present key of `known` is the last of its batch, so that a tree ends with it. `check` is asked
    about each earlier entry that a new one names as its `prev`: a changed row of the database is never chained to.
    """
    with catalogue.read() as session:
        if session.execute(_WAITS).first() is None:
            return []
    with catalogue.write() as session:
        waiting = _up_to_rotation(_waiting(session, limit))
        last = _last_leaves(session, {event.subject for event in waiting}, chains, check)
        first = _count(session)
        placed = [_place(event, first + position, last) for position, event in enumerate(waiting)]
        turned(known, placed[-1:])  # a rotation that can't be followed gets no place
        rows = [
            {"id": event.row, "index": made.index, "body": made.body, "leaf": made.leaf}
            for event, made in zip(waiting, placed, strict=True)
        ]
        session.execute(_PLACE, rows)
    chains.remember(last)  # only now: a transaction that failed has placed nothing
    return placed


@dataclass(frozen=True, slots=True)
class _Waiting:
    row: int
    event_id: str
    event: str
    subject: str
    draft: bytes


def _waiting(session: Session, limit: int) -> list[_Waiting]:
    return [_Waiting(*row) for row in session.execute(_WAITING, {"limit": limit})]


def _up_to_rotation(waiting: list[_Waiting]) -> list[_Waiting]:
    ends = (position for position, event in enumerate(waiting, start=1) if _rotates(event))
    return waiting[: next(ends, len(waiting))]


def _rotates(event: _Waiting) -> bool:
    return (event.event, event.subject) == (rotation.EVENT, rotation.SUBJECT)


def _count(session: Session) -> int:
    highest = session.execute(_COUNT).scalar()
    return 0 if highest is None else highest + 1


def _last_leaves(session: Session, subjects: set[str], chains: Chains, check: LeafCheck) -> dict[str, bytes]:
    """The leaf hash of each subject's newest entry."""
    last: dict[str, bytes] = {}
    unknown = []
    for subject in subjects:
        if leaf := chains.get(subject):
            last[subject] = leaf
        else:
            unknown.append(subject)
    if not unknown:
        return last
    for subject, index, leaf in session.execute(_NEWEST, {"subjects": unknown}):
        if not _is_bytes(leaf):
            raise _changed(subject, subject)
        check(index, bytes(leaf))
        last[subject] = bytes(leaf)
    return last


def _place(waiting: _Waiting, index: int, last: dict[str, bytes]) -> Sequenced:
    if not _is_bytes(waiting.draft):
        raise _changed(f"事件 {waiting.event_id}", f"event {waiting.event_id}")
    placed, body = entry.place(bytes(waiting.draft), last.get(waiting.subject))
    event = placed.event
    if (event.id, event.event, event.subject) != (waiting.event_id, waiting.event, waiting.subject):
        raise _changed(f"事件 {waiting.event_id}", f"event {waiting.event_id}")
    leaf = last[event.subject] = merkle.leaf_hash(body)
    return Sequenced(event.id, index, body, leaf)


def _sequenced(expected: int, event_id: str, index: int | None, body: bytes | None, leaf: bytes | None) -> Sequenced:
    if index != expected or body is None or not _is_bytes(body) or leaf != merkle.leaf_hash(body):
        raise _changed(f"第 {expected} 条", f"entry {expected}")
    return Sequenced(event_id, expected, body, leaf)


def _is_bytes(value: object) -> bool:
    """A row edited by hand may hold text where bytes were."""
    return isinstance(value, bytes | memoryview)


def _changed(zh: str, en: str) -> IntegrityError:
    return IntegrityError(
        f"数据库中的存证条目（{zh}）缺失或被改动，已停止签发。请保留现场并核验存证链。",
        f"a ledger entry in the database ({en}) is missing or was changed; signing is stopped: keep everything as it "
        "is and verify the ledger",
    )


def adopt(session: Session, first: int, bodies: Sequence[bytes]) -> None:
    """Take published entries from index `first` on into a database that lacks them. One transaction of the caller's.

    An event that still waits there gets its place; the others become rows. Raises IntegrityError when the
    database has an event of that identifier with another content.
    """
    for index, body in enumerate(bodies, start=first):
        event = entry.parse(body).event
        row = session.scalar(select(Entry).where(Entry.event_id == event.id))
        if row is None:
            draft = entry.encode_draft(event)
            row = Entry(event_id=event.id, subject=event.subject, event=event.event, time=event.time, draft=draft)
            session.add(row)
        elif row.index is not None or entry.parse_draft(row.draft) != event:
            raise _changed(f"事件 {event.id}", f"event {event.id}")
        row.index, row.body, row.leaf = index, body, merkle.leaf_hash(body)
