"""The main job from dock to court, and the attacks on it, as `./scripts/demo` plays them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy machine is no broken promise
def test_every_stage_is_done_and_every_attack_detected() -> None:
    command = [sys.executable, "-m", "api.cli", "demo", "--lang", "en"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=840, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert done.stdout.count("detected") >= 4
    assert "Every stage done, every attack detected." in done.stdout
    assert "the clock in the picture" in done.stdout, "the re-encoded cut, in words"
    check_interrupted(done.stdout)
    assert not re.search(r'Traceback|^\s*\{"|\d\d:\d\d(:[\d.]+)?Z', done.stdout + done.stderr, re.MULTILINE), (
        "for people"
    )
    page = re.search(r"the continuity report stays: (\S+)", done.stdout)
    assert page is not None
    assert Path(page[1]).read_text(encoding="utf-8").count("data:image/jpeg") > 20
    assert list(Path(page[1]).parent.iterdir()) == [Path(page[1])], "nothing else is left"
    shutil.rmtree(Path(page[1]).parent)
    assert "✗" not in done.stdout.replace("│ ✗", "")


def check_interrupted(said: str) -> None:
    """Three cameras at once: what was cut off was in the middle, went on there, and arrived once."""
    rows = re.findall(r"(LH\d+) +([\d.]+) +([\d.]+) +([\d.]+) +(\S.*?) +safe to wipe", said)
    assert [(row[0], row[4]) for row in rows] == [
        ("LH00021", "power"),
        ("LH00022", "cable, power"),
        ("LH00023", "power"),
    ], said
    for size, kept, resumed in (map(float, row[1:4]) for row in rows):
        assert 0 < kept < size, "cut in the middle"
        assert resumed == kept, "nothing that was kept went over the line again"
    told = (
        "cable pulled: LH00022",
        "power cut: the server was killed (SIGKILL), all three uploads in the middle",
        "no camera is called safe to wipe",
        "LH00022 is still asked for",
        "the 3 receipts given before the power cut are the same",
        "all 6 receipts verify offline",
        "6 originals, each kept once and once in the ledger",
        "nothing half-written is in the spool",
    )
    places = [said.find(words) for words in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
