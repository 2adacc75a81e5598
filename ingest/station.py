"""The station's own key file: who it is, what it signs with, and which ledger it trusts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage import durable
from storage.errors import IntegrityError, Refused
from storage.ledger import note

SCHEMA = "liuhen.station/1"


@dataclass(frozen=True, slots=True)
class StationKey:
    """`log`: the ledger's public key (C2SP vkey), pinned when the station was enrolled.

    `following`: the key that the server has been asked to take instead of `key`; it has not answered yet.
    """

    station: str
    key: Ed25519PrivateKey
    log: str
    following: Ed25519PrivateKey | None = None

    def save(self, path: Path) -> None:
        """Write the key file, readable by its owner only. Raises Refused when it exists: a key is never overwritten."""
        if path.exists():
            raise Refused(f"密钥文件“{path}”已存在，不会覆盖。", f"the key file “{path}” exists and is not overwritten")
        self.replace(path)

    def replace(self, path: Path) -> None:
        """Write the key file over the one that is there: after any crash it is the old one or the new one, whole.

        Whose it was it stays, also when root does this: the station's program runs as somebody else.
        """
        before = path.stat() if path.exists() else None
        fields = {"schema": SCHEMA, "station": self.station, "private_key": as_pem(self.key), "log": self.log}
        if self.following is not None:
            fields["next_key"] = as_pem(self.following)
        durable.write(path, json.dumps(fields, ensure_ascii=False, indent=1).encode() + b"\n", mode=0o600)
        if before is not None and os.geteuid() == 0:
            os.chown(path, before.st_uid, before.st_gid)


def load(path: Path) -> StationKey:
    """Read a key file. Raises Refused that says what is wrong with it."""
    try:
        fields = json.loads(path.read_bytes().decode("utf-8"))
        if fields["schema"] != SCHEMA:
            raise ValueError(f"schema {fields['schema']!r}")  # noqa: TRY301
        key = from_pem(fields["private_key"])
        following = from_pem(fields["next_key"]) if "next_key" in fields else None
        note.parse_vkey(fields["log"])
        station = str(fields["station"])
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except (ValueError, TypeError, KeyError, AttributeError, IntegrityError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    return StationKey(station, key, fields["log"], following)


def as_pem(key: Ed25519PrivateKey) -> str:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode("ascii")


def from_pem(pem: str) -> Ed25519PrivateKey:
    """Raises ValueError or TypeError."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError("not an Ed25519 key")
    return key


def _unusable(path: Path, why: str) -> Refused:
    return Refused(
        f"采集站密钥文件“{path}”无法使用（{why}）；请重新登记采集站（liuhen station enrol）。",
        f"the station key file “{path}” can't be used ({why}): enrol the station anew (liuhen station enrol)",
    )
