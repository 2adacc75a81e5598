"""C2SP tlog-proof files, and our receipt, which is one. Pure.

入库回执: a tlog-proof whose `extra` is the exact bytes of the entry. So a receipt and the log's public
key alone prove offline that the event is in the log. Source: c2sp.org/tlog-proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from storage.errors import IntegrityError
from storage.ledger import checkpoint, entry, logkeys, merkle, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.entry import Entry
from storage.ledger.logkeys import LogKeys

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF = 2_000_000  # bytes
MAX_HASHES = 63  # a tree has fewer than 2**63 leaves


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof file as read, nothing verified yet. `hashes` run from the leaf's sibling up; `extra` may be absent."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def encode(self) -> bytes:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {note.encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += [note.encode_base64(each) for each in self.hashes]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proves: `entry` (exact bytes `body`, leaf hash `leaf`) is at `index` of the log."""

    entry: Entry
    body: bytes
    leaf: bytes
    index: int
    checkpoint: Checkpoint


def parse(content: bytes) -> Proof:
    """Read a proof file strictly. Raises IntegrityError. Verifies nothing."""
    if len(content) > MAX_PROOF:
        _refuse("文件过大", "it is too large")
    head, blank, signed = content.partition(b"\n\n")
    if not blank or not head.isascii():
        _refuse("缺少检查点，或不是证明文件", "it has no checkpoint, or is no proof file")
    lines = head.decode("ascii").split("\n")
    if lines.pop(0) != HEADER:
        _refuse(f"首行不是 {HEADER}", f"its first line is not {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = note.decode_base64(lines.pop(0)[6:], "extra", "extra")
    if not lines or not lines[0].startswith("index "):
        _refuse("缺少 index 行", "it has no index line")
    index = checkpoint.parse_number(lines.pop(0)[6:])
    if len(lines) > MAX_HASHES:
        _refuse("哈希过多", "it has too many hashes")
    return Proof(index, tuple(_hash(line) for line in lines), signed, extra)


def verify_receipt(receipt: bytes, key: str | LogKeys) -> VerifiedReceipt:
    """Check a receipt offline, in this order: form, checkpoint's signature, inclusion, entry.

    `key` is the log's public key, pinned beforehand, or its keys over time. Raises IntegrityError that names the first
    thing wrong.
    """
    keys = logkeys.only(key) if isinstance(key, str) else key
    proof = parse(receipt)
    head = keys.verify(proof.checkpoint)
    if proof.extra is None:
        _refuse("回执中没有条目", "it does not hold the entry")
    leaf = merkle.leaf_hash(proof.extra)
    merkle.verify_inclusion(proof.index, head.size, leaf, proof.hashes, head.root)
    return VerifiedReceipt(entry.parse(proof.extra), proof.extra, leaf, proof.index, head)


def _hash(line: str) -> bytes:
    value = note.decode_base64(line, "哈希", "a hash")
    if len(value) != merkle.HASH_SIZE:
        _refuse("哈希不是 32 字节", "a hash is not 32 bytes long")
    return value


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"入库回执无效：{zh}。", f"the receipt is not valid: {en}")
