"""The log's signing key: an encrypted PKCS#8 PEM file, readable by its owner only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage import durable
from storage.errors import Refused
from storage.ledger import note
from storage.ledger.note import Signer


@dataclass(frozen=True, slots=True)
class LogKey:
    """The private keys of the log named `signer.name`, which began with `signer`.

    `later` finds the private key of a later public key; `seconds` put their lines under each checkpoint as well.
    """

    signer: Signer
    later: Callable[[str], Signer] | None = None
    seconds: tuple[Signer, ...] = ()

    @property
    def origin(self) -> str:
        return self.signer.name

    @property
    def verifier(self) -> note.Ed25519Verifier:
        """The key that the log began with."""
        return note.parse_vkey(self.vkey)

    @property
    def vkey(self) -> str:
        """The public key that the log began with, as one line."""
        return str(self.signer.verifier)

    def find(self, vkey: str) -> Signer:
        """The private key of a public one. Raises Refused when it is not there."""
        if vkey == self.vkey:
            return self.signer
        if self.later is None:
            raise Refused(f"缺少公钥 {vkey} 的私钥。", f"the private key of {vkey} is missing")
        return self.later(vkey)


def make(file: Path, origin: str, passphrase: bytes) -> LogKey:
    """Make a new key and keep it in `file`, mode 0600. Raises Refused when the file is there already."""
    if file.exists():
        raise Refused(f"签名密钥 {file} 已存在，不会覆盖。", f"the signing key {file} exists and is never overwritten")
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    key = LogKey(note.Ed25519Signer(origin, private))
    note.parse_vkey(key.vkey)  # a name no verifier could read is refused before anything is signed
    durable.write(file, pem, mode=0o600)
    return key


def load(file: Path, origin: str, passphrase: bytes) -> LogKey:
    """Open the key in `file`. Raises Refused: no such file, wrong passphrase, not an Ed25519 key."""
    try:
        private = serialization.load_pem_private_key(file.read_bytes(), passphrase)
    except (OSError, ValueError, TypeError) as error:
        raise Refused(
            f"无法打开签名密钥 {file}：口令不对或文件损坏。请核对口令，或从密钥备份恢复该文件。",
            f"the signing key {file} can't be opened ({error}): check the passphrase or restore its backup",
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Refused(f"签名密钥 {file} 不是 Ed25519 密钥。", f"the signing key {file} is not an Ed25519 key")
    return LogKey(note.Ed25519Signer(origin, private))


def load_or_make(file: Path, origin: str, passphrase: bytes) -> LogKey:
    """The log's key, made at the very first start."""
    return load(file, origin, passphrase) if file.exists() else make(file, origin, passphrase)
