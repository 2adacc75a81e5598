"""A part of a file proved without the rest: the chunk proof (分块证明). Pure. Format: docs/ledger.md, "Chunk proofs".

An original's entry has `root`, the RFC 6962 root over its 1 MiB chunks, and `size`. A proof for consecutive chunks
holds the roots of the largest subtrees that lie wholly outside of them, from left to right. With the chunks themselves
these give the root again. After an empty line follows the receipt that says which root and size the file has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from storage.errors import IntegrityError, Refused
from storage.ledger import checkpoint, merkle, note
from storage.ledger.merkle import CHUNK_SIZE, HASH_SIZE

HEADER = "liuhen/chunk-proof@v1"
MAX_HASHES = 126  # two for each level of a tree of fewer than 2**63 leaves
MAX_HEAD = 8_192  # bytes before the receipt


@dataclass(frozen=True, slots=True)
class ChunkProof:
    """The bytes `start` up to `end` (not included) of a file of `size` bytes: whole chunks, the last may be shorter."""

    size: int
    start: int
    end: int
    hashes: tuple[bytes, ...]
    receipt: bytes = b""

    def encode(self) -> bytes:
        lines = [HEADER, f"size {self.size}", f"range {self.start} {self.end}"]
        lines += [note.encode_base64(each) for each in self.hashes]
        return "\n".join(lines).encode() + b"\n\n" + self.receipt


def covering(size: int, first: int, last: int, *, chunk: int = CHUNK_SIZE) -> tuple[int, int]:
    """Where the chunks begin and end (not included) that hold the bytes `first` to `last` (included).

    Raises Refused for bytes that the file doesn't have.
    """
    if not 0 <= first <= last < size:
        raise Refused(
            f"字节范围 {first}-{last} 不在文件内（共 {size} 字节）。",
            f"the bytes {first}-{last} are not in the file, which has {size}",
        )
    return first // chunk * chunk, min(-(-(last + 1) // chunk) * chunk, size)


def make(size: int, leaves: Sequence[bytes], start: int, end: int, *, chunk: int = CHUNK_SIZE) -> ChunkProof:
    """The proof from all the file's leaf hashes. `start` and `end` are those of `covering`, or 0 and 0 of no bytes."""
    first, last = _numbers(size, start, end, chunk)
    if len(leaves) != -(-size // chunk):
        raise ValueError(f"a file of {size} bytes does not have {len(leaves)} chunks")
    outside = [part for part in _parts(0, len(leaves), first, last) if not first <= part[0] < last]
    return ChunkProof(size, start, end, tuple(merkle.root(leaves[begin:stop]) for begin, stop in outside))


def parse(content: bytes) -> ChunkProof:
    """Read a proof strictly. Raises IntegrityError. Verifies nothing."""
    head, blank, receipt = content.partition(b"\n\n")
    if not blank or len(head) > MAX_HEAD or not head.isascii():
        _refuse("缺少回执，或不是分块证明", "it has no receipt, or is no chunk proof")
    header, *lines = head.decode("ascii").split("\n")
    if header != HEADER or len(lines) < 2:
        _refuse(f"首行不是 {HEADER}，或缺少行", f"its first line is not {HEADER}, or lines are missing")
    (size,) = _figures(lines[0], "size", 1)
    start, end = _figures(lines[1], "range", 2)
    if len(lines) - 2 > MAX_HASHES:
        _refuse("哈希过多", "it has too many hashes")
    return ChunkProof(size, start, end, tuple(_hash(line) for line in lines[2:]), receipt)


def verify(
    proof: ChunkProof, leaves: Sequence[bytes], length: int, *, root: bytes, size: int, chunk: int = CHUNK_SIZE
) -> None:
    """Check that a piece of `length` bytes, whose chunks have these leaf hashes, is that part of the file of `root` and
    `size`. Raises IntegrityError."""
    if proof.size != size:
        _refuse(f"文件大小 {proof.size} 与回执的 {size} 不同", f"its size {proof.size} is not the receipt's {size}")
    try:
        first, last = _numbers(size, proof.start, proof.end, chunk)
    except ValueError:
        _refuse("范围不是完整的分块", "its range is not of whole chunks")
    if length != proof.end - proof.start or len(leaves) != last - first:
        _refuse(
            f"数据应为 {proof.end - proof.start} 字节，实为 {length} 字节",
            f"the piece should have {proof.end - proof.start} bytes and has {length}",
        )
    parts = list(_parts(0, -(-size // chunk), first, last))
    if len(proof.hashes) != sum(not first <= begin < last for begin, _ in parts):
        _refuse("哈希数量不对", "it has not as many hashes as its range needs")
    given = iter(proof.hashes)
    nodes = {
        part: merkle.root(leaves[part[0] - first : part[1] - first]) if first <= part[0] < last else next(given)
        for part in parts
    }
    if _join(0, -(-size // chunk), nodes) != root:
        _refuse("数据或证明与文件的根哈希不符", "the piece or the proof does not lead to the file's root")


def _numbers(size: int, start: int, end: int, chunk: int) -> tuple[int, int]:
    """The first chunk and the one behind the last. ValueError unless the range is one of whole chunks."""
    whole = start % chunk == 0 and (end % chunk == 0 or end == size)
    if not ((whole and 0 <= start < end <= size) or start == end == size == 0):
        raise ValueError(f"{start} to {end} are no whole chunks of {size} bytes")
    return start // chunk, -(-end // chunk)


def _parts(begin: int, end: int, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The largest subtrees that lie wholly inside or wholly outside of the chunks `first` up to `last`, in order."""
    if begin == end:
        return
    if end <= first or begin >= last or (first <= begin and end <= last):
        yield begin, end
        return
    split = begin + merkle.split_of(end - begin)
    yield from _parts(begin, split, first, last)
    yield from _parts(split, end, first, last)


def _join(begin: int, end: int, nodes: dict[tuple[int, int], bytes]) -> bytes:
    if begin == end:
        return merkle.EMPTY_ROOT
    if (begin, end) in nodes:
        return nodes[begin, end]
    split = begin + merkle.split_of(end - begin)
    return merkle.node_hash(_join(begin, split, nodes), _join(split, end, nodes))


def _figures(line: str, name: str, count: int) -> list[int]:
    word, *figures = line.split(" ")
    if word != name or len(figures) != count:
        _refuse(f"缺少 {name} 行", f"it has no {name} line")
    return [checkpoint.parse_number(each) for each in figures]


def _hash(line: str) -> bytes:
    value = note.decode_base64(line, "哈希", "a hash")
    if len(value) != HASH_SIZE:
        _refuse("哈希不是 32 字节", "a hash is not 32 bytes long")
    return value


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"分块证明无效：{zh}。", f"the chunk proof is not valid: {en}")
