#!/usr/bin/env python3
"""How well `liuhen check` tells genuine recordings from manipulated ones, and other tools on the same files.

    ./scripts/bench continuity [--quick] [--deep] [--corpus DIR] [--footage DIR] [--json FILE] [--no-peers]

Prints, as Markdown: for each class of manipulation how many were found as a violation, as a suspicion or missed,
how many were located, and how far off; the false alarms on genuine files; the same for `ffmpeg -v error`, for gaps in
`ffprobe -show_packets` and for PySceneDetect. Twice: half A of the cameras is for choosing thresholds, half B for the
report. Then every miss and every false alarm by file. FILE gets all of it as JSON.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from pipeline.check import check_files  # noqa: E402
from scripts.corpus_lib.build import Row, build, half  # noqa: E402

PEERS = ROOT / ".tools" / "peers"
SCENEDETECT = ("scenedetect==0.7.2", "opencv-python-headless==5.0.0.93")
LOCATED = {  # families whose every member must be a violation located within one group of pictures
    "cut-open", "cut-closed", "cut-mkvmerge", "group-removed", "join-same-camera", "join-two-cameras",
    "insert-copy", "reorder", "surgery-cut",
    "surgery-group-removed", "surgery-gap-left", "surgery-join", "surgery-insert", "surgery-reorder",
    "segment-missing",
}  # fmt: skip
DEEP_WITHIN = 0.5  # seconds: re-encoded cuts, in --deep
TIMED = {"reencode-cut", "disguised-cut", "insert-reencoded", "freeze", "blank"}  # located within DEEP_WITHIN by --deep


@dataclass(frozen=True)
class Mark:
    """What a tool says of a row: severity (violation, suspicion), code, where (seconds from the first picture)."""

    severity: str
    code: str
    start: float | None = None
    end: float | None = None
    text: str = ""


@dataclass
class Result:
    row: Row
    marks: list[Mark] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def level(self) -> str:
        severities = {mark.severity for mark in self.marks}
        return next((each for each in ("violation", "suspicion") if each in severities), "missed")

    def error(self, severities: Sequence[str] = ("violation", "suspicion")) -> float | None:
        """Seconds from the true place to the nearest place named; None where nothing is named or nothing is to be."""
        ends = [edge for span in self.row.at for edge in span]
        named = [edge for m in self.marks if m.severity in severities for edge in (m.start, m.end) if edge is not None]
        return min((abs(a - b) for a in ends for b in named), default=None)

    @property
    def located(self) -> bool:
        """A violation within one group of pictures of the truth."""
        error = self.error(("violation",))
        return error is not None and error <= max(self.row.group, 0.1) + 0.05


Tool = Callable[[Sequence[Row], Path], list[Result]]


def files_of(row: Row, corpus: Path) -> list[Path]:
    return [corpus / file for file in row.files]  # absolute ones (real files) stay as they are


def liuhen(deep: bool) -> Tool:
    options: dict[str, Any] = {"deep": True} if deep else {}
    if deep and "deep" not in inspect.signature(check_files).parameters:
        raise SystemExit("check_files has no --deep in this version")

    def one(row: Row, corpus: Path) -> Result:
        begun = time.perf_counter()
        report = check_files(files_of(row, corpus), **options).as_json()
        return Result(row, list(marks_of(report)), time.perf_counter() - begun)

    return lambda rows, corpus: each_row(lambda row: one(row, corpus), rows)


def each_row(one: Callable[[Row], Result], rows: Sequence[Row]) -> list[Result]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(one, rows))


def marks_of(report: dict[str, Any]) -> Iterable[Mark]:
    """The findings of one row. In a series only its own findings are placed: they count from the first file."""
    series = bool(report["series"])
    for file in report["files"]:
        zero = first_picture(file)
        for finding in file["findings"]:
            yield from mark(finding, zero, placed=not series)
    for each in report["series"]:
        for finding in each["findings"]:
            yield from mark(finding, 0.0, placed=True)


def first_picture(file: dict[str, Any]) -> float:
    """Where the file's own clock stands at the first picture: streams begin anywhere."""
    starts = [
        stream["start"]
        for stream in file["media"]["streams"]
        if stream["kind"] == "video" and stream["start"] is not None
    ]
    return min(starts, default=0.0)


