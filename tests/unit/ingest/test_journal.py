"""The station's journal: what it knows after any crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest import journal as journals
from ingest.card import CardFile, hash_card_file, list_card
from ingest.journal import Journal
from storage import durable
from storage.errors import Transient


@pytest.fixture
def file(tmp_path: Path) -> CardFile:
    (tmp_path / "card").mkdir()
    (tmp_path / "card" / "a.MP4").write_bytes(b"recording" * 1000)
    return list_card(tmp_path / "card").files[0]


def open_journal(folder: Path) -> Journal:
    return Journal(folder / "state", "ST-01")


def test_what_was_hashed_is_known_after_a_restart_while_it_looks_the_same(tmp_path: Path, file: CardFile) -> None:
    digest = hash_card_file(file, lambda _: None)
    open_journal(tmp_path).keep_hash("6A1B-33F0", file, digest, inodes=True)
    again = open_journal(tmp_path)
    assert again.known("6A1B-33F0", file, inodes=True) == digest
    assert again.known("6A1B-33F1", file, inodes=True) is None
    assert again.known("6A1B-33F0", file, inodes=False) is None, "kept with the inode, asked without"
    os.utime(file.place, ns=(1, file.mtime_ns + 1))
    assert again.known("6A1B-33F0", list_card(file.root).files[0], inodes=True) is None


def test_where_inodes_pass_they_are_not_asked(tmp_path: Path, file: CardFile) -> None:
    """FAT and exFAT number their files anew at each mount."""
    digest = hash_card_file(file, lambda _: None)
    open_journal(tmp_path).keep_hash("6A1B-33F0", file, digest, inodes=False)
    content, times = file.place.read_bytes(), file.place.stat()
    file.place.rename(file.place.with_name("old"))  # keeps the old inode from being given again
    file.place.write_bytes(content)
    os.utime(file.place, ns=(times.st_atime_ns, times.st_mtime_ns))
    new = next(each for each in list_card(file.root).files if each.path == "a.MP4")
    assert new.inode != file.inode
    assert open_journal(tmp_path).known("6A1B-33F0", new, inodes=False) == digest


def test_a_journal_that_is_cut_at_any_byte_keeps_its_whole_lines_and_takes_new_ones(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    for number in range(3):
        journal.note("wiping", number=number, path="录像.MP4")
    path = journal.folder / journals.FILE
    whole = path.read_bytes()
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        kept = [line["number"] for line in open_journal(tmp_path).lines("wiping")]
        assert kept == list(range(whole[:length].count(b"\n")))
        open_journal(tmp_path).note("wiping", number=9)
        assert [line["number"] for line in open_journal(tmp_path).lines("wiping")] == [*kept, 9]


def test_a_spoilt_line_does_not_hide_the_others(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.note("wiped", number=1)
    with (journal.folder / journals.FILE).open("ab") as stream:
        stream.write(b'{"kind":"wiped",\xff\x00\n{"kind":"wiped",[]\n\n[1]\n')
    journal.note("wiped", number=2)
    assert [line["number"] for line in journal.lines("wiped")] == [1, 2]


def test_a_journal_killed_at_random_times_never_loses_a_line_it_was_done_with(tmp_path: Path) -> None:
    """A child writes lines and says after each that it is durable; whatever was said is there."""
    said = 0
    for _ in range(15):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                journal = open_journal(tmp_path)
                for number in range(said, said + 100_000):
                    journal.note("wiped", number=number)
                    os.write(writer, b"x")
            finally:
                os._exit(1)
        os.close(writer)
        os.read(reader, 1)  # it is at work
        time.sleep(0.01)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        done = 1
        while more := os.read(reader, 65536):
            done += len(more)
        os.close(reader)
        lines = [line["number"] for line in open_journal(tmp_path).lines("wiped")]
        assert lines == list(range(len(lines)))
        assert len(lines) in (said + done, said + done + 1)  # killed between the line and the word
        said = len(lines)


def test_processes_do_not_write_into_each_others_lines(tmp_path: Path) -> None:
    children = []
    for writer in range(3):
        if (child := os.fork()) == 0:
            try:
                for number in range(50):
                    open_journal(tmp_path).note("wiped", writer=writer, number=number, padding="x" * 3000)
            finally:
                os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    lines = list(open_journal(tmp_path).lines("wiped"))
    for writer in range(3):
        assert [line["number"] for line in lines if line["writer"] == writer] == list(range(50))


def test_a_long_journal_is_put_aside_and_still_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "LONGEST", 500)
    journal = open_journal(tmp_path)
    for number in range(20):
        journal.note("wiped", number=number)
        time.sleep(0.002)
    assert len(list(journal.folder.glob("journal-*.jsonl"))) > 1
    assert [line["number"] for line in open_journal(tmp_path).lines("wiped")] == list(range(20))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_is_a_clear_error_and_leaves_whole_lines(small_disk: Path) -> None:
    journal = open_journal(small_disk)
    written = 0
    with pytest.raises(Transient, match="No space left"):
        while True:
            journal.note("wiped", number=written, padding="x" * 1500)
            written += 1
    assert written > 10
    assert journal.broken
    assert len(list(journal.lines("wiped"))) == written
    path = journal.folder / journals.FILE
    assert json.loads(path.read_bytes().splitlines()[-1])["number"] == written - 1
    shutil.copy(path, small_disk.parent / "saved")
    durable.remove(path)
    journal.note("wiped", number=0)
    assert not journal.broken
