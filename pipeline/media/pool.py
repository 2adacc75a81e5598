"""Pictures of many short files: readers that stay in their sandboxes, so that none of them starts anew for each file.

Every file is read by a process of its own, forked in a sandbox that sees no file of the host, from a sealed copy in
memory; nothing of one file outlives it there (docs/decisions/0007). What goes wrong here in any way is no result: the
caller then looks at that file in a sandbox of its own, as it does at long files.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket

from pipeline.continuity.model import Picture
from pipeline.media import sandbox, wire
from pipeline.media.sandbox import Limits, Pump

LARGEST = 32 << 20  # bytes: of a longer file the start of its reader is a small part of the work
_FILES_EACH = 500  # by one sandbox, then a new one: what leaks slowly never gets large
_START = 30.0  # seconds
_LIMITS = Limits(cpu_seconds=3600, wall_seconds=60.0, memory_bytes=4 << 30, file_bytes=1 << 20, stdout_bytes=64 << 20)


class Pool:
    """Sandboxes with a resident in each, as many as files are read at once. For several threads; closed at the end."""

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Box] = queue.SimpleQueue()

    def close(self) -> None:
        """End all of them; nobody may be reading now."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def picture_of(self, file: int, *, name: str, size: int) -> Picture | None:
        """The picture of the open `file` (a sealed memory file, `size` bytes) displayed as `name`; None: not here."""
        if sandbox.unavailable():
            return None
        try:
            box = self._box()
        except OSError:
            return None
        with contextlib.ExitStack() as broken:
            broken.callback(box.close)
            try:
                code, said = box.read(file)
            except OSError:
                return None
            broken.pop_all()
        self._put_back(box)
        with contextlib.suppress(wire.Malformed):
            return wire.decode(said, name=name, size=size) if code == 0 else None
        return None

    def _box(self) -> _Box:
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            return _Box()

    def _put_back(self, box: _Box) -> None:
        if box.served < _FILES_EACH:
            self._idle.put(box)
        else:
            box.close()


class _Box:
    """One sandbox with its resident (`pipeline.media.zygote`). Raises OSError where it doesn't do what it should."""

    def __init__(self) -> None:
        self.served = 0
        self._control, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inside:
            argv = sandbox.python_module("pipeline.media.zygote")
            self._process = sandbox.resident(argv, control=inside, limits=_LIMITS)
        if self._hear(_START) != b"ready":
            self.close()
            raise ConnectionError("the resident reader did not start")

    def read(self, file: int) -> tuple[int, bytes]:
        """The exit code of a fresh reader of `file`, and what it printed. Raises OSError when a limit is reached."""
        self.served += 1
        out, out_there = os.pipe()
        err, err_there = os.pipe()
        with os.fdopen(out, "rb") as stdout, os.fdopen(err, "rb") as stderr:
            try:
                socket.send_fds(self._control, [b"read"], [file, out_there, err_there])
            finally:
                os.close(out_there)
                os.close(err_there)
            pump = Pump(stdout, stderr, _LIMITS)
            said, _, stopped = pump.drain()
        if stopped:
            raise TimeoutError(stopped)
        code = self._hear(pump.left())
        if not code.isdigit():
            raise ConnectionError("the resident reader is gone")
        return int(code), said

    def close(self) -> None:
        self._control.close()
        sandbox.end(self._process)

    def _hear(self, seconds: float) -> bytes:
        self._control.settimeout(max(seconds, 0.001))
        return self._control.recv(16)
