"""Build the corpus into a folder: each source once, then each manipulation; what has not changed is kept."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pickle
import random
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from scripts.corpus_lib import blind, containers, copies, real, reencodes, series, sources, surgery
from scripts.corpus_lib.cameras import SOURCES
from scripts.corpus_lib.edits import Edit, Job, NotHere, Truth
from scripts.corpus_lib.media import Media, group_seconds
from scripts.corpus_lib.programs import Failed, Missing
from scripts.corpus_lib.sources import Source

EDITS: tuple[Edit, ...] = (*copies.EDITS, *surgery.EDITS, *reencodes.EDITS, *containers.EDITS)
_HERE = Path(__file__).parent
_RECORDING = ("coders", "media", "nal", "world", "mp4", "ts", "avi", "mkv")  # modules a source depends on
_QUICK_SECONDS = 12.0  # sources of the quick corpus are no longer than that


@dataclass(frozen=True, slots=True)
class Row:
    """One line of INDEX: a recording (or the files of one series) and the truth about it.

    `files`: relative to the corpus. `at`: seconds from the first picture. `group`: seconds of the longest group of
    pictures. `blind`: why it is undetectable from the file, "" otherwise. `skipped`: why it could not be made.
    """

    id: str
    source: str
    family: str
    truth: str
    files: tuple[str, ...]
    tool: str = ""
    at: tuple[tuple[float, float], ...] = ()
    group: float = 0.0
    seconds: float = 0.0
    blind: str = ""
    skipped: str = ""


def build(
    out: Path, *, seed: int = 1, quick: bool = False, only: Sequence[str] = (), footage: Path | None = None
) -> list[Row]:
    """Make what is missing, write INDEX.json and INDEX.csv, return the rows. `only`: names of sources."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = [_shortened(source) if quick else source for source in SOURCES if _wanted(source, quick, only)]
    if footage and not quick:
        chosen += [source for source in real.sources(footage) if _wanted(source, quick, only)]
    with ProcessPoolExecutor(2) as pool:
        problems = list(pool.map(partial(_record, out, seed), chosen))
        usable = [source for source, problem in zip(chosen, problems, strict=True) if not problem]
        tasks = [pool.submit(_edit_all, out, seed, source, usable, quick) for source in usable]
        others = [] if only else [pool.submit(series.make, out, seed, quick)]
        rows = [row for task in tasks for row in task.result()]
        rows += [row_of(row) for task in others for row in task.result()]
    named = {source.name: source for source in chosen}
    rows = [
        replace(row, blind=row.blind or blind.why(named[row.source], row.family)) if row.source in named else row
        for row in rows
    ]
    if footage and not quick and not only:
        rows += [row_of(row) for row in real.rows(footage)]
    for source, problem in zip(chosen, problems, strict=True):
        if problem:
            rows.append(Row(source.name, source.name, "genuine", "genuine", (), skipped=problem))
    write_index(out, rows)
    return rows


def _wanted(source: Source, quick: bool, only: Sequence[str]) -> bool:
    if only:
        return source.name in only
    return source.quick if quick else True


def _shortened(source: Source) -> Source:
    if source.late:
        return replace(source, seconds=_QUICK_SECONDS + 2, late=6.0)
    return replace(source, seconds=min(source.seconds, _QUICK_SECONDS))


