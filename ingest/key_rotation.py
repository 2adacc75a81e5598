"""The server's side of a station's new key: signed by the old and the new one, in the ledger, proven by a receipt."""

from __future__ import annotations

import base64
import hashlib

from sqlalchemy.orm import Session

from ingest import enrolment_errors as errors
from ingest import key_messages, signed
from ingest.key_messages import Rotate, Signed
from ingest.sender import in_use, replaced_key
from storage.catalogue import custody, stations
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Station, StationKey
from storage.clock import Clock
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent

EVENT = "station.key-rotated"
WAIT = 30.0  # seconds; publishing takes a fraction of one


class KeyRotation:
    """Replaces keys. Blocking."""

    def __init__(self, catalogue: Catalogue, sequencer: Sequencer, clock: Clock) -> None:
        self._catalogue, self._sequencer, self._clock = catalogue, sequencer, clock

    def replace(self, given: Signed) -> bytes:
        """Take the new key and return the receipt (tlog-proof) of its ledger entry; the same request again, the same
        entry.

        Raises HttpError (station unknown or revoked; not its present key; key known), Refused (malformed), Transient.
        """
        request = key_messages.parse(Rotate, given.body)
        event_id = event_of(request.public_key)
        with self._catalogue.write() as session:
            station = in_use(session, request.station)
            if not key_messages.signed_by(key_messages.ROTATE, given, request.replaces, request.public_key):
                raise errors.wrong_signature()
            if station.public_key != request.public_key or not custody.is_recorded(session, event_id):
                self._replace(session, station, request, given)
        self._sequencer.notify()
        self._sequencer.wait(event_id, timeout=WAIT)
        return self._sequencer.receipt(event_id)

    def _replace(self, session: Session, station: Station, request: Rotate, given: Signed) -> None:
        if station.public_key != request.replaces:
            raise replaced_key(station.id)
        if session.get(StationKey, request.public_key) is not None:
            raise errors.known_key()
        now = self._clock()
        stations.use_key(session, station, request.public_key, now)
        payload = {
            "replaces": request.replaces,
            "public_key": request.public_key,
            "request": given.body.decode(),
            "signed_by_old": given.first,
            "signed_by_new": given.second,
        }
        who, subject = Actor("station", station.id), f"station:{station.id}"
        custody.record(session, CustodyEvent(event_of(request.public_key), EVENT, now, who, subject, payload))


def check_handed_on(session: Session, name: str, content: bytes, signature: str) -> None:
    """Check that the key that signed this manifest is the station's, or was replaced by the station itself each time
    since. One that was closed because it was lost opens nothing any more. Raises HttpError 403.
    """
    for each in reversed(stations.keys(session, name)):
        if signed.signed_by(signed.MANIFEST, content, signature, each.public_key):
            return
        if not custody.is_recorded(session, event_of(each.public_key)):
            break
    raise replaced_key(name)


def event_of(public_key: str) -> str:
    """The ledger entry's identifier: a key is taken once."""
    return f"station-key:{hashlib.sha256(base64.b64decode(public_key)).hexdigest()}"
