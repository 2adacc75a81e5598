"""Commits that share one sync: nobody is answered before the disk has what he committed."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from storage.catalogue import wal
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device
from storage.clock import now
from storage.errors import Transient


class Disk:
    """What would be left after a power cut: the log as it was at the end of the last sync."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.syncs = 0
        self.failing = False
        self._real = os.fdatasync
        monkeypatch.setattr(wal.os, "fdatasync", self._sync)

    def _sync(self, handle: int) -> None:
        if self.failing:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        log = (self.folder / "liuhen.db-wal").read_bytes()
        self._real(handle)
        left = self.folder / "left"
        left.mkdir(exist_ok=True)
        (left / f"{self.syncs + 1}.wal").write_bytes(log)
        self.syncs += 1

    def devices(self, tmp: Path) -> set[str]:
        tmp.mkdir()
        shutil.copy(self.folder / "liuhen.db", tmp / "liuhen.db")
        shutil.copy(self.folder / "left" / f"{self.syncs}.wal", tmp / "liuhen.db-wal")
        connection = sqlite3.connect(tmp / "liuhen.db")
        found = {row[0] for row in connection.execute("SELECT serial FROM devices")}
        connection.close()
        return found


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    opened = Catalogue(f"sqlite:///{tmp_path / 'liuhen.db'}")
    opened.migrate()
    return opened


@pytest.fixture
def disk(catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def add(catalogue: Catalogue, serial: str) -> None:
    with catalogue.write() as session:
        session.add(Device(serial=serial, created=now()))


def count(catalogue: Catalogue) -> int:
    with catalogue.read() as session:
        return session.query(Device).count()


def test_what_was_answered_is_on_the_disk(catalogue: Catalogue, disk: Disk, tmp_path: Path) -> None:
    def write(number: int) -> None:
        for turn in range(5):
            serial = f"{number}-{turn}"
            add(catalogue, serial)
            assert serial in disk.devices(tmp_path / serial)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert count(catalogue) == 40
    catalogue.close()


def test_a_failed_sync_acknowledges_nothing(catalogue: Catalogue, disk: Disk) -> None:
    disk.failing = True
    with pytest.raises(Transient):
        add(catalogue, "LH1")
    catalogue.close()


def test_after_a_failed_sync_the_log_is_copied_before_anybody_is_answered(
    catalogue: Catalogue, disk: Disk, tmp_path: Path
) -> None:
    disk.failing = True
    with pytest.raises(Transient):
        add(catalogue, "LH1")
    add(catalogue, "LH2")  # not by a sync, which still fails
    with pytest.raises(Transient):
        add(catalogue, "LH3")
    copied = sqlite3.connect(f"file:{tmp_path / 'liuhen.db'}?immutable=1", uri=True)  # the file alone, without its log
    assert {row[0] for row in copied.execute("SELECT serial FROM devices")} == {"LH1", "LH2"}
    copied.close()
    catalogue.close()


def test_after_a_failed_sync_nobody_is_answered_while_a_reader_keeps_the_log(catalogue: Catalogue, disk: Disk) -> None:
    add(catalogue, "LH0")
    with catalogue.read() as reading:
        reading.query(Device).count()
        disk.failing = True
        with pytest.raises(Transient):
            add(catalogue, "LH1")
        with catalogue.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout = 10")
        with pytest.raises(Transient, match="still being read"):
            add(catalogue, "LH2")
    add(catalogue, "LH3")
    catalogue.close()


def test_the_name_of_a_new_log_is_durable_with_its_first_answer(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    catalogue.close()
    assert not (tmp_path / "liuhen.db-wal").exists()
    synced: list[Path] = []
    monkeypatch.setattr(wal.durable, "sync_directory", synced.append)
    again = Catalogue(str(catalogue.engine.url))
    add(again, "LH1")
    add(again, "LH2")
    assert synced == [tmp_path]
    again.close()
