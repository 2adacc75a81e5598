"""Runs one program on untrusted media, shut off from everything else.

With bubblewrap the program sees its own input files (read-only, under neutral names in /in), the system's programs and
libraries, an empty /tmp, and at most one directory it may write (/out). It has no network, no capabilities, no other
process in sight. Time, memory and file size are bounded in any case, and so is what it may print.

Where bubblewrap can't work (no user namespaces, not installed) the program still runs within the limits; the paths
/in/NAME and /out in its arguments are then changed to symbolic links of the same names in a fresh temporary directory,
and the outcome says `isolated=False` and why, so that a report can say it too.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from storage.errors import NotFound, Refused

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache", "/etc/fonts")
_NEUTRAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_STDERR_KEPT = 64 * 1024
_READ = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use. Seconds and bytes; `memory_bytes` is address space of each process (RLIMIT_AS).

    `stdout_bytes`: how much output is kept; more of it ends the run. `open_files`: RLIMIT_NOFILE.
    """

    cpu_seconds: int
    wall_seconds: float
    memory_bytes: int
    file_bytes: int
    stdout_bytes: int = 16 << 20
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the run ended.

    `returncode`: of the program; 128 + N when signal N ended it. `stdout`: all of it (empty when `on_line` took it).
    `stderr`: the last 64 KiB. `isolated`: bubblewrap was around it; otherwise `why_not` has the reason in English.
    `stopped`: "" or "time" or "output": the limit at which we killed it.
    """

    returncode: int
    stdout: bytes
    stderr: bytes
    isolated: bool
    why_not: str
    stopped: str = ""

    @property
    def ok(self) -> bool:
        return self.returncode == 0 and not self.stopped


def run(
    argv: Sequence[str],
    *,
    files: Mapping[str, Path],
    writable: Path | None = None,
    limits: Limits,
    on_line: Callable[[bytes], None] | None = None,
) -> Outcome:
    """Run `argv`, written with /in/NAME for each of `files` and /out for `writable`, and wait for its end.

    `files` maps neutral names (letters, digits, ._-) to real paths, which must not be symbolic links. `on_line` gets
    each line of standard output without its end, as it comes. Raises NotFound when an input is missing, Refused on a
    name that is not neutral; what the program itself does wrong is in the outcome.
    """
    _check_names(files)
    why_not = unavailable()
    with tempfile.TemporaryDirectory(prefix="liuhen-box-") as box:
        if why_not:
            command = _bare(argv, files, writable, Path(box))
        else:
            command = [*_bubblewrap(argv[0], files, writable), "--", *argv]
        command = [*_prlimit(limits), *command]
        with _started(command, home=box) as process:
            assert process.stdout is not None and process.stderr is not None  # noqa: S101  (Popen with PIPE)
            pump = Pump(process.stdout, process.stderr, limits, on_line)
            stdout, stderr, stopped = pump.drain()
            stopped = stopped or _wait(process, pump.left())
    return Outcome(_code(process.returncode), stdout, stderr, not why_not, why_not, stopped)


def resident(argv: Sequence[str], *, control: socket.socket, limits: Limits) -> subprocess.Popen[bytes]:
    """Start `argv`, one of our own Python modules, to stay: no file of the host in sight, nothing it could write.

    It is process 1 of its sandbox and has `control` as its standard input; what it prints is lost. `limits` hold, but
    for time and output: the caller watches over those and kills its group. Only where bubblewrap works.
    """
    command = _bubblewrap(argv[0], {}, None)
    for path in ("/tmp", "/dev", "/"):  # noqa: S108
        command += ["--remount-ro", path]
    return subprocess.Popen(
        [*_prlimit(limits), *command, "--as-pid-1", "--", *argv],
        stdin=control.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
        env=_environment("/tmp"),  # noqa: S108
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process with its group and wait for it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def python_module(module: str, *arguments: str) -> list[str]:
    """The argv that runs one of our own modules inside the sandbox with this Python."""
    return [sys.executable, "-s", "-P", "-m", module, *arguments]


@cache
def unavailable() -> str:
    """Why bubblewrap can't be used here, "" when it can. Tried once for each process."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    trial = [*_bubblewrap("true", {}, None), "--", "true"]
    done = subprocess.run(trial, capture_output=True, check=False, timeout=20, env=_environment("/tmp"))  # noqa: S108
    if done.returncode == 0:
        return ""
    return "bubblewrap can't work here: " + done.stderr.decode("utf-8", "replace").strip()[:200]


def _check_names(files: Mapping[str, Path]) -> None:
    for name, path in files.items():
        if not _NEUTRAL.fullmatch(name):
            raise Refused(f"沙箱内的文件名 {name!r} 不合规范。", f"{name!r} is no neutral name for the sandbox")
        if not path.exists():
            raise NotFound(f"找不到文件：{path}", f"no such file: {path}")


