"""Checks the continuity of media files: paths in, report out. No server, no state."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.continuity.model import Picture
from pipeline.continuity.profile import Profile
from pipeline.continuity.report import FileReport, SeriesReport
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import judge, judge_series
from pipeline.reading import Begun, Progress, Readers
from storage.errors import NotFound, Refused
from storage.records import Verdict

_AT_ONCE = min(4, max(2, os.cpu_count() or 2))
# What lies beside recordings on a card or a disk and is none: left out when a folder is walked, never when named.
_BESIDE = re.compile(
    r"\.(txt|csv|tsv|md|json|ya?ml|xml|log|pem|crt|key|sig|note|proof|html?|pdf|docx?|xlsx?|db|ini|thm|lrv|srt|vtt|gpx|nmea|"
    r"sha256|md5|py|sh)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Report:
    """What `liuhen check` says; its JSON form is documented in docs/continuity.md and only ever added to."""

    files: tuple[FileReport, ...]
    series: tuple[SeriesReport, ...]

    @property
    def continuous(self) -> bool:
        """No violation, no suspicion, nothing unreadable."""
        verdicts = [each.verdict for each in self.files] + [each.verdict for each in self.series]
        return all(verdict is Verdict.CONTINUOUS for verdict in verdicts)

    def as_json(self) -> dict[str, Any]:
        return {
            "liuhen": version("liuhen"),
            "files": [each.as_json() for each in self.files],
            "series": [each.as_json() for each in self.series],
        }


def check_files(
    paths: Sequence[Path],
    *,
    names: Sequence[str] | None = None,
    thresholds: Thresholds | None = None,
    device: Profile | None = None,
    beside: Sequence[str] = (),
    progress: Progress | None = None,
    begun: Begun | None = None,
    trusted: Sequence[str] = (),
    deep: bool = False,
    deep_seconds: int | None = None,
) -> Report:
    """Read and judge each file, several at a time, then the series among them.

    `names`: what the files are called (default: the paths), for display and for finding the series: stored originals
    bear digests for names. `device`: the profile of the device they are said to come from. `beside`: names of further
    files that lay with these and are not checked. `trusted`: certificates (PEM) whose word on signing
    keys counts. `deep`: decode pictures and sound too, and read the burned-in clock, of each file for
    `deep_seconds` of processor time at most. `progress` and `begun`: see `pipeline.reading.Readers`. What is in a file
    never makes this fail; raises NotFound or Refused, before anything is read, when a file is absent or may not be
    opened.
    """
    shown = [_display(path) for path in paths] if names is None else list(names)
    limits = thresholds or Thresholds()
    sizes = [_size(path) for path in paths]

    def one(path: Path, name: str) -> tuple[Picture, FileReport]:
        picture, sha256 = readers.look(path, name)
        report = judge(replace(picture, anchors=tuple(trusted)), sha256, limits, device)
        return picture.settled(), report

    readers = Readers(sizes, progress, begun, deep=deep, deep_seconds=deep_seconds)
    with readers, ThreadPoolExecutor(_AT_ONCE) as threads:
        try:
            looked = list(threads.map(one, paths, shown))
        except BaseException:  # the user's Ctrl-C too: what is not begun is not waited for
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    pictures, reports = [picture for picture, _ in looked], [report for _, report in looked]
    return Report(tuple(reports), tuple(judge_series(pictures, reports, limits, beside)))


def walk(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths` and, in name order, those in its folders and theirs, without hidden and side files.

    Raises Refused where a folder may not be listed: what is in it would be left out in silence.
    """
    files: list[Path] = []
    for path in paths:
        files += _inside(path) if path.is_dir() else [path]
    return list(dict.fromkeys(files))


def _inside(folder: Path) -> list[Path]:
    found = [Path(here, name) for here, _, names in os.walk(folder, onerror=_unlisted) for name in names]
    files = (each for each in sorted(found) if each.is_file() and not each.is_symlink())
    return [each for each in files if _is_recording(each.relative_to(folder))]


def _unlisted(error: OSError) -> None:
    raise _refused(Path(error.filename), error) from error


def _is_recording(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and not _BESIDE.fullmatch(path.suffix)


def _display(path: Path) -> str:
    """The path as text that JSON and terminals can carry, whatever bytes are in it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _size(path: Path) -> int:
    try:
        if path.is_file():
            with path.open("rb") as file:
                return os.fstat(file.fileno()).st_size
    except OSError as error:
        raise _refused(path, error) from error
    raise NotFound(f"找不到文件：{_display(path)}", f"no such file: {_display(path)}")


def _refused(path: Path, error: OSError) -> Refused:
    shown = _display(path)
    return Refused(f"无法读取 {shown}：{error.strerror}", f"can't read {shown}: {error.strerror}")
