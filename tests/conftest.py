"""What holds for every test: loopback only, no timed assertions, and the coverage line before pytest's closing one."""

from __future__ import annotations

import io
import ipaddress
import os
import sys
import zlib
from typing import Any

import coverage
import hypothesis
import pytest

from tests.support.footage import footage
from tests.support.services import amqp_url, postgres_url, redis_url, s3_url

__all__ = ["amqp_url", "footage", "postgres_url", "redis_url", "s3_url"]

hypothesis.settings.register_profile("liuhen", deadline=None)  # a busy machine is no bug
hypothesis.settings.load_profile("liuhen")


def refuse_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: a test that reaches for another machine fails at the call."""
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = str(arguments[1][0])
    if host != "localhost" and not ipaddress.ip_address(host.partition("%")[0]).is_loopback:
        raise PermissionError(f"tests talk only to this machine, not to {host}")


def pytest_configure() -> None:
    sys.addaudithook(refuse_outside)


LONG = (
    "tests/unit/test_corpus.py",
    "tests/e2e/test_demo.py",
    "tests/unit/test_house.py",
    "tests/unit/pipeline/test_transcode.py",
    "tests/unit/storage/ledger/witnesses/test_witness.py",
    "tests/unit/storage/ledger/witnesses/test_witness_faults.py",
    "tests/faults/test_intake_kill.py",
    "tests/unit/api/commands/test_timestamps.py",
    "tests/e2e/test_scale_out.py",
    "tests/unit/test_footage.py",
)
"""The files that take longest, the longest first: started early, no worker is left alone with one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Side by side (-n 2) xdist hands out whole files in this order."""
    _keep_share(config, items)
    if hasattr(config, "workerinput"):
        order = {file: number for number, file in enumerate(LONG)}
        items.sort(key=lambda item: order.get(item.nodeid.partition("::")[0], len(LONG)))


def _keep_share(config: pytest.Config, items: list[pytest.Item]) -> None:
    """LIUHEN_TEST_SHARE=N: of the tests marked `shared` only one half, the other for the next N (`.ci/run`).

    A test's half is that of its name, or of its mark's argument: those who share a costly fixture stay together.
    """
    if not (share := os.environ.get("LIUHEN_TEST_SHARE")):
        return
    left = [
        item for item in items if (mark := item.get_closest_marker("shared")) and _half(item, mark) != int(share) % 2
    ]
    config.hook.pytest_deselected(items=left)
    gone = set(left)
    items[:] = [item for item in items if item not in gone]


def _half(item: pytest.Item, mark: pytest.Mark) -> int:
    return zlib.crc32((mark.args[0] if mark.args else item.nodeid).encode()) % 2


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The coverage of this run, where `coverage run -m pytest` measures it."""
    measured = coverage.Coverage.current()
    if measured is None:
        return
    measured.stop()
    table = io.StringIO()
    try:
        measured.report(file=table, show_missing=False)
    except coverage.CoverageException as error:
        table.write(str(error))
    terminalreporter.section("coverage")
    for line in table.getvalue().splitlines():
        if line.startswith(("Name", "TOTAL", "No data")):
            terminalreporter.write_line(line)
