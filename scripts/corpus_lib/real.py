"""Files of real devices, where a folder of them with an INDEX.csv (file, truth, what …) is at hand.

They are rows as they are; the continuous movies among them are sources, which the corpus manipulates like its own.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av

from scripts.corpus_lib import mp4
from scripts.corpus_lib.coders import Picture, Sound, read
from scripts.corpus_lib.media import Media, Track
from scripts.corpus_lib.sources import Source

_FAMILIES = {"altered": "real-altered", "one gap": "photo-missing", "two re-saved": "photo-resaved"}
_MOVIES = {".mp4", ".mov", ".3gp"}
_START = datetime(2026, 11, 18, 1, 30, tzinfo=UTC)


def rows(folder: Path) -> list[dict[str, Any]]:
    """Rows with absolute paths: the files are never copied. Truth as their index has it."""
    index = folder / "INDEX.csv"
    if not index.exists():
        return [
            {
                "id": "real",
                "source": "real",
                "family": "real",
                "truth": "genuine",
                "files": (),
                "skipped": f"no {index}",
            }
        ]
    # the continuous movies are sources, which have rows of their own
    return [_row(folder, each) for each in _index(folder) if not _is_source(each)]


def _index(folder: Path) -> list[dict[str, str]]:
    with (folder / "INDEX.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _row(folder: Path, each: dict[str, str]) -> dict[str, Any]:
    files = sorted(str(path.resolve()) for path in folder.glob(each["file"])) or sorted(
        str(path.resolve()) for path in folder.glob(each["file"].replace(".jpg", ".JPG"))
    )
    name = f"real/{each['file']}"
    genuine = each["truth"] == "continuous"
    return {
        "id": name, "source": name, "family": "genuine-real" if genuine else _FAMILIES[each["truth"]],
        "truth": "genuine" if genuine else "manipulated", "files": tuple(files), "tool": "real",
        "skipped": "" if files else "not there",
    }  # fmt: skip


def _is_source(each: dict[str, str]) -> bool:
    return each["truth"] == "continuous" and Path(each["file"]).suffix.lower() in _MOVIES


def sources(folder: Path) -> list[Source]:
    """The continuous movies of the folder as cameras of the corpus."""
    if not (folder / "INDEX.csv").exists():
        return []
    return [_source((folder / each["file"]).resolve()) for each in _index(folder) if _is_source(each)]


def _source(file: Path) -> Source:
    with av.open(str(file)) as container:
        video = container.streams.video[0]
        seconds = float(container.duration or 0) / av.time_base
        size = (video.codec_context.width, video.codec_context.height)
        rate = round(float(video.average_rate or 25)) or 25
        heard = bool(container.streams.audio) and container.streams.audio[0].codec_context is not None
        codec = container.streams.audio[0].codec_context.name if heard else ""
    picture = Picture((), size, rate, osd=False)
    sound = Sound(codec) if heard else None
    # ffmpeg's MP4 writer refuses AMR with several frames a packet
    name = f"{file.stem}.mkv" if codec.startswith("amr") else file.name
    hard = "each group begins with an IDR picture without a number" if video.codec_context.name == "hevc" else ""
    return Source(f"real-{file.stem}", name, seconds, picture, sound, mp4.Style(), hard=hard, real=file)


def media(source: Source) -> Media:
    """Its coded packets."""
    assert source.real
    tracks: list[Track] = [read(source.real, "video")]
    if source.sound:
        tracks.append(read(source.real, "audio"))
    return Media(tuple(tracks), _START, source.name)
