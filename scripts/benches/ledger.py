#!/usr/bin/env python3
"""The ledger's speed and memory, side by side with pymerkle where that can do the same.

    ./scripts/bench ledger [--quick] [--only PART …] [--rounds N] [--no-peer] [--keep DIR] [--plot FILE] [--json FILE]

Every part runs in a process of its own (scripts/bench_lib/ledger_parts.py). Appends go through the real database,
sequencer, tiles, guard and checkpoint, every one durable (fsync). The logs of 10,000, 100,000 and 1,000,000 entries
are grown by the same code in batches of 1,024; with --keep they stay in DIR and are used again. The parts are measured
in rounds, taking turns, and the best round counts: other work on the machine only ever slows. pymerkle (GPL) is
installed into an environment of its own and never loaded beside our code; its big tree is filled in one SQL
transaction, which is not timed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ROOT / "scripts" / "bench_lib" / "ledger_parts.py"
PEER = ROOT / "scripts" / "bench_lib" / "pymerkle_peer.py"
PEERS = ROOT / ".tools" / "pymerkle"
PYMERKLE = ("pymerkle==7.0.0", "cachetools==7.2.1")
NAMES = ("singles", "batches", "appends", "proofs", "audit", "digest")
BEST = {"singles": "rate", "batches": "rate", "proofs": "warm", "audit": "speed", "digest": "rate"}
"""Which figure says which round was best; higher is better."""
SIZES, QUICK = (10_000, 100_000, 1_000_000), (1_000, 10_000)

Figures = dict[str, float]


def measure(part: str, folder: Path, number: int) -> Figures:
    """One part in a fresh process."""
    done = subprocess.run([sys.executable, PARTS, part, folder, str(number)], check=True, stdout=subprocess.PIPE)
    return dict(json.loads(done.stdout))


def size_of(log: Path) -> int:
    """The entries of a log that was kept, from its checkpoint's second line; 0 when there is none."""
    file = log / "ledger" / "checkpoint"
    return int(file.read_text().split("\n")[1]) if file.exists() else 0


def grow(logs: Path, sizes: tuple[int, ...]) -> dict[int, Figures]:
    """The logs of these sizes, each begun as a copy of the one before. What is there already is used again."""
    made: dict[int, Figures] = {}
    for before, size in zip((0, *sizes), sizes, strict=False):
        log = logs / str(size)
        if size_of(log) < size:
            if before and not log.exists():
                shutil.copytree(logs / str(before), log)
            made[size] = measure("grow", log, size)
    return made


def best(part: str, rounds: list[Figures]) -> Figures:
    return max(rounds, key=lambda figures: figures[BEST[part]])


def quickest(rounds: list[Figures]) -> Figures:
    """Of the appends to one log: each cost at its lowest, memory at its highest."""
    low = {name: min(each[name] for each in rounds) for name in ("size", "single_ms", "batch_us")}
    return low | {"memory": max(each["memory"] for each in rounds)}


def ask_peer(folder: Path, entries: int) -> Figures:
    python = PEERS / "bin" / "python"
    if not (PEERS / ".ready").exists():
        own = ROOT / ".tools" / "bin" / "uv"
        uv = str(own) if own.exists() else "uv"
        subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", sys.executable, PEERS], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *PYMERKLE], check=True)
        (PEERS / ".ready").touch()
    place = folder / "pymerkle"
    place.mkdir()
    done = subprocess.run([python, PEER, place, str(entries)], check=True, stdout=subprocess.PIPE)
    shutil.rmtree(place)
    return dict(json.loads(done.stdout))


