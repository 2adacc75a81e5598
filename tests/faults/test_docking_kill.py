"""kill -9 of server, worker and agents at moments nobody chose, under load from several cards, again and again."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from ingest import station
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry
from tests.support.kept import check_kept, check_receipts, dock, make_card, receipts, try_to_dock
from tests.support.server import Launcher, enrol

CARDS = 3
ROUNDS = 5
fork = multiprocessing.get_context("fork")


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


def test_server_and_agents_killed_at_random(launcher: Launcher, tmp_path: Path) -> None:
    chance = random.Random(20261121)  # the same course of events each time, as far as we command them
    data = tmp_path / "data"
    contents: dict[str, bytes] = {}
    for number in range(CARDS):
        contents |= make_card(tmp_path / f"card{number}", f"LH0001{number}", [6_000_000, 400_000, 300, 0 + number])
    keys = [enrol(data, tmp_path, f"ST-{number}") for number in range(CARDS)]
    log = station.load(keys[0]).log
    states = [tmp_path / f"state{number}" for number in range(CARDS)]
    for _ in range(ROUNDS):
        with launcher.server(data) as server:
            agents = [
                fork.Process(target=try_to_dock, args=(server.url, keys[n], states[n], tmp_path / f"card{n}"))
                for n in range(CARDS)
            ]
            for agent in agents:
                agent.start()
            time.sleep(chance.uniform(0.05, 0.9))
            chance.choice(agents).kill()
            time.sleep(chance.uniform(0.0, 0.2))
            server.kill()
            for agent in agents:
                agent.join()
                agent.close()
        check_receipts(data, contents, receipts(*states), log)
    before = receipts(*states)
    with launcher.server(data) as server:
        for number in range(CARDS):
            assert dock(server.url, keys[number], states[number], tmp_path / f"card{number}").safe
    given = receipts(*states)
    assert {sha256: given[sha256] for sha256 in before} == before, "a receipt given once changed"
    check_kept(data, contents, given, log)


def test_killed_agents_alone_leave_a_server_that_serves_the_next(launcher: Launcher, tmp_path: Path) -> None:
    """The server lives on: its locks end with the connections."""
    data = tmp_path / "data"
    contents = make_card(tmp_path / "card", "LH00012", [5_000_000, 5_000_001])
    key = enrol(data, tmp_path)
    with launcher.server(data) as server:
        for _ in range(4):
            agent = fork.Process(target=try_to_dock, args=(server.url, key, tmp_path / "state", tmp_path / "card"))
            agent.start()
            time.sleep(random.uniform(0.02, 0.3))
            agent.kill()
            agent.join()
            agent.close()
        assert dock(server.url, key, tmp_path / "state", tmp_path / "card").safe
    check_kept(data, contents, receipts(tmp_path / "state"), station.load(key).log)


def work(data: Path) -> None:
    """A worker process; what it leaves when it dies is taken up after two seconds."""
    from pipeline.bootstrap import wire
    from storage.catalogue import jobs

    jobs.LEASE = timedelta(seconds=2)
    services = wire(Settings(data=data))
    services.workers.start(1)
    time.sleep(600)


def test_a_worker_that_is_killed_while_files_come_in(launcher: Launcher, tmp_path: Path) -> None:
    data = tmp_path / "data"
    contents = make_card(tmp_path / "card", "LH00012", [1000 + number for number in range(4)])
    key = enrol(data, tmp_path)
    with launcher.server(data) as server:
        docking = fork.Process(target=try_to_dock, args=(server.url, key, tmp_path / "state", tmp_path / "card"))
        docking.start()
        for quota in (1, 4):
            worker = fork.Process(target=work, args=(data,))
            worker.start()
            while analysed(data) < quota:  # the test's own time limit ends this
                time.sleep(0.05)
            worker.kill()
            worker.join()
        docking.join()
        assert dock(server.url, key, tmp_path / "state", tmp_path / "card").safe
    check_kept(data, contents, receipts(tmp_path / "state"), station.load(key).log)
    assert analysed(data) == len(contents), "a recording was concluded on twice, or never"


def analysed(data: Path) -> int:
    """How many conclusions the ledger has or is to have. Each file is a recording of its own here."""
    catalogue = Catalogue(Settings(data=data).database)
    with catalogue.read() as session:
        count = session.scalar(select(func.count()).select_from(Entry).where(Entry.event == "analysis.made"))
    catalogue.close()
    return count or 0
