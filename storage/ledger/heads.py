"""Which checkpoints an audit believes: the one in the log, and one that somebody kept from earlier. Pure."""

from __future__ import annotations

from storage.errors import IntegrityError
from storage.ledger import checkpoint, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.fault import Fault, Proves
from storage.ledger.tiles import Reader


def signed_head(signed: bytes, vkey: str) -> Checkpoint:
    """The one place where an audit comes to believe a checkpoint. Raises IntegrityError."""
    return checkpoint.verify(signed, note.parse_vkey(vkey))


def published(read: Reader, vkey: str) -> tuple[bytes, Checkpoint]:
    """The checkpoint as it stands in the log, and what it says. Raises Fault."""
    try:
        signed = read("checkpoint")
        return signed, signed_head(signed, vkey)
    except FileNotFoundError:
        zh, en = "缺少检查点文件", "the file checkpoint is missing"
        raise Fault(zh, en, Proves.NOT_WHOLE, "checkpoint") from None
    except IntegrityError as error:
        raise Fault(error.zh, str(error), Proves.NOT_THE_KEYS, "checkpoint") from error


def older(signed: bytes, vkey: str, head: Checkpoint) -> Checkpoint:
    """A checkpoint kept from earlier, compared with the present one as far as the log is not needed. Raises Fault."""
    try:
        kept = signed_head(signed, vkey)
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
