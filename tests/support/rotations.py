"""Keys that follow each other in the logs of the tests."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.catalogue import custody
from storage.ledger import note, rotation
from storage.ledger.keys import LogKey
from storage.ledger.note import Ed25519Signer
from storage.records import Actor, CustodyEvent
from tests.support.ledger import SIGNER, START, Desk

NEXT, THIRD, STRANGER = (
    Ed25519Signer(SIGNER.name, Ed25519PrivateKey.from_private_bytes(bytes(range(first, first + 32))))
    for first in (1, 2, 3)
)
LATER = {str(each.verifier): each for each in (NEXT, THIRD)}


def key_of(first: note.Signer = SIGNER) -> LogKey:
    """The private keys of a log that may go over to NEXT and THIRD."""
    return LogKey(first, LATER.get)


def handover(old: note.Signer, new: note.Signer, signed: str | None = None) -> CustodyEvent:
    return CustodyEvent(
        id=f"rotation:{old.verifier.key_id.hex()}",
        event=rotation.EVENT,
        time=START,
        actor=Actor("user", "admin"),
        subject=rotation.SUBJECT,
        payload={"from": str(old.verifier), "to": str(new.verifier), "note": signed or rotation.sign(old, new)},
    )


def rotate(log: Desk, old: note.Signer = SIGNER, new: note.Signer = NEXT) -> None:
    """Put a rotation into the outbox."""
    with log.catalogue.write() as session:
        custody.record(session, handover(old, new))
