"""随附说明: what lay beside an original says of it. Kept byte for byte, logged, shown, not believed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.catalogue import custody
from storage.catalogue import jobs as job_table
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Description, Original, Recording
from storage.clock import new_id
from storage.errors import NotFound
from storage.ledger import commitment
from storage.records import Actor, CustodyEvent, JobKind


@dataclass(frozen=True, slots=True)
class Described:
    """One file that lay beside an original. `content`: its bytes; None: too large, then `digest` is all that is kept.
    `says`: field → text; `fault`: why nothing could be read of it (zh, en).
    """

    name: str
    size: int
    digest: str
    content: bytes | None
    says: Mapping[str, str] = field(default_factory=dict)
    fault: tuple[str, str] | None = None


def record(catalogue: Catalogue, sha256: str, described: Described, *, by: Actor, now: datetime) -> bool:
    """Keep a description of the original `sha256`, with the custody event `original.described`. The same again is
    nothing (False). Raises NotFound.
    """
    with catalogue.write() as session:
        original = session.get(Original, sha256)
        if original is None:
            raise NotFound("没有这份原件。", "there is no such original")
        same = select(Description.id).where(
            Description.original_sha256 == sha256, Description.sha256 == described.digest
        )
        if session.scalar(same) is not None:
            return False
        made = commitment.make(described.digest)
        row = _row(original, described, made.salt.hex(), now)
        session.add(row)
        payload = _payload(row, described, made)
        custody.record(
            session,
            CustodyEvent(new_id(), "original.described", now, by, f"recording:{original.recording_id}", payload),
        )
        if session.get_one(Recording, original.recording_id).report is not None:  # else it is still to be looked at
            key = f"analyse:{original.recording_id}:described:{row.id}"
            job_table.enqueue(session, JobKind.ANALYSE, original.recording_id, key=key, now=now)
        return True


def of_recording(session: Session, recording_id: str) -> list[tuple[str, Description, dict[str, str]]]:
    """Every description of the recording's originals, oldest first: the original's name, the row, what it says."""
    rows = session.execute(
        select(Original.name, Description)
        .join(Original, Original.sha256 == Description.original_sha256)
        .where(Original.recording_id == recording_id)
        .order_by(Description.id)
    ).all()
    return [(name, row, read(row)) for name, row in rows]


def said_beside(session: Session, recording_id: str) -> dict[str, list[tuple[str, dict[str, str]]]]:
    """By an original's digest: its sidecars' names and what they say."""
    found: dict[str, list[tuple[str, dict[str, str]]]] = {}
    for _, row, says in of_recording(session, recording_id):
        found.setdefault(row.original_sha256, []).append((row.name, says))
    return found


def read(row: Description) -> dict[str, str]:
    """What it says; empty where it was erased."""
    try:
        says: dict[str, str] = json.loads(row.says)
    except ValueError:
        return {}
    return says


def _row(original: Original, described: Described, salt: str, now: datetime) -> Description:
    zh, en = described.fault or ("", "")
    return Description(
        id=new_id(),
        original_sha256=original.sha256,
        name=described.name,
        sha256=described.digest,
        salt=salt,
        content=base64.b64encode(described.content or b"").decode("ascii"),
        says=json.dumps(dict(described.says), ensure_ascii=False),
        zh=zh,
        en=en,
        made=now,
    )


def _payload(row: Description, described: Described, made: commitment.Commitment) -> dict[str, Any]:
    """Device number and times in clear; who, where and what about only within the digest's commitment."""
    return {
        "description": row.id,
        "sha256": row.original_sha256,
        "name": row.name,
        "size": described.size,
        "digest": made.as_json(),
        "device": described.says.get("serial"),
        "start": described.says.get("start"),
        "readable": described.fault is None,
    }


def of_bytes(name: str, content: bytes, says: Mapping[str, str], fault: tuple[str, str] | None) -> Described:
    return Described(name, len(content), hashlib.sha256(content).hexdigest(), content, says, fault)