def plain_digests(file: Path) -> Figures:
    """GB/s of sha256sum and of plain hashlib on the same file, median of three."""
    code = "import hashlib,sys,time\nb=time.perf_counter()\nhashlib.file_digest(open(sys.argv[1],'rb'),'sha256')\n"
    code += "print(time.perf_counter()-b)"
    size = file.stat().st_size / 1e9
    hashlib_, coreutils = [], []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", code, file], check=True, stdout=subprocess.PIPE)
        hashlib_.append(float(done.stdout))
        timing = ["bash", "-c", 'TIMEFORMAT=%R; time sha256sum "$0" >/dev/null', file]
        coreutils.append(float(subprocess.run(timing, check=True, stderr=subprocess.PIPE).stderr))
    return {"hashlib": size / sorted(hashlib_)[1], "sha256sum": size / sorted(coreutils)[1]}


def line(what: str, ours: str, peer: str = "", goal: str = "") -> None:
    print(f"| {what} | {ours} | {peer} | {goal} |", flush=True)


def rate(figures: Figures, name: str) -> str:
    return f"{figures[name]:,.0f}/s" if name in figures else ""


def show_appends(found: dict[str, Figures], peer: Figures) -> None:
    if one := found.get("singles"):
        words = f"{rate(one, 'rate')} (median {one['median'] * 1000:.1f} ms, p99 {one['p99'] * 1000:.1f} ms)"
        line("durable appends, one at a time, 16 clients", words, rate(peer, "single"), "≥ 1,500/s")
    if many := found.get("batches"):
        words = f"{rate(many, 'rate')} (recording {rate(many, 'record')}, publishing {rate(many, 'publish')})"
        line("durable appends, batches of 1,024", words, rate(peer, "batch"), "≥ 20,000/s")


def show_proofs(found: dict[str, Figures], peer: Figures, size: int) -> None:
    if made := found.get("proofs"):
        words = f"{rate(made, 'warm')} (cold: first {made['first_ms']:.1f} ms, then {rate(made, 'cold')})"
        line(f"inclusion proofs at {size:,}", words, rate(peer, "proofs"), "≥ 10,000/s")
        line("their verification", rate(made, "verifications"), rate(peer, "verifications"), "≥ 10,000/s")
        line("whole receipts verified (signature, inclusion, entry)", rate(made, "receipts"))
        line("peak memory of that process", f"{made['memory']:.0f} MiB")
    if whole := found.get("audit"):
        words = f"{whole['seconds']:.1f} s ({whole['size'] / whole['seconds']:,.0f}/s), {whole['memory']:.0f} MiB"
        words += f" and {whole['each_child']:.0f} MiB for each process"
        other = f"root alone {peer['root']:.1f} s" if peer else ""
        line(f"full audit of {whole['size']:,}, cold", words, other, "≤ 60 s for 1,000,000")


def show_digests(found: dict[str, Figures]) -> None:
    if made := found.get("digest"):
        words = f"{made['rate']:.2f} GB/s"
        other = f"sha256sum {made['sha256sum']:.2f}, hashlib {made['hashlib']:.2f} (whole-file SHA-256 alone)"
        line("whole-file and chunk digests, in the page cache", words, other, "≥ 1.2 GB/s")


def show_growth(grown: list[Figures]) -> None:
    print("\n| entries | one append | an entry in a batch of 1,024 | peak memory |")
    print("| --: | --: | --: | --: |")
    for each in grown:
        figures = f"{each['single_ms']:.2f} ms | {each['batch_us']:.0f} µs | {each['memory']:.0f} MiB"
        print(f"| {each['size']:,} | {figures} |")


