"""A custody chain with its proofs, all of them against one checkpoint, from the ledger's static files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storage.catalogue.tables import Entry as EntryRow
from storage.errors import IntegrityError
from storage.ledger import merkle, note, proof, rotation, tiles
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.logkeys import LogKeys
from storage.ledger.proof import VerifiedReceipt


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """One entry as verified, and its self-contained proof file."""

    verified: VerifiedReceipt
    proof: bytes


@dataclass(frozen=True, slots=True)
class ProvenChain:
    """保管链: entries from the first on, each proven in the tree of `head`. `signed` is the checkpoint as published.

    `key` signed it; `rotations` is the log's file of that name, which proves its other keys. Empty: there are none.
    """

    entries: tuple[ProvenEntry, ...]
    signed: bytes
    head: Checkpoint
    key: note.Ed25519Verifier
    rotations: bytes

    def payloads(self, event: str) -> list[Mapping[str, Any]]:
        """What the entries of this event say, oldest first."""
        events = [each.verified.entry.event for each in self.entries]
        return [each.payload for each in events if each.event == event]


def prove(rows: Sequence[EntryRow], folder: Path, vkey: str) -> ProvenChain:
    """Prove sequenced `rows` (one subject, oldest first) by the ledger in `folder`; `vkey` is one of its keys.

    Every proof is verified before it is handed out, and so is the chain of `prev`. Raises IntegrityError where the
    database and the ledger, or two entries, disagree.
    """

    def read(name: str) -> bytes:
        return (folder / name).read_bytes()

    signed = read("checkpoint")
    rotations = read(rotation.FILE) if (folder / rotation.FILE).exists() else b""  # it is written before the checkpoint
    keys = rotation.learn(vkey, rotations)
    head = keys.verify(signed)
    tree = tiles.TileTree(read).reader(head.size)
    entries = tuple(_prove(row, signed, head, tree, keys) for row in rows)
    check_links(entries)
    return ProvenChain(entries, signed, head, keys.key_of(head.size), rotations)


def _prove(row: EntryRow, signed: bytes, head: Checkpoint, tree: merkle.HashReader, keys: LogKeys) -> ProvenEntry:
    if row.index is None or row.body is None or row.index >= head.size:
        raise IntegrityError(
            f"条目 {row.event_id} 尚未写入已签名的存证链。", f"entry {row.event_id} is not in the signed ledger yet"
        )
    hashes = tuple(merkle.inclusion_proof(row.index, head.size, tree))
    made = proof.Proof(row.index, hashes, signed, row.body).encode()
    return ProvenEntry(proof.verify_receipt(made, keys), made)


def check_links(entries: Sequence[ProvenEntry]) -> None:
    """Raises IntegrityError unless each entry follows the one before by its `prev`."""
    previous: str | None = None
    for each in entries:
        if each.verified.entry.prev != previous:
            raise IntegrityError(
                f"保管链在存证链第 {each.verified.index} 条处中断。",
                f"the custody chain is broken at ledger entry {each.verified.index}",
            )
        previous = each.verified.leaf.hex()
