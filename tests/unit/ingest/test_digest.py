from __future__ import annotations

import hashlib
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ingest.digest import SMALL, FileHasher, hash_file
from storage.ledger import merkle

MIB = 1 << 20


def plain_leaves(data: bytes) -> list[bytes]:
    return [hashlib.sha256(b"\x00" + data[start : start + MIB]).digest() for start in range(0, len(data), MIB)]


@given(st.lists(st.integers(0, 3 * SMALL), max_size=12))
def test_any_cutting_into_pieces_gives_the_plain_digest(sizes: list[int]) -> None:
    data = bytes(range(256)) * (sum(sizes) // 256 + 1)
    data = data[: sum(sizes)]
    hasher = FileHasher()
    start = 0
    for size in sizes:
        hasher.update(data[start : start + size])
        start += size
    digest, leaves = hasher.finish()
    assert digest.sha256 == hashlib.sha256(data).hexdigest()
    assert digest.root == merkle.root(plain_leaves(data)).hex()
    assert leaves == b"".join(plain_leaves(data))
    assert digest.size == len(data)


def test_a_file_is_hashed_up_to_the_length_asked_for(tmp_path: Path) -> None:
    data = bytes(range(251)) * 20_000
    path = tmp_path / "file"
    path.write_bytes(data)
    assert hash_file(path).finish()[0].sha256 == hashlib.sha256(data).hexdigest()
    assert hash_file(path, MIB + 7).finish()[0].sha256 == hashlib.sha256(data[: MIB + 7]).hexdigest()
    assert hash_file(path, 0).finish()[0].size == 0


def test_a_resting_hasher_holds_no_thread_and_goes_on(tmp_path: Path) -> None:
    before = threading.active_count()
    hasher = FileHasher()
    hasher.update(bytes(MIB))
    hasher.rest()
    assert threading.active_count() == before
    hasher.update(b"tail" * MIB)
    data = bytes(MIB) + b"tail" * MIB
    assert hasher.finish()[0].root == merkle.root(plain_leaves(data)).hex()


@given(st.lists(st.integers(0, 3 * SMALL), max_size=6))
def test_sm3_is_made_beside_it(sizes: list[int]) -> None:
    data = bytes(range(256)) * (sum(sizes) // 256 + 1)
    hasher, start = FileHasher(sm3=True), 0
    for size in sizes:
        hasher.update(data[start : start + size])
        start += size
    digest, _ = hasher.finish()
    assert digest.sm3 == hashlib.new("sm3", data[:start]).hexdigest()
    assert digest.sha256 == hashlib.sha256(data[:start]).hexdigest()


def test_sm3_of_the_standards_example() -> None:
    """GB/T 32905-2016, annex A.1: the message "abc"."""
    hasher = FileHasher(sm3=True)
    hasher.update(b"abc")
    assert hasher.finish()[0].sm3 == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