def _bubblewrap(program: str, files: Mapping[str, Path], writable: Path | None) -> list[str]:
    flags = "--unshare-all --die-with-parent --new-session --cap-drop ALL --clearenv --hostname liuhen --chdir /tmp"
    command = ["bwrap", *flags.split(), "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108
    for name, value in _environment("/tmp").items():  # noqa: S108
        command += ["--setenv", name, value]
    for path in _SYSTEM:
        command += _system_bind(path)
    if program == sys.executable:
        for path in _python_paths():
            command += ["--ro-bind", path, path]
    for name, file in files.items():
        command += ["--ro-bind", str(file.absolute()), f"/in/{name}"]
    if writable is not None:
        command += ["--bind", str(writable.absolute()), "/out"]
    return command


def _system_bind(path: str) -> list[str]:
    if Path(path).is_symlink():  # /lib → usr/lib where /usr is merged
        return ["--symlink", str(Path(path).readlink()), path]
    return ["--ro-bind-try", path, path]


def _source_root() -> Path:
    return Path(__file__).resolve().parents[2]


def _python_paths() -> list[str]:
    """What our own Python needs: its prefixes and the packages a child may import, nothing beside them."""
    prefixes = [Path(sys.base_prefix), Path(sys.prefix)]
    packages = [_source_root() / "pipeline", _source_root() / "storage"]
    outside = [path for path in (*prefixes, *packages) if not path.is_relative_to("/usr")]
    return [str(path) for path in dict.fromkeys(outside)]


def _environment(home: str) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONPATH": str(_source_root()),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _bare(argv: Sequence[str], files: Mapping[str, Path], writable: Path | None, box: Path) -> list[str]:
    """`argv` without bubblewrap: /in/NAME and /out become links in `box`, so that names stay neutral here too."""
    (box / "in").mkdir()
    for name, file in files.items():
        (box / "in" / name).symlink_to(file.absolute())
    if writable is not None:
        (box / "out").symlink_to(writable.absolute())
    return [re.sub(r"(?<![\w/.])/(in/|out(?=/|$))", lambda found: f"{box}/{found[1]}", part) for part in argv]


def _prlimit(limits: Limits) -> list[str]:
    return [
        "prlimit",
        f"--as={limits.memory_bytes}",
        f"--cpu={limits.cpu_seconds}:{limits.cpu_seconds + 1}",
        f"--fsize={limits.file_bytes}",
        f"--nofile={limits.open_files}",
        "--core=0",
        "--",
    ]


@contextlib.contextmanager
def _started(command: list[str], *, home: str) -> Iterator[subprocess.Popen[bytes]]:
    """The process in a group of its own, which is dead when the block is left, however it is left."""
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=home,
        env=_environment(home),
    )
    with process:
        try:
            yield process
        finally:
            end(process)


class Pump:
    """Takes both pipes of a process to their ends, to the time limit or to the bound on output."""

    def __init__(
        self,
        stdout: IO[bytes],
        stderr: IO[bytes],
        limits: Limits,
        on_line: Callable[[bytes], None] | None = None,
    ) -> None:
        self._pipes = {stdout: self._take_stdout, stderr: self._take_stderr}
        self._deadline = time.monotonic() + limits.wall_seconds
        self._bound = limits.stdout_bytes
        self._on_line = on_line
        self._stdout = io.BytesIO()
        self._line = b""  # one whose end is to come
        self._stderr = bytearray()
        self._stopped = ""

    def drain(self) -> tuple[bytes, bytes, str]:
        """Standard output, the end of standard error, and the limit that was reached: "", "time" or "output"."""
        with selectors.DefaultSelector() as ready:
            for pipe, take in self._pipes.items():
                ready.register(pipe, selectors.EVENT_READ, take)
            while ready.get_map() and not self._stopped:
                self._turn(ready)
        if self._on_line and self._line and not self._stopped:
            self._on_line(self._line)
        return self._stdout.getvalue(), bytes(self._stderr), self._stopped

    def left(self) -> float:
        """Seconds until the time limit, 0 behind it."""
        return max(0.0, self._deadline - time.monotonic())

    def _turn(self, ready: selectors.BaseSelector) -> None:
        left = self.left()
        if not left:
            self._stopped = "time"
            return
        for key, _ in ready.select(left):
            pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
            piece = os.read(pipe.fileno(), _READ)
            if piece:
                key.data(piece)
            else:
                ready.unregister(pipe)

    def _take_stdout(self, piece: bytes) -> None:
        if self._on_line:
            *lines, self._line = (self._line + piece).split(b"\n")
            for line in lines:
                self._on_line(line)
        else:
            self._stdout.write(piece)
        if len(self._line) > self._bound or self._stdout.tell() > self._bound:
            self._stdout.truncate(self._bound)
            self._stopped = "output"

    def _take_stderr(self, piece: bytes) -> None:
        self._stderr += piece
        del self._stderr[:-_STDERR_KEPT]


def _wait(process: subprocess.Popen[bytes], seconds: float) -> str:
    """Its pipes are closed: give the process the rest of its time. Returns "time" when it did not end by itself."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return "time"
    return ""


def _code(returncode: int) -> int:
    return 128 - returncode if returncode < 0 else returncode
