"""The log's signing keys: encrypted files in a folder, or in a hardware module (`storage.ledger.hardware`).

The first is `ledger.pem`, those that follow by rotation are `ledger-<key id>.pem`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage.errors import Refused
from storage.ledger import keyfile, note
from storage.ledger.note import Signer

FIRST = "ledger.pem"


@dataclass(frozen=True, slots=True)
class LogKey:
    """The private keys of the log named `signer.name`, which began with `signer`.

    `later` finds the private key of a later public key; `seconds` put their lines under each checkpoint as well.
    """

    signer: Signer
    later: Callable[[str], Signer | None] | None = None
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
        found = self.later(vkey) if self.later else None
        if found is None:
            raise Refused(
                f"缺少公钥 {vkey} 的私钥。请从密钥备份恢复，或接入保存该密钥的密码设备。",
                f"the private key of {vkey} is missing: restore its backup, or connect the module that holds it",
            )
        return found


@dataclass(frozen=True, slots=True)
class KeyFolder:
    """The key files of the log `origin` in `folder`."""

    folder: Path
    origin: str
    passphrase: bytes

    def first(self) -> Signer:
        """The key the log began with, made at the very first start."""
        file = self.folder / FIRST
        return load(file, self.origin, self.passphrase) if file.exists() else make(file, self.origin, self.passphrase)

    def has_first(self) -> bool:
        return (self.folder / FIRST).exists()

    def find(self, vkey: str) -> Signer | None:
        """The key of a public one, None when there is no file of it. Raises Refused when the file can't be opened."""
        file = self._file(note.parse_vkey(vkey))
        if not file.exists():
            return None
        signer = load(file, self.origin, self.passphrase)
        return signer if str(signer.verifier) == vkey else None

    def make_next(self) -> Signer:
        """A new key, kept in its file before anybody hears of it."""
        private = Ed25519PrivateKey.generate()
        signer = note.Ed25519Signer(self.origin, private)
        keyfile.save(self._file(signer.verifier), private, self.passphrase)
        return signer

    def _file(self, key: note.Ed25519Verifier) -> Path:
        return self.folder / f"ledger-{key.key_id.hex()}.pem"


def make(file: Path, origin: str, passphrase: bytes) -> note.Ed25519Signer:
    """Make a new key and keep it in `file`, mode 0600. Raises Refused when the file is there already."""
    keyfile.check_absent(file)
    private = Ed25519PrivateKey.generate()
    signer = note.Ed25519Signer(origin, private)
    note.parse_vkey(str(signer.verifier))  # a name no verifier could read is refused before anything is signed
    keyfile.save(file, private, passphrase)
    return signer


def load(file: Path, origin: str, passphrase: bytes) -> note.Ed25519Signer:
    """Open the key in `file`. Raises Refused: no such file, wrong passphrase, not an Ed25519 key."""
    private = keyfile.load(file, passphrase)
    if not isinstance(private, Ed25519PrivateKey):
        raise Refused(f"签名密钥 {file} 不是 Ed25519 密钥。", f"the signing key {file} is not an Ed25519 key")
    return note.Ed25519Signer(origin, private)
