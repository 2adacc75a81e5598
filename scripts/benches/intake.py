#!/usr/bin/env python3
"""Our intake of one large file against the plain tools that do the same by hand, on the same disk, in the same run.

    ./scripts/bench intake [--mib 1024] [--rounds 3] [--folder DIR]

Ours: docking over loopback HTTP to a real server (receive, hash, durable store, custody event, signed checkpoint,
receipt fetched and verified). By hand: `cp`, `sync`, `sha256sum`, `ffprobe -show_packets`. The rounds alternate; the
medians, their ratio and the server's peak memory are printed. The station's own reading and hashing of the card, which
the tools by hand do not do, is shown apart.
"""

from __future__ import annotations

import argparse
import os
import secrets
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
sys.path.insert(0, str(ROOT))

from ingest import manifest as manifests  # noqa: E402
from ingest import station  # noqa: E402
from ingest.agent import check_subject  # noqa: E402
from ingest.card import hash_card_file, list_card  # noqa: E402
from ingest.client import ServerClient  # noqa: E402
from storage.clock import iso, now  # noqa: E402
from storage.ledger.proof import verify_receipt  # noqa: E402
from tests.support.server import Launcher, Server, enrol  # noqa: E402

MINUTE = 60  # seconds of footage that are encoded; the rest of the file repeats them
NAME = "LH00012_20261120_0001.mp4"


@dataclass(frozen=True)
class Ours:
    hashing: float
    intake: float


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
    client.upload(file, docked.files[0], lambda _: None)
    check_subject(verify_receipt(client.receipt(digest.sha256), key.log), digest)
    intake = time.perf_counter() - begun
    client.close()
    return Ours(hashing, intake)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=ROOT, help="a folder on the disk to be measured")
    given = parser.parse_args()
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder, prefix=".bench-")))
        card = place / "card"
        card.mkdir()
        make_video(card / NAME, given.mib << 20)
        key = station.load(enrol(place / "data", place))
        launcher = stack.enter_context(Launcher())
        server = stack.enter_context(launcher.server(place / "data", min_free=0))
        before = peak_memory(server.pid)
        hand: list[dict[str, float]] = []
        mine: list[Ours] = []
        for _ in range(given.rounds):
            make_other(card / NAME)
            os.sync()
            hand.append(by_hand(card / NAME, place / "copy.mp4"))
            os.sync()
            mine.append(ours(server, key, card))
            forget(place / "data" / "blobs")
        report((card / NAME).stat().st_size, hand, mine, (before, peak_memory(server.pid)))


if __name__ == "__main__":
    main()
