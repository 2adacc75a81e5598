"""Tests that are killed leave no servers behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.support.server import ROOT

PROGRAM = """
import sys
from pathlib import Path
from tests.support.server import run_server
with run_server(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


def test_a_server_dies_with_the_tests_that_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "data")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as tests:
        assert tests.stdout
        server = int(tests.stdout.readline())
        assert lives(server)
        tests.send_signal(signal.SIGKILL)
        tests.wait()
    while lives(server):  # the test's own time limit ends this
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Runs, or is asked to; a dead process that nobody has taken note of is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False
