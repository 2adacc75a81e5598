"""C2SP signed notes with Ed25519: a text, a blank line, and one signature line for each key. Pure.

A verifier key is one line, `name+keyid+base64(0x01 || public key)`, where keyid is the first four bytes of
SHA-256(name || "\\n" || 0x01 || public key) in hex. Only canonical forms are read: one note has one spelling.
Source: c2sp.org/signed-note.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from storage.errors import IntegrityError

ED25519 = b"\x01"
MAX_NOTE = 1_000_000  # bytes
MAX_SIGNATURES = 100  # the specification asks for at least 16
_DASH = "— "


class Verifier(Protocol):
    """A public key with the name it signs under."""

    @property
    def name(self) -> str: ...

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell the name's keys apart."""

    def accepts(self, text: str, signature: bytes) -> bool:
        """Whether `signature`, without the key id, is this key's over `text`. Never raises."""


class Signer(Protocol):
    """A private key with the name it signs under."""

    @property
    def name(self) -> str: ...

    @property
    def verifier(self) -> Verifier: ...

    def sign(self, text: str) -> bytes:
        """The signature over `text`, without the key id."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What the verifiers of all signature types are: a name and a key of the type `KIND`."""

    KIND: ClassVar[bytes]

    name: str
    key: bytes

    @property
    def key_id(self) -> bytes:
        return key_id(self.name, self.KIND + self.key)

    def __str__(self) -> str:
        """The key as one line of text (vkey), to be printed, pinned and handed to others."""
        return encode_vkey(self.name, self.KIND + self.key)


@dataclass(frozen=True, slots=True)
class Ed25519Verifier(PublicKey):
    """Signature type 0x01: the 32-byte Ed25519 public key `key`, the whole text signed as it is."""

    KIND: ClassVar[bytes] = ED25519

    def accepts(self, text: str, signature: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Ed25519Signer:
    """Signature type 0x01 with a private key in memory."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Ed25519Verifier:
        return Ed25519Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        return self.key.sign(text.encode())


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its four-byte id, and what it signed with."""

    name: str
    key_id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note as read, nothing verified yet. `text` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]


def key_id(name: str, material: bytes) -> bytes:
    """The four bytes of a key: `material` is its signature type and public key."""
    return hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]


def encode_vkey(name: str, material: bytes) -> str:
    return f"{name}+{key_id(name, material).hex()}+{encode_base64(material)}"


def split_vkey(vkey: str) -> tuple[str, bytes]:
    """A verifier key's name, and its signature type with the public key. Raises IntegrityError when not canonical."""
    parts = vkey.split("+", 2)
    if len(parts) != 3:
        _refuse("公钥应为“名称+标识+密钥”三段", "a verifier key has three parts, name+id+key")
    name, identifier, encoded = parts
    _check_name(name)
    material = decode_base64(encoded, "公钥", "the verifier key")
    if key_id(name, material).hex() != identifier:
        _refuse("公钥的标识与密钥不符", "the verifier key's id does not belong to its key")
    return name, material


def parse_vkey(vkey: str) -> Ed25519Verifier:
    """Read a log's verifier key. Raises IntegrityError for anything but an Ed25519 key in its canonical form."""
    name, material = split_vkey(vkey)
    if material[:1] != ED25519 or len(material) != 33:
        _refuse("公钥不是 Ed25519 公钥", "the verifier key is not an Ed25519 key")
    return Ed25519Verifier(name, material[1:])


def sign(text: str, *signers: Signer) -> bytes:
    """The note of `text`, which must end in a newline, with a line by each signer."""
    if not text.endswith("\n"):
        raise ValueError("a note's text ends in a newline")
    _check_characters(text)
    return f"{text}\n{''.join(signature_line(text, signer) for signer in signers)}".encode()


def signature_line(text: str, signer: Signer) -> str:
    """One signature line over `text`, with its newline."""
    _check_name(signer.name)
    value = signer.verifier.key_id + signer.sign(text)
    return f"{_DASH}{signer.name} {encode_base64(value)}\n"


def parse(note: bytes) -> Note:
    """Read a note's parts. Raises IntegrityError when it is not in the canonical form. Verifies nothing."""
    if len(note) > MAX_NOTE:
        _refuse("文件过大", "it is too large")
    try:
        content = note.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("不是 UTF-8 文本", "it is not UTF-8 text")
    _check_characters(content)
    split = content.rfind("\n\n")
    if split < 0 or not content.endswith("\n"):
        _refuse("缺少签名部分", "it has no signatures")
    lines = content[split + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        _refuse("签名过多", "it has too many signatures")
    return Note(content[: split + 1], tuple(_parse_signature(line) for line in lines))


def verify(note: bytes, known: Sequence[Verifier]) -> str:
    """The text of a note that at least one known key signed and no known key signed wrongly.

    Lines of unknown keys are ignored, as the specification asks. Raises IntegrityError.
    """
    parsed = parse(note)
    good = 0
    for signature in parsed.signatures:
        for verifier in known:
            if (verifier.name, verifier.key_id) != (signature.name, signature.key_id):
                continue
            if not verifier.accepts(parsed.text, signature.value):
                _refuse(f"{signature.name} 的签名无效", f"the signature by {signature.name} is not valid")
            good += 1
    if not good:
        names = ", ".join(str(verifier) for verifier in known)
        _refuse(f"没有可信密钥的签名（可信密钥：{names}）", f"no trusted key signed it (trusted: {names})")
    return parsed.text


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode_base64(text: str, zh: str, en: str) -> bytes:
    """Standard base64 in its one canonical spelling. Raises IntegrityError that names `zh`, `en`."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or encode_base64(data) != text:
        _refuse(f"{zh}不是规范的 Base64", f"{en} is not canonical base64")
    return data


def _parse_signature(line: str) -> Signature:
    if not line.startswith(_DASH):
        _refuse("签名行格式不正确", "a signature line is malformed")
    name, _, encoded = line[len(_DASH) :].partition(" ")
    _check_name(name)
    value = decode_base64(encoded, "签名", "a signature")
    if len(value) < 5:
        _refuse("签名过短", "a signature is too short")
    return Signature(name, value[:4], value[4:])


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name):
        _refuse("密钥名称不合规", "a key name is empty or holds a space or a plus sign")


def _check_characters(text: str) -> None:
    if any(character < " " and character != "\n" for character in text):
        _refuse("含有控制字符", "it holds control characters")


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"签名文件无效：{zh}。", f"the signed note is not valid: {en}")
