"""Private keys on the disk: encrypted PKCS#8 PEM files, readable by their owner only."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from storage import durable
from storage.errors import Refused


def save(file: Path, private: PrivateKeyTypes, passphrase: bytes) -> None:
    """Keep a key in `file`, mode 0600, durably. Raises Refused when the file is there already."""
    check_absent(file)
    pem = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase),
    )
    durable.write(file, pem, mode=0o600)


def load(file: Path, passphrase: bytes) -> PrivateKeyTypes:
    """The key in `file`. Raises Refused: no such file, not encrypted, wrong passphrase, damaged."""
    try:
        return serialization.load_pem_private_key(file.read_bytes(), passphrase)
    except (OSError, ValueError, TypeError) as error:
        raise Refused(
            f"无法打开签名密钥 {file}：口令不对或文件损坏。请核对口令，或从密钥备份恢复该文件。",
            f"the signing key {file} can't be opened ({error}): check the passphrase or restore its backup",
        ) from error


def check_absent(file: Path) -> None:
    if file.exists():
        raise Refused(f"签名密钥 {file} 已存在，不会覆盖。", f"the signing key {file} exists and is never overwritten")
