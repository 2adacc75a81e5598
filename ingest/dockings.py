"""Dockings: a signed manifest comes in, is kept as it is, and gives its station a token for what it lists.

The same manifest again is the same docking: nothing is written twice, only the token is a new one.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError as RowExists
from sqlalchemy.orm import Session

from ingest import manifest as manifests
from ingest import signed
from ingest.answers import HttpError, expired_token, unauthorised
from ingest.callers import Caller
from ingest.key_rotation import check_handed_on
from ingest.manifest import FileLine, Manifest
from ingest.sender import check_sender, in_use
from ingest.uploads import resumable
from pipeline.history import look_again
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, DockedFile, Docking, Original, Station
from storage.clock import Clock, iso, new_id
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent

TOKEN_LIFE = timedelta(hours=72)
AT_ONCE = 500  # rows or digests in one question; SQLite takes 32,766 parameters at most


@dataclass(frozen=True, slots=True)
class FileState:
    """What the server has of one listed file. `upload`: an unfinished upload to go on with, at `offset` bytes."""

    line: FileLine
    kept: bool
    upload: str | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Docked:
    docking: str
    token: str
    files: tuple[FileState, ...]


class Dockings:
    """Takes manifests and knows tokens. Blocking."""

    def __init__(
        self, catalogue: Catalogue, sequencer: Sequencer, clock: Clock, token_life: timedelta = TOKEN_LIFE
    ) -> None:
        self._catalogue = catalogue
        self._sequencer = sequencer
        self._clock = clock
        self._token_life = token_life

    def receive(self, content: bytes, signature: str) -> Docked:
        """Register a manifest. Raises HttpError 403 (station or signature) or Refused (malformed).

        The signature comes first: what nobody signed is not worth the memory that reading it takes.
        """
        name = signed.station_in(content)
        with self._catalogue.read() as session:
            if _taken(session, content, signature):  # perhaps signed with a key that was replaced since
                in_use(session, name, lock=False)
                check_handed_on(session, name, content, signature)
            else:
                check_sender(session, name, signed.MANIFEST, content, signature)
        manifest = manifests.parse(content)
        token = secrets.token_urlsafe(32)
        try:
            docking = self._register(manifest, content, signature, token)
        except RowExists:  # the same manifest, or the same new device, came in beside this one
            docking = self._register(manifest, content, signature, token)
        self._sequencer.notify()
        return Docked(docking, token, self._states(manifest))

    def authorise(self, token: str) -> Caller:
        """Whose token it is. Raises HttpError 401, also when the station has been revoked since."""
        query = (
            select(Docking.id, Docking.station_id, Docking.token_expires, Docking.received, Station.revoked)
            .join(Station, Station.id == Docking.station_id)
            .where(Docking.token == _hashed(token))
        )
        with self._catalogue.read() as session:
            found = session.execute(query).first()
        if found is None or found.revoked is not None:
            raise unauthorised()
        if (found.token_expires or found.received + self._token_life) <= self._clock():
            raise expired_token()
        return Caller(found.id, found.station_id)

    def check_listed(self, caller: Caller, sha256: str) -> None:
        """A station learns of a file's receipt only if it has listed the file itself. Raises HttpError 404."""
        listed = (
            select(DockedFile.path)
            .join(Docking, Docking.id == DockedFile.docking_id)
            .where(DockedFile.sha256 == sha256, Docking.station_id == caller.station)
        )
        kept = select(Original.sha256).where(Original.sha256 == sha256)
        with self._catalogue.read() as session:
            if session.scalar(listed.limit(1)) is None or session.scalar(kept) is None:
                raise HttpError(404, "no-receipt", "没有该文件的入库回执。", "there is no receipt for this file")

    def _register(self, manifest: Manifest, content: bytes, signature: str, token: str) -> str:
        digest = manifests.digest(content)
        with self._catalogue.write() as session:
            known = session.scalar(select(Docking).where(Docking.manifest_sha256 == digest))
            if known is not None:
                in_use(session, manifest.station)
                known.token, known.token_expires = _hashed(token), self._clock() + self._token_life
                return known.id
            check_sender(session, manifest.station, signed.MANIFEST, content, signature, lock=True)
            docking = Docking(
                id=new_id(),
                station_id=manifest.station,
                device_serial=manifest.device.serial,
                manifest=content,
                manifest_sha256=digest,
                signature=signature,
                nonce=manifest.nonce,
                station_time=manifests.parse_time(manifest.time),
                received=self._clock(),
                token=_hashed(token),
                token_expires=self._clock() + self._token_life,
            )
            session.add(docking)
            session.flush()
            self._add_files(session, docking, manifest)
            look_again(session, docking.id, docking.received)
            new_device = self._add_device(session, manifest)
            custody.record(session, _received(docking, manifest, new_device))
            return docking.id

    def _add_files(self, session: Session, docking: Docking, manifest: Manifest) -> None:
        rows = (
            {
                "docking_id": docking.id,
                "path": line.path,
                "device_serial": manifest.device.serial,
                "size": line.size,
                "sha256": line.sha256,
                "modified": manifests.parse_time(line.modified),
            }
            for line in manifest.files
            if not line.not_uploaded  # nobody waits for it; it stands in the manifest
        )
        while some := list(islice(rows, AT_ONCE)):  # a card's ten thousand at once would take memory for nothing
            session.execute(insert(DockedFile), some)

    def _add_device(self, session: Session, manifest: Manifest) -> bool:
        """A camera nobody registered is taken all the same, and marked as new in the ledger."""
        if session.get(Device, manifest.device.serial) is not None:
            return False
        session.add(Device(serial=manifest.device.serial, model=manifest.device.model, created=self._clock()))
        return True

    def _states(self, manifest: Manifest) -> tuple[FileState, ...]:
        digests = sorted({line.sha256 for line in manifest.files})
        kept: set[str] = set()
        begun: dict[tuple[str, str], tuple[str, int]] = {}
        with self._catalogue.read() as session:
            for start in range(0, len(digests), AT_ONCE):
                some = digests[start : start + AT_ONCE]
                kept |= set(session.scalars(select(Original.sha256).where(Original.sha256.in_(some))))
                found = resumable(session, manifest.station, some, self._clock())
                begun |= {key: (upload.id, upload.offset) for key, upload in found.items()}
        return tuple(_state(line, kept, begun) for line in manifest.files)


