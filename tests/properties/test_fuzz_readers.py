"""Mutated recordings of every container: never a crash, a hang or an error nobody caught. scripts/fuzz does more."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.check import check_files
from tests.support.footage import require
from tests.support.fuzz_child import mutated
from tests.support.fuzzing import SEEDS, fuzz, make_seeds

FILES = 60  # of each container, new ones for nobody: the same numbers give the same files


@pytest.mark.parametrize("container", SEEDS)
def test_no_reader_and_no_check_fails_on_a_mutated_file(container: str, tmp_path: Path) -> None:
    require("ffmpeg", "bwrap")
    tally = fuzz(container, make_seeds(container, tmp_path), 0, FILES)
    assert tally.failures == {}
    assert tally.counts.total() == FILES and set(tally.counts) <= {"read", "unreadable", "ended by libav"}
    assert tally.counts["read"], "the mutations leave nothing that can be read: they test little"


def test_mutated_files_come_out_of_the_whole_check_with_a_verdict_each(tmp_path: Path) -> None:
    require("ffmpeg", "exiftool")
    paths = []
    for container in ("mp4", "ts", "avi", "jpeg", "mp3", "flac", "ogg", "amr"):
        seeds = make_seeds(container, tmp_path)
        for number in range(8):
            paths.append(tmp_path / f"{container}-{number}{seeds[0].suffix}")
            paths[-1].write_bytes(mutated(container, number, [seed.read_bytes() for seed in seeds]))
    report = check_files(paths)
    assert [file.path for file in report.files] == list(map(str, paths))
    assert not [file.path for file in report.files for each in file.findings if "crashed" in each.en]


def test_a_reader_that_fails_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The net has to hold: a child that dies at a file is a failure with that file's number."""
    require("ffmpeg", "bwrap")
    seeds = make_seeds("wav", tmp_path)
    broken = (Path(__file__).parents[1] / "support" / "fuzz_child.py").read_text(encoding="utf-8")
    broken = broken.replace(
        "        try:\n            became = read(data)",
        "        import os\n        if number == 3: os.abort()\n"
        "        try:\n            1 // (number - 5)\n            became = read(data)",
    )
    (tmp_path / "child.py").write_text(broken, encoding="utf-8")
    monkeypatch.setattr("tests.support.fuzzing.CHILD", tmp_path / "child.py")
    tally = fuzz("wav", seeds, 0, 8)
    assert set(tally.failures) == {3, 5}
    assert tally.counts["crashed"] == 1 and "ZeroDivisionError" in tally.failures[5]
