"""The database locked by another process, stopped and started again: stations wait, and nothing is lost or doubled."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import station
from pipeline.settings import Settings
from tests.support.kept import check_kept, dock, make_card, receipts
from tests.support.server import Launcher, enrol, enrol_all
from tests.support.services import absent


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


def test_a_database_that_another_process_has_locked(launcher: Launcher, tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = enrol_all(data, tmp_path, ["ST-01", "ST-02"])
    contents: dict[str, bytes] = {}
    for number in range(2):
        contents |= make_card(tmp_path / f"card{number}", f"LH0001{number}", [5_000_000, 1000])
    safe: list[bool] = []

    def one(number: int) -> None:
        safe.append(dock(server.url, keys[number], tmp_path / f"state{number}", tmp_path / f"card{number}").safe)

    with launcher.server(data) as server:
        other = sqlite3.connect(data / "liuhen.db", isolation_level=None, check_same_thread=False)
        threads = [threading.Thread(target=one, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(0.2)
            other.execute("BEGIN IMMEDIATE")
            time.sleep(0.7)
            other.execute("COMMIT")
        for thread in threads:
            thread.join()
        other.close()
    assert safe == [True, True]
    given = receipts(tmp_path / "state0", tmp_path / "state1")
    check_kept(data, contents, given, station.load(keys[0]).log, abandoned=True)


class Postgres:
    """A PostgreSQL of the test's own, which it may stop."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
        self.programs = found[-1] if found else absent("PostgreSQL")
        self.folder = folder
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(folder, "nobody", "nogroup")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"postgresql+psycopg://liuhen@127.0.0.1:{self.port}/postgres"
        self._run("initdb", "-D", str(folder / "data"), "-U", "liuhen", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -p {self.port} -c fsync=off"
        self._control("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def kill(self) -> None:
        """At once, as a power cut of the database's machine: clients' connections break."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() == 0:
            subprocess.run(
                command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder, user="nobody", group="nogroup",
                extra_groups=[],
            )  # fmt: skip
        else:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    base = Path(tempfile.mkdtemp(prefix="liuhen-"))
    base.chmod(0o755)
    made = Postgres(base / "postgresql")
    made.start()
    try:
        yield made
    finally:
        made.kill()
        shutil.rmtree(base)


def test_a_database_server_that_goes_down_and_comes_back(
    launcher: Launcher, postgres: Postgres, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    database = Settings(data=data, database_url=postgres.url).database
    key = enrol(data, tmp_path, database_url=database)
    contents = make_card(tmp_path / "card", "LH00012", [6_000_000, 2_000_000, 500, 501, 502])
    done: list[bool] = []

    def one() -> None:
        done.append(dock(server.url, key, tmp_path / "state", tmp_path / "card", patience=60).safe)

    with launcher.server(data, database_url=database) as server:
        agent = threading.Thread(target=one)
        agent.start()
        for pause in (0.15, 0.4):
            time.sleep(pause)
            postgres.kill()
            time.sleep(0.3)
            postgres.start()
        agent.join()
        if not done[0]:  # a docking ends for good with what it could not bring; the next one brings it
            one()
    assert done[-1]
    check_kept(data, contents, receipts(tmp_path / "state"), station.load(key).log, database=database, abandoned=True)
