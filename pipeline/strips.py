"""Film strips for a check report: which pictures to show beside which finding, and getting them. Bounded in number.

Around a finding in a file: pictures before its start and from its end on. Around one between files: the last of the one
and the first of the other. Of each recording: a few over its length.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from pipeline.media.stills import Moment, Still, stills

Json = Mapping[str, Any]

_AROUND = (1.0, 0.5)  # seconds before and after, beside the nearest picture
_OVER = 6  # pictures over the length of a recording
_MOST_FINDINGS = 15  # of one file, the gravest first
_MOST_PICTURES = 1500  # of one report: about 8 MB of page
_GRAVITY = ("violation", "suspicion", "note")
_LAST = 10  # rank of what only gives a view
_FAR = 0.02  # seconds: nearer ones are the same picture


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture in a strip. `after`: it follows what was found. `file`: place of its file in the report."""

    file: int
    at: float
    after: bool
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Strips:
    """`over`: by place of the file. `files`, `series`: by place of the file or series and of the finding in it."""

    over: Mapping[int, Sequence[Frame]]
    files: Mapping[tuple[int, int], Sequence[Frame]]
    series: Mapping[tuple[int, int], Sequence[Frame]]


@dataclass(frozen=True, slots=True)
class _Wish:
    kind: str
    place: tuple[int, int]
    file: int
    moment: Moment
    after: bool
    rank: int = 0  # the lower the sooner, where there are too many


def collect(
    report: Json,
    paths: Sequence[Path],
    tell: Callable[[float], None] = lambda share: None,
    *,
    most: int = _MOST_PICTURES,
    over: bool = True,
) -> Strips:
    """The strips of a report (as `liuhen check --json` prints it) on the files at `paths`, in its order.

    `tell` gets the share done, 0 to 1. `most`: so many pictures, of the gravest findings. `over`: give a view over each
    file too. What can't be decoded is left out.
    """
    wishes = sorted([*_series(report), *_files(report)], key=lambda wish: wish.rank)
    wishes = [wish for wish in wishes if over or wish.kind != "over"][:most]
    own: dict[int, list[_Wish]] = defaultdict(list)
    for wish in wishes:
        own[wish.file].append(wish)
    done: list[int] = []

    def look(file: int) -> list[tuple[_Wish, Still | None]]:
        found = stills(paths[file], [wish.moment for wish in own[file]])
        done.append(file)
        tell(len(done) / len(own))
        return list(zip(own[file], found, strict=True))

    with ThreadPoolExecutor(2) as threads:
        return _arranged([pair for of_file in threads.map(look, own) for pair in of_file])


def _arranged(pairs: Sequence[tuple[_Wish, Still | None]]) -> Strips:
    parts: dict[str, dict[tuple[int, int], list[Frame]]] = {"over": {}, "files": {}, "series": {}}
    for wish, still in pairs:
        strip = parts[wish.kind].setdefault(wish.place, [])
        if still and not any(each.file == wish.file and abs(each.at - still.at) < _FAR for each in strip):
            strip.append(Frame(wish.file, still.at, wish.after, still.jpeg))
    for strips in parts.values():
        for strip in strips.values():
            strip.sort(key=lambda frame: (frame.after, frame.at))
    over = {file: strip for (file, _), strip in parts["over"].items()}
    return Strips(over, parts["files"], parts["series"])


def _files(report: Json) -> Iterator[_Wish]:
    for file, found in enumerate(report["files"]):
        if found["verdict"] == "unreadable":
            continue
        if found["media"]["kind"] == "photos":
            yield _Wish("over", (file, 0), file, Moment("photo"), False, _LAST)
        elif (span := _shown(found)) is not None:
            yield from _over(file, *span, _LAST if found["verdict"] == "continuous" else _LAST - 1)
            ranked = sorted(enumerate(found["findings"]), key=lambda each: _GRAVITY.index(each[1]["severity"]))
            located = [number for number, finding in ranked if finding["start"] is not None]
            for number in located[:_MOST_FINDINGS]:
                yield from _around(file, number, found["findings"][number])


def _shown(file: Json) -> tuple[float, float] | None:
    """Start and end of what the file shows, in seconds of its timeline; None where it shows nothing in time."""
    spans = [(each["start"], each["end"]) for each in file["media"]["streams"] if each["kind"] == "video"]
    known = [(start, end) for start, end in spans if start is not None and end is not None and end > start]
    return max(known, key=lambda span: span[1] - span[0], default=None)


def _over(file: int, start: float, end: float, rank: int) -> Iterator[_Wish]:
    for number in range(_OVER):
        at = start + (end - start) * number / _OVER
        yield _Wish("over", (file, 0), file, Moment("at", at), False, rank)


def _around(file: int, number: int, finding: Json) -> Iterator[_Wish]:
    place, start, rank = (file, number), finding["start"], _GRAVITY.index(finding["severity"])
    end = start if finding["end"] is None else finding["end"]
    for away in (0.0, *_AROUND):
        yield _Wish("files", place, file, Moment("before", start - away), False, rank)
        yield _Wish("files", place, file, Moment("at", end + away), True, rank)


def _series(report: Json) -> Iterator[_Wish]:
    for place, series in enumerate(report["series"]):
        for number, finding in enumerate(series["findings"][:_MOST_FINDINGS]):
            before, after = (_named(report, series, finding["evidence"].get(name)) for name in ("before", "after"))
            if before is not None and after is not None:
                yield from _at_edge(report, (place, number), before, last=True)
                yield from _at_edge(report, (place, number), after, last=False)


def _at_edge(report: Json, place: tuple[int, int], file: int, *, last: bool) -> Iterator[_Wish]:
    found = report["files"][file]
    if found["media"]["kind"] == "photos":
        yield _Wish("series", place, file, Moment("photo"), not last)
    elif (span := _shown(found)) is not None:
        for away in (0.0, *_AROUND):
            moment = Moment("before", span[1] + 0.001 - away) if last else Moment("at", span[0] + away)
            yield _Wish("series", place, file, moment, not last)


def _named(report: Json, series: Json, name: Any) -> int | None:
    """The place in the report of the file of that series that evidence names, by its path or its name alone."""
    for place, file in enumerate(report["files"]):
        if file["path"] in series["files"] and name in (file["path"], PurePath(file["path"]).name):
            return place
    return None
