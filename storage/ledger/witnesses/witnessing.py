"""What a witness decides: the bytes of an add-checkpoint request and its last word on that log in, a verdict out. Pure.

Source: c2sp.org/tlog-witness. The checks stand in the order of that text; `Rejected.status` is its HTTP status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from storage.clock import Clock
from storage.errors import IntegrityError, Refused
from storage.ledger import checkpoint, merkle, note
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import cosignature

MAX_REQUEST = 256 << 10  # bytes: 63 hashes, and a note with far more than 16 of the largest signatures
MAX_HASHES = 63
SIZE_TYPE = "text/x.tlog.size"


class Rejected(Refused):
    """A request that gets no cosignature. `accuses`: the signed checkpoint should be kept, `proven` if it convicts."""

    def __init__(self, status: int, zh: str, en: str, *, accuses: bool = False, proven: bool = False) -> None:
        super().__init__(zh, en)
        self.status = status
        self.accuses = accuses
        self.proven = proven


class OutOfStep(Rejected):
    """The request starts from another size than the one last cosigned, `size`."""

    def __init__(self, size: int, *, proven: bool = False) -> None:
        zh, en = f"上次见证的大小为 {size}", f"the size cosigned last is {size}"
        super().__init__(409, zh, en, accuses=proven, proven=proven)
        self.size = size


@dataclass(frozen=True, slots=True)
class Request:
    """One add-checkpoint request: the proof leads from `old` entries to the signed `checkpoint`."""

    old: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes

    def encode(self) -> bytes:
        lines = [f"old {self.old}", *(note.encode_base64(each) for each in self.hashes)]
        return "\n".join(lines).encode() + b"\n\n" + self.checkpoint


@dataclass(frozen=True, slots=True)
class Submission:
    """A request as read: its note and the checkpoint in it, nothing verified yet."""

    request: Request
    note: note.Note
    head: Checkpoint


def parse(body: bytes) -> Submission:
    """Read a request. Raises Rejected (400) when it is malformed."""
    head, blank, signed = body.partition(b"\n\n")
    if not blank or not head.isascii():
        raise Rejected(400, "请求格式不正确。", "the request has no empty line before its checkpoint")
    first, *lines = head.decode("ascii").split("\n")
    if not first.startswith("old "):
        raise Rejected(400, "请求首行应为 old 与大小。", "the first line should be: old <size>")
    if len(lines) > MAX_HASHES:
        raise Rejected(400, f"证明超过 {MAX_HASHES} 行。", f"the proof has more than {MAX_HASHES} lines")
    try:
        request = Request(checkpoint.parse_number(first[4:]), tuple(_hash(line) for line in lines), signed)
        parsed = note.parse(signed)
        return Submission(request, parsed, checkpoint.parse(parsed.text))
    except IntegrityError as error:
        raise Rejected(400, error.zh, error.en) from error


def check_signed(submission: Submission, keys: Sequence[note.Verifier]) -> None:
    """Raise Rejected unless one of the origin's trusted `keys` signed: 404 when there are none, 403 otherwise."""
    if not keys:
        raise Rejected(404, "不认识此存证链。", "this witness doesn't know the log")
    try:
        note.verify(submission.request.checkpoint, keys)
    except IntegrityError as error:
        raise Rejected(403, error.zh, error.en) from error


def check_extends(submission: Submission, last: Checkpoint | None) -> None:
    """Raise Rejected (400, 409, 422) unless the checkpoint extends the one cosigned last, None for the first."""
    request, head = submission.request, submission.head
    if request.old > head.size:
        raise Rejected(400, "旧大小大于检查点的大小。", "the old size is larger than the checkpoint's")
    forked = last is not None and last.size == head.size and last.root != head.root
    if request.old != (last.size if last else 0):
        raise OutOfStep(last.size if last else 0, proven=forked)
    if head.size == 0 and head.root != merkle.EMPTY_ROOT:
        raise _accused("空树的根哈希不正确", "the empty tree has another root hash")
    if request.old == 0 and request.hashes:
        raise Rejected(422, "旧大小为 0 时不应有证明。", "from the old size 0 there is no proof")
    if forked:
        raise _accused("同一大小有两个不同的根哈希", "there are two root hashes for one size", proven=True)
    if last is None or last.size == 0:
        return
    try:
        merkle.verify_consistency(last.size, head.size, last.root, head.root, request.hashes)
    except IntegrityError as error:
        raise _accused(error.zh.rstrip("。"), error.en) from error


def cosign(
    submission: Submission,
    keys: Sequence[note.Verifier],
    signers: Sequence[cosignature.Signer],
    since: int,
    clock: Clock,
) -> tuple[bytes, bytes]:
    """The signature lines that answer the request, and the note to be kept: with these and the log's trusted lines.

    `since` is the time of the last cosignature in seconds since 1970. A clock that was put back does not make this
    witness contradict itself: the time of a cosignature never goes below it.
    """
    at = max(clock(), datetime.fromtimestamp(since, UTC))
    text = submission.note.text
    lines = "".join(note.signature_line(text, replace(signer, clock=lambda: at)) for signer in signers)
    trusted = {(key.name, key.key_id) for key in keys}
    own = [line for line in submission.note.signatures if (line.name, line.key_id) in trusted]
    return lines.encode(), f"{text}\n{''.join(_line(each) for each in own)}{lines}".encode()


def last_time(kept: bytes, signers: Sequence[cosignature.Signer]) -> int:
    """When this witness signed the note it kept, in seconds since 1970. Raises IntegrityError when it did not."""
    known = [signer.verifier for signer in signers]
    note.verify(kept, known)
    own = {(key.name, key.key_id) for key in known}
    lines = note.parse(kept).signatures
    return max(cosignature.timestamp(line.value) for line in lines if (line.name, line.key_id) in own)


def _line(signature: note.Signature) -> str:
    return f"— {signature.name} {note.encode_base64(signature.key_id + signature.value)}\n"


def _accused(zh: str, en: str, *, proven: bool = False) -> Rejected:
    return Rejected(
        422, f"检查点与上次见证的不一致：{zh}。", f"the checkpoint is refused: {en}", accuses=True, proven=proven
    )


def _hash(line: str) -> bytes:
    value = note.decode_base64(line, "哈希", "a hash")
    if len(value) != merkle.HASH_SIZE:
        raise Rejected(400, "哈希不是 32 字节。", "a hash is not 32 bytes long")
    return value
