"""The keys of one log over time: which of them signs a tree of which size. Pure.

A log begins with one key. A rotation (`storage.ledger.rotation`) is an entry; the key that it names signs every tree
that holds this entry, the one before signs every smaller tree. The tree that ends with the entry is signed by both.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from storage.ledger import checkpoint, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.note import Ed25519Verifier


@dataclass(frozen=True, slots=True)
class LogKeys:
    """`keys` in their order; `turns[n]` is the index of the entry by which key n hands over to key n + 1."""

    keys: tuple[Ed25519Verifier, ...]
    turns: tuple[int, ...] = ()

    @property
    def current(self) -> Ed25519Verifier:
        return self.keys[-1]

    def key_of(self, size: int) -> Ed25519Verifier:
        """The key that signs the tree of `size` entries."""
        return self.keys[bisect_left(self.turns, size)]

    def verify(self, signed: bytes) -> Checkpoint:
        """The checkpoint in a note that the key of its size signed for its own log. Raises IntegrityError."""
        size = checkpoint.parse(note.parse(signed).text).size
        return checkpoint.verify(signed, self.key_of(size))

    def after(self, index: int, key: Ed25519Verifier) -> LogKeys:
        """The keys once the entry `index` has handed over to `key`."""
        return LogKeys((*self.keys, key), (*self.turns, index))


def only(vkey: str) -> LogKeys:
    """The keys of a log that has had one key, or of which no more is known. Raises IntegrityError."""
    return LogKeys((note.parse_vkey(vkey),))
