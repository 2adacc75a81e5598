"""Receipts as they were first given: the same file again gets the same."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import LargeBinary, bindparam, select, text
from sqlalchemy.orm import Session

from storage.catalogue.tables import Original

_KEEP = text("UPDATE originals SET receipt = :receipt WHERE sha256 = :sha256 AND receipt IS NULL").bindparams(
    bindparam("receipt", type_=LargeBinary())
)


def keep(session: Session, made: Mapping[str, bytes]) -> dict[str, bytes]:
    """Keep the receipts by their originals' SHA-256, where none was kept before; return those that count."""
    session.execute(_KEEP, [{"sha256": sha256, "receipt": receipt} for sha256, receipt in made.items()])
    rows = session.execute(select(Original.sha256, Original.receipt).where(Original.sha256.in_(made)))
    return {sha256: receipt for sha256, receipt in rows if receipt is not None}
