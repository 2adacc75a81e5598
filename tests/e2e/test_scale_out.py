"""Scaling out is a matter of settings: PostgreSQL, Redis and S3, pages and workers in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from pipeline.samples import Footage
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Derivative, Job, Original, Recording
from storage.clock import now

PATIENCE = 180.0
LIUHEN = [sys.executable, "-m", "api.cli"]


def until(what: str, true: Callable[[], bool], processes: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        dead = [process.args for process in processes if process.poll() is not None]
        assert not dead, f"ended: {dead}"
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def states(catalogue: Catalogue) -> set[tuple[str, str]]:
    """Of the jobs that are due: a second look at what was docked waits for its day."""
    with catalogue.read() as session:
        due = select(Job.kind, Job.state).where(Job.run_at <= now())
        return {(kind, state) for kind, state in session.execute(due)}


@pytest.mark.services
@pytest.mark.slow
@pytest.mark.shared
def test_two_servers_and_a_worker_on_shared_services(
    tmp_path: Path, footage: Footage, postgres_url: str, redis_url: str, s3_url: str
) -> None:
    settings = {"DATABASE_URL": postgres_url, "BROKER_URL": redis_url, "BLOBS": s3_url, "DATA": str(tmp_path / "data")}
    environment = os.environ | {f"LIUHEN_{name}": value for name, value in settings.items()}
    urls = [f"http://127.0.0.1:{port}" for port in free_ports(2)]
    processes: list[subprocess.Popen[bytes]] = []
    catalogue = Catalogue(postgres_url)

    def start(*words: str) -> None:
        processes.append(subprocess.Popen([*LIUHEN, *words], env=environment, stderr=subprocess.DEVNULL))

    def run(*words: object) -> str:
        command = [*LIUHEN, *map(str, words)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    try:
        for url in urls:
            start("serve", "--port", url.rpartition(":")[2])
            until(f"{url} answers", lambda url=url: answers(url), processes)  # type: ignore[misc]
        start("worker")
        run("admin", "station", "add", "ST-01", "--out", tmp_path / "key.json")
        dock = ["--station", tmp_path / "key.json", "--state", tmp_path / "state", "--json"]
        # the second server stands by: the first one publishes what it takes in
        told = json.loads(run("dock", footage.card, "--server", urls[1], *dock))
        assert told["safe_to_wipe"]
        wanted = {("analyse", "done"), ("access", "done"), ("master", "done")}
        until("the jobs are done", lambda: states(catalogue) == wanted, processes)
        with catalogue.read() as session:
            (recording,) = session.scalars(select(Recording)).all()
            assert recording.verdict == "continuous"
            assert len(session.scalars(select(Original)).all()) == 3
            assert {each.kind for each in session.scalars(select(Derivative))} == {"access", "master", "poster"}
        run("verify", tmp_path / "data")
    finally:
        catalogue.close()
        for process in processes:
            process.terminate()
        assert [process.wait(30) for process in processes] == [0] * len(processes)


def free_ports(count: int) -> list[int]:
    import socket

    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports
