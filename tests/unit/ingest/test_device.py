"""Which camera a card belongs to, and what happens when nothing says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.card import list_card
from ingest.device import Identity, Known, escaped, find_device
from storage.errors import Refused


def identity(card: Path, known: Known | None = None, *names: str) -> Identity:
    for name in names:
        (card / name).write_bytes(b"x")
    return find_device(list_card(card), known or Known())


def test_the_device_is_told_by_label_names_note_settings_or_option(tmp_path: Path) -> None:
    known = Known(volume="6A1B-33F0", label="LH00011")
    assert identity(tmp_path, known).device.serial == "LH00011"
    assert not identity(tmp_path, known).certain
    assert identity(tmp_path, known, "LH00012_1.MP4", "LH00012_2.MP4", "readme.txt").device.serial == "LH00012"
    (tmp_path / "LIUHEN.TXT").write_bytes("\ufeff设备编号：LH00013\r\nmodel = X1\r\n".encode())
    told = identity(tmp_path, known).device
    assert (told.serial, told.model, told.named_by) == ("LH00013", "X1", "note")
    (tmp_path / "device.json").write_text('{"serial": "LH00014", "clock": "2026-11-20T01:02:03Z"}')
    assert identity(tmp_path, known).device.serial == "LH00014"
    assert identity(tmp_path, known).clock == "2026-11-20T01:02:03Z"
    set_up = Known(volume="6A1B-33F0", cameras={"UNKNOWN-6A1B-33F0": "LH00015"})
    assert identity(tmp_path, set_up).device.serial == "LH00015"
    assert identity(tmp_path, Known(given="LH00016")).certain


@pytest.mark.parametrize("names", [[], ["a.mp4"], ["LH00012_1.MP4", "LH00013_1.MP4"]])
@pytest.mark.parametrize("label", ["", "NO NAME", "SANDISK64", "LEXAR128"])
def test_a_card_of_no_known_device_is_taken_into_quarantine(tmp_path: Path, names: list[str], label: str) -> None:
    (tmp_path / "device.json").write_text("[1]")
    found = identity(tmp_path, Known(volume="6A1B-33F0", label=label), *names)
    assert found.device.serial == "UNKNOWN-6A1B-33F0"
    assert found.device.quarantine
    assert not found.certain
    assert found.zh
    assert found.en


def test_without_a_volume_the_listing_is_the_fingerprint(tmp_path: Path) -> None:
    first = identity(tmp_path, None, "a.mp4").device.serial
    assert first.startswith("UNKNOWN-")
    assert identity(tmp_path).device.serial == first
    assert identity(tmp_path, None, "b.mp4").device.serial != first


@pytest.mark.parametrize("serial", ["LH\\n1", "\\u001b[2J", "UNKNOWN-1", "x" * 101])
def test_a_note_that_names_no_camera_means_quarantine(tmp_path: Path, serial: str) -> None:
    (tmp_path / "device.json").write_text(f'{{"serial": "{serial}"}}')
    found = identity(tmp_path, None, "LH00012_1.MP4")
    assert found.device.quarantine
    assert found.zh.isprintable()


def test_a_serial_that_the_operator_mistyped_is_refused(tmp_path: Path) -> None:
    for serial in ("UNKNOWN-1", "a\x1bb"):
        with pytest.raises(Refused) as refused:
            identity(tmp_path, Known(given=serial))
        assert refused.value.zh.isprintable()


def test_a_note_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text('{"serial": "LH00014"}')
    card = tmp_path / "card"
    card.mkdir()
    (card / "device.json").symlink_to(tmp_path / "elsewhere")
    assert identity(card).device.quarantine


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert escaped("摄\x1b[2J\u202e\n") == "摄\\x1b[2J\\u202e\\n"
