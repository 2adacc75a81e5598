"""Has a file decoded in the sandbox and takes what the child saw and heard."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline.continuity.content import Content
from pipeline.media import content_wire, sandbox
from pipeline.media.sandbox import Limits, Outcome

Progress = Callable[[float], None]

_MEMORY = 4 << 30
_MOST_OUTPUT = 1 << 30  # 12 hours of pictures and sound are 80 MB
_SPARE = 120  # seconds of processor time for writing, beyond what decoding may take


def content_of(path: Path, *, progress: Progress | None = None, seconds: int | None = None) -> Content:
    """What decoding the file at `path` shows. `progress` gets the share done, 0 to 1.

    `seconds`: of processor time at most; what was seen and heard by then counts.

    Never fails on what is in the file: what can't be decoded is a Content with a `problem`. Raises NotFound when there
    is no such file.
    """
    own = _time(path.stat().st_size)
    seconds = own if seconds is None else min(own, seconds)
    with tempfile.TemporaryDirectory(prefix="liuhen-content-") as out:
        argv = sandbox.python_module("pipeline.media.deep", "/in/media", "/out/content", str(seconds))
        done = sandbox.run(
            argv,
            files={"media": path.resolve()},
            writable=Path(out),
            limits=_limits(seconds),
            on_line=lambda line: _tell(line, progress),
        )
        try:
            return content_wire.decode(_taken(Path(out) / "content"))
        except (OSError, content_wire.Malformed):
            return Content(problem=_died(done))


def _time(size: int) -> int:
    """Seconds of processor time: a megabyte of 1080p takes a fifth of a second, of still 4K pictures up to ten."""
    return 900 + size // 100_000


def _limits(seconds: int) -> Limits:
    return Limits(
        cpu_seconds=seconds + _SPARE,
        wall_seconds=4.0 * (seconds + _SPARE),
        memory_bytes=_MEMORY,
        file_bytes=_MOST_OUTPUT,
        stdout_bytes=1 << 20,
    )


def _tell(line: bytes, progress: Progress | None) -> None:
    if progress:
        with contextlib.suppress(ValueError):
            progress(min(1.0, max(0.0, float(line))))


def _taken(path: Path) -> bytes:
    """The child's file; not what a link it may have left points to."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(_MOST_OUTPUT)


def _died(done: Outcome) -> tuple[str, str]:
    if done.stopped == "time" or done.returncode in (128 + 24, 128 + 9):
        return "解码超过时间上限，已终止。", "decoding took longer than the time limit and was stopped"
    if b"MemoryError" in done.stderr or b"Cannot allocate memory" in done.stderr:
        return "解码超过内存上限，已终止。", "decoding took more memory than its limit and was stopped"
    return "解码程序因该文件崩溃。", f"the decoder crashed on this file (exit {done.returncode})"
