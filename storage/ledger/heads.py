"""Which checkpoints an audit believes: the one in the log, and one that somebody kept from earlier. Pure.

The log's keys over time are learned from the pinned one and the log's file `rotations`.
"""

from __future__ import annotations

from storage.errors import IntegrityError
from storage.ledger import proof, rotation
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.fault import Fault, Proves
from storage.ledger.logkeys import LogKeys
from storage.ledger.tiles import Reader


def keys(read: Reader, vkey: str) -> tuple[LogKeys, list[bytes]]:
    """The log's keys over time, and the checkpoints by which one handed over to the next. Raises Fault."""
    try:
        content = read(rotation.FILE)
    except FileNotFoundError:
        content = b""
    try:
        learned = rotation.learn(vkey, content)
        return learned, [proof.parse(each).checkpoint for each in rotation.split(content)]
    except IntegrityError as error:
        raise Fault(error.zh, str(error), Proves.NOT_THE_KEYS, rotation.FILE) from error


def published(read: Reader, known: LogKeys) -> tuple[bytes, Checkpoint]:
    """The checkpoint as it stands in the log, and what it says. Raises Fault."""
    try:
        signed = read("checkpoint")
        return signed, known.verify(signed)
    except FileNotFoundError:
        zh, en = "缺少检查点文件", "the file checkpoint is missing"
        raise Fault(zh, en, Proves.NOT_WHOLE, "checkpoint") from None
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
