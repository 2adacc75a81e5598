"""Chunk proofs: any range of any file is proved, and any change of one bit in proof or piece is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import IntegrityError, Refused
from storage.ledger import chunks, merkle

CHUNK = 8  # bytes; the real 1 MiB changes nothing but the time it takes


def leaves_of(content: bytes, chunk: int = CHUNK) -> list[bytes]:
    return [merkle.leaf_hash(content[at : at + chunk]) for at in range(0, len(content), chunk)]


def proved(content: bytes, first: int, last: int) -> tuple[chunks.ChunkProof, bytes]:
    start, end = chunks.covering(len(content), first, last, chunk=CHUNK)
    return chunks.make(len(content), leaves_of(content), start, end, chunk=CHUNK), content[start:end]


def check(proof: chunks.ChunkProof, piece: bytes, content: bytes) -> None:
    root = merkle.root(leaves_of(content))
    chunks.verify(proof, leaves_of(piece), len(piece), root=root, size=len(content), chunk=CHUNK)


@st.composite
def ranges(draw: st.DrawFn) -> tuple[bytes, int, int]:
    size = draw(st.one_of(st.integers(1, 40), st.integers(1, 60).map(lambda n: n * CHUNK), st.integers(1, 400)))
    content = draw(st.binary(min_size=size, max_size=size))
    first = draw(st.integers(0, size - 1))
    return content, first, draw(st.integers(first, size - 1))


@given(ranges())
def test_any_range_is_proved(case: tuple[bytes, int, int]) -> None:
    content, first, last = case
    proof, piece = proved(content, first, last)
    assert proof.start <= first and last < proof.end
    assert content[first : last + 1] in piece
    assert chunks.parse(proof.encode()) == proof
    check(proof, piece, content)


@given(ranges(), st.data())
def test_any_change_of_one_bit_is_refused(case: tuple[bytes, int, int], data: st.DataObject) -> None:
    content, first, last = case
    proof, piece = proved(content, first, last)
    whole = proof.encode()[:-2] + b"\n\n" + piece
    bit = data.draw(st.integers(0, len(whole) * 8 - 1))
    changed = bytearray(whole)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        read = chunks.parse(bytes(changed))
        again = chunks.parse(read.encode())
        check(again, read.receipt, content)


@given(ranges(), st.integers(-1, 1), st.integers(-1, 1))
def test_a_piece_is_not_proved_for_another_place(case: tuple[bytes, int, int], left: int, right: int) -> None:
    content, first, last = case
    proof, piece = proved(content, first, last)
    start, end = proof.start + left * CHUNK, proof.end + right * CHUNK
    end = min(end, len(content)) if end > 0 else 0
    moved = chunks.ChunkProof(proof.size, start, end, proof.hashes)
    if start >= 0 and content[start:end] == piece:  # the same place, or one that holds the same bytes
        check(moved, piece, content)
        return
    with pytest.raises(IntegrityError):
        check(moved, piece, content)


def test_the_empty_file_has_a_proof_too() -> None:
    proof = chunks.make(0, [], 0, 0)
    chunks.verify(proof, [], 0, root=merkle.EMPTY_ROOT, size=0)
    with pytest.raises(IntegrityError):
        chunks.verify(proof, [merkle.leaf_hash(b"")], 0, root=merkle.EMPTY_ROOT, size=0)


@pytest.mark.parametrize("size", [1, merkle.CHUNK_SIZE - 1, merkle.CHUNK_SIZE, merkle.CHUNK_SIZE + 1, 3 << 20])
def test_the_real_chunk_size(size: int) -> None:
    content = bytes(size)
    leaves = leaves_of(content, merkle.CHUNK_SIZE)
    start, end = chunks.covering(size, size - 1, size - 1)
    proof = chunks.make(size, leaves, start, end)
    chunks.verify(
        proof, leaves_of(content[start:end], merkle.CHUNK_SIZE), end - start, root=merkle.root(leaves), size=size
    )


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (3, 2), (0, 10), (10, 10)])
def test_bytes_that_the_file_does_not_have_are_refused(first: int, last: int) -> None:
    with pytest.raises(Refused):
        chunks.covering(10, first, last)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"liuhen/chunk-proof@v1\n\n",
        b"liuhen/chunk-proof@v2\nsize 0\nrange 0 0\n\n",
        b"liuhen/chunk-proof@v1\nsize 0\nrange 0\n\n",
        b"liuhen/chunk-proof@v1\nsize 00\nrange 0 0\n\n",
        b"liuhen/chunk-proof@v1\nsize 0\nrange 0  0\n\n",
        b"liuhen/chunk-proof@v1\nsize 0\nrange 0 0\nAAAA\n\n",
        b"liuhen/chunk-proof@v1\nsize 0\nrange 0 0\n",
        b"liuhen/chunk-proof@v1\nsize 0\nrange 0 0\n" + b"A" * 9000 + b"\n\n",
    ],
)
def test_another_form_is_refused(text: bytes) -> None:
    with pytest.raises(IntegrityError):
        chunks.parse(text)
