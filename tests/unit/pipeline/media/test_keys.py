from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from pipeline.media import keys
from pipeline.media.keys import Keyring, Sealed
from pipeline.media.sei import Message
from tests.support.certificates import chain
from tests.support.signing import Camera, camera, gops, verify

CHIP = "04005001" + "ab" * 14


def attestation(element: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePublicKey, chip: str = CHIP) -> bytes:
    """What a secure element says of a key that it made, as Axis cameras send it."""
    moment = bytes(range(12))
    told = keys._statement(key, bytes.fromhex(chip), moment)
    seal = element.sign(told, ec.ECDSA(hashes.SHA256()))
    return bytes(8) + b"\1" + moment + len(seal).to_bytes(2, "big") + seal


def attested(*, of: ec.EllipticCurvePrivateKey | None = None, chip: str = CHIP) -> Camera:
    """A camera whose key is attested; `of`: the key that really is."""
    made, element = camera(), ec.generate_private_key(ec.SECP256R1())
    public = (of or made.key).public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    name = f"Axis Edge Vault Attestation {CHIP}"
    made.certificates = b"".join(chain(element.public_key(), name=name)[:2])
    made.attestation = attestation(element, public, chip)
    return made


def test_a_key_that_its_element_attests() -> None:
    signer = verify(attested().sign(gops(4))).signers[0]
    assert (signer.vouched, len(signer.certificates)) == (True, 2)


@pytest.mark.parametrize(
    "made", [attested(of=ec.generate_private_key(ec.SECP256R1())), attested(chip="04005001" + "cd" * 14)]
)
def test_an_attestation_of_something_else(made: Camera) -> None:
    found = verify(made.sign(gops(4)))
    assert (found.signers[0].vouched, found.breaches) == (False, ())


def test_a_key_in_its_own_certificate() -> None:
    made = camera()
    made.certificates = b"".join(chain(made.key.public_key())[:2])
    signer = verify(made.sign(gops(4))).signers[0]
    spki = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    der = made.key.public_key().public_bytes(*spki)
    assert (signer.vouched, signer.key) == (True, hashlib.sha256(der).hexdigest())


def test_no_signature_no_key() -> None:
    assert Keyring().check(Message("x"), bytes(32)) is Sealed.LATER
    assert Keyring().check(Message("x", signature=b"?"), bytes(32)) is Sealed.KEYLESS


@pytest.mark.parametrize(
    "pem",
    [
        b"no key",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ed25519.Ed25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        b"A" * 70_000,
    ],
    ids=["none", "damaged", "of another kind", "long"],
)
def test_keys_that_can_not_be_read(pem: bytes) -> None:
    assert Keyring().check(Message("x", key=pem, signature=b"?"), bytes(32)) is Sealed.UNKNOWN


def test_certificates_that_can_not_be_read() -> None:
    damaged = b"-----BEGIN CERTIFICATE-----\n\xff\xfe\n-----END CERTIFICATE-----"
    assert Keyring().check(Message("x", certificates=damaged, signature=b"?"), bytes(32)) is Sealed.UNKNOWN


def test_many_keys_are_not_all_taken() -> None:
    ring = Keyring()
    for n in range(100):
        ring.check(Message("x", key=b"%d" % n, signature=b"?"), bytes(32))
    assert len(ring._loaded) <= 16
