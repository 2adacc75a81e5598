"""Start the programs that make sample footage.

They read nothing but what this package wrote itself, so they run outside the sandbox. Media from anywhere else goes
through `pipeline.media`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from storage.errors import NotFound, Unreadable


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg quietly, overwriting its output. Raises NotFound without ffmpeg, Unreadable with its complaint."""
    _run(["ffmpeg", "-nostdin", "-hide_banner", "-v", "error", "-y", *map(str, arguments)])


def exiftool(*arguments: str | Path) -> None:
    """Run exiftool quietly. Raises NotFound without exiftool, Unreadable with its complaint."""
    _run(["exiftool", "-q", *map(str, arguments)])


def _run(argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise NotFound(
            f"缺少程序 {argv[0]}，请先安装。", f"the program {argv[0]} is missing: install it first"
        ) from error
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise Unreadable(f"{argv[0]} 失败：{lines[0]}", f"{argv[0]} failed: {lines[0]}")
