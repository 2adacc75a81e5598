"""A witness's signing keys: encrypted PKCS#8 PEM files, readable by their owner only, one for each signature type."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from storage.clock import Clock
from storage.errors import Refused
from storage.ledger import keyfile
from storage.ledger.witnesses import cosignature

KINDS = ("ml-dsa-44", "ed25519")


def make(file: Path, name: str, kind: str, passphrase: bytes, clock: Clock) -> cosignature.Signer:
    """Make a key of one of the `KINDS` and keep it in `file`, mode 0600. Raises Refused when the file is there."""
    keyfile.check_absent(file)
    private = Ed25519PrivateKey.generate() if kind == "ed25519" else MLDSA44PrivateKey.generate()
    signer = _signer(name, private, clock)
    cosignature.parse_vkey(str(signer.verifier))  # a name no verifier could read is refused before anything is kept
    keyfile.save(file, private, passphrase)
    return signer


def load(file: Path, name: str, passphrase: bytes, clock: Clock) -> cosignature.Signer:
    """Open the key in `file`. Raises Refused: no such file, wrong passphrase, a key of another kind."""
    private = keyfile.load(file, passphrase)
    if not isinstance(private, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise Refused(
            f"签名密钥 {file} 不是 Ed25519 或 ML-DSA-44 密钥。",
            f"the signing key {file} is no Ed25519 or ML-DSA-44 key",
        )
    return _signer(name, private, clock)


def _signer(name: str, private: Ed25519PrivateKey | MLDSA44PrivateKey, clock: Clock) -> cosignature.Signer:
    if isinstance(private, Ed25519PrivateKey):
        return cosignature.Ed25519Signer(name, private, clock)
    return cosignature.MlDsa44Signer(name, private, clock)