def write_index(out: Path, rows: Iterable[Row]) -> None:
    listed = [asdict(row) for row in rows]
    (out / "INDEX.json").write_text(json.dumps(listed, ensure_ascii=False, indent=1), encoding="utf-8")
    with (out / "INDEX.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(Row.__dataclass_fields__), lineterminator="\n")
        writer.writeheader()
        for row in listed:
            flat = {"files": ";".join(row["files"]), "at": ";".join(f"{a:.3f}-{b:.3f}" for a, b in row["at"])}
            writer.writerow({**row, **flat})


def read_index(out: Path) -> list[Row]:
    return [row_of(row) for row in json.loads((out / "INDEX.json").read_text(encoding="utf-8"))]


def row_of(facts: dict[str, Any]) -> Row:
    """A row from plain JSON."""
    return Row(**{**facts, "files": tuple(facts["files"]), "at": tuple((a, b) for a, b in facts.get("at", ()))})


@cache
def _code(*modules: str) -> str:
    return _digest(*((_HERE / f"{module}.py").read_bytes() for module in modules))


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _source_key(source: Source, seed: int, take: int) -> str:
    return _digest(repr(source).encode(), f"{seed} {take}".encode(), _code(*_RECORDING).encode())


def _paths(out: Path, source: Source, take: int) -> tuple[Path, Path]:
    """(the file as the camera wrote it, its packets)."""
    if source.real and take == 0:
        return source.real, out / ".takes" / f"{source.name}-0.pickle"
    folder = out / source.name / "genuine" if take == 0 else out / ".takes" / f"{source.name}-{take}"
    return folder / source.file(take), out / ".takes" / f"{source.name}-{take}.pickle"


def take_of(out: Path, seed: int, source: Source, take: int) -> tuple[Media, Path]:
    """A recording of a source, from the cache or filmed now. Raises NotHere for another one of a real camera."""
    if source.real:
        if take:
            raise NotHere("a single recording of this camera")
        return real.media(source), source.real
    file, packets = _paths(out, source, take)
    key = _source_key(source, seed, take)
    stamp = packets.with_suffix(".key")
    if not (file.exists() and stamp.exists() and stamp.read_text() == key):
        with tempfile.TemporaryDirectory(prefix="liuhen-corpus-") as work:
            seconds = min(8.0, source.seconds) if take else None
            media = sources.record(
                replace(source, late=0.0) if take else source, seed, Path(work), take=take, seconds=seconds
            )
        shutil.rmtree(file.parent, ignore_errors=True)  # an older name may be there
        for path in (file, packets):
            path.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(sources.write(media, source.style))
        _dated(file, media)
        packets.write_bytes(pickle.dumps(media))
        stamp.write_text(key)
        return media, file
    return pickle.loads(packets.read_bytes()), file


def _dated(file: Path, media: Media) -> None:
    """The file time a camera leaves: that of its last picture."""
    moment = media.start.timestamp() + media.seconds
    os.utime(file, (moment, moment))


def _record(out: Path, seed: int, source: Source) -> str:
    """Film one source; "" or why that is not possible here."""
    try:
        take_of(out, seed, source, 0)
    except Missing as error:
        return str(error)
    return ""


def _edit_all(out: Path, seed: int, source: Source, usable: Sequence[Source], quick: bool) -> list[Row]:
    """The rows of one source: the genuine one, then each manipulation."""
    media, genuine = take_of(out, seed, source, 0)
    rows = [
        Row(
            source.name,
            source.name,
            "genuine",
            "genuine",
            (_relative(out, genuine),),
            seconds=media.seconds,
            group=group_seconds(media),
        )
    ]
    for edit in EDITS:
        if edit.quick or not (quick or source.long):
            rows += _edit_one(out, seed, source, usable, edit, media)
    return rows


def _relative(out: Path, path: Path) -> str:
    """Real files stay where they are and keep their absolute path."""
    return path.relative_to(out).as_posix() if path.is_relative_to(out) else str(path)


def _module(edit: Edit) -> str:
    return next(
        module.__name__ for module in (copies, surgery, reencodes, containers) if edit in module.EDITS
    ).rpartition(".")[2]


def _edit_one(out: Path, seed: int, source: Source, usable: Sequence[Source], edit: Edit, media: Media) -> list[Row]:
    """No row where the manipulation makes no sense, one with `skipped` where a program is missing or fails."""
    folder = out / source.name / edit.name
    key = _digest(_source_key(source, seed, 0).encode(), edit.name.encode(), _code(_module(edit), "edits").encode())
    stamp = folder / ".row.json"
    if stamp.exists():
        kept = json.loads(stamp.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return [row_of(row) for row in kept["rows"]]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = _made(out, seed, source, usable, edit, media, folder)
    if not any("not installed" in row.skipped for row in rows):
        stamp.write_text(json.dumps({"key": key, "rows": [asdict(row) for row in rows]}), encoding="utf-8")
    return rows


def _made(
    out: Path, seed: int, source: Source, usable: Sequence[Source], edit: Edit, media: Media, folder: Path
) -> list[Row]:
    name = f"{source.name}/{edit.name}"
    base: dict[str, Any] = {"id": name, "source": source.name, "family": edit.family, "truth": "manipulated"}
    with tempfile.TemporaryDirectory(prefix="liuhen-corpus-") as work:
        job = Job(
            source, _paths(out, source, 0)[0], folder / source.file(), media, partial(take_of, out, seed, source, 1),
            partial(_stranger, out, seed, source, usable), random.Random(f"{seed}{name}"), Path(work),
        )  # fmt: skip
        try:
            truth: Truth = edit.make(job)
        except NotHere:
            return []
        except Failed as error:
            return [Row(**base, files=(), skipped=str(error))]
    if not job.target.exists() or not job.target.stat().st_size:
        return [Row(**base, files=(), skipped="the program wrote nothing")]
    at = tuple((round(a, 4), round(b, 4)) for a, b in truth.at)
    return [
        Row(
            **base, files=(_relative(out, job.target),), tool=truth.tool, at=at, group=round(group_seconds(media), 4),
            seconds=round(media.seconds, 3), blind=truth.blind,
        )
    ]  # fmt: skip


def _stranger(out: Path, seed: int, source: Source, usable: Sequence[Source]) -> tuple[Media, Path]:
    """A recording of another camera that the same tools would join with this one."""
    own = take_of(out, seed, source, 0)[0]
    for other in usable:
        if other.name == source.name or other.long or type(other.style) is not type(source.style):
            continue
        media, path = take_of(out, seed, other, 0)
        if [track.codec for track in media.tracks] == [track.codec for track in own.tracks]:
            return media, path
    raise NotHere("no other camera with these codecs")


def half(source: str) -> str:
    """A: thresholds may be chosen on it; B: reported. By source, so that no camera is in both."""
    return "AB"[zlib.crc32(source.encode()) >> 3 & 1]


def say(text: str) -> None:
    print(text, file=sys.stderr)
