"""Recordings in several files and photo series: genuine, and with a file missing, swapped or altered."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.samples import make_footage
from scripts.corpus_lib import memos, mp4, sources, ts
from scripts.corpus_lib.cameras import x264
from scripts.corpus_lib.coders import Picture, Sound
from scripts.corpus_lib.media import Media, group_seconds, spliced
from scripts.corpus_lib.programs import Failed, ffmpeg, run
from scripts.corpus_lib.sources import Source, Style

Row = dict[str, Any]
_CLOSED = "keyint=25:min-keyint=25:bframes=0:weightp=0"
_NAMES = {
    "segments-body": "LH00077_{t:%Y%m%d%H%M%S}_{n:04d}.MP4",
    "segments-ts": "LH00078_{t:%Y%m%d%H%M%S}_{n:04d}.TS",
    "segments-chapters": "GH{n:02d}0123.MP4",
}
_SECONDS = 12


def make(out: Path, seed: int, quick: bool) -> list[Row]:
    """The rows of all series; files under OUT/series."""
    code = Path(__file__).read_bytes() + Path(memos.__file__).read_bytes()
    key = hashlib.sha256(code + f"{seed}{quick}".encode()).hexdigest()
    stamp = out / "series" / ".rows.json"
    if stamp.exists():
        kept = json.loads(stamp.read_text())
        if kept["key"] == key:
            rows: list[Row] = kept["rows"]
            return rows
    shutil.rmtree(out / "series", ignore_errors=True)
    (out / "series").mkdir(parents=True)
    rows = _segments(out, seed, quick) + _samples(out, seed) + ([] if quick else _footage(out, seed))
    stamp.write_text(json.dumps({"key": key, "rows": rows}))
    return rows


def _row(out: Path, source: str, name: str, family: str, files: list[Path], **more: Any) -> Row:
    truth = "genuine" if family.startswith("genuine") else "manipulated"
    listed = tuple(file.relative_to(out).as_posix() for file in files)
    return {"id": f"{source}/{name}", "source": source, "family": family, "truth": truth, "files": listed, **more}


_CAMERAS: dict[str, tuple[Picture, Sound, Style, bool]] = {
    "segments-body": (Picture(x264("veryfast", "main", "300k", _CLOSED)), Sound("aac"), mp4.Style(), False),
    "segments-ts": (Picture(x264("veryfast", "main", "300k", _CLOSED)), Sound("aac"), ts.Style(), False),
    "segments-chapters": (
        Picture(x264("veryfast", "high", "300k", _CLOSED), osd=False), Sound("aac"), mp4.Style(first=True), True,
    ),
}  # fmt: skip


def _segments(out: Path, seed: int, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for name, (picture, sound, style, one_date) in list(_CAMERAS.items())[: 1 if quick else None]:
        source = Source(
            name, "", 3.0 * _SECONDS, picture, sound, style, vui=False, tags={"mak": "Liuhen", "mod": "DSJ-X9"}
        )
        work = out / "series" / name / ".work"
        work.mkdir(parents=True)
        whole = sources.record(source, seed, work)
        foreign = sources.record(source, seed, work, take=1, seconds=_SECONDS)
        shutil.rmtree(work)
        rows += _of_camera(out, source, whole, foreign, one_date)
    return rows


def _pieces(whole: Media, one_date: bool) -> list[Media]:
    pieces = []
    for number in range(3):
        media, _ = spliced(whole, [(whole, number * _SECONDS, (number + 1) * _SECONDS)])
        later = timedelta(seconds=0 if one_date else number * _SECONDS)
        pieces.append(replace(media, start=whole.start + later))
    return pieces


def _of_camera(out: Path, source: Source, whole: Media, foreign: Media, one_date: bool) -> list[Row]:
    name, style = source.name, source.style
    names = [_NAMES[name].format(n=number, t=source.start + sources.LOCAL) for number in (1, 2, 3)]
    pieces = _pieces(whole, one_date)
    facts = {"group": group_seconds(whole), "seconds": 3.0 * _SECONDS}
    edge = [_SECONDS, 2 * _SECONDS]

    def lay(case: str, family: str, chosen: list[tuple[str, Media]], **more: Any) -> Row:
        folder = out / "series" / name / case
        folder.mkdir(parents=True)
        for file, media in chosen:
            (folder / file).write_bytes(sources.write(media, style))
        return _row(out, name, case, family, [folder / file for file, _ in chosen], tool="files", **{**facts, **more})

    together = list(zip(names, pieces, strict=True))
    strange = replace(foreign, start=pieces[1].start, serial="LH99999")
    rows = [
        lay("genuine", "genuine-series", together),
        lay("missing", "segment-missing", [together[0], together[2]], at=((edge[0], edge[1]),)),
        lay(
            "swapped",
            "segment-swapped",
            [together[0], (names[1], pieces[2]), (names[2], pieces[1])],
            at=((edge[0], edge[0]),),
        ),
        lay("renamed", "segment-renamed", [together[0], (names[1], pieces[2])], at=((edge[0], edge[1]),)),
        lay("foreign", "segment-foreign", [together[0], (names[1], strange), together[2]], at=((edge[0], edge[1]),)),
        lay("shortened", "segment-shortened", [(names[0], _shorter(pieces[0])), *together[1:]], at=((8.0, 12.0),)),
        lay("first-missing", "segment-first-missing", together[1:], at=((0, 0),)),
        lay("last-missing", "segment-last-missing", together[:2], blind="nothing says how many there were"),
    ]
    return [*rows, _segment_cut(out, name, names, together, facts)]


def _shorter(media: Media) -> Media:
    return spliced(media, [(media, 0, 8.0)])[0]


def _segment_cut(
    out: Path, name: str, names: list[str], together: list[tuple[str, Media]], facts: dict[str, float]
) -> Row:
    """The middle file cut by ffmpeg at a key picture."""
    folder, genuine = out / "series" / name / "tail-cut", out / "series" / name / "genuine"
    folder.mkdir()
    for file in (names[0], names[2]):
        shutil.copyfile(genuine / file, folder / file)
    ffmpeg("-i", genuine / names[1], "-t", "7", "-map", "0", "-c", "copy", folder / names[1])
    return _row(
        out,
        name,
        "tail-cut",
        "segment-shortened",
        [folder / file for file in names],
        tool="ffmpeg",
        at=((19.0, 24.0),),
        **facts,
    )


def _samples(out: Path, seed: int) -> list[Row]:
    """Photos of the project's own sample footage, and sound memos."""
    root = out / "series" / "stills"
    work = root / ".work"
    footage = make_footage(work, seed=seed, only={"audio", "photos"})
    rows: list[Row] = []
    makers = (
        _photos_genuine,
        _photo_missing,
        _photo_convert,
        _photo_ffmpeg,
        _photo_counter,
        _photo_redated,
        _photo_renumbered,
    )
    for maker in makers:
        rows += _try(out, "photos", maker, root, footage.photos)
    rows += memos.make(root / "memos", seed, footage.audio, partial(_row, out))
    shutil.rmtree(work)
    return rows


