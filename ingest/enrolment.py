"""Enrolling and revoking stations: the row, the key file, and the ledger entry that says who did it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select

from ingest.manifest import Name
from ingest.station import StationKey
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Station
from storage.clock import Clock, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.records import Actor, CustodyEvent

CONSOLE = Actor("service", "admin-console")


class Enrolment:
    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def add(self, name: str, place: str, out: Path, log: str, by: Actor = CONSOLE) -> None:
        """Enrol station `name`: its new key goes into the file `out` and nowhere else.

        `log` is the ledger's public key (vkey), which the station pins. Raises Refused or Conflict.
        """
        _check_name(name)
        with self._catalogue.read() as session:
            if session.get(Station, name) is not None:
                raise _known(name)
        key = Ed25519PrivateKey.generate()
        StationKey(name, key, log).save(out)
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode("ascii")
        now = self._clock()
        with self._catalogue.write() as session:
            session.add(Station(id=name, public_key=public, place=place, created=now))
            payload = {"public_key": public, "place": place}
            custody.record(session, CustodyEvent(new_id(), "station.enrolled", now, by, f"station:{name}", payload))

    def revoke(self, name: str, by: Actor = CONSOLE) -> None:
        """Refuse the station's key and tokens from now on. Raises NotFound. Twice is once."""
        now = self._clock()
        with self._catalogue.write() as session:
            station = session.get(Station, name)
            if station is None:
                raise NotFound(f"没有采集站“{name}”。", f"there is no station “{name}”")
            if station.revoked is None:
                station.revoked = now
                custody.record(session, CustodyEvent(new_id(), "station.revoked", now, by, f"station:{name}", {}))

    def all(self) -> Sequence[Station]:
        with self._catalogue.read() as session:
            return session.scalars(select(Station).order_by(Station.id)).all()


def _check_name(name: str) -> None:
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise Refused(
            "采集站名称不合法（1–100 个字符，不含控制字符）。", "a station's name has 1 to 100 characters"
        ) from error


def _known(name: str) -> Conflict:
    return Conflict(
        f"采集站“{name}”已登记；更换密钥请先停用并以新名称登记。",
        f"station “{name}” is enrolled already; for a new key revoke it and enrol it under a new name",
    )