def _state(line: FileLine, kept: set[str], begun: dict[tuple[str, str], tuple[str, int]]) -> FileState:
    if line.sha256 in kept:
        return FileState(line, kept=True)
    upload, offset = begun.get((line.sha256, line.path), (None, 0))
    return FileState(line, kept=False, upload=upload, offset=offset)


def _received(docking: Docking, manifest: Manifest, new_device: bool) -> CustodyEvent:
    return CustodyEvent(
        id=new_id(),
        event="docking.received",
        time=docking.received,
        actor=Actor("station", manifest.station),
        subject=f"device:{manifest.device.serial}",
        payload={
            "docking": docking.id,
            "station": manifest.station,
            "manifest_sha256": docking.manifest_sha256,
            "files": len(manifest.files),
            "unreadable": len(manifest.unreadable),
            "station_time": iso(docking.station_time),
            "clock_offset": _offset(docking.station_time, docking.received),
            "new_device": new_device,
        }
        | _said_besides(manifest),
    )


def _said_besides(manifest: Manifest) -> dict[str, Any]:
    """What a station may say and need not: how the camera was named, the state of the clocks, what is not brought."""
    said: dict[str, Any] = {}
    if manifest.device.named_by:
        said["named_by"] = manifest.device.named_by
    if manifest.device.quarantine:
        said["quarantine"] = True
    if left := sum(1 for line in manifest.files if line.not_uploaded):
        said["not_uploaded"] = left
    if manifest.clock is not None:
        said["station_clock"] = manifest.clock.model_dump()
    if manifest.camera_clock is not None:
        said["camera_clock"] = manifest.camera_clock.model_dump()
    return said


def _offset(station: datetime, server: datetime) -> float:
    """Seconds by which the station's clock is ahead of the server's."""
    return round((station - server).total_seconds(), 3)


def _taken(session: Session, content: bytes, signature: str) -> bool:
    """Whether this very manifest was taken before, with this signature."""
    row = session.scalar(select(Docking).where(Docking.manifest_sha256 == manifests.digest(content)))
    return row is not None and row.signature == signature


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
