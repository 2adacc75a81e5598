"""Which stored files were read again when, and what was found: the rows behind `pipeline.fixity`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, and_, delete, exists, func, insert, literal, select, update
from sqlalchemy.orm import Session

from storage.catalogue.tables import Derivative, Entry, Export, Fixity, Original
from storage.ledger.merkle import CHUNK_SIZE, HASH_SIZE

BATCH = 500
"""Rows that one transaction adds at most, so that nobody waits long for the next one."""


class Kind(StrEnum):
    ORIGINAL = "original"  # 原件
    CHUNKS = "chunks"  # 分块摘要表
    DERIVATIVE = "derivative"  # 衍生件
    EXPORT = "export"  # 导出光盘


class State(StrEnum):
    SOUND = "sound"  # 完好
    DAMAGED = "damaged"  # 损坏: other bytes than the ledger says
    MISSING = "missing"  # 缺失
    UNREADABLE = "unreadable"  # 无法读取: the store is there, these bytes can't be read
    ALTERED = "altered"  # 记录被改: the row in the database is not what its ledger entry says


BAD = (State.DAMAGED, State.MISSING, State.UNREADABLE, State.ALTERED)


@dataclass(frozen=True, slots=True)
class TierState:
    """One tier: its files and bytes, how many were never checked, and when the one checked longest ago was.

    The tier was last wholly checked at `oldest`, if `unchecked` is 0.
    """

    tier: str
    files: int
    bytes: int
    unchecked: int
    oldest: datetime | None
    states: dict[str, int] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        return sum(self.states.get(state, 0) for state in BAD)


def missing(session: Session) -> Iterator[Sequence[Any]]:
    """The files that have no row yet, in batches for `add`. Only reads, so nobody waits for it."""
    for source in _sources():
        yield from session.execute(source.execution_options(yield_per=BATCH)).partitions(BATCH)


def add(session: Session, found: Sequence[Any], now: datetime) -> None:
    """Add rows for a batch of missing files; those that came in between are left as they are."""
    known = set(session.scalars(select(Fixity.key).where(Fixity.key.in_([row[1] for row in found]))))
    blank = {"due": now, "state": "", "detail": {}, "resume": {}}
    new = [
        {"tier": tier, "key": key, "kind": kind, "ref": ref, "size": size, **blank}
        for tier, key, kind, ref, size in found
        if key not in known or session.get(Fixity, (tier, key)) is None
    ]
    if new:
        session.execute(insert(Fixity), new)


def moved(session: Session) -> list[tuple[str, str]]:
    """Tier and key of copies that were moved away: the rows point to another tier now."""
    found: list[tuple[str, str]] = []
    for kind, table in _TABLES.items():
        query = select(Fixity.tier, Fixity.key).join(table, table_id(kind) == Fixity.ref)
        found += [
            (row[0], row[1]) for row in session.execute(query.where(Fixity.kind == kind, table.tier != Fixity.tier))
        ]
    return found


def drop(session: Session, tier: str, key: str) -> None:
    session.execute(delete(Fixity).where(Fixity.tier == tier, Fixity.key == key))


def next_due(session: Session, now: datetime) -> Fixity | None:
    """What is to be read next: what is due longest."""
    query = select(Fixity).where(Fixity.due <= now).order_by(Fixity.due, Fixity.checked, Fixity.key)
    return session.scalars(query.limit(1)).first()


def due(session: Session, now: datetime) -> tuple[int, int]:
    """How many files, and bytes, are to be read now."""
    row = session.execute(select(func.count(), func.sum(Fixity.size)).where(Fixity.due <= now)).one()
    return int(row[0]), int(row[1] or 0)


def ask(session: Session, now: datetime, *, all_files: bool) -> None:
    """Make due what is not in order, or every file."""
    wanted = Fixity.due > now if all_files else and_(Fixity.due > now, Fixity.state.in_(BAD))
    session.execute(update(Fixity).where(wanted).values(due=now))


def alarms(session: Session) -> int:
    """How many files are not as the ledger says."""
    return session.scalar(select(func.count()).select_from(Fixity).where(Fixity.state.in_(BAD))) or 0


def bad(session: Session, limit: int = 200) -> Sequence[Fixity]:
    """The files that are not as the ledger says, the newest alarm first."""
    query = select(Fixity).where(Fixity.state.in_(BAD)).order_by(Fixity.since.desc(), Fixity.key).limit(limit)
    return session.scalars(query).all()


def tiers(session: Session) -> list[TierState]:
    """Each tier that holds files."""
    checked = func.min(Fixity.checked, type_=Fixity.checked.type)
    query = (
        select(Fixity.tier, Fixity.state, func.count(), func.sum(Fixity.size), func.count(Fixity.checked), checked)
        .group_by(Fixity.tier, Fixity.state)
        .order_by(Fixity.tier)
    )
    found: dict[str, list[Any]] = {}
    for row in session.execute(query):
        found.setdefault(row[0], []).append(row)
    return [_tier(name, rows) for name, rows in found.items()]


def passed(session: Session) -> tuple[int, int, datetime | None]:
    """Files in order, their bytes, and when the one checked longest ago was; None where one never was."""
    sound = Fixity.state == State.SOUND
    row = session.execute(
        select(func.count(), func.sum(Fixity.size), func.min(Fixity.checked, type_=Fixity.checked.type)).where(sound)
    ).one()
    never = session.scalar(select(exists().where(Fixity.checked.is_(None))))
    return int(row[0]), int(row[1] or 0), None if never else row[2]


def last_event(session: Session, subject: str, event: str) -> datetime | None:
    """When the newest such event of a subject was recorded."""
    wanted = (Entry.subject == subject, Entry.event == event)
    return session.scalar(select(func.max(Entry.time, type_=Entry.time.type)).where(*wanted))


def owner(session: Session, kind: str, ref: str) -> str | None:
    """The recording that a file belongs to."""
    if kind == Kind.EXPORT:
        return session.scalar(select(Export.recording_id).where(Export.id == ref))
    digest: Any = ref
    if kind == Kind.DERIVATIVE:
        digest = select(Derivative.original_sha256).where(Derivative.id == ref).scalar_subquery()
    return session.scalar(select(Original.recording_id).where(Original.sha256 == digest))


_TABLES: dict[Kind, Any] = {
    Kind.ORIGINAL: Original,
    Kind.CHUNKS: Original,
    Kind.DERIVATIVE: Derivative,
    Kind.EXPORT: Export,
}


def table_id(kind: Kind) -> Any:
    """The column that `Fixity.ref` names."""
    return Original.sha256 if _TABLES[kind] is Original else _TABLES[kind].id


def _tier(name: str, rows: Sequence[Any]) -> TierState:
    moments = [row[5] for row in rows if row[5] is not None]
    return TierState(
        tier=name,
        files=sum(row[2] for row in rows),
        bytes=sum(int(row[3] or 0) for row in rows),
        unchecked=sum(row[2] - row[4] for row in rows),
        oldest=min(moments) if moments else None,
        states={row[1]: row[2] for row in rows if row[1]},
    )


def _sources() -> list[Select[Any]]:
    """For each kind: tier, key, kind, ref and size of what should be stored. One content is stored once."""
    original = (Original.tier, Original.sha256, Original.sha256)
    chunks = (Original.size + (CHUNK_SIZE - 1)) // CHUNK_SIZE * HASH_SIZE
    derivative = (Derivative.tier, Derivative.sha256, func.min(Derivative.id), func.max(Derivative.size))
    export = (Export.tier, Export.sha256, func.min(Export.id), func.max(Export.size))
    return [
        _source(Kind.ORIGINAL, "originals", (*original, Original.size)),
        _source(Kind.CHUNKS, "chunks", (*original, chunks)),
        _source(Kind.DERIVATIVE, "derivatives", derivative).group_by(Derivative.tier, Derivative.sha256),
        _source(Kind.EXPORT, "exports", export).group_by(Export.tier, Export.sha256),
    ]


def _source(kind: Kind, folder: str, columns: tuple[Any, Any, Any, Any]) -> Select[Any]:
    tier, sha256, ref, size = columns
    key = literal(f"{folder}/") + func.substr(sha256, 1, 2) + literal("/") + sha256
    known = exists().where(Fixity.tier == tier, Fixity.key == key)
    return select(tier, key, literal(kind.value), ref, size).where(~known)
