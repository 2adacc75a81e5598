"""Full disks: the server's under several cards at once, and the station's own, where its journal is."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest import station
from tests.support.kept import check_kept, dock, make_card, receipts, try_to_dock
from tests.support.server import Launcher, enrol, enrol_all


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes file systems of so many MiB."""
    made: list[Path] = []

    def make(size: int) -> Path:
        place = tmp_path / f"disk{len(made)}"
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}m", "tmpfs", str(place)]
        if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("mounting a small disk needs root")
        made.append(place)
        return place

    yield make
    for place in made:
        subprocess.run(["umount", str(place)], check=True)


def fill(disk: Path, *, leave: int = 0) -> None:
    free = os.statvfs(disk)
    (disk / "filler").write_bytes(b"\0" * max(0, free.f_bavail * free.f_frsize - leave))


def test_the_servers_disk_fills_up_under_several_cards(
    launcher: Launcher, small_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    disk = small_disk(96)
    data = disk / "data"
    keys = enrol_all(data, tmp_path, [f"ST-{number}" for number in range(3)])
    contents: dict[str, bytes] = {}
    for number in range(3):
        contents |= make_card(tmp_path / f"card{number}", f"LH0001{number}", [9_000_000, 2_000_000, 700])
    safe: dict[int, bool] = {}

    def one(number: int) -> None:
        safe[number] = dock(server.url, keys[number], tmp_path / f"state{number}", tmp_path / f"card{number}").safe

    with launcher.server(data, min_free=0) as server:
        fill(disk, leave=12 << 20)
        threads = [threading.Thread(target=one, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(1)
        (disk / "filler").unlink()  # the administrator made room
        for thread in threads:
            thread.join()
    assert safe == dict.fromkeys(range(3), True)
    given = receipts(*(tmp_path / f"state{number}" for number in range(3)))
    check_kept(data, contents, given, station.load(keys[0]).log, abandoned=True)


def test_a_station_that_can_not_write_down_a_receipt_calls_nothing_safe(
    launcher: Launcher, small_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    disk, data = small_disk(1), tmp_path / "data"
    state = disk / "state"
    key = enrol(data, tmp_path)
    contents = make_card(tmp_path / "card", "LH00012", [400_000, 5000, 50])
    with launcher.server(data) as server:
        fill(disk)
        assert not try_to_dock(server.url, key, state, tmp_path / "card", patience=1)
        assert receipts(state) == {}
        (disk / "filler").unlink()
        assert dock(server.url, key, state, tmp_path / "card").safe
    check_kept(data, contents, receipts(state), station.load(key).log)


def test_a_station_whose_disk_fills_up_between_receipts(
    launcher: Launcher, small_disk: Callable[[int], Path], tmp_path: Path
) -> None:
    """What it wrote down stays good; what it could not is not called safe, and is had again."""
    disk, data = small_disk(1), tmp_path / "data"
    state = disk / "state"
    key = enrol(data, tmp_path)
    contents = make_card(tmp_path / "card", "LH00012", [1000 + number for number in range(40)])
    with launcher.server(data) as server:
        fill(disk, leave=60_000)
        assert not try_to_dock(server.url, key, state, tmp_path / "card", patience=1)
        (disk / "filler").unlink()
        held = receipts(state)
        assert 0 < len(held) < len(contents)
        assert dock(server.url, key, state, tmp_path / "card").safe
    given = receipts(state)
    assert held.items() <= given.items()
    check_kept(data, contents, given, station.load(key).log)
