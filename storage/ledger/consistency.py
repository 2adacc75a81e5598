"""A consistency proof as a text of its own: the log still begins with the tree of an older checkpoint. Pure.

    old 20852014
    base64(hash)                the consistency proof, one line each (RFC 6962 2.1.2)
    …
                                (empty line)
    the newer checkpoint, with its signatures

It is the body of a c2sp.org/tlog-witness add-checkpoint request, so a witness reads it too. The older checkpoint is
what the reader kept; the text alone proves nothing.
"""

from __future__ import annotations

from storage.errors import IntegrityError
from storage.ledger import checkpoint, merkle, note, tiles
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.logkeys import LogKeys
from storage.ledger.tiles import Reader
from storage.ledger.witnesses import witnessing
from storage.ledger.witnesses.witnessing import Rejected, Request

MARK = b"old "


def make(old: int, signed: bytes, read: Reader) -> bytes:
    """The proof from the tree of `old` entries (at least 1) to the signed checkpoint, from the log's tiles."""
    head = checkpoint.parse(note.parse(signed).text)
    path = merkle.consistency_proof(old, head.size, tiles.TileTree(read).reader(head.size))
    return Request(old, tuple(path), signed).encode()


def verify(content: bytes, older: Checkpoint, known: LogKeys) -> Checkpoint:
    """The newer checkpoint, if the proof leads to it from `older`. Raises IntegrityError.

    `older` must have been verified by the caller.
    """
    try:
        request = witnessing.parse(content).request
    except Rejected as error:
        raise IntegrityError(error.zh, error.en) from error
    head = known.verify(request.checkpoint)
    if request.old != older.size:
        raise IntegrityError(
            f"一致性证明的起点是 {request.old} 条，而所给检查点有 {older.size} 条。",
            f"the consistency proof begins at {request.old} entries, but the checkpoint has {older.size}",
        )
    merkle.verify_consistency(older.size, head.size, older.root, head.root, request.hashes)
    return head