def mark(finding: dict[str, Any], zero: float, *, placed: bool) -> Iterable[Mark]:
    if finding["severity"] == "note":
        return
    start, end = (None if finding[key] is None or not placed else finding[key] - zero for key in ("start", "end"))
    yield Mark(finding["severity"], finding["code"], start, end, finding["en"])


def ffmpeg_errors(row: Row, corpus: Path) -> Result:
    """Any word of `ffmpeg -v error -f null -` is a finding; it says nowhere where."""
    marks = []
    for file in files_of(row, corpus):
        argv: list[str | Path] = ["ffmpeg", "-nostdin", "-v", "error", "-i", file, "-f", "null", "-"]
        said = subprocess.run(argv, capture_output=True, check=False).stderr.decode(errors="replace").strip()
        if said:
            marks.append(Mark("suspicion", "ffmpeg", text=said.splitlines()[0][:120]))
    return Result(row, marks)


def ffprobe_gaps(row: Row, corpus: Path) -> Result:
    """Packets of one stream more than 2.5 usual intervals (and 0.1 s) apart, or times that run back."""
    marks = []
    for file in files_of(row, corpus):
        argv: list[str | Path] = [
            "ffprobe",
            "-v",
            "error",
            "-show_entries",
            "packet=stream_index,pts_time",
            "-of",
            "csv=p=0",
            file,
        ]
        times: dict[str, list[float]] = defaultdict(list)
        for line in subprocess.run(argv, capture_output=True, check=False, text=True).stdout.splitlines():
            parts = line.split(",")
            if len(parts) > 1 and parts[1] not in ("", "N/A"):
                times[parts[0]].append(float(parts[1]))
        zero = min((min(each) for each in times.values()), default=0.0)
        for moments in times.values():
            moments.sort()
            steps = [b - a for a, b in pairwise(moments)]
            usual = statistics.median(steps) if steps else 0.0
            wide = [a - zero for a, b in pairwise(moments) if b - a > max(0.1, 2.5 * usual)]
            marks += [Mark("violation", "gap", at, at) for at in wide]
    return Result(row, marks if len(row.files) == 1 else [Mark(m.severity, m.code) for m in marks])


_DETECT = """
import json, sys
from scenedetect import ContentDetector, detect
for line in sys.stdin:
    path = line.strip()
    try:
        scenes = detect(path, ContentDetector())
        print(json.dumps([scene[0].get_seconds() for scene in scenes[1:]]), flush=True)
    except Exception as error:
        print(json.dumps([]), flush=True)
"""


def provide_scenedetect() -> Path:
    """PySceneDetect in an environment of its own."""
    python = PEERS / "bin" / "python"
    uv = next((str(p) for p in (ROOT / ".tools" / "bin" / "uv",) if p.exists()), "uv")
    if not (PEERS / ".ready").exists():
        subprocess.run([uv, "venv", "-q", "--allow-existing", PEERS], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *SCENEDETECT], check=True)
        (PEERS / ".ready").touch()
    return python


