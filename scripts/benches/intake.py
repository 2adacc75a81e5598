#!/usr/bin/env python3
"""Intake on this machine, over loopback HTTP, with a real server and the real station agent.

    ./scripts/bench intake [--part hand|large|cameras|small]… [--mib 1024] [--rounds 3] [--files 10000] [--folder DIR]

hand     one file of video of --mib, beside the plain tools that do the same by hand: cp, sync, sha256sum, ffprobe
large    one file of random bytes of 4 × --mib, beside cp + sync; how long after its last byte the receipt came
cameras  sixteen cards at once, beside one card with as many bytes
small    --files files of 1 MB on one card, each with its receipt

Ours in "hand" and "large": receive, hash, durable store, custody event, signed checkpoint, receipt fetched and
verified; the station's own reading of the card, which the tools by hand don't do, is shown apart. "cameras" and "small"
are whole dockings by `liuhen dock`, from its start to its end. Rounds alternate; medians are printed.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from bench_lib import cards  # noqa: E402

from ingest import manifest as manifests  # noqa: E402
from ingest import station  # noqa: E402
from ingest.agent import check_subject  # noqa: E402
from ingest.card import hash_card_file, list_card  # noqa: E402
from ingest.client import ServerClient  # noqa: E402
from storage.clock import iso, now  # noqa: E402
from storage.ledger.proof import verify_receipt  # noqa: E402
from tests.support.server import Launcher, Server, enrol  # noqa: E402

MINUTE = 60  # seconds of footage that are encoded; the rest of the file repeats them
CAMERAS = 16
NAME = "LH00012_20261120_0001.mp4"


@dataclass(frozen=True)
class Ours:
    """Seconds. `receipt`: from the last byte sent to the receipt in hand."""

    hashing: float
    intake: float
    receipt: float


def make_video(target: Path, size: int) -> None:
    """An MP4 of about `size` bytes as a body camera writes it: 1080p H.264 at 14 Mbit/s, AAC sound."""
    minute = target.with_name("minute.mp4")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=1920x1080:rate=25,noise=alls=12:allf=t"]
    sound = ["-f", "lavfi", "-i", "sine=440:sample_rate=48000"]
    coding = ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "14M", "-maxrate", "14M", "-bufsize", "14M"]
    rest = ["-pix_fmt", "yuv420p", "-c:a", "aac", "-t", str(MINUTE)]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *picture, *sound, *coding, *rest, minute], check=True)
    times = size // minute.stat().st_size
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-y",
            "-stream_loop",
            str(times),
            "-i",
            minute,
            "-c",
            "copy",
            "-fs",
            str(size),
            target,
        ],
        check=True,
    )
    minute.unlink()


def make_other(video: Path) -> None:
    """Append an MP4 `free` box with random bytes: another file, as valid and as large as before."""
    with video.open("ab") as file:
        file.write((8 + 16).to_bytes(4, "big") + b"free" + secrets.token_bytes(16))


def by_hand(video: Path, copy: Path) -> dict[str, float]:
    """Seconds of each tool."""
    steps: dict[str, Callable[[], object]] = {
        "cp": lambda: subprocess.run(["cp", video, copy], check=True),
        "sync": lambda: subprocess.run(["sync", "-f", copy], check=True),
        "sha256sum": lambda: subprocess.run(["sha256sum", copy], check=True, stdout=subprocess.DEVNULL),
        "ffprobe": lambda: subprocess.run(
            ["ffprobe", "-v", "error", "-show_packets", copy], check=True, stdout=subprocess.DEVNULL
        ),
    }
    spent = {}
    for name, step in steps.items():
        begun = time.perf_counter()
        step()
        spent[name] = time.perf_counter() - begun
    copy.unlink()
    return spent


def ours(server: Server, key: station.StationKey, card: Path) -> Ours:
    """Dock the card. The clock of the intake runs from the manifest's sending to the receipt's verification."""
    file = list_card(card).files[0]
    begun = time.perf_counter()
    digest = hash_card_file(file, lambda _: None)
    hashing = time.perf_counter() - begun
    line = {"path": file.path, "size": file.size, "modified": iso(file.modified)}
    content = manifests.encode(
        {
            "schema": manifests.SCHEMA,
            "station": key.station,
            "device": {"serial": "LH00012"},
            "time": iso(now()),
            "nonce": secrets.token_hex(16),
            "files": [{**line, "sha256": digest.sha256, "root": digest.root}],
        }
    )
    client = ServerClient(server.url)
    begun = time.perf_counter()
    docked = client.dock(content, manifests.sign(content, key.key))
    sent = [begun]

    def told(done: int) -> None:
        if done == file.size and len(sent) == 1:
            sent.append(time.perf_counter())

    receipt, _ = client.bring(file, docked.files[0], told)
    check_subject(verify_receipt(receipt, key.log), digest)
    ended = time.perf_counter()
    client.close()
    return Ours(hashing, ended - begun, ended - sent[-1])


def forget(folder: Path) -> None:
    """Let the kernel drop its copies of the kept files, so that each round finds the same free memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def peak_memory(pid: int) -> float:
    """MiB of resident memory at its highest (VmHWM)."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def report(size: int, hand: list[dict[str, float]], mine: list[Ours], memory: tuple[float, float]) -> None:
    mib = size / (1 << 20)
    parts = {name: statistics.median(each[name] for each in hand) for name in hand[0]}
    total = statistics.median(sum(each.values()) for each in hand)
    intake = statistics.median(each.intake for each in mine)
    hashing = statistics.median(each.hashing for each in mine)
    copied = statistics.median(each["cp"] + each["sync"] for each in hand)
    print(f"file                          {mib:8.0f} MiB, {len(mine)} rounds, medians")
    print(f"by hand, in all               {total:8.2f} s   {mib / total:6.0f} MiB/s")
    for name, spent in parts.items():
        print(f"   {name:27}{spent:8.2f} s")
    print(f"our intake                    {intake:8.2f} s   {mib / intake:6.0f} MiB/s")
    print(f"   (station's hashing before  {hashing:8.2f} s)")
    print(f"ratio  our intake / by hand   {intake / total:8.2f}     (below 1: ours is quicker)")
    print(f"speed  our intake / cp + sync {copied / intake:8.2f}     (1: as quick as cp + sync alone)")
    print(f"server memory at its peak     {memory[1]:8.0f} MiB ({memory[0]:.0f} before the first file)")


@dataclass(frozen=True)
class Place:
    """Where the bench works, and the server it works with."""

    folder: Path
    server: Server
    key_file: Path
    given: argparse.Namespace

    @property
    def key(self) -> station.StationKey:
        return station.load(self.key_file)

    @property
    def bytes(self) -> int:
        return int(self.given.mib) << 20


def hand_part(place: Place) -> None:
    card = place.folder / "card-hand"
    card.mkdir()
    make_video(card / NAME, place.bytes)
    before = peak_memory(place.server.pid)
    hand: list[dict[str, float]] = []
    mine: list[Ours] = []
    for _ in range(place.given.rounds):
        make_other(card / NAME)
        os.sync()
        hand.append(by_hand(card / NAME, place.folder / "copy.mp4"))
        os.sync()
        mine.append(ours(place.server, place.key, card))
        forget(place.folder / "data" / "blobs")
    report((card / NAME).stat().st_size, hand, mine, (before, peak_memory(place.server.pid)))
    shutil.rmtree(card)


def large_part(place: Place) -> None:
    copies: list[float] = []
    mine: list[Ours] = []
    for number in range(place.given.rounds):
        card = cards.make_card(place.folder / "card-large", f"LH{number:05d}", 1, 4 * place.bytes, "MP4")
        os.sync()
        begun = time.perf_counter()
        (file,) = card.iterdir()
        copy = place.folder / "copy"
        subprocess.run(["cp", file, copy], check=True)
        subprocess.run(["sync", "-f", copy], check=True)
        copies.append(time.perf_counter() - begun)
        copy.unlink()
        os.sync()
        mine.append(ours(place.server, place.key, card))
        forget(place.folder / "data" / "blobs")
        shutil.rmtree(card)
    size = 4 * place.bytes / 1e6
    copied, intake = statistics.median(copies), statistics.median(each.intake for each in mine)
    print(f"\none file of                   {size:8.0f} MB, {len(mine)} rounds, medians")
    print(f"cp + sync                     {copied:8.2f} s   {size / copied:6.0f} MB/s")
    print(f"our intake                    {intake:8.2f} s   {size / intake:6.0f} MB/s")
    print(f"speed  our intake / cp + sync {copied / intake:8.2f}     (1: as quick as cp + sync alone)")
    print(f"receipt after the last byte   {max(each.receipt for each in mine):8.2f} s   (the slowest)")


def cameras_part(place: Place) -> None:
    one: list[cards.Docked] = []
    many: list[cards.Docked] = []
    for number in range(place.given.rounds):
        for count, found in ((1, one), (CAMERAS, many)):
            size = 2 * place.bytes // count
            made = [
                cards.make_card(place.folder / f"cam-{camera}", f"LH{number}{camera:04d}", 1, size, "MP4")
                for camera in range(count)
            ]
            found.append(cards.dock(place.server, place.key_file, place.folder / "state", made))
            forget(place.folder / "data" / "blobs")
            for card in made:
                shutil.rmtree(card)
    alone, together = (statistics.median(each.rate for each in found) for found in (one, many))
    cores = max(each.cpu / each.seconds for each in many)
    print(f"\ncameras                       {2 * place.bytes / 1e6:8.0f} MB in all, {len(one)} rounds, medians")
    print(f"one camera                    {alone:8.0f} MB/s")
    print(f"{CAMERAS} cameras at once            {together:8.0f} MB/s")
    print(f"ratio  {CAMERAS} / one               {together / alone:8.2f}")
    print(f"agent: processor              {cores:8.2f} cores, memory {max(each.peak for each in many):.0f} MiB")


def small_part(place: Place) -> None:
    card = cards.make_card(place.folder / "card-small", "LH77777", place.given.files, 1_000_000, "JPG")
    before = cards.cpu_seconds(place.server.pid)
    found = cards.dock(place.server, place.key_file, place.folder / "state", [card])
    spent = cards.cpu_seconds(place.server.pid) - before
    shutil.rmtree(card)
    print(f"\nfiles of 1 MB                 {found.files:8.0f}")
    print(f"files with receipts           {found.files / found.seconds:8.0f} a second ({found.seconds:.1f} s)")
    print(f"agent: processor              {found.cpu / found.seconds:8.2f} cores, memory {found.peak:.0f} MiB")
    print(
        f"server: processor             {spent / found.files * 1e3:8.2f} ms a file ({spent / found.seconds:.2f} cores)"
    )


PARTS: dict[str, Callable[[Place], None]] = {
    "hand": hand_part,
    "large": large_part,
    "cameras": cameras_part,
    "small": small_part,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="only this part (again for more); else all")
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, default=ROOT, help="a folder on the disk to be measured")
    given = parser.parse_args()
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")  # as the service runs (docs/operations.md)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder, prefix=".bench-")))
        key_file = enrol(folder / "data", folder)
        launcher = stack.enter_context(Launcher())
        server = stack.enter_context(launcher.server(folder / "data", min_free=0))
        for part in given.part or PARTS:
            PARTS[part](Place(folder, server, key_file, given))
        print(f"\nserver memory at its peak, in all {peak_memory(server.pid):8.0f} MiB")


if __name__ == "__main__":
    main()
