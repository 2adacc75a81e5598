#!/usr/bin/env python3
"""How fast `liuhen check` is beside the plain tools, on the same files, in the same run, taking turns.

    ./scripts/bench check [--rounds 5] [--minutes 12] [--lengths 1,10,60] [--many 2000] [--deep-minutes 2]

A 1080p H.264/AAC MP4 of about 12.5 Mbit/s (12 minutes: 1.1 GB): the whole check (packets, slice headers, boxes,
metadata, SHA-256; no decoding) against `sha256sum` and `ffprobe -show_packets`. Then the same for several lengths, a
folder of many short files, and decoding (--deep). Medians, ratios, peak memory of all processes together. The files
stay in build/bench-check for the next run.
"""

from __future__ import annotations

import argparse
import inspect
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from pipeline.check import check_files  # noqa: E402
from scripts.corpus_lib import sources  # noqa: E402
from scripts.corpus_lib.cameras import SOURCES  # noqa: E402
from scripts.corpus_lib.programs import Missing  # noqa: E402

_RATE = "12500k"
_MINUTE = 60
_CLI = [sys.executable, "-c", "from api.cli import main; main()", "check", "--json"]


def make_video(folder: Path, minutes: int) -> Path:
    """A noisy minute as a body camera films it, repeated by stream copy: time and size as of a long recording."""
    target, minute = folder / f"video-{minutes}min.mp4", folder / "minute.mp4"
    if target.exists():
        return target
    if not minute.exists():
        picture = ("-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25,noise=alls=14:allf=t")
        sound = ("-f", "lavfi", "-i", "anoisesrc=c=pink:r=48000:a=0.1:seed=1")
        coding = ("-c:v", "libx264", "-preset", "ultrafast", "-b:v", _RATE, "-maxrate", _RATE, "-bufsize", _RATE)
        rest = ("-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac", "-t", str(_MINUTE))
        run(["ffmpeg", "-v", "error", "-y", *picture, *sound, *coding, *rest, minute])
    part = target.with_suffix(".part.mp4")
    looped = ("-stream_loop", str(minutes), "-i", minute, "-c", "copy", "-t", str(minutes * _MINUTE))
    run(["ffmpeg", "-v", "error", "-y", *looped, part])
    part.rename(target)
    return target


def make_many(folder: Path, count: int) -> Path:
    """Recordings of two seconds of eight kinds of camera, each under `count` / 8 names with bytes of its own."""
    target = folder / f"many-{count}"
    if target.exists():
        return target
    part = target.with_name("many.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    kinds: list[tuple[str, bytes]] = []
    for source in SOURCES:
        if len(kinds) < 8 and not source.long and not source.late:
            try:
                with tempfile.TemporaryDirectory() as work:
                    media = sources.record(source, 1, Path(work), seconds=2.0)
                kinds.append((Path(source.file()).suffix, sources.write(media, source.style)))
            except Missing as error:
                print(f"left out: {error}", file=sys.stderr)
    for number in range(count):
        suffix, content = kinds[number % len(kinds)]
        (part / f"clip-{number:05d}-a{suffix}").write_bytes(content)
    part.rename(target)
    return target


def run(argv: Sequence[str | Path], accept: Sequence[int] = (0,)) -> float:
    """Seconds that a program takes; its output goes nowhere."""
    begun = time.perf_counter()
    code = subprocess.run(argv, stdout=subprocess.DEVNULL, check=False, cwd=ROOT).returncode
    spent = time.perf_counter() - begun
    if code not in accept:
        raise SystemExit(f"{argv[0]} ended with {code}")
    return spent


def commands(file: Path) -> dict[str, tuple[list[str | Path], tuple[int, ...]]]:
    return {
        "liuhen check": ([*_CLI, file], (0, 1)),
        "sha256sum": (["sha256sum", file], (0,)),
        "ffprobe -show_packets": (["ffprobe", "-v", "error", "-show_packets", file], (0,)),
    }


def side_by_side(file: Path, rounds: int) -> dict[str, float]:
    """Median seconds of each tool; the tools take turns, the file is in memory for all of them."""
    run(["cat", file])
    spent: dict[str, list[float]] = {name: [] for name in commands(file)}
    for _ in range(rounds):
        for name, (argv, accept) in commands(file).items():
            spent[name].append(run(argv, accept))
    return {name: statistics.median(each) for name, each in spent.items()}


def memory_of(argv: Sequence[str | Path]) -> float:
    """MiB that a program and its children hold at once, at most (proportional set sizes, 20 looks a second)."""
    program = subprocess.Popen(argv, stdout=subprocess.DEVNULL, cwd=ROOT)
    most, over = [0.0], threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            most[0] = max(most[0], sum(map(held, family_of(program.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    program.wait()
    over.set()
    watcher.join()
    return most[0] / 1024


def family_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def held(pid: int) -> int:
    """KiB, shared pages counted in part."""
    try:
        lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def print_lengths(folder: Path, minutes: Sequence[int], rounds: int) -> None:
    print("| length | size | liuhen check | sha256sum | ffprobe -show_packets | to sha256sum | to ffprobe | memory |")
    print("| --: | --: | --: | --: | --: | --: | --: | --: |")
    for each in minutes:
        file = make_video(folder, each)
        ours, sums, probe = side_by_side(file, rounds).values()
        peak = memory_of([*_CLI, file])
        print(
            f"| {each} min | {file.stat().st_size / 1e6:.0f} MB | {ours:.2f} s | {sums:.2f} s | {probe:.2f} s |"
            f" {ours / sums:.2f} × | {ours / probe:.2f} × | {peak:.0f} MiB |",
            flush=True,
        )


def print_many(folder: Path, count: int) -> None:
    many = make_many(folder, count)
    run(["sha256sum", *many.iterdir()])
    spent = run([*_CLI, many], (0, 1))
    peak = memory_of([*_CLI, many])
    print(f"\n{count} files of two seconds in one folder: {spent:.1f} s, {count / spent:.0f} files/s, {peak:.0f} MiB")


def print_deep(folder: Path, minutes: int) -> None:
    if "deep" not in inspect.signature(check_files).parameters:
        print("\n--deep: not in this version")
        return
    spent = run([*_CLI, "--deep", make_video(folder, minutes)], (0, 1))
    peak = memory_of([*_CLI, "--deep", make_video(folder, minutes)])
    print(f"\n--deep, {minutes} min of 1080p: {spent:.1f} s, {minutes * 60 / spent:.1f} × real time, {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=int, default=12, help="the recording that the goals name")
    parser.add_argument("--lengths", default="1,10,60", help="others, minutes with commas between")
    parser.add_argument("--many", type=int, default=2000)
    parser.add_argument("--deep-minutes", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "bench-check", help="where the files are kept")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    lengths = [given.minutes, *(int(each) for each in given.lengths.split(",") if each)]
    print_lengths(given.folder, lengths, given.rounds)
    if given.many:
        print_many(given.folder, given.many)
    if given.deep_minutes:
        print_deep(given.folder, given.deep_minutes)


if __name__ == "__main__":
    main()
