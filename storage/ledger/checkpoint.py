"""C2SP checkpoints: the signed head of the log, its origin, size and root hash. Pure.

Source: c2sp.org/tlog-checkpoint. In Liuhen the log's key has the same name as the origin, so a verifier key alone says
which log is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from storage.errors import IntegrityError
from storage.ledger import merkle, note

MAX_SIZE = 1 << 63


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """检查点: a tree of `size` entries with this 32-byte `root`. `extensions` are lines we never write but tolerate."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        lines = [self.origin, str(self.size), note.encode_base64(self.root), *self.extensions]
        return "".join(f"{line}\n" for line in lines)


def parse(text: str) -> Checkpoint:
    """Read a note's text as a checkpoint. Raises IntegrityError when it is malformed."""
    lines = text.split("\n")
    if len(lines) < 4 or lines.pop() or not all(lines):
        _refuse("应有来源、大小、根哈希三行且无空行", "it needs three lines, origin, size and root, and no empty one")
    origin, size, encoded, *extensions = lines
    root = note.decode_base64(encoded, "根哈希", "the root hash")
    if len(root) != merkle.HASH_SIZE:
        _refuse("根哈希不是 32 字节", "the root hash is not 32 bytes long")
    return Checkpoint(origin, parse_number(size), root, tuple(extensions))


def sign(checkpoint: Checkpoint, signer: note.Signer) -> bytes:
    return note.sign(checkpoint.text(), signer)


def verify(signed: bytes, verifier: note.Verifier) -> Checkpoint:
    """The checkpoint in a note that `verifier` signed for its own log. Raises IntegrityError."""
    checkpoint = parse(note.verify(signed, [verifier]))
    if checkpoint.origin != verifier.name:
        _refuse(
            f"来源 {checkpoint.origin} 不是 {verifier.name}", f"its origin {checkpoint.origin} is not {verifier.name}"
        )
    return checkpoint


def parse_number(digits: str) -> int:
    """A decimal number without sign or leading zeroes, below 2**63. Raises IntegrityError."""
    plain = digits.isascii() and digits.isdigit() and len(digits) < 20
    if not plain or (digits[0] == "0" and digits != "0") or int(digits) >= MAX_SIZE:
        _refuse("数字格式不正确", "a number is not a plain decimal")
    return int(digits)


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"检查点无效：{zh}。", f"the checkpoint is not valid: {en}")
