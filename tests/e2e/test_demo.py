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
    page = re.search(r"the continuity report stays: (\S+)", done.stdout)
    assert page is not None
    assert Path(page[1]).read_text(encoding="utf-8").count("data:image/jpeg") > 20
    assert list(Path(page[1]).parent.iterdir()) == [Path(page[1])], "nothing else is left"
    shutil.rmtree(Path(page[1]).parent)
    assert "✗" not in done.stdout.replace("│ ✗", "")