def plot(grown: list[Figures]) -> str:
    """An SVG of the table: flat lines are the point. Each curve is scaled to its own first point."""
    curves = (("single_ms", "one append (ms)"), ("batch_us", "in a batch (µs)"), ("memory", "peak memory (MiB)"))
    colours, width, height = ("#1f6feb", "#b45309", "#047857"), 780, 300
    across = [90 + position * 480 / max(len(grown) - 1, 1) for position in range(len(grown))]
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" '
        'font-size="12"><rect width="100%" height="100%" fill="#fff"/>',
        '<text x="16" y="22" font-size="14">Append cost and memory by size of the log, each relative to its first '
        "point (1× = flat)</text>",
    ]
    for times in (0, 1, 2):
        y = 250 - times * 90
        out.append(f'<path d="M90 {y}H570" stroke="#ddd"/><text x="56" y="{y + 4}">{times}×</text>')
    for x, each in zip(across, grown, strict=True):
        out.append(f'<text x="{x:.0f}" y="275" text-anchor="middle">{each["size"]:,}</text>')
    for row, (name, label) in enumerate(curves):
        points = [(x, 250 - 90 * min(each[name] / grown[0][name], 2.4)) for x, each in zip(across, grown, strict=True)]
        path = " ".join(f"{x:.0f},{y:.1f}" for x, y in points)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colours[row]}" stroke-width="2"/>')
        out += [f'<circle cx="{x:.0f}" cy="{y:.1f}" r="3" fill="{colours[row]}"/>' for x, y in points]
        last = f"{grown[-1][name]:.{1 if name == 'single_ms' else 0}f}"
        out.append(f'<text x="584" y="{70 + 22 * row}" fill="{colours[row]}">{label}: {last}</text>')
    return "\n".join([*out, "</svg>", ""])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="small sizes: a look, no figures to publish")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--rounds", type=int, default=3, help="the best one counts")
    parser.add_argument("--no-peer", action="store_true", help="without pymerkle")
    parser.add_argument("--keep", type=Path, help="a folder for the grown log, kept and used again")
    parser.add_argument("--mib", type=int, default=1536, help="size of the file that is hashed")
    parser.add_argument("--folder", type=Path, default=ROOT, help="a folder on the disk to be measured")
    parser.add_argument("--plot", type=Path, help="write the growth as SVG")
    parser.add_argument("--json", type=Path, help="write all figures")
    return parser.parse_args()


def run(given: argparse.Namespace, sizes: tuple[int, ...], place: Path) -> tuple[dict[str, Figures], list[Figures]]:
    """The best of each part, and the appends at each size."""
    logs, wanted = given.keep or place / "logs", set(given.only)
    logs.mkdir(exist_ok=True)
    if {"appends", "proofs", "audit"} & wanted:
        for size, figures in grow(logs, sizes).items():
            print(f"grown to {size:,}: {figures['rate']:,.0f}/s, {figures['memory']:.0f} MiB", file=sys.stderr)
    where = {"singles": place, "batches": place, "digest": place}
    count = dict.fromkeys(NAMES, sizes[-1]) | {"digest": 256 if given.quick else given.mib}
    found: dict[str, list[Figures]] = {name: [] for name in NAMES if name in wanted - {"appends"}}
    grown: dict[int, list[Figures]] = {size: [] for size in sizes if "appends" in wanted}
    for _ in range(given.rounds):
        for part, rounds in found.items():
            rounds.append(measure(part, where.get(part, logs / str(sizes[-1])), count[part]))
        for size, rounds in grown.items():
            rounds.append(measure("appends", logs / str(size), 0))
    if "digest" in wanted:
        found["digest"] = [best("digest", found["digest"]) | plain_digests(place / "large")]
    return {part: best(part, rounds) for part, rounds in found.items()}, [quickest(each) for each in grown.values()]


def main() -> None:
    given = arguments()
    sizes = QUICK if given.quick else SIZES
    print(f"load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix=".bench-") as folder:
        found, grown = run(given, sizes, Path(folder))
        asks = {"singles", "batches", "proofs"} & set(given.only) and not given.no_peer
        peer = ask_peer(Path(folder), sizes[-1]) if asks else {}
    print("| what | ours | pymerkle 7.0.0, or the plain tool | goal |\n| --- | --- | --- | --- |")
    show_appends(found, peer)
    show_proofs(found, peer, sizes[-1])
    show_digests(found)
    if grown:
        show_growth(grown)
    if given.plot and grown:
        given.plot.write_text(plot(grown), encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps({"parts": found, "growth": grown, "pymerkle": peer}, indent=2) + "\n")


if __name__ == "__main__":
    main()
