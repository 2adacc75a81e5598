"""Files taken in by the real intake of a tests' bureau, and its jobs carried out in the foreground."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from ingest.digest import FileHasher
from pipeline.intake import Spooled
from pipeline.originals import Arrival
from storage.catalogue.tables import DockedFile, Docking, Job, Recording, Station
from storage.clock import new_id
from storage.records import Actor, JobKind
from tests.support.web import Bureau

STATION = Actor("station", "ST-01")
SHOT = datetime(2026, 11, 18, 1, 30, 24, tzinfo=UTC)


def take_in(
    office: Bureau, file: Path, *, docking: str | None = None, folder: str = "DCIM", device: str = "LH00012"
) -> str:
    """Through the real intake; the receipt is published in the foreground. Returns the digest."""
    spool = office.services.settings.spool / new_id()
    shutil.copyfile(file, spool)
    hasher = FileHasher()
    hasher.update(spool.read_bytes())
    digest, leaves = hasher.finish()
    arrival = Arrival(f"{folder}/{file.name}", device, STATION, docking=docking)
    office.services.intake.keep([Spooled(spool, digest, leaves)])
    with office.services.catalogue.write() as session:
        office.services.intake.register(session, [(arrival, digest)])
    spool.unlink()
    return digest.sha256


def work(office: Bureau, kind: JobKind = JobKind.ANALYSE) -> int:
    """Carry out the waiting jobs of that kind; how many there were."""
    with office.services.catalogue.read() as session:
        waiting = session.scalars(select(Job.id).where(Job.kind == kind, Job.state == "queued")).all()
    return sum(office.services.runner.run(job) for job in waiting)


def recordings(office: Bureau) -> list[Recording]:
    with office.services.catalogue.read() as session:
        return list(session.scalars(select(Recording).order_by(Recording.id)))


def dock(office: Bureau, days: float, files: dict[str, str], *, device: str = "LH00012") -> str:
    """A docking manifest in the database, so many days from now: path → digest, all of them dated SHOT."""
    moment = office.clock.now + timedelta(days=days)
    docking = new_id()
    with office.services.catalogue.write() as session:
        if session.get(Station, "ST-01") is None:
            session.add(Station(id="ST-01", public_key="", created=moment))
            session.flush()
        session.add(
            Docking(
                id=docking, station_id="ST-01", device_serial=device, manifest=b"", manifest_sha256=docking,
                signature="", station_time=moment, received=moment, token="",
            )
        )  # fmt: skip
        session.flush()
        for path, sha256 in files.items():
            session.add(
                DockedFile(
                    docking_id=docking, path=path, device_serial=device, size=1, sha256=sha256,
                    modified=SHOT,
                )
            )  # fmt: skip
    return docking
