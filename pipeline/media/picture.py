"""Makes the picture of a file that the continuity checks look at, with every reader shut in the sandbox."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pipeline.continuity.model import Picture
from pipeline.media import sandbox, wire
from pipeline.media.sandbox import Limits, Outcome


def picture_of(path: Path, *, name: str | None = None) -> Picture:
    """The picture of the file at `path`, displayed as `name` (default: the path as given).

    Never fails on what is in the file: what can't be read is a picture with a `problem`. Raises NotFound when there is
    no such file, OSError when it can't be looked at.
    """
    size = path.stat().st_size
    shown = name if name is not None else str(path)
    argv = sandbox.python_module("pipeline.media.probe", "/in/media")
    done = sandbox.run(argv, files={"media": path.resolve()}, limits=_limits(size))
    try:
        picture = wire.decode(done.stdout, name=shown, size=size)
    except wire.Malformed:
        picture = Picture(name=shown, size=size, kind="unknown", problem=_died(done))
    return dataclasses.replace(picture, isolated=done.isolated, why_not=done.why_not)


def unread(name: str, error: OSError) -> Picture:
    """The picture of a file of which the disk, or whoever else stands before it, does not give the bytes."""
    why = error.strerror or type(error).__name__
    return Picture(
        name=name, size=0, kind="unknown", problem=(f"无法从磁盘读取（{why}）。", f"the disk does not give it ({why})")
    )


def _limits(size: int) -> Limits:
    """Time for 20 MB/s, a tenth of what a slow disk gives; memory for 8 million packets and libav's probing."""
    seconds = 30 + size // 20_000_000
    return Limits(
        cpu_seconds=seconds,
        wall_seconds=2.0 * seconds,
        memory_bytes=3 << 30,
        file_bytes=1 << 20,
        stdout_bytes=512 << 20,
    )


def _died(done: Outcome) -> tuple[str, str]:
    if done.stopped == "time" or done.returncode in (128 + 24, 128 + 9):
        return "读取超过时间上限，已终止。", "reading took longer than the time limit and was stopped"
    if done.stopped == "output":
        return "内容超出检查上限，已终止。", "there was more in it than a check may take; reading was stopped"
    if b"MemoryError" in done.stderr or b"Cannot allocate memory" in done.stderr:
        return "读取超过内存上限，已终止。", "reading took more memory than its limit and was stopped"
    return "读取程序因该文件崩溃。", f"the reader crashed on this file (exit {done.returncode})"
