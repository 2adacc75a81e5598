"""The disc image: an ISO 9660 file system with Rock Ridge and Joliet names, made and checked by xorriso.

The same folder and the same moment give the same bytes. genisoimage is not used: it cuts files above 4 GiB.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from pipeline.jobs import Progress
from pipeline.media import sandbox
from pipeline.media.sandbox import Limits
from storage.errors import IntegrityError, Refused, Transient

_PERCENT = re.compile(r"(\d{1,3}(?:\.\d+)?)% done")
_OVERHEAD = 16 << 20  # directories, padding, checksums; measured below 1 MiB for a hundred files


def make_image(folder: Path, target: Path, *, label: str, moment: datetime, progress: Progress) -> None:
    """Write `folder`, symbolic links followed, as `target`. `label`: volume name, A–Z 0–9 _, 16 at most (Joliet).

    All files carry `moment`. Raises Transient: no xorriso, no space, or xorriso failed.
    """
    stamp = moment.strftime("%Y%m%d%H%M%S00")
    arguments = ["-as", "mkisofs", "-iso-level", "3", "--md5", "-r", "-J", "-joliet-long", "-f"]
    arguments += ["-input-charset", "utf-8", "-V", label, "--set_all_file_dates", stamp]
    _run([*arguments, "-o", str(target), str(folder)], moment, progress)


def check_image(image: Path, *, moment: datetime, progress: Progress) -> None:
    """Read the image back and compare every file with the MD5 written beside it. Raises IntegrityError."""
    try:
        _run(["-md5", "on", "-indev", str(image), "-check_md5_r", "SORRY", "/", "--"], moment, progress)
    except Transient as error:
        raise IntegrityError(
            f"光盘映像自检未通过，已弃用：{error.zh}",
            f"the disc image failed its own check and was dropped: {error.en}",
        ) from error


def is_image(file: Path) -> bool:
    """Whether the file says that it is an ISO 9660 image (ECMA-119 8.1: "CD001" in sector 16)."""
    with file.open("rb") as handle:
        handle.seek(16 * 2048 + 1)
        return handle.read(5) == b"CD001"


def extract_image(image: Path, folder: Path) -> None:
    """The files of an image, as Rock Ridge names them, into the empty `folder`. The image is not trusted: sandbox.

    Raises Refused when it can't be read, Transient when there is no space.
    """
    size = image.stat().st_size
    refuse_without_space(folder, size, 0)
    limits = Limits(cpu_seconds=3600, wall_seconds=7200, memory_bytes=2 << 30, file_bytes=max(size, 1 << 20))
    command = ["osirrox", "-no_rc", "-indev", "/in/disc.iso", "-extract", "/", "/out"]
    outcome = sandbox.run(command, files={"disc.iso": image.resolve()}, writable=folder, limits=limits)
    if not outcome.ok or not any(folder.iterdir()):  # nothing readable on it is no error to xorriso
        said = " ".join(outcome.stderr.decode("utf-8", "replace").split()[-30:])
        raise Refused(f"无法读取光盘映像 {image}：{said}", f"the disc image {image} can't be read: {said}")


def refuse_without_space(folder: Path, needed: int, keep_free: int) -> None:
    """Raise Transient when an image of `needed` bytes would leave less than `keep_free` on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if free - needed - _OVERHEAD < keep_free:
        raise Transient(
            f"磁盘空间不足：制作光盘映像需 {needed >> 20} MiB，剩余 {free >> 20} MiB；请清理或扩容，系统会自动重试。",
            f"not enough disk space: the image needs {needed >> 20} MiB, {free >> 20} MiB are free; make room, it is "
            "tried again",
        )


def _run(arguments: Sequence[str], moment: datetime, progress: Progress) -> None:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": str(int(moment.timestamp())),
    }
    try:
        process = subprocess.Popen(
            ["xorriso", "-no_rc", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise Transient(
            "未安装 xorriso，请安装后重试。", "xorriso is not installed: install it, then try again"
        ) from error
    with process:
        lines = _follow(process, progress)
    if process.returncode != 0:
        said = " ".join(lines[-3:])
        raise Transient(f"xorriso 未能完成：{said}", f"xorriso failed: {said}")
    progress(1.0)


def _follow(process: subprocess.Popen[str], progress: Progress) -> list[str]:
    """Hand on the progress that xorriso tells; give back its last words of trouble."""
    lines: list[str] = []
    try:
        for line in process.stderr or ():
            if found := _PERCENT.search(line):
                progress(min(1.0, float(found[1]) / 100))
            elif "UPDATE" not in line and line.strip():
                lines = [*lines[-20:], line.strip()]
    except BaseException:  # the job was lost or the process is ending: nothing of this image counts
        process.kill()
        raise
    return lines
