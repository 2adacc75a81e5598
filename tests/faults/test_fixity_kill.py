"""kill -9 in the middle of reading a large file again: the next run goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.fixity.pace import Pace
from pipeline.fixity.sweep import Sweep
from pipeline.intake import original_key
from storage.catalogue.tables import Fixity, Job
from storage.ledger.merkle import CHUNK_SIZE
from storage.records import JobKind
from tests.support.taking import take_in
from tests.support.web import Bureau, bureau

RUN = """
import sys
from pathlib import Path
from pipeline.bootstrap import wire
from pipeline.fixity import sweep
from pipeline.settings import Settings
from storage.catalogue.tables import Job
from storage.records import JobKind

sweep.SAVED = 1 << 20
services = wire(Settings(data=Path(sys.argv[1]), min_free=0))
services.runner._handlers[JobKind.FIXITY](Job(), lambda _: None)
"""


class Counted(Pace):
    """Counts and never waits."""

    def __init__(self) -> None:
        self.read = 0

    def spend(self, count: int) -> None:
        self.read += count


def resume(office: Bureau, sha256: str) -> dict[str, Any]:
    with office.services.catalogue.read() as session:
        row = session.get(Fixity, ("five_years", original_key(sha256)))
        return dict(row.resume) if row else {}


def kill_when_half_read(data: Path, office: Bureau, sha256: str, chunks: int) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN, str(data)], stdout=subprocess.DEVNULL) as process:
        try:
            limit = time.monotonic() + 60
            while resume(office, sha256).get("chunks", 0) < chunks:
                assert process.poll() is None and time.monotonic() < limit, "it read no further"
                time.sleep(0.01)
        finally:
            os.kill(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_killed_check_goes_on_where_it_was(tmp_path: Path) -> None:
    data, content = tmp_path / "data", os.urandom(24 * CHUNK_SIZE)
    data.mkdir()
    (data / "policy.yaml").write_text("fixity: {mb_per_second: 8}\n")
    file = tmp_path / "20261118_093024_0001.MP4"
    file.write_bytes(content)
    with bureau(data) as office:
        sha256 = take_in(office, file)
        office.publish()
        for chunks in (4, 8, 12):  # each time further: never begun anew
            kill_when_half_read(data, office, sha256, chunks)
        done = int(resume(office, sha256)["chunks"])
        handler: Any = office.services.runner._handlers[JobKind.FIXITY]
        pace = Counted()
        office.clock.forward(days=3650)
        means = replace(handler.__self__._means, pace=lambda: pace)
        Sweep(means).run(Job(), lambda _: None)
        with office.services.catalogue.read() as session:
            assert session.get_one(Fixity, ("five_years", original_key(sha256))).state == "sound"
        assert pace.read <= len(content) - done * CHUNK_SIZE + 24 * 32
