"""Salted commitments: how personal data stands in the ledger without being in it. Pure.

The ledger keeps SHA-256(salt || value); salt (32 random bytes) and value stay in the database. Whoever is shown both
can check them against the entry. Once both are erased, the entry still verifies and says nothing about the person: a
hash without salt could be guessed by trying every name or number.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storage.errors import IntegrityError

SALT_SIZE = 32


@dataclass(frozen=True, slots=True)
class Commitment:
    """`digest` (hex) goes into the ledger; `salt` is kept with the value and erased with it."""

    digest: str
    salt: bytes

    def as_json(self) -> dict[str, str]:
        """What stands in an entry's payload."""
        return {"commitment": self.digest}


def make(value: str, salt: bytes | None = None) -> Commitment:
    """Commit to `value`. `salt` is 32 random bytes unless given."""
    salt = os.urandom(SALT_SIZE) if salt is None else salt
    if len(salt) != SALT_SIZE:
        raise ValueError(f"a salt has {SALT_SIZE} bytes")
    return Commitment(hashlib.sha256(salt + value.encode("utf-8")).hexdigest(), salt)


def verify(logged: Mapping[str, Any], value: str, salt: bytes) -> None:
    """Check that `logged`, the object in an entry's payload, commits to `value`. Raises IntegrityError."""
    digest = logged.get("commitment")
    if not isinstance(digest, str) or not hmac.compare_digest(digest.encode(), make(value, salt).digest.encode()):
        raise IntegrityError(
            "所示内容与存证链中的承诺值不符。", "the value shown is not the one that the ledger committed to"
        )
