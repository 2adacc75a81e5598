"""A station killed anywhere while it enrols or replaces its key: the same command again, and it works.

The child dies by SIGKILL before or after one step, as in a power cut; steps are durable writes and requests.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest import enrolling, station
from ingest.client import ServerClient
from ingest.enrolment import Enrolment
from pipeline.bootstrap import log_vkey
from pipeline.settings import Settings
from storage import durable
from storage.catalogue import custody, stations
from storage.catalogue.catalogue import Catalogue
from storage.clock import now
from tests.support.docking import PlainStation
from tests.support.server import Server, run_server

pytestmark = pytest.mark.shared

STEPS = [(when, step) for step in range(1, 5) for when in ("before", "after")]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data")) as running:
        yield running


def killed(work: Callable[[], object], when: str, step: int) -> bool:
    """Run `work` in a child that dies at that step; False where it came to its end before."""
    pid = os.fork()
    if pid == 0:
        count = 0

        def dying(real: Callable[..., Any]) -> Callable[..., Any]:
            def step_taken(*args: Any, **kwargs: Any) -> Any:
                nonlocal count
                count += 1
                here = count == step
                if here and when == "before":
                    os.kill(os.getpid(), signal.SIGKILL)
                result = real(*args, **kwargs)
                if here:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return step_taken

        for owner, name in ((durable, "write"), (durable, "remove"), (ServerClient, "send")):
            setattr(owner, name, dying(getattr(owner, name)))
        try:
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def with_client(server: Server, work: Callable[[ServerClient], object]) -> None:
    client = ServerClient(server.url, patience=0)
    try:
        work(client)
    finally:
        client.close()


def code_for(server: Server, name: str) -> str:
    catalogue = Catalogue(Settings(data=server.data).database)
    log = log_vkey(Settings(data=server.data), catalogue)
    code = Enrolment(catalogue, now).invite(name, "", log).code
    catalogue.close()
    return code


def check(server: Server, path: Path, name: str, *, keys: int) -> None:
    """The station docks, nothing is left over, the server has given it so many keys, the ledger as many entries."""
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http:
        PlainStation(http, station.load(path)).dock({"a": b"1"})
    assert station.load(path).following is None
    assert {each.name for each in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}
    catalogue = Catalogue(Settings(data=server.data).database)
    with catalogue.read() as session:
        assert len(stations.keys(session, name)) == keys
        events = [entry.event for entry in custody.chain(session, f"station:{name}")]
    catalogue.close()
    assert events == ["station.invited", "station.enrolled", *["station.key-rotated"] * (keys - 1)]


@pytest.mark.parametrize(("when", "step"), STEPS)
def test_killed_while_it_enrols(server: Server, tmp_path: Path, when: str, step: int) -> None:
    name, path = f"E-{when}-{step}", tmp_path / "key.json"
    code = code_for(server, name)

    def enrol() -> None:
        with_client(server, lambda client: enrolling.enrol(client, code, path))

    assert killed(enrol, when, step)
    if (when, step) != ("after", 4):  # it was all done
        enrol()
    check(server, path, name, keys=1)


@pytest.mark.parametrize(("when", "step"), STEPS[:6])
def test_killed_while_it_replaces_its_key(server: Server, tmp_path: Path, when: str, step: int) -> None:
    name, path = f"R-{when}-{step}", tmp_path / "key.json"
    code = code_for(server, name)
    with_client(server, lambda client: enrolling.enrol(client, code, path))
    before = station.as_pem(station.load(path).key)

    assert killed(lambda: with_client(server, lambda client: enrolling.renew(client, path)), when, step)
    begun = (when, step) != ("before", 1)
    enrolling.present(server.url, path)
    assert (station.as_pem(station.load(path).key) != before) == begun
    check(server, path, name, keys=2 if begun else 1)
