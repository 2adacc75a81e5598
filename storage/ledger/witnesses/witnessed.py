"""The file `witnessed` in a log's folder: the newest checkpoint cosigned by a quorum, with the witnesses' lines."""

from __future__ import annotations

import fcntl
from collections.abc import Collection
from pathlib import Path

from storage import durable
from storage.errors import IntegrityError, NotFound
from storage.ledger import checkpoint, merkle, note, tiles
from storage.ledger.folder import LedgerFolder
from storage.ledger.proof import Proof
from storage.ledger.witnesses import policy
from storage.ledger.witnesses.policy import Policy, Witnessed

WITNESSED = "witnessed"


def load(folder: Path) -> bytes | None:
    """The witnessed checkpoint as it is signed, None before the first quorum."""
    try:
        return (folder / WITNESSED).read_bytes()
    except FileNotFoundError:
        return None


def keep(folder: Path, signed: bytes, rules: Policy, logs: Collection[note.Verifier]) -> bool:
    """Make `signed` the witnessed checkpoint, durably, if its tree is larger than the present one's; say whether.

    Raises IntegrityError when `signed` itself does not satisfy the policy, Transient when the disk failed.
    """
    new = policy.verify(signed, rules, logs)
    durable.make_directory(folder)
    with (folder / f".{WITNESSED}.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        old = _size(load(folder), rules, logs)
        if old is not None and new.checkpoint.size <= old:
            return False
        durable.write(folder / WITNESSED, signed)
        return True


def witnessed_receipt(folder: Path, index: int, body: bytes) -> bytes:
    """The receipt of the entry `index` with the exact bytes `body` against the witnessed checkpoint.

    Whose signatures count is for its reader's policy to say; inclusion has been verified when this returns. Raises
    NotFound when no witnessed checkpoint covers the entry yet, IntegrityError when folder and entry disagree.
    """
    signed = load(folder)
    head = None if signed is None else checkpoint.parse(note.parse(signed).text)
    if signed is None or head is None or index >= head.size:
        raise NotFound(
            "此条目尚未被足够的见证人见证，请稍后再试。",
            "no quorum of witnesses has cosigned this entry yet: try later",
        )
    log = LedgerFolder(folder)
    newest = log.checkpoint()  # its tiles are there in any case, those of an older size may be gone
    size = max(head.size, checkpoint.parse(note.parse(newest).text).size if newest else 0)
    path = merkle.inclusion_proof(index, head.size, tiles.TileTree(log.read).reader(size))
    merkle.verify_inclusion(index, head.size, merkle.leaf_hash(body), path, head.root)
    return Proof(index, tuple(path), signed, body).encode()


def seen(folder: Path, rules: Policy, logs: Collection[note.Verifier]) -> Witnessed | None:
    """Who cosigned the witnessed checkpoint; None before the first, or when the policy does not accept it."""
    signed = load(folder)
    try:
        return None if signed is None else policy.verify(signed, rules, logs)
    except IntegrityError:
        return None


def _size(signed: bytes | None, rules: Policy, logs: Collection[note.Verifier]) -> int | None:
    """The size of a witnessed checkpoint; None when there is none or it says nothing under this policy."""
    try:
        return None if signed is None else policy.verify(signed, rules, logs).checkpoint.size
    except IntegrityError:
        return None
