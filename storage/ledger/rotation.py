"""Rotation of the log's key: the entry by which one key hands over to the next, and the proof of it. Pure.

The entry (event `key.rotated`, subject `ledger:keys`) holds a signed note that both keys have signed:

    liuhen.key-rotation/1
    <origin>
    <verifier key of the old key>
    <verifier key of the new key>

The file `rotations` of a log is a row of tlog-proofs, one for each rotation, in order. Each proves its entry in the
tree that ends with it, whose checkpoint both keys have signed. So whoever has pinned any one of the keys, from either
end, learns the others from this file alone (docs/ledger.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from storage.errors import IntegrityError
from storage.ledger import checkpoint, entry, merkle, note, proof
from storage.ledger.logkeys import LogKeys
from storage.ledger.note import Ed25519Verifier, Signer
from storage.ledger.proof import Proof
from storage.records import CustodyEvent

EVENT = "key.rotated"
SUBJECT = "ledger:keys"
SCHEMA = "liuhen.key-rotation/1"
FILE = "rotations"
MARK = SUBJECT.encode()  # an entry without these bytes is no rotation


@dataclass(frozen=True, slots=True)
class Rotation:
    """`old` hands over to `new`; both have the log's origin as their name."""

    old: Ed25519Verifier
    new: Ed25519Verifier


@dataclass(frozen=True, slots=True)
class Proven:
    """A rotation with the index of its entry."""

    rotation: Rotation
    index: int


def sign(old: Signer, new: Signer) -> str:
    """The note of the rotation, signed by both."""
    text = f"{SCHEMA}\n{old.name}\n{old.verifier}\n{new.verifier}\n"
    return note.sign(text, old, new).decode()


def is_rotation(event: CustodyEvent) -> bool:
    return event.event == EVENT and event.subject == SUBJECT


def parse(event: CustodyEvent) -> Rotation:
    """Read the rotation in an event and check both signatures. Raises IntegrityError."""
    signed = event.payload.get("note")
    if not is_rotation(event) or not isinstance(signed, str):
        _refuse("不是轮换条目", "it is no rotation entry")
    lines = note.parse(signed.encode()).text.split("\n")
    if len(lines) != 5 or lines[0] != SCHEMA or lines[4]:
        _refuse("格式不正确", "it is malformed")
    found = Rotation(note.parse_vkey(lines[2]), note.parse_vkey(lines[3]))
    if {found.old.name, found.new.name} != {lines[1]} or found.old == found.new:
        _refuse("新旧密钥不属于同一条存证链", "the two keys are not two keys of one log")
    for key in (found.old, found.new):
        note.verify(signed.encode(), [key])
    return found


def learn(vkey: str, rotations: bytes) -> LogKeys:
    """All keys of a log, from one that was pinned and the log's file `rotations` (empty: never rotated).

    Raises IntegrityError when one rotation is not proven, when they do not follow each other, or when the pinned key
    is none of theirs.
    """
    pinned = note.parse_vkey(vkey)
    proven = [_prove(each) for each in split(rotations)]
    if not proven:
        return LogKeys((pinned,))
    keys = LogKeys((proven[0].rotation.old,))
    for each in proven:
        if each.rotation.old != keys.current or each.rotation.new in keys.keys or keys.turns[-1:] >= (each.index,):
            _refuse("轮换记录前后不连贯", "the rotations do not follow each other")
        keys = keys.after(each.index, each.rotation.new)
    if pinned not in keys.keys:
        raise IntegrityError(
            f"所给公钥 {pinned} 不是该存证链用过的密钥。", f"the given key {pinned} is none of the keys this ledger had"
        )
    return keys


def split(rotations: bytes) -> list[bytes]:
    """The single proofs in a file `rotations`."""
    if not rotations:
        return []
    starts = [found.start() for found in re.finditer(rb"^" + re.escape(proof.HEADER.encode()) + rb"$", rotations, re.M)]
    if starts[:1] != [0]:
        _refuse("文件开头不是证明", "the file does not begin with a proof")
    return [rotations[begin:end] for begin, end in zip(starts, [*starts[1:], None], strict=True)]


def prove(index: int, path: Sequence[bytes], signed: bytes, body: bytes) -> bytes:
    """One proof of the file: the entry `body` at `index`, the last of the tree whose checkpoint is `signed`."""
    return Proof(index, tuple(path), signed, body).encode()


def _prove(content: bytes) -> Proven:
    found = proof.parse(content)
    if found.extra is None:
        _refuse("证明中没有条目", "a proof does not hold its entry")
    rotation = parse(entry.parse(found.extra).event)
    heads = [checkpoint.verify(found.checkpoint, key) for key in (rotation.old, rotation.new)]
    if heads[0].size != found.index + 1:
        _refuse("检查点不止于轮换条目", "its checkpoint does not end with the rotation")
    leaf = merkle.leaf_hash(found.extra)
    merkle.verify_inclusion(found.index, heads[0].size, leaf, found.hashes, heads[0].root)
    return Proven(rotation, found.index)


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"密钥轮换记录无效：{zh}。", f"the key rotation is not valid: {en}")
