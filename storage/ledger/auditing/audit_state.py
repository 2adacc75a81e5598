"""Where an interrupted audit of a log stood, kept in a file of the auditor's own so that it can go on from there.

    liuhen.audit-state/1 <SHA-256 of all that follows, hex>
    {"key": …, "checkpoint": …, "tiles": n, "last": {subject: [index, leaf hash in hex]}, "rotations": [index]}
    n roots of full level 0 tiles, 32 bytes each, then the event ids' digests, 16 bytes each

It is bound to the log's key and to the tree that was read: the roots in it must lead to the signed root of today.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import NoReturn

from storage import durable
from storage.errors import Refused
from storage.ledger.auditing.stretch import ID_SIZE
from storage.ledger.auditing.verify import Standing
from storage.ledger.merkle import HASH_SIZE

SCHEMA = "liuhen.audit-state/1"


def save(file: Path, standing: Standing) -> None:
    """Replace the file, durably. Raises Transient when the disk is full."""
    content = _encode(standing)
    durable.write(file, f"{SCHEMA} {hashlib.sha256(content).hexdigest()}\n".encode() + content, mode=0o600)


def load(file: Path, vkey: str) -> Standing | None:
    """What was saved for the log of this key, None when there is no such file. Raises Refused when it is no use."""
    try:
        head, _, content = file.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    if head != f"{SCHEMA} {hashlib.sha256(content).hexdigest()}".encode():
        _refuse(file, "不是审计进度文件，或已损坏", "is no audit state, or is damaged")
    standing = _decode(content)
    if standing.vkey != vkey:
        _refuse(file, "属于另一把密钥的存证链", "belongs to the log of another key")
    return standing


def _encode(standing: Standing) -> bytes:
    facts = {
        "key": standing.vkey,
        "checkpoint": standing.head.decode("utf-8"),
        "tiles": len(standing.roots),
        "last": {subject: (index, leaf.hex()) for subject, (index, leaf) in standing.last.items()},
        "rotations": standing.rotations,
    }
    line = json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
    return b"".join([line, *standing.roots, *standing.ids])


def _decode(content: bytes) -> Standing:
    line, _, rest = content.partition(b"\n")
    facts = json.loads(line)
    ends = facts["tiles"] * HASH_SIZE
    roots = [rest[at : at + HASH_SIZE] for at in range(0, ends, HASH_SIZE)]
    last = {subject: (index, bytes.fromhex(leaf)) for subject, (index, leaf) in facts["last"].items()}
    standing = Standing(facts["key"], facts["checkpoint"].encode(), roots, last=last, rotations=facts["rotations"])
    for at in range(ends, len(rest), ID_SIZE):
        standing.ids[rest[at]] += rest[at : at + ID_SIZE]
    return standing


def _refuse(file: Path, zh: str, en: str) -> NoReturn:
    raise Refused(
        f"{file} {zh}。请另选文件，或删除它从头审计。",
        f"{file} {en}: give another file, or delete it to audit from the beginning",
    )
