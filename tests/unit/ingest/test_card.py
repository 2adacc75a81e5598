from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.card import Changed, hash_card_file, list_card, read_file
from ingest.device import find_device, serial_of_name
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


def test_the_device_is_told_by_option_note_or_names(tmp_path: Path) -> None:
    names = ["LH00012_1.MP4", "LH00012_2.MP4", "readme.txt"]
    assert find_device(tmp_path, names).serial == "LH00012"
    (tmp_path / "LIUHEN.TXT").write_bytes("\ufeff设备编号：LH00013\r\nmodel = X1\r\n".encode())
    device = find_device(tmp_path, names)
    assert (device.serial, device.model) == ("LH00013", "X1")
    (tmp_path / "device.json").write_text('{"serial": "LH00014"}')
    assert find_device(tmp_path, names).serial == "LH00014"
    assert find_device(tmp_path, names, "LH00015").serial == "LH00015"


@pytest.mark.parametrize("names", [[], ["a.mp4"], ["LH00012_1.MP4", "LH00013_1.MP4"]])
def test_a_card_of_no_known_device_is_refused(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "device.json").write_text("[1]")
    with pytest.raises(Refused):
        find_device(tmp_path, names)


def test_a_device_note_can_not_smuggle_control_characters(tmp_path: Path) -> None:
    (tmp_path / "device.json").write_text('{"serial": "LH\\n1"}')
    with pytest.raises(Refused):
        find_device(tmp_path, [])
