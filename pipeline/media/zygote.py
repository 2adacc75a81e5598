"""Resident in the sandbox: waits for files and forks one fresh reader for each. Started by `pipeline.media.pool`.

    python -m pipeline.media.zygote        (process 1 of its sandbox, a Unix socket as standard input)

A request is three descriptors: a sealed copy of the file, and the write ends of two pipes for what the reader prints.
The reader, forked with everything loaded, does what `pipeline.media.probe` does. This process and the exiftool it keeps
warm never read a byte of a file. After each file every other process in the sandbox is killed, so that nothing of one
file outlives it, and only then comes the answer, the reader's exit code. Anything unexpected ends this process, and the
whole sandbox with it. docs/decisions/0007 has the reasons and the attacks considered.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import resource
import signal
import socket
import time
import traceback
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import av.logging

from pipeline.media import probe
from pipeline.media.warm import FILE, Resident, Warm, keep_out

_LIMITS = {
    resource.RLIMIT_AS: 3 << 30,
    resource.RLIMIT_CPU: 40,
    resource.RLIMIT_FSIZE: 1 << 20,
    resource.RLIMIT_NOFILE: 256,
    resource.RLIMIT_CORE: 0,
}
_PATIENCE = 5.0  # seconds for killed processes to be gone


def main() -> None:
    """Serve until the socket is closed or anything is not as it was."""
    av.logging.set_level(av.logging.PANIC)
    exiftool = _resident()
    keep_out(True)
    gc.collect()
    gc.freeze()  # what is here now stays shared with the readers
    before = _limits(exiftool)
    with socket.socket(fileno=0) as control:
        control.send(b"ready")
        while _limits(exiftool) == before:
            asked, fds, _, _ = socket.recv_fds(control, 16, 3)
            if not asked or len(fds) != 3:
                return
            code = _read(exiftool, fds)
            _clear(exiftool)
            control.send(str(code).encode())


def _resident() -> Resident | None:
    """None where exiftool can't be kept warm: each reader starts its own then."""
    with contextlib.suppress(OSError):
        return Resident()
    return None


def _read(exiftool: Resident | None, fds: Sequence[int]) -> int:
    """Fork a reader and wait for its end. Returns its exit code, 128 + N when signal N ended it."""
    warm = exiftool.copy(fds[0]) if exiftool else ()
    child = os.fork()
    if child == 0:
        _become_reader(fds, warm)
    for fd in (*fds, *warm):
        os.close(fd)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return 128 - code if code < 0 else code


def _become_reader(fds: Sequence[int], warm: Sequence[int]) -> NoReturn:
    """In the child: the file, its pipes and its exiftool stay open and nothing else; then the limits; then the file."""
    try:
        file, out, err = fds
        _hold({0: os.open(os.devnull, os.O_RDONLY), 1: out, 2: err, FILE: file, **dict(enumerate(warm, FILE + 1))})
        for limit, most in _LIMITS.items():
            resource.setrlimit(limit, (most, most))
        tool = Warm(os.fdopen(FILE + 1, "wb"), os.fdopen(FILE + 2, "rb")) if warm else None
        probe.main(f"/proc/self/fd/{FILE}", tool)
    except BaseException:  # whatever it was, this copy of the server must not go on as one
        with contextlib.suppress(OSError):
            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    os._exit(1)


def _hold(wanted: dict[int, int]) -> None:
    """Make the descriptors `wanted` (number → present number) the only ones there are."""
    aside = {number: fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for number, fd in wanted.items()}
    for number, fd in aside.items():
        os.dup2(fd, number)
    edges = [-1, *sorted(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0]]
    for below, above in pairwise(edges):
        if above > below + 1:  # an empty range would be understood as all
            os.closerange(below + 1, above)


def _clear(exiftool: Resident | None) -> None:
    """Kill whatever is left of the reader, and wait until nobody else is there. Raises TimeoutError."""
    if exiftool:
        exiftool.sweep()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
    ours = {1} | ({exiftool.pid} if exiftool else set())
    deadline = time.monotonic() + _PATIENCE
    while {int(name) for name in os.listdir("/proc") if name.isdecimal()} != ours:  # noqa: PTH208  (a hundred a second)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.0002)


def _limits(exiftool: Resident | None) -> list[tuple[int, int]]:
    """The bounds of the residents, which a hostile reader could lower: later readers would then see less."""
    residents = [os.getpid(), *([exiftool.pid] if exiftool else [])]
    return [resource.prlimit(pid, limit) for pid in residents for limit in _LIMITS]


if __name__ == "__main__":
    main()
