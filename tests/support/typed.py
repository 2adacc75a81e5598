"""`liuhen` as it is typed, without a process of its own."""

from __future__ import annotations

import contextlib
import io
import subprocess

from api import cli


def liuhen(*arguments: object) -> subprocess.CompletedProcess[str]:
    """What the command wrote and its exit code. An error that is none of ours is raised."""
    words = [str(word) for word in arguments]
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.main(words)
        except SystemExit as ended:
            code = ended.code
    assert code is None or isinstance(code, int), code
    return subprocess.CompletedProcess(words, code or 0, out.getvalue(), err.getvalue())
