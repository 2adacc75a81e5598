"""The service the demo plays with: a real `liuhen up` in a process of its own, and its command line."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from api.demo.stage import StageFailed

PATIENCE = 60.0  # seconds until the service must answer


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Service:
    """`liuhen up` on a data directory of its own."""

    data: Path
    watch: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it answers. Raises StageFailed with the end of its log."""
        options = ["--data", str(self.data), "--port", str(self.port), "--watch", str(self.watch)]
        self.process = subprocess.Popen(
            [*program(), "up", *options],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "LIUHEN_UNIT": "示例县应急管理局", **self.settings},
        )
        threading.Thread(target=self._listen, daemon=True).start()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            if self._answers():
                return
            time.sleep(0.1)
        raise StageFailed("liuhen up: " + " | ".join(self.log[-5:]))

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(30)

    def kill(self) -> int:
        """As a power cut would (SIGKILL): no handler runs, nothing is put in order. Minus the signal that ended it."""
        if self.process is None:
            raise StageFailed("liuhen up: not started")
        self.process.kill()
        return self.process.wait(30)

    def one_time_password(self) -> str:
        """The administrator's, as the first start printed it."""
        for line in self.log:
            if found := re.search(r"one-time password (\S+)", line):
                return found[1]
        raise StageFailed("no one-time password was printed")

    def run(self, *arguments: object, expect: Iterable[int] = (0,)) -> str:
        """A `liuhen` command; what it printed. Raises StageFailed when it ends otherwise than expected."""
        done = run(*arguments, data=self.data)
        if done.returncode not in expect:
            raise StageFailed(f"liuhen {arguments[0]} → {done.returncode}: {done.stdout[-400:]} {done.stderr[-400:]}")
        return done.stdout

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _listen(self) -> None:
        if self.process is not None and self.process.stderr is not None:
            for line in self.process.stderr:
                self.log.append(line.rstrip())


def program() -> list[str]:
    return [sys.executable, "-m", "api.cli"]


def run(*arguments: object, data: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a `liuhen` command to its end."""
    environment = dict(os.environ, COLUMNS="110", NO_COLOR="1")
    if data is not None:
        environment["LIUHEN_DATA"] = str(data)
    words = [str(argument) for argument in arguments]
    return subprocess.run([*program(), *words], capture_output=True, text=True, env=environment, check=False)
