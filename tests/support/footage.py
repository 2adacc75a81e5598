"""The sample footage, made once a session.

Use it by name in a test file:  from tests.support.footage import footage  (or through tests/conftest.py).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pipeline.samples import Footage, make_footage


@pytest.fixture(scope="session")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    """All parts of the sample footage. Tests read it; whoever changes a file copies it first."""
    require("ffmpeg", "exiftool")
    return make_footage(tmp_path_factory.mktemp("footage"))


def require(*programs: str) -> None:
    """Skip where a program is absent; fail in CI, where nothing may be."""
    absent = [program for program in programs if shutil.which(program) is None]
    if absent and os.environ.get("CI"):
        pytest.fail(f"not installed: {', '.join(absent)}")
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")


def file_bytes(root: Path) -> dict[str, bytes]:
    """Every file under `root` by its relative name."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
