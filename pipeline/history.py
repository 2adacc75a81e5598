"""A device's docking history as the catalogue has it: every line of its signed manifests, and what never arrived."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from pipeline.continuity.docking import DockedCopy, check_vanished
from pipeline.continuity.docking_clocks import OVERTAKEN, DockingTimes
from pipeline.continuity.docking_identity import Refused
from pipeline.continuity.series import series_key
from storage.catalogue import jobs as job_table
from storage.catalogue.tables import DockedFile, Docking, Original, Recording, Rejection
from storage.records import Finding, JobKind

_ONE_OCCASION = timedelta(days=1)
_AT_ONCE = 500  # digests in one question


def manifest_lines(session: Session, serials: Iterable[str]) -> list[DockedCopy]:
    """Every line of every manifest of these devices, oldest docking first."""
    rows = session.execute(
        select(DockedFile, Docking.station_time, Docking.received)
        .join(Docking, Docking.id == DockedFile.docking_id)
        .where(DockedFile.device_serial.in_(list(serials)))
        .order_by(Docking.station_time, DockedFile.path)
    ).all()
    return [_copy(*row) for row in rows]


def _copy(file: DockedFile, signed: datetime, received: datetime) -> DockedCopy:
    """Nothing was signed after it had arrived: a station's clock that is ahead counts as the server's."""
    return DockedCopy(file.docking_id, min(signed, received), file.path, file.sha256, file.modified, received)


def listed_elsewhere(session: Session, digests: Collection[str], serial: str) -> list[tuple[str, DockedCopy]]:
    """Lines of other devices' manifests with these bytes: (serial, line). Empty files are everywhere: left out."""
    wanted = sorted(digests)
    found: list[tuple[str, DockedCopy]] = []
    for at in range(0, len(wanted), _AT_ONCE):
        query = (
            select(DockedFile, Docking.station_time, Docking.received)
            .join(Docking, Docking.id == DockedFile.docking_id)
            .where(DockedFile.sha256.in_(wanted[at : at + _AT_ONCE]))
            .where(DockedFile.device_serial != serial, DockedFile.size > 0)
        )
        found += [(row[0].device_serial, _copy(*row)) for row in session.execute(query)]
    return found


def refused(session: Session, lines: Collection[DockedCopy]) -> list[Refused]:
    """What was set apart because it was not what one of these lines lists."""
    digests = sorted({line.sha256 for line in lines})[:_AT_ONCE]
    rows = session.scalars(
        select(Rejection).where(Rejection.expected.in_(digests), Rejection.received != Rejection.expected)
    )
    return [
        Refused(row.id, row.docking_id, row.path, row.expected, row.received)
        for row in rows
        if row.docking_id and row.expected
    ]


def unread_lines(session: Session, serials: Iterable[str], after: datetime) -> list[DockedCopy]:
    """Files that later manifests of the devices say are on the card and can't be read: lines without a digest."""
    dockings = session.execute(
        select(Docking.id, Docking.manifest, Docking.station_time, Docking.received).where(
            Docking.device_serial.in_(list(serials)), Docking.station_time > after
        )
    ).all()
    return [
        DockedCopy(docking, min(signed, received), each["path"], "", signed, received)
        for docking, manifest, signed, received in dockings
        for each in _said(manifest).get("unreadable", ())
    ]


def docking_times(session: Session, dockings: Collection[str]) -> list[DockingTimes]:
    """The clocks and nonces of these dockings."""
    rows = session.scalars(select(Docking).where(Docking.id.in_(sorted(dockings))).order_by(Docking.id)).all()
    return [_times(session, row) for row in rows]


def _times(session: Session, row: Docking) -> DockingTimes:
    said = _said(row.manifest)
    camera = said.get("camera_clock") or {}
    signed = case((Docking.station_time < Docking.received, Docking.station_time), else_=Docking.received)
    before = session.execute(
        select(Docking.id, Docking.station_time, Docking.received)
        .where(Docking.station_id == row.station_id, Docking.received < row.received - OVERTAKEN)
        .order_by(signed.desc())
        .limit(1)
    ).first()
    twin = select(Docking.id).where(
        Docking.station_id == row.station_id, Docking.nonce == row.nonce, Docking.nonce != "", Docking.id != row.id
    )
    return DockingTimes(
        docking=row.id,
        station=row.station_id,
        signed=row.station_time,
        received=row.received,
        jumped=float((said.get("clock") or {}).get("jumped", 0.0)),
        camera=camera.get("offset"),
        camera_bound=camera.get("bound", "exact"),
        overtaken_by=(before[0], before[1], before[2]) if before else None,
        twin=session.scalar(twin.limit(1)),
    )


def _said(manifest: bytes) -> dict[str, Any]:
    """A kept manifest's fields. It was checked when it came in."""
    fields: dict[str, Any] = json.loads(manifest) if manifest else {}
    return fields


def look_again(session: Session, docking: str, now: datetime) -> None:
    """Have those recordings analysed anew that this docking says something new of: it lists their bytes as another
    device's, or other bytes under their name with a date before they were listed.
    """
    columns = (DockedFile.sha256, DockedFile.path, DockedFile.device_serial, DockedFile.modified)
    lines = select(*columns).where(DockedFile.docking_id == docking).subquery()
    other_device = (
        select(Original.recording_id)
        .join(lines, lines.c.sha256 == Original.sha256)
        .join(Recording, Recording.id == Original.recording_id)
        .where(Recording.device_serial != lines.c.device_serial)
    )
    other_bytes = (
        select(Original.recording_id)
        .join(DockedFile, (DockedFile.docking_id == Original.docking_id) & (DockedFile.sha256 == Original.sha256))
        .join(lines, (lines.c.device_serial == DockedFile.device_serial) & (lines.c.path == DockedFile.path))
        .join(Docking, Docking.id == Original.docking_id)
        .where(lines.c.sha256 != DockedFile.sha256, lines.c.modified <= Docking.received)
    )
    for recording in sorted(set(session.scalars(other_device.union(other_bytes)))):
        key = f"analyse:{recording}:docking:{docking}"
        job_table.enqueue(session, JobKind.ANALYSE, recording, key=key, now=now)


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
    arrived = kept(session, {line.sha256 for line in lines})
    missing = [line.time for line in lines if line.sha256 not in arrived]
    lists = [*lines, *unread_lines(session, [serial], min(missing))] if missing else lines
    return list(check_vanished(lines, arrived, now, allowed, lists))
