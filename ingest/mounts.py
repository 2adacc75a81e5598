"""Cards as the kernel and udev see them: the mount table, and what is known of a volume. Linux."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")
UDEV = Path("/run/udev/data")
DISK = Path("/dev/disk")
_OCTAL = re.compile(r"\\([0-7]{3})")
_HEX = re.compile(rb"\\x([0-9a-fA-F]{2})")
_PASSING_INODES = frozenset({"vfat", "msdos", "exfat", "fuseblk", "ntfs", "ntfs3"})  # numbered anew at each mount
_NO_CARDS = frozenset({"proc", "sysfs", "devpts", "devtmpfs", "cgroup", "cgroup2", "autofs", "mqueue", "debugfs"})


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the mount table (proc(5)). `device`: major:minor of its file system."""

    id: int
    device: str
    point: Path
    fstype: str
    source: str
    read_only: bool


@dataclass(frozen=True, slots=True)
class Volume:
    """What is known of a card's file system. Empty strings: not known."""

    uuid: str = ""
    label: str = ""
    lasting_inodes: bool = True
    read_only: bool = False


def read_mounts(text: str | None = None) -> list[Mount]:
    """The mounts that this process sees; `text`: the table, for tests."""
    content = TABLE.read_bytes().decode("utf-8", errors="surrogateescape") if text is None else text
    return [mount for line in content.splitlines() if (mount := _mount(line)) is not None]


def _mount(line: str) -> Mount | None:
    front, separator, back = line.partition(" - ")
    fields, kind = front.split(" "), back.split(" ")
    if not separator or len(fields) < 6 or len(kind) < 3:
        return None
    point = _OCTAL.sub(lambda found: chr(int(found[1], 8)), fields[4])
    options = {*fields[5].split(","), *kind[2].split(",")}
    source = _OCTAL.sub(lambda found: chr(int(found[1], 8)), kind[1])
    return Mount(int(fields[0]), fields[2], Path(point), kind[0], source, "ro" in options)


def below(mounts: Iterable[Mount], folders: Iterable[Path]) -> list[Mount]:
    """The mounts whose place is below one of the folders, the newest of each place."""
    wanted = [folder.absolute() for folder in folders]
    found = {
        mount.point: mount
        for mount in mounts
        if mount.fstype not in _NO_CARDS and any(folder in mount.point.parents for folder in wanted)
    }
    return list(found.values())


def volume_at(place: Path, mounts: Iterable[Mount] | None = None) -> Volume:
    """The volume mounted at `place`; of a plain folder nothing is known."""
    place = place.absolute()
    try:
        known = read_mounts() if mounts is None else mounts
    except OSError:
        return Volume()
    found = [mount for mount in known if mount.point == place]
    return volume_of(found[-1]) if found else Volume()


def volume_of(mount: Mount, udev: Path = UDEV, disk: Path = DISK) -> Volume:
    """UUID and label by udev's database, else by the links that it makes in /dev/disk."""
    said = _udev(udev / f"b{mount.device}")
    uuid = said.get("ID_FS_UUID", "") or _linked(disk / "by-uuid", mount.source)
    label = said.get("ID_FS_LABEL_ENC", "") or _linked(disk / "by-label", mount.source)
    return Volume(uuid, _plain(label), mount.fstype not in _PASSING_INODES, mount.read_only)


def _udev(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return dict(line[2:].split("=", 1) for line in lines if line.startswith("E:") and "=" in line)


def _linked(folder: Path, source: str) -> str:
    if not source.startswith("/"):
        return ""
    with suppress(OSError):
        target = os.path.realpath(source)
        for link in folder.iterdir():
            if os.path.realpath(link) == target:
                return link.name
    return ""


def _plain(label: str) -> str:
    """udev writes unusual bytes as \\x20."""
    content = _HEX.sub(lambda found: bytes([int(found[1], 16)]), label.encode("utf-8", errors="surrogateescape"))
    return content.decode("utf-8", errors="replace").strip()


class MountWatch:
    """Waits for the mount table to change: the kernel raises POLLPRI on it (proc(5))."""

    def __init__(self) -> None:
        self._handle = os.open(TABLE, os.O_RDONLY | os.O_CLOEXEC)
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(self._handle, select.POLLPRI)
        self._poll.register(self._wake_read, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Until the table changes, `wake` is called or the time is over."""
        self._poll.poll(seconds * 1000)
        with suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def wake(self) -> None:
        with suppress(OSError):
            os.write(self._wake_write, b"x")

    def close(self) -> None:
        for handle in (self._handle, self._wake_read, self._wake_write):
            os.close(handle)
