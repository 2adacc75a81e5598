"""Resident readers: their pictures are those of a sandbox of one's own; what a reader that was taken over can't do."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.continuity.model import Picture
from pipeline.media import pool, sandbox
from pipeline.media.picture import picture_of
from pipeline.media.pool import Pool
from pipeline.samples import Footage
from tests.support.footage import require

SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
# The resident as it is, but its readers do what the file says in Python: what somebody can who took over a reader.
TAKEN_OVER = """
from pipeline.media import probe, zygote
def main(path, warm):
    exec(open(path).read(), {"warm": warm})
probe.main = main
zygote.main()
"""


@pytest.fixture(autouse=True)
def _programs() -> None:
    require("bwrap", "exiftool", "perl")
    if sandbox.unavailable():
        pytest.skip(sandbox.unavailable())


@pytest.fixture
def readers() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close()


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[pool._Box]:
    monkeypatch.setattr(sandbox, "python_module", lambda module: [sys.executable, "-s", "-P", "-c", TAKEN_OVER])
    made = pool._Box()
    yield made
    made.close()


def sealed(content: bytes) -> int:
    copy = os.memfd_create("media", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(copy, content)
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, SEALS)
    return copy


def read(readers: Pool, path: Path) -> Picture | None:
    copy = sealed(path.read_bytes())
    try:
        return readers.picture_of(copy, name=path.name, size=path.stat().st_size)
    finally:
        os.close(copy)


def attack(box: pool._Box, code: str) -> tuple[int, str]:
    """Exit code and output of a reader that runs `code`."""
    copy = sealed(f"import os, sys\n{code}\nsys.stdout.flush(); os._exit(0)".encode())
    try:
        ended, said = box.read(copy)
    finally:
        os.close(copy)
    return ended, said.decode()


def refused(action: str) -> str:
    return (
        f"try:\n    {action}\n    print('done')\nexcept OSError as error:\n    print(type(error).__name__, error.errno)"
    )


def test_pictures_are_those_of_a_sandbox_of_ones_own(readers: Pool, footage: Footage) -> None:
    for path in (footage.segments[0], footage.photos[0], footage.audio, footage.cut_open):
        assert read(readers, path) == picture_of(path, name=path.name)


def test_one_resident_serves_file_after_file(readers: Pool, footage: Footage, monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    start = sandbox.resident
    monkeypatch.setattr(sandbox, "resident", lambda *a, **k: started.append(1) or start(*a, **k))
    assert all(read(readers, footage.photos[n % 3]) for n in range(7))
    assert len(started) == 1


def test_a_resident_is_replaced_after_so_many_files(
    readers: Pool, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_FILES_EACH", 2)
    started = []
    start = sandbox.resident
    monkeypatch.setattr(sandbox, "resident", lambda *a, **k: started.append(1) or start(*a, **k))
    assert all(read(readers, footage.photos[0]) for _ in range(5))
    assert len(started) == 3


def test_hostile_files_are_unreadable_with_a_reason_here_too(readers: Pool, footage: Footage) -> None:
    for path in sorted(each for each in footage.hostile.iterdir() if each.is_file()):
        picture = read(readers, path)
        assert picture is not None and picture.problem is not None, path.name


def test_without_bubblewrap_nothing_is_read_here(
    readers: Pool, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "unavailable", lambda: "no user namespaces")
    assert read(readers, footage.photos[0]) is None


def test_a_resident_that_does_not_start_is_no_error(
    readers: Pool, footage: Footage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "python_module", lambda module: [sys.executable, "-c", "raise SystemExit(3)"])
    assert read(readers, footage.photos[0]) is None


def test_a_reader_that_crashes_takes_nobody_with_it(box: pool._Box) -> None:
    assert attack(box, "os.abort()")[0] == 128 + 6
    assert attack(box, "import ctypes; ctypes.string_at(0)")[0] == 128 + 11
    assert attack(box, "raise ValueError")[0] == 1
    assert attack(box, "print('alive')") == (0, "alive\n")


def test_a_reader_sees_itself_its_exiftool_and_the_two_residents(box: pool._Box) -> None:
    code = "print(sorted(int(n) for n in os.listdir('/proc') if n.isdigit()).index(os.getpid()), end=' ')\n"
    code += "print(len([n for n in os.listdir('/proc') if n.isdigit()]), os.getppid(), sorted(os.environ))"
    _, said = attack(box, code)
    assert said.startswith("3 4 1 ") or said.startswith("2 4 1 ")
    assert "SECRET" not in said


def test_a_reader_holds_its_file_its_pipes_and_nothing_else(box: pool._Box) -> None:
    """With that of the listing itself."""
    assert attack(box, "print(sorted(map(int, os.listdir('/proc/self/fd'))))")[1].startswith("[0, 1, 2, 3, ")
    code = "print([n for n in range(256) if os.path.exists(f'/proc/self/fd/{n}')])"
    held = eval(attack(box, code)[1])
    assert set(held) - {3} == {0, 1, 2, 60, 61, 62}


def test_a_reader_can_change_neither_the_copy_nor_any_file(box: pool._Box) -> None:
    assert attack(box, refused("os.write(60, b'x')"))[1] in ("PermissionError 1\n", "OSError 9\n")
    assert "done" not in attack(box, refused("os.write(os.open('/proc/self/fd/60', os.O_RDWR), b'x')"))[1]
    assert "done" not in attack(box, refused("os.truncate('/proc/self/fd/60', 0)"))[1]
    for path in ("/x", "/tmp/x", "/dev/shm/x", "/dev/x", "/in/x", "/usr/x", f"{sys.prefix}/x"):
        assert "done" not in attack(box, refused(f"open({path!r}, 'w').write('x')"))[1], path


def test_a_reader_reaches_neither_resident(box: pool._Box) -> None:
    others = "others = [n for n in map(int, filter(str.isdigit, os.listdir('/proc'))) if n != os.getpid()]\n"
    ask = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    for each in ("'/proc/1/mem'", "f'/proc/{min(n for n in others if n > 1)}/mem'"):
        assert attack(box, others + refused(f"open({each}, 'r+b')"))[1] == "PermissionError 13\n"
    assert attack(box, refused("os.open('/proc/1/fd/0', os.O_RDONLY)"))[1] == "PermissionError 13\n"
    traced = "print([libc.ptrace(16, n, 0, 0) for n in sorted(others)[:2]])"  # PTRACE_ATTACH
    assert attack(box, others + ask + traced)[1] == "[-1, -1]\n"
    taken = "print(libc.syscall(438, os.pidfd_open(1), 0, 0))"  # pidfd_getfd
    assert attack(box, ask + taken)[1] == "-1\n"
    assert attack(box, "print('alive')") == (0, "alive\n")


def test_nothing_that_a_reader_leaves_behind_is_there_for_the_next(box: pool._Box) -> None:
    spawn = """
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                os.fork() if len(os.listdir('/proc')) < 120 else None
        os._exit(0)
