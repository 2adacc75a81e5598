"""A full disk: one clear error, nothing acknowledged is lost, and the upload goes on when there is room again."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingest import station
from tests.support.docking import PlainStation, stored
from tests.support.server import enrol, run_server


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root; the limit on file sizes is tested without")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_fills_up_during_an_upload(small_disk: Path, tmp_path: Path) -> None:
    data = os.urandom(20_000_000)
    folder = small_disk / "data"
    with (
        run_server(folder, min_free=0) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http,
    ):
        st01 = PlainStation(http, station.load(enrol(folder, tmp_path)))
        st01.dock({"a": data})
        url = st01.begin("a", len(data))
        assert st01.patch(url, 0, data[:3_000_000]).status_code == 204
        _fill(small_disk, leave=6 << 20)
        full = st01.patch(url, 3_000_000, data[3_000_000:])
        assert full.status_code in (503, 507)
        assert "zh" in full.json()["error"]
        assert int(full.headers["Retry-After"]) > 0
        (small_disk / "filler").unlink()
        offset = st01.offset(url)
        assert 3_000_000 <= offset < len(data)
        assert st01.patch(url, offset, data[offset:]).status_code == 204
        st01.receipt(data)
        assert stored(folder, data) == data


def test_a_disk_that_is_low_takes_no_new_upload(small_disk: Path, tmp_path: Path) -> None:
    data = os.urandom(1_000_000)
    folder = small_disk / "data"
    with (
        run_server(folder, min_free=30 << 20) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http,
    ):
        st01 = PlainStation(http, station.load(enrol(folder, tmp_path)))
        st01.dock({"a": data, "b": b"\0" * 20_000_000})
        refused = st01.create("b", 20_000_000)
        assert (refused.status_code, refused.json()["error"]["code"]) == (507, "disk-low")
        url = st01.begin("a", len(data))
        _fill(small_disk, leave=20 << 20)
        refused = st01.patch(url, 0, data)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "disk-low")
        (small_disk / "filler").unlink()
        assert st01.patch(url, 0, data).status_code == 204


def test_a_write_that_fails_half_way_keeps_what_is_durable(tmp_path: Path) -> None:
    data = os.urandom(9_000_000)
    folder = tmp_path / "data"
    with (
        run_server(folder, min_free=0) as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http,
    ):
        st01 = PlainStation(http, station.load(enrol(folder, tmp_path)))
        st01.dock({"a": data})
        url = st01.begin("a", len(data))
        before = resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (5_000_000, resource.RLIM_INFINITY))
        failed = st01.patch(url, 0, data)
        assert (failed.status_code, failed.json()["error"]["code"]) == (507, "disk-failed")
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, before)
        offset = st01.offset(url)
        assert 0 < offset <= 5_000_000
        assert st01.patch(url, offset, data[offset:]).status_code == 204
        assert stored(folder, data) == data


def _fill(disk: Path, *, leave: int) -> None:
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(b"\0" * (free.f_bavail * free.f_frsize - leave))
