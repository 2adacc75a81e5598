"""Start the programs that make the corpus. They read only what the corpus itself wrote, so they run unconfined."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_LIMIT = 1800  # seconds: nothing here takes so long


class Failed(Exception):
    """A program ended with an error, or what it should have made is not there; the manipulation is skipped."""


class Missing(Failed):
    """A program or an encoder is not installed."""


def have(name: str) -> bool:
    return shutil.which(name) is not None


def run(argv: Sequence[str | Path], *, accept: Sequence[int] = (0,), limit: float = _LIMIT) -> bytes:
    """Run a program, at most `limit` seconds, and return its standard output.

    Raises Missing where it is not installed, Failed with the last line it said.
    """
    words = [str(word) for word in argv]
    if not have(words[0]):
        raise Missing(f"{words[0]} is not installed")
    try:
        done = subprocess.run(words, capture_output=True, check=False, timeout=limit, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"{words[0]}: not done after {limit:.0f} s") from error
    if done.returncode not in accept:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines() or ["no message"]
        raise Failed(f"{words[0]}: {said[-1][:200]}")
    return done.stdout


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly, one thread where it matters for equal bytes, overwriting its output."""
    run(["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", *arguments])
