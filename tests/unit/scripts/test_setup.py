"""The set-up on a machine where it may not install: one clear line, and nothing half done."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.support.services import program

ROOT = Path(__file__).resolve().parents[3]


def test_missing_packages_without_apt_end_in_one_line_that_says_what_to_run(tmp_path: Path) -> None:
    for name in ("bash", "dirname", "python3"):
        (tmp_path / name).symlink_to(program(name))
    ran = subprocess.run(
        ["bash", ROOT / "scripts/setup", "demo"],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert ran.stdout == ""
    (line,) = ran.stderr.splitlines()
    assert "sudo apt-get install --no-install-recommends ffmpeg libimage-exiftool-perl" in line
    assert "缺少系统软件包" in line


def test_an_unknown_profile_shows_how_it_is_used() -> None:
    ran = subprocess.run(["bash", ROOT / "scripts/setup", "all"], capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "./scripts/setup demo" in ran.stderr
