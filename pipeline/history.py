"""A device's docking history as the catalogue has it: every line of its signed manifests, and what never arrived."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from pipeline.continuity.docking import DockedCopy, check_vanished
from pipeline.continuity.series import series_key
from storage.catalogue.tables import DockedFile, Docking, Original
from storage.records import Finding

_ONE_OCCASION = timedelta(days=1)
_AT_ONCE = 500  # digests in one question


def manifest_lines(session: Session, serials: Iterable[str]) -> list[DockedCopy]:
    """Every line of every manifest of these devices, oldest docking first."""
    rows = session.execute(
        select(DockedFile, Docking.station_time)
        .join(Docking, Docking.id == DockedFile.docking_id)
        .where(DockedFile.device_serial.in_(list(serials)))
        .order_by(Docking.station_time, DockedFile.path)
    ).all()
    return [DockedCopy(file.docking_id, time, file.path, file.sha256, file.modified) for file, time in rows]


def kept(session: Session, digests: Collection[str]) -> set[str]:
    """Those of the digests of which the original is here."""
    wanted = sorted(set(digests))
    found: set[str] = set()
    for at in range(0, len(wanted), _AT_ONCE):
        found.update(session.scalars(select(Original.sha256).where(Original.sha256.in_(wanted[at : at + _AT_ONCE]))))
    return found


def mates(own: Collection[DockedCopy], lines: Iterable[DockedCopy]) -> list[DockedCopy]:
    """Lines of the same dockings that belong to the same recording as `own`, by their names.

    Names that only count (IMG_0001) say so within a day of one another.
    """
    keys = {(copy.docking, series_key(copy.path).key): copy.modified for copy in own}
    digests = {copy.sha256 for copy in own}
    return [
        line
        for line in lines
        if line.sha256 not in digests
        and (near := keys.get((line.docking, series_key(line.path).key))) is not None
        and abs(line.modified - near) <= _ONE_OCCASION
    ]


def vanished(session: Session, serial: str, now: datetime, allowed: timedelta) -> list[Finding]:
    """REC-CONTINUOUS/DOCK-VANISHED for each file that a station listed on this device and nobody received in time."""
    lines = manifest_lines(session, [serial])
    return list(check_vanished(lines, kept(session, {line.sha256 for line in lines}), now, allowed))
