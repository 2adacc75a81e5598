"""The mount table and what udev knows of a volume."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ingest.mounts import Mount, MountWatch, Volume, below, read_mounts, volume_at, volume_of

TABLE = r"""22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:25 / /proc rw - proc proc rw
60 22 8:17 / /run/liuhen/cards/sdb1 ro,nosuid shared:7 - vfat /dev/sdb1 ro,uid=999
61 22 8:33 / /media/operator/NO\040NAME\134x rw,nosuid - exfat /dev/sdc1 rw
62 22 8:49 / /media/operator/摄像 rw,nosuid - ext4 /dev/sdd1 rw
63 22 0:50 / /media/auto rw - autofs systemd-1 rw
damaged line
"""


def test_cards_are_what_is_mounted_below_the_folders() -> None:
    mounts = below(read_mounts(TABLE), [Path("/run/liuhen/cards"), Path("/media")])
    assert [str(mount.point) for mount in mounts] == [
        "/run/liuhen/cards/sdb1",
        "/media/operator/NO NAME\\x",
        "/media/operator/摄像",
    ]
    assert [mount.read_only for mount in mounts] == [True, False, False]
    assert below(read_mounts(TABLE), [Path("/")])[0].point == Path("/run/liuhen/cards/sdb1")


def card(fstype: str = "vfat", source: str = "/dev/sdb1") -> Mount:
    return Mount(60, "8:17", Path("/run/liuhen/cards/sdb1"), fstype, source, False)


def test_udev_tells_uuid_and_label(tmp_path: Path) -> None:
    (tmp_path / "b8:17").write_text(
        "S:disk/by-label/x\nE:ID_FS_UUID=6A1B-33F0\nE:ID_FS_LABEL_ENC=LH\\x2000012\\xe6\\x91\\x84\n"
    )
    assert volume_of(card(), tmp_path, tmp_path) == Volume("6A1B-33F0", "LH 00012摄", lasting_inodes=False)
    assert volume_of(card("ext4"), tmp_path, tmp_path).lasting_inodes


def test_without_udevs_database_the_links_tell(tmp_path: Path) -> None:
    for folder, name in (("by-uuid", "6A1B-33F0"), ("by-label", "LH\\x2000012")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).symlink_to("../sdb1")
    (tmp_path / "sdb1").write_bytes(b"")
    found = volume_of(card(source=str(tmp_path / "sdb1")), tmp_path / "none", tmp_path)
    assert (found.uuid, found.label) == ("6A1B-33F0", "LH 00012")
    assert volume_of(card(source="tmpfs"), tmp_path / "none", tmp_path) == Volume(lasting_inodes=False)


def test_a_plain_folder_is_no_volume(tmp_path: Path) -> None:
    assert volume_at(tmp_path) == Volume()
    assert volume_at(Path("/media/operator/x"), read_mounts(TABLE)) == Volume()


def test_a_wait_can_be_ended(tmp_path: Path) -> None:
    watch = MountWatch()
    watch.wake()
    watch.wait(3600)
    watch.close()
    with pytest.raises(OSError):
        os.fstat(watch._handle)
