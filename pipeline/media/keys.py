"""The keys in a signed stream: takes them from its messages and verifies signatures with them.

Keys and certificates are as hostile as everything else in the file: their sizes and numbers are bounded, and this runs
inside the sandbox. Whether a key is trusted is not decided here.
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from pipeline.continuity.signed import Signer
from pipeline.media import onvif
from pipeline.media.sei import Message

Key = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_LONGEST = 1 << 16  # bytes of a key or a chain of certificates
_MOST_KEYS = 16
_MOST_CERTIFICATES = 8
_MOST_FAILURES = 10_000  # after so many signatures that don't fit no more are tried
_LARGEST_RSA = 8192
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[^-]{1,20000}-----END CERTIFICATE-----")
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
    "sha3_256": hashes.SHA3_256(),
    "sha3_384": hashes.SHA3_384(),
    "sha3_512": hashes.SHA3_512(),
}


class Sealed(Enum):
    """What became of a message's signature."""

    GOOD = "good"
    BAD = "bad"
    LATER = "later"  # the message has none: the one after it speaks for it
    KEYLESS = "keyless"  # no key has come yet
    UNKNOWN = "unknown"  # a kind of key that can't be read


class Keyring:
    """The keys of one stream, in the order in which they come into use."""

    def __init__(self) -> None:
        self._loaded: dict[tuple[bytes, bytes, bytes | None], tuple[Key, Signer] | None] = {}
        self._current: tuple[Key, Signer] | None = None
        self._last_used = ""
        self._failures = 0
        self.signers: list[Signer] = []

    def check(self, message: Message, digest: bytes) -> Sealed:
        """Does the signature fit `digest`, the hash of what was signed?"""
        if message.signature is None:
            return Sealed.LATER
        held = self._current
        if message.key or message.certificates:
            held = self._load(message)
            if held is None:
                return Sealed.UNKNOWN
        if held is None:
            return Sealed.KEYLESS
        if self._failures > _MOST_FAILURES or not _fits(held[0], message, digest):
            self._failures += 1
            return Sealed.BAD
        self._use(held)
        return Sealed.GOOD

    def _use(self, held: tuple[Key, Signer]) -> None:
        self._current, signer = held, held[1]
        if signer.key != self._last_used and len(self.signers) < _MOST_KEYS:
            self.signers.append(signer)
        self._last_used = signer.key

    def _load(self, message: Message) -> tuple[Key, Signer] | None:
        """The key that comes with the message; None where it can't be read. Each is read once."""
        brought = message.key, message.certificates, message.attestation
        if brought not in self._loaded:
            if len(self._loaded) >= _MOST_KEYS or len(message.key) + len(message.certificates) > _LONGEST:
                return None
            self._loaded[brought] = _read(message)
        return self._loaded[brought]


def _read(message: Message) -> tuple[Key, Signer] | None:
    found = _CERTIFICATE.findall(message.certificates)[:_MOST_CERTIFICATES]
    chain = tuple(each.decode("ascii", "replace") for each in found)
    try:
        own = x509.load_pem_x509_certificate(chain[0].encode()).public_key() if chain else None
        key = serialization.load_pem_public_key(message.key) if message.key else own
        der = key.public_bytes(*_SPKI) if key else b""
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, Key) or (isinstance(key, rsa.RSAPublicKey) and key.key_size > _LARGEST_RSA):
        return None
    vouched = (key == own or attested(key, message, chain[0])) if chain else None
    told = {"maker": message.maker, "serial": message.serial, "firmware": message.firmware}
    return key, Signer(hashlib.sha256(der).hexdigest(), message.packet, chain, vouched, **told)


_SPKI = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo


def _fits(key: Key, message: Message, digest: bytes) -> bool:
    signature = message.signature or b""
    algorithm = _HASHES.get(message.algorithm or "sha256")
    if algorithm is None or algorithm.digest_size != len(digest):
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, digest, ec.ECDSA(Prehashed(algorithm)))
        elif message.scheme == onvif.SCHEME:
            free = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO)
            key.verify(signature, digest, free, Prehashed(hashes.SHA256()))
        else:
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


# What an Axis camera's secure element signs when it attests a key that it made (sv_axis_communications.c): the hash of
# the request, then the key's point, the chip, its attributes, the key's size, the time, each with a tag and a length.
_REQUEST = bytes.fromhex("8022000000002141047b0002014504f0000012460121471092bbedfb9882ac16c7f01ae459059604")
_ATTRIBUTES = bytes.fromhex("7b000201290100007b0000030000087b0000031f3c00000800000000002000000200000000")
_CHIP = re.compile(r"Axis Edge Vault Attestation ([0-9a-fA-F]{36})")


def attested(key: Key, message: Message, certificate: str) -> bool:
    """Whether the secure element to which the certificate belongs says that it made the key."""
    leaf, report = x509.load_pem_x509_certificate(certificate.encode()), message.attestation or b""
    try:
        names, element = leaf.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME), leaf.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    chip = _CHIP.search(str(names[0].value)) if names else None
    if chip is None or len(report) < 23 or not isinstance(element, ec.EllipticCurvePublicKey):
        return False
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return False
    try:
        element.verify(report[23:], _statement(key, bytes.fromhex(chip[1]), report[9:21]), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _statement(key: ec.EllipticCurvePublicKey, chip: bytes, time: bytes) -> bytes:
    point = key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    parts = ((0x41, point), (0x42, chip), (0x43, _ATTRIBUTES), (0x44, b"\0\x20"), (0x4F, time))
    told = b"".join(bytes([tag, 0x82]) + len(value).to_bytes(2, "big") + value for tag, value in parts)
    return hashlib.sha256(_REQUEST).digest() + told
