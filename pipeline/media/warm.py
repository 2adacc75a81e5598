"""exiftool kept warm in a sandbox that serves many files: one resident program, one fresh copy of it for each file.

`Warm` is the reader's end of such a copy; `Resident`, in the process that forks the readers, starts and stops them.
Isolation between files rests on what is said here and in exiftool_zygote.pl; docs/decisions/0007 has the reasons.
"""

from __future__ import annotations

import ctypes
import os
import platform
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

FILE = 60  # the descriptor under which a file's copy is open in its reader and in its exiftool
_PRCTL = {"x86_64": 157, "aarch64": 167, "riscv64": 167, "loongarch64": 167}  # number of the system call
_LONGEST = 64 << 20  # bytes of one answer
_SET_DUMPABLE = 4  # <linux/prctl.h>


def keep_out(shut: bool) -> None:
    """Whether the user's other processes are kept from this one's memory and descriptors (prctl, PR_SET_DUMPABLE)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_DUMPABLE, 0 if shut else 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Warm:
    """One exiftool that runs already, for one file. Used like `exiftool.ExifTool`: a context, `execute` in it."""

    def __init__(self, ask: BinaryIO, answer: BinaryIO) -> None:
        self._ask, self._answer = ask, answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """It ends with its reader."""

    def execute(self, *arguments: str) -> str:
        """What exiftool prints. Raises EOFError when it ended, or says more than an answer may."""
        self._ask.write("\n".join([*arguments, "-execute", ""]).encode())
        self._ask.flush()
        said = bytearray()
        while not said.endswith(b"{ready}\n"):
            line = self._answer.readline(_LONGEST)
            said += line
            if not line or len(said) > _LONGEST:
                raise EOFError("exiftool ended")
        return said[: -len(b"{ready}\n")].decode("utf-8", "replace")


class Resident:
    """The resident program, as the forking process 1 of a sandbox sees it. Raises OSError when it is gone."""

    def __init__(self) -> None:
        program, number = shutil.which("exiftool"), _PRCTL.get(platform.machine())
        if program is None or number is None:
            raise FileNotFoundError("no exiftool to keep warm")
        script = Path(__file__).with_name("exiftool_zygote.pl")
        self._process = subprocess.Popen(
            ["perl", str(script), program, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self.pid = self._process.pid
        self._hear(b"ready\n")

    def copy(self, file: int) -> tuple[int, int]:
        """A fresh exiftool for the open `file`: descriptors to ask it and to hear its answers.

        It opens what it needs through /proc/1/fd, which is shut at all other times: no other process may be alive now.
        """
        asked, ask = os.pipe()
        answer, answered = os.pipe()
        keep_out(False)
        self._say(f"new {asked} {answered} {file}\n".encode())
        self._hear(b"ready\n")
        keep_out(True)
        os.close(asked)
        os.close(answered)
        return ask, answer

    def sweep(self) -> None:
        """Kill every other process in the sandbox but process 1. When this returns they have been told, not buried."""
        self._say(b"sweep\n")
        self._hear(b"swept\n")

    def _say(self, line: bytes) -> None:
        assert self._process.stdin  # noqa: S101  (Popen with PIPE)
        self._process.stdin.write(line)

    def _hear(self, line: bytes) -> None:
        assert self._process.stdout  # noqa: S101  (Popen with PIPE)
        if os.read(self._process.stdout.fileno(), len(line)) != line:
            raise ConnectionError("the resident exiftool is gone")
