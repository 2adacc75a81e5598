"""Which checkpoints an audit believes: the one in the log, and one that somebody kept from earlier.

The log's keys over time are learned from the pinned one and the log's file `rotations`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from storage.errors import IntegrityError
from storage.ledger import proof, rotation
from storage.ledger.auditing.fault import Fault, Proves
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.logkeys import LogKeys
from storage.ledger.tiles import Reader

_ATTEMPTS, _PAUSE = 50, 0.02  # seconds: the sequencer writes a rotation and its checkpoint within milliseconds


@dataclass(frozen=True, slots=True)
class Moment:
    """What a log's file `rotations` and its checkpoint say together.

    `handovers`: the checkpoints by which one key handed over to the next. `signed`: the note of `head`.
    """

    rotations: bytes
    keys: LogKeys
    handovers: tuple[bytes, ...]
    signed: bytes
    head: Checkpoint


def moment(read: Reader, vkey: str) -> Moment:
    """Both files as they belong together, though the log may be written meanwhile. Raises Fault.

    A rotation is in its file before the checkpoint that it ends with. So the checkpoint is read first; and where the
    file is ahead of it, both are read again for up to a second.
    """
    for _ in range(_ATTEMPTS):
        signed, rotations = _checkpoint(read), _rotations(read)
        known, handovers = _learn(vkey, rotations)
        found = Moment(rotations, known, tuple(handovers), signed, _verified(signed, known))
        if all(turn < found.head.size for turn in known.turns):
            break
        time.sleep(_PAUSE)
    return found


def keys(read: Reader, vkey: str) -> LogKeys:
    """The log's keys over time. Raises Fault."""
    return _learn(vkey, _rotations(read))[0]


def _learn(vkey: str, rotations: bytes) -> tuple[LogKeys, list[bytes]]:
    try:
        learned = rotation.learn(vkey, rotations)
        return learned, [proof.parse(each).checkpoint for each in rotation.split(rotations)]
    except IntegrityError as error:
        raise Fault(error.zh, str(error), Proves.NOT_THE_KEYS, rotation.FILE) from error


def _rotations(read: Reader) -> bytes:
    try:
        return read(rotation.FILE)
    except FileNotFoundError:
        return b""


def _checkpoint(read: Reader) -> bytes:
    try:
        return read("checkpoint")
    except FileNotFoundError:
        zh, en = "缺少检查点文件", "the file checkpoint is missing"
        raise Fault(zh, en, Proves.NOT_WHOLE, "checkpoint") from None


def _verified(signed: bytes, known: LogKeys) -> Checkpoint:
    try:
        return known.verify(signed)
    except IntegrityError as error:
        raise Fault(error.zh, str(error), Proves.NOT_THE_KEYS, "checkpoint") from error


def older(signed: bytes, known: LogKeys, head: Checkpoint) -> Checkpoint:
    """A checkpoint kept from earlier, compared with the present one as far as the log is not needed. Raises Fault."""
    try:
        kept = known.verify(signed)
    except IntegrityError as error:
        zh, en = f"所保存的旧检查点：{error.zh}", f"the older checkpoint that was kept: {error}"
        raise Fault(zh, en, Proves.NOT_THE_KEYS, "") from error
    if kept.size > head.size:
        raise Fault(
            f"存证链被截短：旧检查点有 {kept.size} 条，现在只有 {head.size} 条",
            f"the log was cut short: the older checkpoint has {kept.size} entries, now there are {head.size}",
            Proves.CUT_SHORT,
            "checkpoint",
        )
    if kept.size == head.size and kept.root != head.root:
        raise forked(kept.size)
    return kept


def forked(size: int) -> Fault:
    """Two checkpoints of one key of which neither extends the other."""
    return Fault(
        f"前 {size} 条条目与所保存的旧检查点不符：历史已分叉，签发者签署了两种历史",
        f"the first {size} entries are not those of the older checkpoint: history was forked, and its signer signed "
        "both",
        Proves.FORKED,
        "checkpoint",
    )
