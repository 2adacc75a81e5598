"""What only the local store promises: hard links, read-only files, and a lock that is there before its blob."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from storage.blobs.local import LocalBlobStore
from storage.errors import IntegrityError, Transient
from tests.support.blobs import HandClock, digest, file_of


@pytest.fixture
def store(tmp_path: Path) -> LocalBlobStore:
    return LocalBlobStore(tmp_path / "blobs", clock=HandClock())


def put(store: LocalBlobStore, tmp_path: Path, key: str, content: bytes) -> Path:
    source = file_of(tmp_path, content)
    store.put(key, source, sha256=digest(content), retain_until=None)
    return source


def test_on_one_disk_nothing_is_copied(store: LocalBlobStore, tmp_path: Path) -> None:
    source = put(store, tmp_path, "a/b", b"content")
    assert os.path.samefile(source, tmp_path / "blobs/a/b")


def test_the_blob_is_read_only(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a", b"content")
    assert stat.S_IMODE((tmp_path / "blobs/a").stat().st_mode) == 0o444


def test_bytes_hashed_by_the_caller_are_not_read_again(store: LocalBlobStore, tmp_path: Path) -> None:
    """The speed of intake hangs on it; the digest given is then the caller's word."""
    source = file_of(tmp_path, b"content")
    stored = store.put("a", source, sha256=digest(b"other"), retain_until=None, hashed=True)
    assert stored.sha256 == digest(b"other")


def test_what_a_crash_left_behind_is_no_blob(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a/b", b"content")
    (tmp_path / "blobs/a/.b.0123456789ab.tmp").write_bytes(b"half")
    (tmp_path / "blobs/a/c.lock").write_bytes(b"{}")
    assert list(store.keys()) == ["a/b"]
    assert store.stat("a/c") is None


def test_a_lock_that_a_crash_left_without_its_blob_binds_nobody(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a", b"first")
    (tmp_path / "blobs/a").unlink()
    put(store, tmp_path, "a", b"second")
    assert b"".join(store.open("a")) == b"second"


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"sha256": 1}', None])
def test_a_blob_without_a_sound_lock_raises_the_alarm(
    store: LocalBlobStore, tmp_path: Path, damage: bytes | None
) -> None:
    put(store, tmp_path, "a", b"content")
    lock = tmp_path / "blobs/a.lock"
    lock.unlink()
    if damage is not None:
        lock.write_bytes(damage)
    with pytest.raises(IntegrityError):
        store.stat("a")
    with pytest.raises(IntegrityError):
        store.delete("a")


def test_a_truncated_blob_shows_in_its_size(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a", b"content")
    blob = tmp_path / "blobs/a"
    blob.chmod(0o644)
    os.truncate(blob, 3)
    found = store.stat("a")
    assert found is not None and found.size == 3


def test_locks_outlive_the_process(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a", b"content")
    store.hold("a", True)
    again = LocalBlobStore(tmp_path / "blobs", clock=HandClock())
    assert again.stat("a") == store.stat("a")


def test_a_disk_with_too_little_room_takes_nothing(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs", min_free=1 << 62)
    with pytest.raises(Transient, match="full"):
        put(store, tmp_path, "a", b"content")
    with pytest.raises(Transient, match="full"):
        store.check()
    assert list(store.keys()) == []


def test_a_store_whose_disk_is_gone_says_so(store: LocalBlobStore, tmp_path: Path) -> None:
    (tmp_path / "blobs").rename(tmp_path / "elsewhere")
    with pytest.raises(Transient):
        store.check()
    with pytest.raises(Transient):
        put(store, tmp_path, "a", b"content")


def test_a_restored_blob_leaves_the_damaged_one_aside_with_the_reason(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a/b", b"damaged")
    good = file_of(tmp_path, b"good")
    until = datetime(2030, 1, 1, tzinfo=UTC)
    kept = store.restore("a/b", good, sha256=digest(b"good"), retain_until=until, reason="chunk 0 differs")
    assert b"".join(store.open("a/b")) == b"good"
    assert (tmp_path / "blobs" / kept).read_bytes() == b"damaged"
    assert "chunk 0 differs" in (tmp_path / "blobs" / f"{kept}.json").read_text()
    assert list(store.keys()) == ["a/b"]
    assert stat.S_IMODE((tmp_path / "blobs/a/b").stat().st_mode) == 0o444


def test_a_blob_whose_lock_is_lost_can_be_restored(store: LocalBlobStore, tmp_path: Path) -> None:
    put(store, tmp_path, "a", b"content")
    (tmp_path / "blobs/a.lock").unlink()
    until = datetime(2030, 1, 1, tzinfo=UTC)
    store.restore("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=until, reason="no lock")
    found = store.stat("a")
    assert found is not None and (found.sha256, found.retain_until) == (digest(b"content"), until)


def test_a_disk_that_fills_up_while_restoring_leaves_the_blob_as_it_was(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs", clock=HandClock())
    put(store, tmp_path, "a", b"damaged")
    full = LocalBlobStore(tmp_path / "blobs", min_free=1 << 60, clock=HandClock())
    until = datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(Transient):
        full.restore("a", file_of(tmp_path, b"good"), sha256=digest(b"good"), retain_until=until, reason="")
    assert b"".join(store.open("a")) == b"damaged"