def _footage(out: Path, seed: int) -> list[Row]:
    """The project's own sample recording in three files, with its GPS track, and what the samples do to it."""
    root = out / "series" / "samples"
    footage = make_footage(root, seed=seed, only={"card", "missing", "cut", "foreign", "frozen"})
    return [
        _row(out, "samples", "card", "genuine-series", footage.segments, seconds=36.0, group=1.0),
        _row(
            out, "samples", "missing", "segment-missing", footage.missing, at=((12.0, 24.0),), group=1.0, tool="files"
        ),
        _row(out, "samples", "cut-open", "cut-open", [footage.cut_open], at=((4.0, 7.0),), group=1.0, tool="ffmpeg"),
        _row(
            out, "samples", "cut-closed", "cut-closed", [footage.cut_closed], at=((4.0, 4.0),), group=1.0, tool="ffmpeg"
        ),
        _row(
            out, "samples", "foreign", "insert-reencoded", [footage.foreign], at=((5.0, 6.0),), group=1.0, tool="ffmpeg"
        ),
        _row(out, "samples", "frozen", "freeze", [footage.frozen], at=((4.0, 7.0),), group=1.0, tool="ffmpeg"),
    ]


_Maker = Callable[[Path, list[Path]], tuple[str, dict[str, Any]]]


def _try(out: Path, source: str, maker: _Maker, root: Path, files: list[Path]) -> list[Row]:
    name = maker.__name__.strip("_").replace("_", "-")
    folder = root / name
    folder.mkdir(parents=True)
    for file in files:
        shutil.copy2(file, folder / file.name)
    try:
        family, more = maker(folder, sorted(folder.iterdir()))
    except Failed as error:
        return [_row(out, source, name, name, [], skipped=str(error))]
    return [_row(out, source, name, family, sorted(folder.iterdir()), **more)]


def _photos_genuine(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    return "genuine-series", {}


def _photo_missing(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    files[3].unlink()
    return "photo-missing", {"tool": "files"}


def _photo_convert(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    """Re-saved by ImageMagick after a change."""
    run(["convert", files[2], "-brightness-contrast", "10", files[2]])
    return "photo-resaved", {"tool": "imagemagick"}


def _photo_ffmpeg(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    """Re-encoded by ffmpeg, the EXIF data put back by exiftool: how one hides a change."""
    original = files[2].read_bytes()
    keep = folder.parent / "keep.jpg"
    keep.write_bytes(original)
    ffmpeg("-i", keep, "-q:v", "3", "-frames:v", "1", files[2])
    run(["exiftool", "-q", "-overwrite_original", "-tagsfromfile", keep, "-all:all", files[2]])
    keep.unlink()
    return "photo-resaved", {"tool": "ffmpeg + exiftool"}


def _photo_counter(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    """One photo taken out, the counters and names after it moved up."""
    files[3].unlink()
    for file in files[4:]:
        number = int(file.stem[-4:]) - 1
        moved = file.with_name(f"{file.stem[:-4]}{number:04d}{file.suffix}")
        file.rename(moved)
        run(["exiftool", "-q", "-overwrite_original", f"-EXIF:ImageNumber={number}", moved])
    return "photo-counter-rewritten", {"tool": "exiftool"}


def _photo_redated(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    run(["exiftool", "-q", "-overwrite_original", "-EXIF:DateTimeOriginal+=0:0:1 0", files[2]])
    return "photo-redated", {"tool": "exiftool"}


def _photo_renumbered(folder: Path, files: list[Path]) -> tuple[str, dict[str, Any]]:
    """One taken out, the names after it closed up, the counters left."""
    files[3].unlink()
    for file in files[4:]:
        file.rename(file.with_name(f"{file.stem[:-4]}{int(file.stem[-4:]) - 1:04d}{file.suffix}"))
    return "photo-missing", {"tool": "files"}
