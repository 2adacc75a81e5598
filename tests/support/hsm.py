"""A hardware module in software: SoftHSM with a token of its own in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

MODULES = [Path("/usr/lib/softhsm/libsofthsm2.so"), *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so")]
PIN, TOKEN = "5678", "liuhen"


def softhsm() -> Path:
    """The module's library. In CI its absence fails, elsewhere it skips."""
    found = next((each for each in MODULES if each.exists()), None)
    if found and shutil.which("softhsm2-util"):
        return found
    reason = "SoftHSM is absent (Debian package softhsm2)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def make_token(folder: Path) -> Path:
    """A fresh token in `folder`; gives the configuration file that SOFTHSM2_CONF names."""
    tokens = folder / "tokens"
    tokens.mkdir(parents=True)
    config = folder / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    arguments = ["--init-token", "--free", "--label", TOKEN, "--so-pin", "1234", "--pin", PIN]
    environment = {**os.environ, "SOFTHSM2_CONF": str(config)}
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True, env=environment)
    return config