def scenedetect(rows: Sequence[Row], corpus: Path) -> list[Result]:
    """Every cut that PySceneDetect's ContentDetector sees, with its defaults."""
    python = provide_scenedetect()

    def part(share: Sequence[Row]) -> list[Result]:
        quiet = {**os.environ, "OPENCV_LOG_LEVEL": "OFF", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
        program = subprocess.Popen(
            [python, "-c", _DETECT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=quiet,
        )
        assert program.stdin and program.stdout
        results = []
        for row in share:
            marks = []
            for file in files_of(row, corpus):
                program.stdin.write(f"{file}\n")
                program.stdin.flush()
                single = len(row.files) == 1
                for at in json.loads(program.stdout.readline() or "[]"):
                    marks.append(Mark("suspicion", "cut", at if single else None, at if single else None))
            results.append(Result(row, marks))
        program.stdin.close()
        program.wait()
        return results

    return part(rows)


def kept(name: str, tool: Tool, rows: Sequence[Row], corpus: Path) -> list[Result]:
    """A peer's answers, remembered beside the corpus for files that have not changed."""
    memory = corpus / f".peer-{name}.json"
    known = json.loads(memory.read_text()) if memory.exists() else {}
    stamps = [stamp(row, corpus) for row in rows]
    fresh = [row for row, key in zip(rows, stamps, strict=True) if key not in known]
    for result in tool(fresh, corpus):
        known[stamp(result.row, corpus)] = [asdict(mark) for mark in result.marks]
    memory.write_text(json.dumps(known))
    return [Result(row, [Mark(**mark) for mark in known[key]]) for row, key in zip(rows, stamps, strict=True)]


def stamp(row: Row, corpus: Path) -> str:
    facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files_of(row, corpus)]
    return json.dumps([row.id, *facts])


PEER_NAMES = ("ffmpeg -v error", "ffprobe gaps", "PySceneDetect")


def tables(everything: dict[str, list[Result]]) -> None:
    """For each half: false alarms of every tool, then each class of manipulation, ours in full and theirs beside it."""
    for which, title in (("A", "Half A (thresholds may be chosen on it)"), ("B", "Half B (reported)")):
        part = {name: [r for r in results if half(r.row.source) == which] for name, results in everything.items()}
        print(f"\n### {title}\n")
        for name, results in part.items():
            print(alarms(name, [result for result in results if result.row.truth == "genuine"]))
        print()
        families({name: [r for r in results if r.row.truth != "genuine"] for name, results in part.items()})


def alarms(name: str, results: Sequence[Result]) -> str:
    files = sum(len(result.row.files) for result in results)
    hours = sum(result.row.seconds for result in results) / 3600
    levels = [result.level for result in results]
    false = sum(len(result.marks) for result in results)
    return (
        f"- genuine, {name}: {levels.count('violation')} violations, {levels.count('suspicion')} suspicions on "
        f"{len(results)} recordings ({files} files, {hours:.2f} h); {false} false findings,"
        f" {false / max(files, 1):.2f} per file, {false / hours if hours else 0:.1f} per hour"
    )


def families(part: dict[str, list[Result]]) -> None:
    peers = list(part)[1:]
    ours = ("manipulation", "n", "violation", "suspicion", "missed", "located", "error, median s", "max s")
    print(f"| {' | '.join((*ours, *peers))} |")
    print("| --- |" + " --: |" * (7 + len(peers)))
    names = sorted({family(result) for result in part["liuhen"]})
    for name in names:
        print(line(name, {tool: [r for r in results if family(r) == name] for tool, results in part.items()}))
    print(line("**not blind**", {tool: [r for r in results if not r.row.blind] for tool, results in part.items()}))


def family(result: Result) -> str:
    return result.row.family + (" (blind)" if result.row.blind else "")


def line(name: str, part: dict[str, list[Result]]) -> str:
    results = part["liuhen"]
    levels = [result.level for result in results]
    placed = [result for result in results if result.row.at]
    errors = [error for result in placed if (error := result.error()) is not None]
    located = f"{sum(result.located for result in placed)}/{len(placed)}" if placed else ""
    shown = (f"{statistics.median(errors):.2f}", f"{max(errors):.2f}") if errors else ("", "")
    counts = [str(levels.count(level)) for level in ("violation", "suspicion", "missed")]
    cells = [name, str(len(results)), *counts, located, *shown, *(found(each) for each in list(part.values())[1:])]
    return f"| {' | '.join(cells)} |"


def found(results: Sequence[Result]) -> str:
    """How many a peer found at all."""
    return str(sum(result.level != "missed" for result in results))


def goals(results: Sequence[Result], deep: bool) -> None:
    """The figures that issue and documentation promise, over both halves."""
    genuine = [result for result in results if result.row.truth == "genuine"]
    altered = [result for result in results if result.row.truth != "genuine" and not result.row.blind]
    wanted = [result for result in altered if result.row.family in LOCATED]
    found = sum(result.level != "missed" for result in altered)
    print("\n### Goals, both halves\n")
    print(f"- genuine with a violation: {sum(r.level == 'violation' for r in genuine)} of {len(genuine)} (goal 0)")
    print(f"- genuine with a suspicion: {sum(r.level == 'suspicion' for r in genuine)} of {len(genuine)} (goal ≤ 1 %)")
    print(
        f"- manipulated, not blind, at least a suspicion: {found} of {len(altered)} = {share(found, len(altered))}"
        " (goal ≥ 99 %)"
    )
    located = sum(result.located for result in wanted)
    print(
        f"- cut, join, insertion, missing segment: a violation within one group of pictures: {located} of {len(wanted)}"
        f" = {share(located, len(wanted))} (goal: all)"
    )
    if deep:
        timed = [result for result in altered if result.row.family in TIMED]
        near = sum((result.error() or 0 if result.error() is not None else 1e9) <= DEEP_WITHIN for result in timed)
        print(
            f"- re-encoded with an edit, located within {DEEP_WITHIN} s: {near} of {len(timed)}"
            f" = {share(near, len(timed))} (goal: all cuts)"
        )


def share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def failures(results: Sequence[Result]) -> None:
    print("\n### False alarms\n")
    for result in results:
        if result.row.truth == "genuine" and result.marks:
            print(f"- {result.row.id}: {said(result)}")
    print("\n### Missed\n")
    for result in results:
        if result.row.truth != "genuine" and result.level == "missed":
            print(f"- {result.row.id}{' (blind: ' + result.row.blind + ')' if result.row.blind else ''}")
    print("\n### Found, but not as a violation in its place\n")
    for result in results:
        if result.row.family in LOCATED and not result.row.blind and result.level != "missed" and not result.located:
            print(f"- {result.row.id} at {[round(a, 2) for a, _ in result.row.at]}: {said(result)}")


def said(result: Result) -> str:
    shown = [f"{m.severity} {m.code}" + ("" if m.start is None else f" {m.start:.2f}") for m in result.marks]
    return ", ".join(shown[:5]) + (f" and {len(shown) - 5} more" if len(shown) > 5 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="the small corpus")
    parser.add_argument("--deep", action="store_true", help="decode, too")
    parser.add_argument("--corpus", type=Path, help="where the corpus is or shall be (build/corpus)")
    parser.add_argument("--footage", type=Path, help="a folder of real files with INDEX.csv")
    parser.add_argument("--json", type=Path, help="write everything as JSON")
    parser.add_argument("--no-peers", action="store_true", help="our own check only")
    parser.add_argument("--source", action="append", default=[], help="these sources only")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="of each class every n-th only; genuine ones all")
    given = parser.parse_args()
    corpus = (given.corpus or ROOT / "build" / ("corpus-quick" if given.quick else "corpus")).resolve()
    built = build(corpus, seed=given.seed, quick=given.quick, only=given.source, footage=given.footage)
    rows = thinned([row for row in built if row.files], given.every)
    begun = time.perf_counter()
    ours = liuhen(given.deep)(rows, corpus)
    print(f"# {len(rows)} recordings checked in {time.perf_counter() - begun:.0f} s{' --deep' if given.deep else ''}")
    everything = {"liuhen": ours}
    if not given.no_peers:
        peers: tuple[Tool, ...] = (
            lambda r, c: each_row(lambda row: ffmpeg_errors(row, c), r),
            lambda r, c: each_row(lambda row: ffprobe_gaps(row, c), r),
            scenedetect,
        )
        for name, tool in zip(PEER_NAMES, peers, strict=True):
            everything[name] = kept(name.split()[0].lower(), tool, rows, corpus)
    tables(everything)
    goals(ours, given.deep)
    failures(ours)
    print("\n### Not made\n")
    for row in built:
        if row.skipped:
            print(f"- {row.id}: {row.skipped}")
    target = given.json or corpus / f"results{'-deep' if given.deep else ''}.json"
    target.write_text(json.dumps({name: [as_json(r) for r in each] for name, each in everything.items()}, indent=1))
    print(f"\n{target}")


def thinned(rows: Sequence[Row], every: int) -> list[Row]:
    """All genuine rows, and of each class of manipulation every n-th, beginning with the first."""
    seen: dict[str, int] = defaultdict(int)
    kept_rows = []
    for row in rows:
        if row.truth == "genuine" or seen[row.family] % every == 0:
            kept_rows.append(row)
        seen[row.family] += 1
    return kept_rows


def as_json(result: Result) -> dict[str, Any]:
    return {
        "id": result.row.id, "family": result.row.family, "half": half(result.row.source), "truth": result.row.truth,
        "blind": result.row.blind, "at": result.row.at, "level": result.level, "located": result.located,
        "error": result.error(), "seconds": round(result.seconds, 3), "marks": [asdict(mark) for mark in result.marks],
        "files": result.row.files,
    }  # fmt: skip


if __name__ == "__main__":
    main()
