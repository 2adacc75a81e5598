"""One suite for every blob store: what storage/blobs/contract.py promises, on memory, local disk and S3."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from storage.blobs.contract import CHUNK, Blob, Stored
from storage.errors import Conflict, IntegrityError, NotFound, Refused
from tests.support.blobs import Candidate, digest, file_of, local_candidate, memory_candidate, s3_candidate

CONTENT = random.Random(1).randbytes(3 * CHUNK + 5)
KEY = "originals/ab/" + digest(CONTENT)


@pytest.fixture(params=["memory", "local", "s3"])
def candidate(request: pytest.FixtureRequest, tmp_path: Path) -> Candidate:
    if request.param == "memory":
        return memory_candidate()
    if request.param == "local":
        return local_candidate(tmp_path / "blobs")
    return s3_candidate(request.getfixturevalue("s3_url"), tmp_path)


@pytest.fixture
def put(candidate: Candidate, tmp_path: Path) -> Callable[..., Stored]:
    """Put `content` under `key`, locked until `retain_until`."""

    def put_content(key: str, content: bytes, retain_until: object = None, **more: object) -> Stored:
        source = file_of(tmp_path, content)
        return candidate.store.put(key, source, sha256=digest(content), retain_until=retain_until, **more)  # type: ignore[arg-type]

    return put_content


def read(candidate: Candidate, key: str, **limits: int) -> bytes:
    return b"".join(candidate.store.open(key, **limits))


def test_a_blob_reads_back_as_it_was_put(candidate: Candidate, put: Callable[..., Stored]) -> None:
    assert put(KEY, CONTENT) == Stored(KEY, len(CONTENT), digest(CONTENT))
    pieces = list(candidate.store.open(KEY))
    assert b"".join(pieces) == CONTENT
    assert max(map(len, pieces)) <= CHUNK


def test_stat_tells_size_digest_and_lock(candidate: Candidate, put: Callable[..., Stored]) -> None:
    until = candidate.later(60)
    put(KEY, CONTENT, until)
    stat = candidate.store.stat(KEY)
    assert stat is not None
    assert (stat.size, stat.sha256, stat.retain_until, stat.hold) == (len(CONTENT), digest(CONTENT), until, False)


def test_the_source_stays(candidate: Candidate, tmp_path: Path) -> None:
    source = file_of(tmp_path, b"content")
    candidate.store.put("a", source, sha256=digest(b"content"), retain_until=None, hashed=True)
    assert source.read_bytes() == b"content"
    source.unlink()
    assert read(candidate, "a") == b"content"


@pytest.mark.parametrize("size", [10, (5 << 20) + 1], ids=["small", "in parts"])
def test_bytes_that_are_not_those_of_the_digest_leave_nothing(candidate: Candidate, tmp_path: Path, size: int) -> None:
    source = file_of(tmp_path, bytes(size))
    with pytest.raises(IntegrityError):
        candidate.store.put("a", source, sha256=digest(b"other"), retain_until=candidate.later(60))
    assert candidate.store.stat("a") is None
    assert list(candidate.store.keys()) == []


def test_a_large_blob_is_locked_and_whole(candidate: Candidate, put: Callable[..., Stored]) -> None:
    content, until = random.Random(2).randbytes((11 << 20) + 3), candidate.later(60)
    put(KEY, content, until)
    stat = candidate.store.stat(KEY)
    assert stat is not None and stat.retain_until == until
    assert digest(read(candidate, KEY)) == digest(content)


def test_several_are_put_at_once_and_again(candidate: Candidate, tmp_path: Path) -> None:
    contents = {f"originals/a{number}/{number}": random.Random(number).randbytes(1000 + number) for number in range(5)}
    blobs = [Blob(key, file_of(tmp_path, content), digest(content)) for key, content in contents.items()]
    until = candidate.later(3600)
    candidate.store.put_all(blobs[:2], retain_until=until)
    candidate.store.put_all(blobs, retain_until=until + timedelta(days=1))
    for key, content in contents.items():
        assert read(candidate, key) == content
        found = candidate.store.stat(key)
        assert found is not None
        assert found.retain_until == until + timedelta(days=1)


def test_of_several_a_wrong_one_is_refused_and_no_other_is_changed(candidate: Candidate, tmp_path: Path) -> None:
    blobs = [Blob("originals/a/1", file_of(tmp_path, b"one"), digest(b"one"))]
    candidate.store.put_all(blobs, retain_until=None)
    other = Blob("originals/a/1", file_of(tmp_path, b"other"), digest(b"other"))
    with pytest.raises(Conflict):
        candidate.store.put_all([other], retain_until=None)
    lying = Blob("originals/a/2", file_of(tmp_path, b"two"), digest(b"not two"))
    with pytest.raises(IntegrityError):
        candidate.store.put_all([lying], retain_until=None)
    assert read(candidate, "originals/a/1") == b"one"
    assert candidate.store.stat("originals/a/2") is None


def test_the_same_blob_again_changes_nothing(candidate: Candidate, put: Callable[..., Stored]) -> None:
    until = candidate.later(60)
    first = put("a", b"content", until)
    assert put("a", b"content", None) == first
    assert put("a", b"content", until - timedelta(seconds=30)) == first
    stat = candidate.store.stat("a")
    assert stat is not None and stat.retain_until == until


def test_the_same_blob_with_a_later_date_is_locked_for_longer(candidate: Candidate, put: Callable[..., Stored]) -> None:
    until = candidate.later(60)
    put("a", b"content", None)
    put("a", b"content", until)
    put("a", b"content", until + timedelta(days=1))
    stat = candidate.store.stat("a")
    assert stat is not None and stat.retain_until == until + timedelta(days=1)


def test_other_bytes_never_take_a_key(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"first")
    with pytest.raises(Conflict):
        put("a", b"second", candidate.later(60))
    assert read(candidate, "a") == b"first"


def test_puts_at_the_same_moment_end_as_one(candidate: Candidate, tmp_path: Path) -> None:
    source = file_of(tmp_path, CONTENT)

    def put_once(_: int) -> Stored:
        return candidate.store.put(KEY, source, sha256=digest(CONTENT), retain_until=None)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(put_once, range(8))) == {Stored(KEY, len(CONTENT), digest(CONTENT))}
    assert list(candidate.store.keys()) == [KEY]
    assert read(candidate, KEY) == CONTENT


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, None), (0, 1), (1, 5), (CHUNK - 1, 2), (5, CHUNK + 7), (len(CONTENT) - 1, None), (7, 10 * CHUNK)],
)
def test_a_range_is_that_part(candidate: Candidate, put: Callable[..., Stored], start: int, length: int | None) -> None:
    put(KEY, CONTENT)
    end = len(CONTENT) if length is None else start + length
    assert b"".join(candidate.store.open(KEY, start=start, length=length)) == CONTENT[start:end]


def test_an_empty_range_gives_nothing(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"content")
    assert read(candidate, "a", start=3, length=0) == b""
    assert read(candidate, "a", start=7) == b""


@pytest.mark.parametrize(("start", "length"), [(-1, None), (8, None), (8, 1), (0, -1)])
def test_a_range_outside_of_the_blob_is_refused(
    candidate: Candidate, put: Callable[..., Stored], start: int, length: int | None
) -> None:
    put("a", b"content")
    with pytest.raises(Refused):
        candidate.store.open("a", start=start, length=length)


def test_an_empty_blob_is_a_blob(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"", candidate.later(60))
    assert read(candidate, "a") == b""
    stat = candidate.store.stat("a")
    assert stat is not None and stat.size == 0


def test_a_part_of_a_second_counts_as_a_whole_one(candidate: Candidate, put: Callable[..., Stored]) -> None:
    until = candidate.later(60)
    put("a", b"content", until + timedelta(milliseconds=1))
    stat = candidate.store.stat("a")
    assert stat is not None and stat.retain_until == until + timedelta(seconds=1)


def test_a_date_that_has_passed_locks_nothing(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"content", candidate.clock() - timedelta(days=1))
    stat = candidate.store.stat("a")
    assert stat is not None and stat.retain_until is None


def test_a_lock_moves_later_and_never_earlier(candidate: Candidate, put: Callable[..., Stored]) -> None:
    until = candidate.later(60)
    put("a", b"content", until)
    candidate.store.extend("a", until)
    candidate.store.extend("a", until + timedelta(days=2))
    with pytest.raises(Refused):
        candidate.store.extend("a", until + timedelta(days=1))
    stat = candidate.store.stat("a")
    assert stat is not None and stat.retain_until == until + timedelta(days=2)


def test_a_blob_without_a_lock_can_be_given_one(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"content")
    with pytest.raises(Refused):
        candidate.store.extend("a", candidate.clock() - timedelta(days=1))
    candidate.store.extend("a", candidate.later(60))
    with pytest.raises(Refused):
        candidate.store.delete("a")


def test_a_blob_can_be_deleted_when_its_date_has_passed_and_not_before(
    candidate: Candidate, put: Callable[..., Stored]
) -> None:
    until = candidate.later(1)
    put("a", b"content", until)
    with pytest.raises(Refused):
        candidate.store.delete("a")
    assert read(candidate, "a") == b"content"
    candidate.reach(until)
    candidate.store.delete("a")
    assert candidate.store.stat("a") is None
    assert list(candidate.store.keys()) == []


def test_a_hold_forbids_deletion_until_it_is_taken_off(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"content")
    candidate.store.hold("a", True)
    candidate.store.hold("a", True)
    stat = candidate.store.stat("a")
    assert stat is not None and stat.hold
    with pytest.raises(Refused):
        candidate.store.delete("a")
    candidate.store.hold("a", False)
    candidate.store.delete("a")
    assert candidate.store.stat("a") is None


def test_a_deleted_key_can_be_used_again(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put("a", b"first")
    candidate.store.delete("a")
    put("a", b"second")
    assert read(candidate, "a") == b"second"


def test_what_is_not_there_is_not_found(candidate: Candidate) -> None:
    store = candidate.store
    assert store.stat("a/b") is None
    calls: list[Callable[[], object]] = [
        lambda: store.open("a/b"),
        lambda: store.extend("a/b", candidate.later(60)),
        lambda: store.hold("a/b", True),
        lambda: store.delete("a/b"),
        lambda: store.local_path("a/b").__enter__(),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()


def test_keys_come_in_order_and_by_prefix(candidate: Candidate, put: Callable[..., Stored]) -> None:
    names = ["a-b", "a/b", "a/b.c", "a.b", "a0", "b/c/d", "b/cc"]
    for name in names:
        put(name, name.encode())
    assert list(candidate.store.keys()) == sorted(names)
    assert list(candidate.store.keys("a/")) == ["a/b", "a/b.c"]
    assert list(candidate.store.keys("b/c")) == ["b/c/d", "b/cc"]
    assert list(candidate.store.keys("none/")) == []


@pytest.mark.parametrize(
    "key",
    ["", "/a", "a/", "a//b", "../a", "a/../b", ".a", "a/.b", "A", "a b", "a\n", "录像", "a.lock", "a/b.tmp", "a" * 201],
)
def test_a_key_that_is_not_well_formed_is_refused(candidate: Candidate, tmp_path: Path, key: str) -> None:
    with pytest.raises(Refused):
        candidate.store.put(key, file_of(tmp_path, b""), sha256=digest(b""), retain_until=None)
    with pytest.raises(Refused):
        candidate.store.stat(key)
    with pytest.raises(Refused):
        candidate.store.open(key)


@pytest.mark.parametrize("prefix", ["/", "../", "a//", "A", "."])
def test_a_prefix_that_no_key_can_have_is_refused(candidate: Candidate, prefix: str) -> None:
    with pytest.raises(Refused):
        candidate.store.keys(prefix)


def test_the_longest_key_works(candidate: Candidate, put: Callable[..., Stored]) -> None:
    key = "a" * 200
    put(key, b"content")
    assert list(candidate.store.keys()) == [key]


def test_a_blob_is_a_file_for_programs(candidate: Candidate, put: Callable[..., Stored]) -> None:
    put(KEY, CONTENT)
    with candidate.store.local_path(KEY) as path:
        assert path.read_bytes() == CONTENT
    assert read(candidate, KEY) == CONTENT


def test_a_store_that_works_says_so(candidate: Candidate) -> None:
    candidate.store.check()


def restored(candidate: Candidate, tmp_path: Path, content: bytes = CONTENT, **given: object) -> str:
    arguments: dict[str, object] = {
        "sha256": digest(content),
        "retain_until": candidate.later(90),
        "reason": "bytes 0-1048575 differ",
        **given,
    }
    return candidate.store.restore(KEY, file_of(tmp_path, content), **arguments)  # type: ignore[arg-type]


def test_a_restored_blob_has_the_good_bytes_and_the_lock_it_had(
    candidate: Candidate, put: Callable[..., Stored], tmp_path: Path
) -> None:
    until = candidate.later(60)
    put(KEY, b"other bytes", until)
    candidate.store.hold(KEY, True)
    assert restored(candidate, tmp_path)
    assert read(candidate, KEY) == CONTENT
    stat = candidate.store.stat(KEY)
    assert stat is not None
    assert (stat.size, stat.sha256, stat.retain_until, stat.hold) == (len(CONTENT), digest(CONTENT), until, True)
    assert list(candidate.store.keys()) == [KEY]
    candidate.store.hold(KEY, False)


def test_a_blob_that_is_gone_is_restored_with_the_given_lock(candidate: Candidate, tmp_path: Path) -> None:
    until = candidate.later(60)
    assert restored(candidate, tmp_path, retain_until=until) == ""
    stat = candidate.store.stat(KEY)
    assert stat is not None and stat.retain_until == until
    assert read(candidate, KEY) == CONTENT


@pytest.mark.parametrize("size", [10, (5 << 20) + 1], ids=["small", "in parts"])
def test_a_blob_is_not_restored_from_other_bytes(
    candidate: Candidate, put: Callable[..., Stored], tmp_path: Path, size: int
) -> None:
    put(KEY, b"damaged")
    with pytest.raises(IntegrityError):
        restored(candidate, tmp_path, bytes(size), sha256=digest(CONTENT))
    assert read(candidate, KEY) == b"damaged"
