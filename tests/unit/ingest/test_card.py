from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.card import Changed, hash_card_file, list_card, read_file
from ingest.device import serial_of_name
from storage.errors import Refused


def test_regular_files_are_listed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    card = tmp_path / "card"
    (card / "DCIM").mkdir(parents=True)
    (card / "DCIM" / "b.mp4").write_bytes(b"bb")
    (card / "a.mp4").write_bytes(b"a")
    (card / "link").symlink_to(outside / "secret")
    (card / "folder").symlink_to(outside)
    os.mkfifo(card / "pipe")
    (card / "bad\nname").write_bytes(b"")
    os.close(os.open(os.fsencode(card) + b"/\xff\xfe.mp4", os.O_CREAT))
    listed = list_card(card)
    assert [(file.path, file.size) for file in listed.files] == [("DCIM/b.mp4", 2), ("a.mp4", 1)]
    assert {each.path for each in listed.unreadable} == {
        "link",
        "folder",
        "pipe",
        "bad\\nname",
        "\\udcff\\udcfe.mp4",
    }


def test_no_card_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        list_card(tmp_path / "absent")


def test_a_file_that_changes_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a" * 10)
    file = list_card(tmp_path).files[0]
    (tmp_path / "a").write_bytes(b"b" * 11)
    with pytest.raises(Changed):
        hash_card_file(file, lambda _: None)


def test_a_part_of_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)))
    file = list_card(tmp_path).files[0]
    assert b"".join(read_file(file, 10, 20)) == bytes(range(10, 30))


@pytest.mark.parametrize(
    ("name", "serial"),
    [
        ("DCIM/LH00012_20261120_0001.MP4", "LH00012"),
        ("DSJ123456-1.mp4", "DSJ123456"),
        ("IMG_0001.JPG", None),
        ("录像.MP4", None),
        ("20261120_1.mp4", None),
    ],
)
def test_the_serial_before_a_file_name(name: str, serial: str | None) -> None:
    assert serial_of_name(name) == serial


def test_a_link_in_the_way_is_not_followed_when_a_file_is_read(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.mp4").write_bytes(b"1234")
    card = tmp_path / "card"
    (card / "DCIM").mkdir(parents=True)
    (card / "DCIM" / "a.mp4").write_bytes(b"abcd")
    os.utime(outside / "a.mp4", (1, 1))
    os.utime(card / "DCIM" / "a.mp4", (1, 1))
    file = list_card(card).files[0]
    (card / "DCIM").rename(card / "DCIM2")
    (card / "DCIM").symlink_to(outside)
    with pytest.raises(OSError):
        hash_card_file(file, lambda _: None)


def test_a_pipe_in_a_files_place_holds_nobody(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    file = list_card(tmp_path).files[0]
    (tmp_path / "a").unlink()
    os.mkfifo(tmp_path / "a")
    with pytest.raises(Changed):
        hash_card_file(file, lambda _: None)
