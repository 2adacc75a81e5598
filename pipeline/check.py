"""Checks the continuity of media files: paths in, report out. No server, no state."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipeline.continuity.model import Picture
from pipeline.continuity.report import FileReport, SeriesReport
from pipeline.continuity.thresholds import Thresholds
from pipeline.continuity.verdict import judge, judge_series
from pipeline.media.picture import picture_of
from storage.errors import NotFound, Refused
from storage.records import Verdict

Progress = Callable[[float], None]

_PIECE = 1 << 20
_AT_ONCE = 2
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
    progress: Progress | None = None,
) -> Report:
    """Probe and judge each file, then the series among them; two files at a time.

    `names`: what the files are called (default: the paths), for display and for finding the series: stored originals
    bear digests for names. `progress` gets the share done, 0 to 1, from several threads but one at a time. What is
    in a file never makes this fail; raises NotFound or Refused when a file is absent or may not be read.
    """
    shown = [_display(path) for path in paths] if names is None else list(names)
    limits = thresholds or Thresholds()
    tally = _Tally([_size(path) for path in paths], progress)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        looked = list(pool.map(lambda each: _look(each[0], each[1], tally), zip(paths, shown, strict=True)))
    reports = [judge(picture, sha256, limits) for picture, sha256 in looked]
    series = judge_series([picture for picture, _ in looked], reports, limits)
    return Report(tuple(reports), tuple(series))


def walk(paths: Sequence[Path]) -> list[Path]:
    """The files among `paths` and, in name order, those in its folders and theirs, without hidden and side files."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (each for each in sorted(path.rglob("*")) if each.is_file() and not each.is_symlink())
            files += [each for each in inside if _is_recording(each.relative_to(path))]
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def _is_recording(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and not _BESIDE.fullmatch(path.suffix)


def _display(path: Path) -> str:
    """The path as text that JSON and terminals can carry, whatever bytes are in it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _size(path: Path) -> int:
    if not path.is_file():
        raise NotFound(f"找不到文件：{path}", f"no such file: {path}")
    return path.stat().st_size


def _look(path: Path, name: str, tally: _Tally) -> tuple[Picture, str]:
    """The picture and the SHA-256 of one file, made at the same time: one waits in a child, the other on the disk."""
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(_sha256, path, tally)
        try:
            picture = picture_of(path, name=name)
        except OSError as error:
            raise Refused(f"无法读取 {path}：{error.strerror}", f"can't read {path}: {error.strerror}") from error
        return picture, digest.result()


def _sha256(path: Path, tally: _Tally) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                tally.add(len(piece))
    except OSError as error:
        raise Refused(f"无法读取 {path}：{error.strerror}", f"can't read {path}: {error.strerror}") from error
    return digest.hexdigest()


class _Tally:
    """Counts bytes for the progress display; nothing where nobody listens."""

    def __init__(self, sizes: Sequence[int], progress: Progress | None) -> None:
        self._total = sum(sizes)
        self._done = 0
        self._progress = progress
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        if self._progress:
            with self._lock:
                self._done += count
                self._progress(min(1.0, self._done / max(1, self._total)))
