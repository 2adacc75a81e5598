"""The RFC 6962 Merkle tree over SHA-256: hashes, roots, proofs and their verification. Pure: bytes in, verdict out.

A hash is 32 bytes. The making functions take a `HashReader`, so they never hold a tree: `read(level, index)` gives the
hash of the complete subtree over the leaves `index * 2**level` up to `(index + 1) * 2**level`.
Size-0 policy: the empty tree has the root SHA-256(""); nothing is included in it, and a consistency proof from it is
refused, since every tree extends it and so it proves nothing. Who starts from an empty tree must know so himself.
Sources: RFC 6962 2.1, RFC 9162 2.1.3 and 2.1.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from storage.errors import IntegrityError

HASH_SIZE = 32
CHUNK_SIZE = 1 << 20
EMPTY_ROOT = hashlib.sha256(b"").digest()

HashReader = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data): the hash of one entry or chunk."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right): the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def range_root(begin: int, end: int, read: HashReader) -> bytes:
    """The root over the leaves `begin` up to `end`, where `begin` is 0 or a split point of the tree."""
    hashes = [read(level, index) for level, index in _complete_subtrees(begin, end)]
    return _fold(hashes)


def inclusion_proof(index: int, size: int, read: HashReader) -> list[bytes]:
    """The audit path of leaf `index` in the tree of `size` leaves, the leaf's sibling first (RFC 6962 2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size}")
    begin, end, siblings = 0, size, []
    while end - begin > 1:
        split = begin + split_of(end - begin)
        if index < split:
            siblings.append((split, end))
            end = split
        else:
            siblings.append((begin, split))
            begin = split
    return [range_root(*sibling, read) for sibling in reversed(siblings)]


def consistency_proof(old: int, new: int, read: HashReader) -> list[bytes]:
    """The proof that the tree of `new` leaves begins with the tree of `old` leaves (RFC 6962 2.1.2)."""
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof from {old} to {new} leaves")
    begin, end, pieces, known = 0, new, [], True
    while end != old:
        split = begin + split_of(end - begin)
        if old <= split:
            pieces.append((split, end))
            end = split
        else:
            pieces.append((begin, split))
            begin, known = split, False
    if not known:
        pieces.append((begin, end))
    return [range_root(*piece, read) for piece in reversed(pieces)]


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], expected_root: bytes) -> None:
    """Check an audit path by the steps of RFC 9162 2.1.3.2. Raises IntegrityError when it proves nothing."""
    if not 0 <= index < size:  # step 1
        _refuse(f"序号 {index} 不在大小为 {size} 的树内", f"leaf {index} is not in a tree of {size}")
    _check_lengths([leaf, *proof])
    fn, sn, r = index, size - 1, leaf  # steps 2 and 3
    for p in proof:  # step 4
        if sn == 0:
            _refuse("包含性证明过长", "the inclusion proof is too long")
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0:  # step 5
        _refuse("包含性证明过短", "the inclusion proof is too short")
    if r != expected_root:
        _refuse("包含性证明与根哈希不符", "the inclusion proof does not lead to the root hash")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of `new` leaves extends that of `old`, by RFC 9162 2.1.4.2. Raises IntegrityError if not.

    Equal sizes ask for equal roots and no proof; size 0 is refused (see the policy above).
    """
    if not 0 < old <= new:
        _refuse(f"无法从 {old} 到 {new} 证明一致性", f"a consistency proof from {old} to {new} leaves proves nothing")
    if old == new:
        _verify_same(old_root, new_root, proof)
        return
    if not proof:  # step 1
        _refuse("缺少一致性证明", "the consistency proof is empty")
    _check_lengths([old_root, new_root, *proof])
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)  # step 2
    fn, sn = old - 1, new - 1  # step 3
    while fn & 1:  # step 4
        fn, sn = fn >> 1, sn >> 1
    fr, sr, sn = _climb(path, fn, sn)  # steps 5 and 6
    if sn != 0:  # step 7
        _refuse("一致性证明过短", "the consistency proof is too short")
    if fr != old_root:
        _refuse("一致性证明与旧根哈希不符", "the consistency proof does not lead to the older root hash")
    if sr != new_root:
        _refuse("一致性证明与新根哈希不符", "the consistency proof does not lead to the newer root hash")


class CompactRange:
    """A growing tree of which only the roots of its complete subtrees are kept: at most 64 hashes."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        """Empty, or as another one was: its `size` and `peaks`."""
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks")
        self.size = size
        self._peaks = list(peaks)

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, the largest first."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size, new = self.size, leaf
        while size & 1:
            new = node_hash(self._peaks.pop(), new)
            size >>= 1
        self._peaks.append(new)
        self.size += 1

    def root(self) -> bytes:
        return _fold(self._peaks)


class ChunkHasher:
    """The Merkle root of a byte stream over its 1 MiB chunks, in one pass (the `root` of `storage.records.Digest`).

    Each chunk is one leaf; only the last may be shorter. The empty stream has no chunk and the root SHA-256("").
    `leaves` holds the 32-byte leaf hashes of the finished chunks one after the other; `finish` adds the last.
    """

    def __init__(self, before: CompactRange | None = None) -> None:
        """`before`: the tree over the chunks that were fed to another one, to go on from there."""
        self.leaves = bytearray()
        self._tree = before or CompactRange()
        self._filled = 0
        self._chunk = hashlib.sha256(b"\x00")

    @property
    def tree(self) -> CompactRange:
        """Over the finished chunks."""
        return self._tree

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Feed the next bytes, as many or few as there are."""
        view = memoryview(data)
        while view:
            piece = view[: CHUNK_SIZE - self._filled]
            self._chunk.update(piece)
            self._filled += len(piece)
            view = view[len(piece) :]
            if self._filled == CHUNK_SIZE:
                self._close_chunk()

    def finish(self) -> bytes:
        """The root over everything fed. Nothing may be fed afterwards."""
        if self._filled:
            self._close_chunk()
        return self._tree.root()

    def _close_chunk(self) -> None:
        leaf = self._chunk.digest()
        self.leaves += leaf
        self._tree.append(leaf)
        self._chunk = hashlib.sha256(b"\x00")
        self._filled = 0


def _complete_subtrees(begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The complete subtrees (level, index) that cover the leaves `begin` up to `end`, from left to right."""
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        yield level, begin >> level
        begin += 1 << level


def _fold(hashes: Sequence[bytes]) -> bytes:
    if not hashes:
        return EMPTY_ROOT
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def _climb(path: Sequence[bytes], fn: int, sn: int) -> tuple[bytes, bytes, int]:
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            _refuse("一致性证明过长", "the consistency proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr, sr, sn


def _verify_same(old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    if proof:
        _refuse("大小相同而一致性证明不为空", "the sizes are equal, yet the consistency proof is not empty")
    if old_root != new_root:
        _refuse("大小相同而根哈希不同", "the sizes are equal, yet the root hashes differ")


def split_of(number: int) -> int:
    """How many of `number` leaves (two or more) are under the root's left side: the largest power of two below."""
    return 1 << ((number - 1).bit_length() - 1)


def _check_lengths(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        _refuse("哈希长度不是 32 字节", "a hash is not 32 bytes long")


def _refuse(zh: str, en: str) -> NoReturn:
    raise IntegrityError(f"存证链证明无效：{zh}。", f"the ledger proof is not valid: {en}")
