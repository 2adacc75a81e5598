"""C2SP cosignatures: a witness, or a log itself, says when it saw a checkpoint to be consistent. Pure.

Type 0x04 is Ed25519 over two lines and the whole checkpoint text; type 0x06 is ML-DSA-44 (FIPS 204, empty context)
over a binary structure with the cosigner's name, the log's origin, size and root. The latter says nothing about
extension lines: who reads those must have a signature of another type as well. In both cases the signature begins with
an unsigned 64-bit big-endian time, seconds since 1970. Source: c2sp.org/tlog-cosignature.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from storage.clock import Clock
from storage.errors import IntegrityError
from storage.ledger import checkpoint, note

ED25519 = b"\x04"
ML_DSA_44 = b"\x06"
MAX_TIME = (1 << 63) - 1  # seconds
_KEY_SIZES = {ED25519: 32, ML_DSA_44: 1312}  # bytes
_SIGNATURE_SIZES = {ED25519: 64, ML_DSA_44: 2420}  # bytes
_TIME = struct.Struct(">Q")
_LABEL = b"subtree/v1\n\0"


@dataclass(frozen=True, slots=True)
class Ed25519Verifier(note.PublicKey):
    """Signature type 0x04: the 32-byte Ed25519 public key `key` of the cosigner `name`."""

    KIND: ClassVar[bytes] = ED25519

    def accepts(self, text: str, signature: bytes) -> bool:
        try:
            seconds, value = _split(signature, ED25519)
            Ed25519PublicKey.from_public_bytes(self.key).verify(value, _lines(text, seconds))
        except (InvalidSignature, IntegrityError, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class MlDsa44Verifier(note.PublicKey):
    """Signature type 0x06: the 1312-byte ML-DSA-44 public key `key` of the cosigner `name`."""

    KIND: ClassVar[bytes] = ML_DSA_44

    def accepts(self, text: str, signature: bytes) -> bool:
        try:
            seconds, value = _split(signature, ML_DSA_44)
            MLDSA44PublicKey.from_public_bytes(self.key).verify(value, _structure(self.name, text, seconds))
        except (InvalidSignature, IntegrityError, ValueError):
            return False
        return True


Verifier = Ed25519Verifier | MlDsa44Verifier


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Signature type 0x04 with a private key in memory. `clock` says when a checkpoint was seen."""

    name: str
    key: Ed25519PrivateKey
    clock: Clock

    @property
    def verifier(self) -> Ed25519Verifier:
        return Ed25519Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """Raises IntegrityError when `text` is no checkpoint."""
        seconds = _seconds(self.clock)
        return _TIME.pack(seconds) + self.key.sign(_lines(text, seconds))


@dataclass(frozen=True, slots=True)
class MlDsa44Signer:
    """Signature type 0x06 with a private key in memory, for a witness or for a log's own checkpoints.

    Two signatures over the same text at the same time differ: ML-DSA draws random bytes for each.
    """

    name: str
    key: MLDSA44PrivateKey
    clock: Clock

    @property
    def verifier(self) -> MlDsa44Verifier:
        return MlDsa44Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """Raises IntegrityError when `text` is no checkpoint, or a name in it has more than 255 bytes."""
        seconds = _seconds(self.clock)
        return _TIME.pack(seconds) + self.key.sign(_structure(self.name, text, seconds))


Signer = Ed25519Signer | MlDsa44Signer


def parse_vkey(vkey: str) -> Verifier:
    """Read a cosigner's verifier key. Raises IntegrityError unless it is canonical and of type 0x04 or 0x06."""
    name, material = note.split_vkey(vkey)
    kind, key = material[:1], material[1:]
    if _KEY_SIZES.get(kind) != len(key):
        _refuse("公钥不是 Ed25519（0x04）或 ML-DSA-44（0x06）见证公钥", "the key is no cosigner's (type 0x04 or 0x06)")
    if kind == ED25519:
        return Ed25519Verifier(name, key)
    _check_length(name)
    return MlDsa44Verifier(name, key)


def timestamp(signature: bytes) -> int:
    """When a signature that was accepted says it was made, in seconds since 1970. 0: it says nothing about the time."""
    return int(_TIME.unpack_from(signature)[0])


def moment(signature: bytes) -> datetime | None:
    """`timestamp` as a date in UTC. None when it says nothing, or a year that no calendar here has."""
    try:
        return datetime.fromtimestamp(timestamp(signature), UTC) if timestamp(signature) else None
    except (OverflowError, OSError, ValueError):
        return None


def _split(signature: bytes, kind: bytes) -> tuple[int, bytes]:
    """The time in seconds and the signature proper."""
    if len(signature) != _TIME.size + _SIGNATURE_SIZES[kind]:
        _refuse("长度不正确", "its length is wrong")
    seconds = timestamp(signature)
    if seconds > MAX_TIME:
        _refuse("时间超出范围", "its time is out of range")
    return seconds, signature[_TIME.size :]


def _lines(text: str, seconds: int) -> bytes:
    """What type 0x04 signs."""
    checkpoint.parse(text)
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def _structure(name: str, text: str, seconds: int) -> bytes:
    """What type 0x06 signs, `cosigned_message`: the subtree from 0 to the checkpoint's size is the whole tree."""
    head = checkpoint.parse(text)
    times_and_origin = _TIME.pack(seconds) + _opaque(head.origin)
    return _LABEL + _opaque(name) + times_and_origin + _TIME.pack(0) + _TIME.pack(head.size) + head.root


def _opaque(name: str) -> bytes:
    """One length byte and the name's UTF-8 bytes (TLS presentation language, RFC 8446 3.4)."""
    _check_length(name)
    encoded = name.encode()
    return bytes([len(encoded)]) + encoded


def _check_length(name: str) -> None:
    if not 0 < len(name.encode()) < 256:
        _refuse("名称应为 1–255 字节", "a name must have 1 to 255 bytes")


def _seconds(clock: Clock) -> int:
    seconds = int(clock().timestamp())
    if not 0 < seconds <= MAX_TIME:
        _refuse("系统时钟不正确", "the clock is wrong")
    return seconds


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"见证签名无效：{zh}。", f"the cosignature is not valid: {en}")
