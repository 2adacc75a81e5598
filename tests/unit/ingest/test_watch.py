from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.settling import Settling
from ingest.watch import Watcher
from ingest.watched import Taking
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage.catalogue.tables import Original, Recording
from storage.errors import Transient
from storage.ledger.proof import verify_receipt
from tests.support.docking import sha256, stored


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = wire(Settings(data=tmp_path / "data", max_upload=1 << 20, min_free=0))
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "watched"


def watcher(services: Services, folder: Path, *, settle: float = 0, alone: float = 600) -> Watcher:
    """Ready, without its thread: the tests call `scan` themselves. A file settles the moment it is seen."""
    made = Watcher(services, folder, settle=settle, alone=alone)
    made.prepare()
    return made


def test_a_settled_file_is_received_with_its_receipt_beside_it(services: Services, folder: Path) -> None:
    made = watcher(services, folder)
    (folder / "LH00099_1.MP4").write_bytes(b"video")
    made.scan()
    assert (folder / "received" / "LH00099_1.MP4").read_bytes() == b"video"
    receipt = (folder / "received" / "LH00099_1.MP4.tlog-proof").read_bytes()
    assert verify_receipt(receipt, services.log_key.vkey).entry.event.payload["sha256"] == sha256(b"video")
    assert stored(services.settings.data, b"video") == b"video"
    assert list((services.settings.spool / "watch").iterdir()) == []
    assert not (folder / "LH00099_1.MP4").exists()


def test_the_device_is_the_prefix_of_the_name_or_the_folder(services: Services, folder: Path) -> None:
    made = watcher(services, folder)
    (folder / "CAM-7").mkdir()
    (folder / "CAM-7" / "a.mp4").write_bytes(b"a")
    (folder / "CAM-7" / "LH00099_1.MP4").write_bytes(b"b")
    (folder / "loose.mp4").write_bytes(b"c")
    made.scan()
    with services.catalogue.read() as session:
        rows = session.execute(select(Original.name, Recording.device_serial).join(Recording)).all()
    assert {row.name: row.device_serial for row in rows} == {
        "CAM-7/a.mp4": "CAM-7",
        "CAM-7/LH00099_1.MP4": "LH00099",
        "loose.mp4": "",
    }


def test_a_file_that_is_still_written_is_left_alone(services: Services, folder: Path) -> None:
    made = watcher(services, folder)
    with (folder / "LH00099_1.MP4").open("wb") as file:
        file.write(b"half")
        file.flush()
        made.scan()
        assert (folder / "LH00099_1.MP4").exists()
        file.write(b" whole")
    made.scan()
    assert (folder / "received" / "LH00099_1.MP4").read_bytes() == b"half whole"


def test_the_same_name_again_overwrites_nothing(services: Services, folder: Path) -> None:
    made = watcher(services, folder)
    for content in (b"one", b"two", b"one"):
        (folder / "LH00099_1.MP4").write_bytes(content)
        made.scan()
    names = ["LH00099_1.MP4", "LH00099_1~2.MP4", "LH00099_1~3.MP4"]
    assert [(folder / "received" / name).read_bytes() for name in names] == [b"one", b"two", b"one"]
    proofs = [(folder / "received" / f"{name}.tlog-proof").read_bytes() for name in names]
    assert proofs[0] == proofs[2] != proofs[1]


def test_a_file_that_can_not_be_kept_is_set_apart_with_the_reason(services: Services, folder: Path) -> None:
    made = watcher(services, folder)
    (folder / "big.mp4").write_bytes(b"x" * ((1 << 20) + 1))
    (folder / "bad\nname.mp4").write_bytes(b"x")
    made.scan()
    assert (folder / "rejected" / "big.mp4").exists()
    assert "过大" in (folder / "rejected" / "big.mp4.error.txt").read_text()
    assert (folder / "rejected" / "bad\nname.mp4.error.txt").exists()


def test_links_and_hidden_files_are_not_touched(services: Services, folder: Path, tmp_path: Path) -> None:
    made = watcher(services, folder)
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link.mp4").symlink_to(tmp_path / "secret")
    (folder / ".partial").write_bytes(b"x")
    made.scan()
    assert (folder / "link.mp4").is_symlink()
    assert (folder / ".partial").exists()
    with services.catalogue.read() as session:
        assert session.scalars(select(Original)).all() == []


def test_a_crash_before_the_move_ends_in_the_same_receipt(
    services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = watcher(services, folder)
    (folder / "LH00099_1.MP4").write_bytes(b"video")
    monkeypatch.setattr(Taking, "_receive", _cut)
    with pytest.raises(KeyboardInterrupt):
        made.scan()
    monkeypatch.undo()
    first = services.intake.receipt(sha256(b"video"))
    watcher(services, folder).scan()
    assert (folder / "received" / "LH00099_1.MP4.tlog-proof").read_bytes() == first


def test_what_may_pass_is_tried_again_and_not_set_apart(
    services: Services, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = watcher(services, folder)
    (folder / "LH00099_1.MP4").write_bytes(b"video")
    monkeypatch.setattr(type(services.intake), "accept", _down)
    made.scan()
    assert (folder / "LH00099_1.MP4").exists()
    monkeypatch.undo()
    watcher(services, folder).scan()
    assert (folder / "received" / "LH00099_1.MP4").exists()


def test_the_thread_takes_what_was_there_and_what_comes(services: Services, folder: Path) -> None:
    folder.mkdir()
    (folder / "LH00099_1.MP4").write_bytes(b"before")
    made = Watcher(services, folder, settle=0.1)
    made.start()
    try:
        _until_exists(folder / "received" / "LH00099_1.MP4")
        (folder / "LH00099_2.MP4").write_bytes(b"after")
        _until_exists(folder / "received" / "LH00099_2.MP4")
    finally:
        made.stop()


def test_a_file_settles_when_it_stands_still() -> None:
    settling = Settling(0.05)
    path = Path("a")
    assert settling.settled({path: (1, 1, 1)}) == []
    time.sleep(0.06)
    assert settling.settled({path: (2, 2, 1)}) == []
    time.sleep(0.06)
    assert settling.settled({path: (2, 2, 1)}) == [path]
    assert settling.settled({}) == []
    assert not settling.waiting


def _cut(*_: object) -> None:
    raise KeyboardInterrupt


def _down(*_: object) -> bytes:
    raise Transient("数据库暂不可用", "the database is down")


def _until_exists(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(os.listdir(path.parents[1]))


def test_the_entry_has_the_sm3_where_the_setting_asks_for_it(tmp_path: Path, folder: Path) -> None:
    services = wire(Settings(data=tmp_path / "data", min_free=0, sm3=True))
    services.start(threads=0)
    watched = watcher(services, folder)
    (folder / "a.mp4").write_bytes(b"video")
    watched.scan()
    receipt = verify_receipt((folder / "received" / "a.mp4.tlog-proof").read_bytes(), services.log_key.vkey)
    assert receipt.entry.event.payload["sm3"] == hashlib.new("sm3", b"video").hexdigest()
    services.stop()
