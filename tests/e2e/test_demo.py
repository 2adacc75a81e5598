"""The main job from dock to court, and the attacks on it, as `./scripts/demo` plays them."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.timeout(900)  # a busy machine is no broken promise
def test_every_stage_is_done_and_every_attack_detected() -> None:
    command = [sys.executable, "-m", "api.cli", "demo", "--lang", "en"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=840, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert done.stdout.count("detected") >= 4
    assert "Every stage done, every attack detected." in done.stdout
    assert "✗" not in done.stdout.replace("│ ✗", "")
