"""Which keys of the ledger the station believes: the one pinned at enrolment, and those that it handed over to.

What the server says of rotations is believed only where the proofs lead from the pinned key; what was learned once
stays: a server that names another successor afterwards is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ingest.journal import Journal
from storage.errors import IntegrityError
from storage.ledger import proof, rotation
from storage.ledger.logkeys import LogKeys
from storage.ledger.proof import VerifiedReceipt


class LogTrust:
    """Verifies receipts. `pinned`: the ledger's public key at enrolment; `ask` gives the server's rotations."""

    def __init__(self, pinned: str, journal: Journal, ask: Callable[[], bytes]) -> None:
        self._pinned, self._journal, self._ask = pinned, journal, ask
        self._keys = rotation.learn(pinned, journal.rotations())
        self._learning = threading.Lock()

    def verify(self, receipt: bytes) -> VerifiedReceipt:
        """The receipt, verified offline; where its key is not known, the server is asked for the rotations first.

        Raises IntegrityError, and what `ask` raises.
        """
        keys = self._keys
        try:
            return proof.verify_receipt(receipt, keys)
        except IntegrityError:
            with self._learning:
                if self._keys == keys and not self._learn():
                    raise
        return proof.verify_receipt(receipt, self._keys)

    def _learn(self) -> bool:
        """Ask for the rotations. False when they say nothing new."""
        content = self._ask()
        found = rotation.learn(self._pinned, content)
        if found == self._keys:
            return False
        if not _continues(self._keys, found):
            raise IntegrityError(
                "服务器给出的存证链密钥与采集站已核实的不一致；请勿清除设备，并立即报告管理员和审计员。",
                "the server names other keys of the ledger than the station has verified before: do not wipe the "
                "camera, and tell the administrator and the auditor at once",
            )
        self._journal.keep_rotations(content)
        self._keys = found
        return True


def _continues(known: LogKeys, found: LogKeys) -> bool:
    """Whether nothing that was known is said otherwise. Before the first rotation is known, only the pinned key is."""
    if not known.turns:
        return known.current in found.keys
    return (found.keys[: len(known.keys)], found.turns[: len(known.turns)]) == (known.keys, known.turns)
