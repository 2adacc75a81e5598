"""What a docking station meets: one large file, sixteen cameras, ten thousand photographs. Through the real agent."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.support.server import Server

PIECE = 1 << 20


@dataclass(frozen=True)
class Docked:
    """`seconds` from the agent's start to its end; `cpu`: its processor time; `peak`: its memory, MiB."""

    seconds: float
    cpu: float
    peak: float
    files: int
    size: int

    @property
    def rate(self) -> float:
        """MB (10^6 bytes) a second."""
        return self.size / 1e6 / self.seconds


def make_card(folder: Path, serial: str, files: int, size: int, suffix: str) -> Path:
    """Files of random bytes. Returns the card."""
    folder.mkdir(parents=True)
    for number in range(files):
        with (folder / f"{serial}_20261120_{number:06d}.{suffix}").open("wb") as file:
            for at in range(0, size, PIECE):
                file.write(os.urandom(min(PIECE, size - at)))
    return folder


def dock(server: Server, key: Path, state: Path, cards: Iterable[Path]) -> Docked:
    """`liuhen dock CARD…` in a process of its own; every file must end safe. Raises RuntimeError otherwise."""
    cards = list(cards)
    shutil.rmtree(state, ignore_errors=True)
    os.sync()
    command = [sys.executable, "-m", "api.cli", "dock", *map(str, cards), "--json"]
    options = ["--server", server.url, "--station", str(key), "--state", str(state)]
    begun = time.perf_counter()
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE) as agent:
        assert agent.stdout
        said = agent.stdout.read()
        _, status, used = os.wait4(agent.pid, 0)
        agent.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begun
    answer = json.loads(said)
    found = answer["cards"] if len(cards) > 1 else [answer]
    files = [file for card in found for file in card["files"]]
    if agent.returncode != 0 or not all(file["safe"] for file in files):
        raise RuntimeError(f"not every file was kept: {said[-2000:]!r}")
    size = sum(file["size"] for file in files)
    return Docked(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, len(files), size)


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = re.sub(r".*\) ", "", Path(f"/proc/{pid}/stat").read_text()).split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
