"""The station's own key file: who it is, what it signs with, and which ledger it trusts."""

from __future__ import annotations

import json
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
    """`log`: the ledger's public key (C2SP vkey), pinned when the station was enrolled."""

    station: str
    key: Ed25519PrivateKey
    log: str

    def save(self, path: Path) -> None:
        """Write the key file, readable by its owner only. Raises Refused when it exists: a key is never overwritten."""
        if path.exists():
            raise Refused(f"密钥文件“{path}”已存在，不会覆盖。", f"the key file “{path}” exists and is not overwritten")
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fields = {"schema": SCHEMA, "station": self.station, "private_key": pem.decode("ascii"), "log": self.log}
        durable.write(path, json.dumps(fields, ensure_ascii=False, indent=1).encode() + b"\n", mode=0o600)


def load(path: Path) -> StationKey:
    """Read a key file. Raises Refused that says what is wrong with it."""
    try:
        fields = json.loads(path.read_bytes().decode("utf-8"))
        if fields["schema"] != SCHEMA:
            raise ValueError(f"schema {fields['schema']!r}")  # noqa: TRY301
        key = serialization.load_pem_private_key(fields["private_key"].encode(), password=None)
        note.parse_vkey(fields["log"])
        station = str(fields["station"])
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except (ValueError, TypeError, KeyError, AttributeError, IntegrityError) as error:
        raise _unusable(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _unusable(path, "not an Ed25519 key")
    return StationKey(station, key, fields["log"])


def _unusable(path: Path, why: str) -> Refused:
    return Refused(
        f"采集站密钥文件“{path}”无法使用（{why}）；请用 liuhen admin station add 生成。",
        f"the station key file “{path}” can't be used ({why}): make one with liuhen admin station add",
    )
