"""Enrolling and revoking stations: the rows, and the ledger entries that say who did it.

With a one-time code (`invite`, then `enrol` by the station itself) the private key never leaves the station. `add`
makes the key here and writes its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest import enrolment_errors as errors
from ingest import invitation, key_messages
from ingest.invitation import Voucher, public_of
from ingest.key_messages import Enrol, Signed
from ingest.manifest import Name
from ingest.station import StationKey
from storage.catalogue import custody, stations, tables
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import EnrolmentCode, Station
from storage.clock import Clock, iso, new_id
from storage.errors import Conflict, NotFound, Refused
from storage.records import Actor, CustodyEvent

CONSOLE = Actor("service", "admin-console")
MAX_HOURS = 24 * 7
MAX_PLACE = 100


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code, shown once: `code` is kept nowhere. `log`: the ledger's key that the station will pin."""

    code: str
    station: str
    expires: datetime
    log: str


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What the station is told. `new`: it was enrolled by this very call, and not before."""

    voucher: Voucher
    place: str
    new: bool


class Enrolment:
    def __init__(self, catalogue: Catalogue, clock: Clock) -> None:
        self._catalogue = catalogue
        self._clock = clock

    def add(self, name: str, place: str, out: Path, log: str, by: Actor = CONSOLE) -> None:
        """Enrol station `name`: its new key goes into the file `out` and nowhere else.

        `log` is the ledger's public key (vkey), which the station pins. Raises Refused or Conflict.
        """
        check_name(name)
        with self._catalogue.read() as session:
            if session.get(Station, name) is not None:
                raise _known(name)
        key = Ed25519PrivateKey.generate()
        StationKey(name, key, log).save(out)
        with self._catalogue.write() as session:
            station = Station(id=name, public_key="", place=place, created=self._clock())
            self._use(session, station, public_of(key), by, {})

    def invite(self, name: str, place: str, log: str, *, hours: int = 24, by: Actor = CONSOLE) -> Invitation:
        """Make a code for a new station `name`, or for a new key of one that is enrolled (lost, stolen, revoked).

        Codes made for the name before run out. Raises Refused.
        """
        check_name(name)
        if not 1 <= hours <= MAX_HOURS:
            raise Refused(f"有效期须为1至{MAX_HOURS}小时。", f"a code is good for 1 to {MAX_HOURS} hours")
        if len(place) > MAX_PLACE or not place.isprintable():
            raise Refused(
                "地点须在100字以内，不含控制字符。", "a place has up to 100 characters, no control characters"
            )
        code, now = invitation.make(), self._clock()
        key = invitation.key_of(invitation.read(code))
        expires = now + timedelta(hours=hours)
        row = EnrolmentCode(
            code=invitation.digest_of(public_of(key)),
            station_id=name,
            place=place.strip(),
            made=now,
            made_by=by.id,
            log=log,
            proof=invitation.vouch(key, name, log).proof,
            expires=expires,
        )
        with self._catalogue.write() as session:
            stations.end_codes(session, name, now)
            session.add(row)
            payload = {"place": row.place, "expires": iso(expires)}
            custody.record(session, CustodyEvent(new_id(), "station.invited", now, by, f"station:{name}", payload))
        return Invitation(code, name, expires, log)

    def enrol(self, given: Signed) -> Enrolled:
        """The station's own request. The same code with the same key again gives the same answer.

        Raises HttpError (wrong signature; code unknown, expired or used; key known) or Refused (malformed).
        """
        request = key_messages.parse(Enrol, given.body)
        if not key_messages.signed_by(key_messages.ENROL, given, request.public_key, request.code):
            raise errors.wrong_signature()
        now = self._clock()
        with self._catalogue.write() as session:
            code = session.get(EnrolmentCode, invitation.digest_of(request.code), with_for_update=True)
            if code is None:
                raise errors.unknown_code()
            new = code.used is None
            if new:
                self._use_code(session, code, request.public_key, now)
            station = session.get_one(Station, code.station_id)
            if station.revoked is not None or station.public_key != request.public_key:
                raise errors.used_code()
            return Enrolled(Voucher(station.id, code.log, code.proof), station.place, new)

    def revoke(self, name: str, by: Actor = CONSOLE) -> None:
        """Refuse the station's key, its tokens and unused codes from now on. Raises NotFound. Twice is once."""
        now = self._clock()
        with self._catalogue.write() as session:
            station = session.get(Station, name, with_for_update=True)
            if station is None:
                raise NotFound(f"没有采集站“{name}”。", f"there is no station “{name}”")
            if station.revoked is None:
                station.revoked = now
                stations.close_keys(session, name, now)
                stations.end_tokens(session, name)
                stations.end_codes(session, name, now)
                custody.record(session, CustodyEvent(new_id(), "station.revoked", now, by, f"station:{name}", {}))

    def all(self) -> Sequence[Station]:
        with self._catalogue.read() as session:
            return session.scalars(select(Station).order_by(Station.id)).all()

    def _use_code(self, session: Session, code: EnrolmentCode, public_key: str, now: datetime) -> None:
        if code.expires <= now:
            raise errors.expired_code()
        name, by = code.station_id, Actor("station", code.station_id)
        code.used, code.public_key = now, public_key
        station = session.get(Station, name, with_for_update=True)
        held = session.get(tables.StationKey, public_key)
        if held is not None:
            if held.station_id != name or held.until is not None:
                raise errors.known_key()
            return  # the answer to an earlier code was lost, and this key is in use already
        if station is None:
            station = Station(id=name, public_key="", place=code.place, created=now)
        elif code.place:
            station.place = code.place
        self._use(session, station, public_key, by, {"invited_by": code.made_by})

    def _use(self, session: Session, station: Station, public_key: str, by: Actor, more: dict[str, str]) -> None:
        """Give the station its key. One that had another before is enrolled anew: who has that one is locked out."""
        now = self._clock()
        if station.public_key:
            more = {**more, "replaces": station.public_key}
            stations.end_tokens(session, station.id)
            station.state = None  # its sequence may be that of whoever had the other key
        station.revoked = None
        session.add(station)
        session.flush()
        stations.use_key(session, station, public_key, now)
        payload = {"public_key": public_key, "place": station.place, **more}
        custody.record(session, CustodyEvent(new_id(), "station.enrolled", now, by, f"station:{station.id}", payload))


def check_name(name: str) -> None:
    """Raises Refused."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise Refused(
            "采集站名称不合法（1–100 个字符，不含控制字符）。", "a station's name has 1 to 100 characters"
        ) from error


def _known(name: str) -> Conflict:
    return Conflict(
        f"采集站“{name}”已登记；更换密钥用 liuhen station rotate，密钥丢失用 liuhen admin station invite。",
        f"station “{name}” is enrolled already; for a new key use liuhen station rotate, or, when the key is lost, "
        "enrol it anew with liuhen admin station invite",
    )
