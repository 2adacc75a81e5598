"""The sandbox: what a hostile program inside it can't do."""

from __future__ import annotations

import os
import shutil
import socket
import threading
from pathlib import Path

import pytest

from pipeline.media import sandbox
from pipeline.media.sandbox import Limits, Outcome
from storage.errors import NotFound, Refused

LIMITS = Limits(cpu_seconds=10, wall_seconds=20, memory_bytes=1 << 30, file_bytes=1 << 20)


@pytest.fixture(autouse=True)
def _bubblewrap_works() -> None:
    if sandbox.unavailable():
        if os.environ.get("CI"):
            pytest.fail(sandbox.unavailable())
        pytest.skip(sandbox.unavailable())


def python(code: str, *, limits: Limits = LIMITS, writable: Path | None = None, **files: Path) -> Outcome:
    argv = [*sandbox.python_module("pipeline")[:3], "-c", code]
    return sandbox.run(argv, files=files, writable=writable, limits=limits)


def test_reads_its_input_under_the_neutral_name(tmp_path: Path) -> None:
    media = tmp_path / "现场 录像\n$(x).mp4"
    media.write_bytes(b"picture")
    done = python("import os,sys; sys.stdout.write(open('/in/media').read() + str(os.listdir('/in')))", media=media)
    assert done.ok and done.isolated and done.why_not == ""
    assert done.stdout == b"picture['media']"


def test_cannot_write_its_input(tmp_path: Path) -> None:
    media = tmp_path / "a"
    media.write_bytes(b"original")
    done = python("open('/in/media', 'w')", media=media)
    assert b"Read-only" in done.stderr and media.read_bytes() == b"original"


def test_cannot_read_another_file_of_the_host(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("bait")
    for path in (str(secret), "/etc/passwd", "/proc/1/root" + str(secret)):
        done = python(f"print(open({path!r}).read())")
        assert done.returncode == 1 and b"No such file" in done.stderr, path


def test_sees_no_environment_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIUHEN_SECRET", "bait")
    assert b"bait" not in python("import os; print(os.environ)").stdout


def test_has_no_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = python(f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2)")
        assert done.returncode == 1
        with pytest.raises(TimeoutError):
            server.accept()


def test_writes_in_out_and_nowhere_else(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    done = python("open('/out/x', 'w').write('kept'); open('/usr/x', 'w')", writable=out)
    assert done.returncode == 1 and b"Read-only" in done.stderr
    assert (out / "x").read_text() == "kept"
    python(f"import os; os.makedirs({str(tmp_path)!r}, exist_ok=True); open({str(tmp_path / 'y')!r}, 'w')")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def test_is_killed_at_the_time_limit_with_its_children() -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '1000']); time.sleep(1000)"
    done = python(code, limits=Limits(10, 0.7, 1 << 30, 1 << 20))
    assert done.stopped == "time" and not done.ok


def test_is_killed_at_the_processor_limit() -> None:
    done = python("while True: pass", limits=Limits(1, 60, 1 << 30, 1 << 20))
    assert done.returncode in (128 + 9, 128 + 24) and done.stopped == ""


def test_gets_no_more_memory_than_its_limit() -> None:
    done = python("x = bytearray(2 << 30)")
    assert done.returncode == 1 and b"MemoryError" in done.stderr


def test_gets_no_larger_file_than_its_limit(tmp_path: Path) -> None:
    done = python("open('/out/x', 'wb').write(bytes(2 << 20))", writable=tmp_path)
    assert not done.ok and (tmp_path / "x").stat().st_size <= 1 << 20


def test_output_is_bounded() -> None:
    done = python("while True: print('x' * 1000)", limits=Limits(10, 20, 1 << 30, 1 << 20, stdout_bytes=5000))
    assert done.stopped == "output" and len(done.stdout) == 5000


def test_only_the_end_of_the_error_output_is_kept() -> None:
    done = python("import sys; sys.stderr.write('x' * 200_000 + 'end')")
    assert done.ok and done.stderr.endswith(b"end") and len(done.stderr) == 64 * 1024


def test_lines_come_while_the_program_runs(tmp_path: Path) -> None:
    lines: list[bytes] = []
    first = threading.Event()
    code = """
import os, time
print('one', flush=True)
while not os.path.exists('/out/go'): time.sleep(0.01)
print('two')
print('three', end='')
"""

    def take(line: bytes) -> None:
        lines.append(line)
        if not first.is_set():
            first.set()
            (tmp_path / "go").touch()

    argv = [*sandbox.python_module("pipeline")[:3], "-c", code]
    done = sandbox.run(argv, files={}, writable=tmp_path, limits=LIMITS, on_line=take)
    assert done.ok and lines == [b"one", b"two", b"three"] and done.stdout == b""


def test_an_error_in_the_listener_ends_the_program() -> None:
    def refuse(line: bytes) -> None:
        raise ValueError(line)

    argv = ["sh", "-c", "echo x; sleep 1000"]
    with pytest.raises(ValueError, match="x"):
        sandbox.run(argv, files={}, limits=LIMITS, on_line=refuse)


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nothing-here"):
        python("pass", media=tmp_path / "nothing-here")


def test_a_name_with_a_slash_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        sandbox.run(["true"], files={"../x": tmp_path}, limits=LIMITS)


def test_the_source_tree_beside_our_packages_is_hidden() -> None:
    root = str(Path(sandbox.__file__).resolve().parents[2])
    assert b"pyproject.toml" not in python(f"import os; print(os.listdir({root!r}))").stdout


def test_without_bubblewrap_the_same_arguments_work_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("prlimit", "cp"):
        (programs / name).symlink_to(shutil.which(name) or "")
    media = tmp_path / "a b.mp4"
    media.write_bytes(b"picture")
    out = tmp_path / "out"
    out.mkdir()
    sandbox.unavailable.cache_clear()
    monkeypatch.setenv("PATH", str(programs))
    try:
        done = sandbox.run(["cp", "/in/media", "/out/copy"], files={"media": media}, writable=out, limits=LIMITS)
    finally:
        sandbox.unavailable.cache_clear()
    assert done.ok and not done.isolated and done.why_not == "bubblewrap is not installed"
    assert (out / "copy").read_bytes() == b"picture"
