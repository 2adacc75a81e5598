"""Blob stores when things break: a full disk, a killed process, an S3 that is down or cut off in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from storage.blobs.local import LocalBlobStore
from storage.blobs.s3 import S3BlobStore
from storage.errors import Transient
from tests.support.blobs import SMALLEST_PART, digest, file_of
from tests.support.cut_proxy import cut_after
from tests.support.services import absent, service

ROOT = Path(__file__).resolve().parents[2]

# Runs in a mount namespace of its own, where it may mount a disk of 2 MiB.
FULL_DISK = """
import hashlib, json, subprocess, sys
from pathlib import Path
from storage.blobs.local import LocalBlobStore
from storage.errors import Transient

disk, source = Path(sys.argv[1]), Path(sys.argv[2])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], check=True)
store = LocalBlobStore(disk / "blobs")
small = source.with_name("small")
small.write_bytes(b"content")
store.put("small", small, sha256=hashlib.sha256(b"content").hexdigest(), retain_until=None)
try:
    store.put("large", source, sha256=hashlib.sha256(source.read_bytes()).hexdigest(), retain_until=None)
    said = None
except Transient as error:
    said = [error.zh, error.en]
left = sorted(path.name for path in (disk / "blobs").iterdir() if path.name.endswith(".tmp"))
kept = b"".join(store.open("small")).decode()
print(json.dumps({"said": said, "keys": list(store.keys()), "small": kept, "left": left}))
"""

# Puts blob after blob, telling each as soon as it is acknowledged, until it is killed.
PUT_FOR_EVER = """
import hashlib, os, sys
from pathlib import Path
from storage.blobs.local import LocalBlobStore

store, folder = LocalBlobStore(Path(sys.argv[1])), Path(sys.argv[2])
number = 0
while True:
    content = os.urandom(200_000)
    digest = hashlib.sha256(content).hexdigest()
    source = folder / digest
    source.write_bytes(content)
    store.put(f"originals/{digest[:2]}/{digest}", source, sha256=digest, retain_until=None)
    source.unlink()
    print(f"originals/{digest[:2]}/{digest}", flush=True)
"""


def in_own_mounts(script: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode != 0:
        absent("the right to mount in a namespace")
    return subprocess.run(
        [*namespace, sys.executable, "-c", script, *arguments],
        check=False, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def test_a_full_disk_ends_in_one_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    source = file_of(tmp_path, os.urandom(3 << 20))
    ran = in_own_mounts(FULL_DISK, disk, source)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["keys"] == ["small"]
    assert told["small"] == "content"
    assert told["left"] == []
    assert "磁盘" in told["said"][0] and "disk" in told["said"][1]


@pytest.mark.parametrize("acknowledged", [1, 7, 20])
def test_a_killed_process_loses_nothing_acknowledged_and_shows_nothing_half(tmp_path: Path, acknowledged: int) -> None:
    (tmp_path / "spool").mkdir()
    command = [sys.executable, "-c", PUT_FOR_EVER, str(tmp_path / "blobs"), str(tmp_path / "spool")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as child:
        assert child.stdout is not None
        told = [child.stdout.readline().strip() for _ in range(acknowledged)]
        time.sleep(acknowledged / 7000)  # somewhere within a put, not right after one
        child.send_signal(signal.SIGKILL)
        told += child.stdout.read().split()
    store = LocalBlobStore(tmp_path / "blobs")
    present = list(store.keys())
    assert set(told) <= set(present)
    for key in present:
        found = store.stat(key)
        assert found is not None and found.sha256 == key.rpartition("/")[2]
        assert digest(b"".join(store.open(key))) == found.sha256


def test_a_put_that_was_killed_can_be_done_again(tmp_path: Path) -> None:
    """The worst moment: the lock is there, the blob is not, and the retry brings the same bytes."""
    store = LocalBlobStore(tmp_path / "blobs")
    source = file_of(tmp_path, b"content")
    store.put("a", source, sha256=digest(b"content"), retain_until=None)
    (tmp_path / "blobs/a").rename(tmp_path / "blobs/.a.0123456789ab.tmp")
    store.put("a", source, sha256=digest(b"content"), retain_until=None)
    assert list(store.keys()) == ["a"]


def unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_an_s3_that_is_down_is_transient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    store = S3BlobStore.from_url(f"s3://bucket?endpoint=http://127.0.0.1:{unused_port()}")
    with pytest.raises(Transient):
        store.check()
    with pytest.raises(Transient):
        store.put("a", file_of(tmp_path, b"content"), sha256=digest(b"content"), retain_until=None)


def through(s3_url: str, port: int) -> str:
    real = urlsplit(service("LIUHEN_TEST_S3_URL")).netloc
    return s3_url.replace(real, f"127.0.0.1:{port}")


def s3_port() -> int:
    return int(urlsplit(service("LIUHEN_TEST_S3_URL")).port or 0)


def test_a_cut_during_the_upload_leaves_nothing_and_is_transient(s3_url: str, tmp_path: Path) -> None:
    content = os.urandom(2 * SMALLEST_PART)
    with cut_after(s3_port(), up=SMALLEST_PART) as port, pytest.raises(Transient):
        S3BlobStore.from_url(through(s3_url, port), part_size=SMALLEST_PART).put(
            "a", file_of(tmp_path, content), sha256=digest(content), retain_until=None
        )
    assert S3BlobStore.from_url(s3_url).stat("a") is None


def test_a_cut_during_the_download_is_transient_not_a_short_file(s3_url: str, tmp_path: Path) -> None:
    content = os.urandom(3 << 20)
    S3BlobStore.from_url(s3_url).put("a", file_of(tmp_path, content), sha256=digest(content), retain_until=None)
    with cut_after(s3_port(), down=1 << 20) as port:
        pieces = S3BlobStore.from_url(through(s3_url, port)).open("a")
        with pytest.raises(Transient):
            list(pieces)