"""
    seen = "print([n for n in os.listdir('/proc') if n.isdigit()].__len__())"
    for _ in range(3):
        assert attack(box, spawn)[0] == 0
        assert attack(box, seen) == (0, "4\n")


def test_a_resident_that_was_stopped_or_bounded_answers_no_more(
    box: pool._Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    attack(box, "import resource; resource.prlimit(1, resource.RLIMIT_NOFILE, (70, 70))")
    with pytest.raises(OSError):
        attack(box, "print('alive')")


def test_process_one_can_not_be_killed_from_inside(box: pool._Box) -> None:
    assert attack(box, "import signal\nfor s in (9, 19, 15, 10): os.kill(1, s)")[0] == 0
    assert attack(box, "print('alive')") == (0, "alive\n")


def test_without_its_exiftool_a_resident_answers_no_more(box: pool._Box, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "for n in map(int, filter(str.isdigit, os.listdir('/proc'))):\n    if n not in (1, os.getpid()): os.kill(n, 9)"
    )
    with pytest.raises(OSError):
        attack(box, code)
        attack(box, "print('alive')")


def test_an_exiftool_that_was_taken_over_is_as_shut_in(box: pool._Box) -> None:
    """exiftool's own option -if runs Perl: what a file can that finds a hole in it."""

    def perl(code: str) -> str:
        hidden = f"eval pack('H*', '{code.encode().hex()}'); 0"  # it would take $x for the name of a tag
        said = attack(box, f"print(warm.execute('-if', {hidden!r}, '-p', 'x', '/proc/self/fd/60'))")[1]
        return said.partition("\n")[0]

    pids = "my @p = sort { $a <=> $b } grep { $_ != $$ } map { m(/proc/([0-9]+)) } glob('/proc/[0-9]*');"
    assert perl(f"{pids} print scalar(@p), qq(\\n)") == "3"
    assert (
        perl(f"{pids} print join(q( ), map {{ open(my $f, '+<', qq(/proc/$_/mem)) ? 1 : 0 }} @p), qq(\\n)") == "0 0 0"
    )
    assert perl("print open(my $f, '<', '/proc/1/fd/0') ? 1 : 0, qq(\\n)") == "0"
    assert perl("print open(my $f, '>', '/tmp/.ExifTool_config') ? 1 : 0, qq(\\n)") == "0"
    held = perl("print join(q( ), map { readlink qq(/proc/self/fd/$_) } 0..255), qq(\\n)").split()
    assert sum(each.startswith(("socket:", "/memfd:")) for each in held) == 1  # the file; the way to process 1 is shut
    assert perl("kill KILL => 1; kill STOP => 1; print qq(alive\\n)") == "alive"
    assert attack(box, "print('alive')") == (0, "alive\n")


def test_a_reader_that_hangs_or_talks_without_end_is_ended(box: pool._Box, monkeypatch: pytest.MonkeyPatch) -> None:
    short = sandbox.Limits(3600, 1.0, 4 << 30, 1 << 20, stdout_bytes=100_000)
    monkeypatch.setattr(pool, "_LIMITS", short)
    with pytest.raises(TimeoutError, match="time"):
        attack(box, "import time; time.sleep(1000)")
    box.close()


def test_endless_output_is_cut_off(box: pool._Box, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_LIMITS", sandbox.Limits(3600, 20.0, 4 << 30, 1 << 20, stdout_bytes=100_000))
    with pytest.raises(TimeoutError, match="output"):
        attack(box, "while True: os.write(1, b'x' * 10000)")


def test_a_reader_has_limits_of_its_own(box: pool._Box) -> None:
    assert attack(box, "x = bytearray(4 << 30)")[0] == 1
    code = "import resource\nprint(resource.getrlimit(resource.RLIMIT_CPU), resource.getrlimit(resource.RLIMIT_CORE))"
    assert attack(box, code)[1] == "(40, 40) (0, 0)\n"
    networks = "print([line.split()[0] for line in open('/proc/net/dev') if ':' in line])"
    assert attack(box, networks)[1] == "['lo:']\n"
