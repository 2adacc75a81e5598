"""kill -9 of server and agents at moments nobody chose, under load from several cards, again and again."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import station
from tests.support.kept import check_kept, check_receipts, dock, make_card, receipts, try_to_dock
from tests.support.server import Launcher, enrol

CARDS = 3
ROUNDS = 6
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
