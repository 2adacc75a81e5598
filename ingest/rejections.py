"""Rejected content (拒收): bytes that came in and were not accepted are kept apart, with the reason, and told.

The order: note beside the bytes and the bytes under their second name, both durable → row, custody event and whatever
ends the upload in ONE transaction → the first name removed. After a crash between any two the same steps run again
and end in the same place: the note and the bytes are replaced by themselves, a row that is there is not made twice.
Where nothing runs again (a whole file in one request has no row before), `adopt_notes` makes the row from the note.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage import durable
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Docking, Rejection, Station
from storage.clock import iso, new_id
from storage.errors import Transient
from storage.records import Actor, CustodyEvent

AT_MOST = 500  # rows in one answer to a station


def keep_apart(spooled: Path, folder: Path, row: Rejection) -> None:
    """Give the bytes of `spooled` a second, read-only name in `folder`, and write the note beside it. Idempotent.

    `spooled` stays: it goes once the row is committed. Raises Transient.
    """
    note = json.dumps(_note(row), ensure_ascii=False, indent=1).encode()
    durable.write(folder / f"{row.id}.json", note)
    durable.adopt(spooled, folder / row.id)


def record(session: Session, row: Rejection, actor: Actor) -> None:
    """Add the row and its custody event to the caller's transaction. A known identifier changes nothing."""
    if session.get(Rejection, row.id) is not None:
        return
    session.add(row)
    custody.record(session, _event(row, actor))


def adopt_notes(catalogue: Catalogue, spool: Path, before: datetime) -> int:
    """After a start: the row and event of what was set apart before then and has none, because a crash came between.

    A note whose bytes never came under their second name is taken with those in `spool`/files, else removed. Returns
    how many rows were made.
    """
    folder, made = spool / "rejected", 0
    notes = {path.stem: path for path in folder.glob("*.json")}
    with catalogue.read() as session:
        known = set(session.scalars(select(Rejection.id)))
    for name in sorted(notes.keys() - known):
        row = _noted(notes[name].read_bytes())
        if row is None or row.id != name or row.made >= before:
            continue
        if not (folder / name).exists() and not _rescued(spool, folder / name):
            durable.remove(notes[name])
            continue
        with catalogue.write() as session:
            _record_found(session, row)
        made += 1
    return made


def _rescued(spool: Path, target: Path) -> bool:
    """Whether the bytes were still in the folder of the request that brought them."""
    for spooled in (spool / "files").glob(f"*/{target.name}"):
        try:
            durable.adopt(spooled, target)
        except Transient:
            if spooled.exists():
                raise
        else:
            return True
    return False


def _record_found(session: Session, row: Rejection) -> None:
    """What a restored database does not know any more is left out of the row."""
    by = Actor("station", row.station_id) if row.station_id else Actor("service", "ingest")
    if row.station_id and session.get(Station, row.station_id) is None:
        row.station_id = None
    if row.docking_id and session.get(Docking, row.docking_id) is None:
        row.docking_id = None
    record(session, row, by)


def of_station(session: Session, station: str, docking: str = "") -> tuple[list[Rejection], int]:
    """The station's own, newest first (at most 500), and how many there are. `docking`: of this one only."""
    mine = [Rejection.station_id == station]
    if docking:
        mine.append(Rejection.docking_id == docking)
    total = session.scalar(select(func.count()).select_from(Rejection).where(*mine)) or 0
    rows = session.scalars(select(Rejection).where(*mine).order_by(Rejection.made.desc(), Rejection.id).limit(AT_MOST))
    return list(rows), total


def as_json(row: Rejection) -> dict[str, object]:
    """What a station is told (docs/docking-protocol.md)."""
    return {
        "id": row.id,
        "docking": row.docking_id,
        "device": row.device_serial,
        "path": row.path,
        "size": row.size,
        "expected": row.expected,
        "received": row.received,
        "code": row.code,
        "zh": row.zh,
        "en": row.en,
        "time": iso(row.made),
        "seen": row.seen is not None,
    }


def _note(row: Rejection) -> dict[str, object]:
    return {
        "upload": row.id,
        "door": row.door,
        "station": row.station_id,
        "docking": row.docking_id,
        "device": row.device_serial,
        "path": row.path,
        "expected": row.expected,
        "received": row.received,
        "size": row.size,
        "time": iso(row.made),
        "code": row.code,
        "zh": row.zh,
        "en": row.en,
    }


def _noted(note: bytes) -> Rejection | None:
    """The row that a note tells of; None for what is no note of ours."""
    try:
        said = json.loads(note)
        return Rejection(
            id=said["upload"],
            door=said["door"],
            station_id=said["station"],
            docking_id=said["docking"],
            device_serial=said["device"],
            path=said["path"],
            size=said["size"],
            expected=said["expected"],
            received=said["received"],
            code=said["code"],
            zh=said["zh"],
            en=said["en"],
            place=f"spool/rejected/{said['upload']}",
            made=datetime.fromisoformat(said["time"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


def _event(row: Rejection, actor: Actor) -> CustodyEvent:
    return CustodyEvent(
        id=new_id(),
        event="upload.rejected",
        time=row.made,
        actor=actor,
        subject=f"device:{row.device_serial or 'unknown'}",
        payload={
            "rejection": row.id,
            "door": row.door,
            "station": row.station_id,
            "docking": row.docking_id,
            "name": row.path,
            "size": row.size,
            "expected": row.expected,
            "received": row.received,
            "code": row.code,
        },
    )
