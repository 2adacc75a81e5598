"""The measurements of `scripts/bench ledger`, each run in a fresh process so that its memory is its own.

    python ledger_parts.py PART FOLDER ENTRIES      prints one JSON object

FOLDER holds a data directory as the service has it: database, ledger, keys. Only the product's own code is timed.
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from storage.catalogue import custody  # noqa: E402
from storage.catalogue.catalogue import Catalogue  # noqa: E402
from storage.ledger import checkpoint, keys, merkle, note, tiles  # noqa: E402
from storage.ledger.auditing import verify  # noqa: E402
from storage.ledger.auditing.audit import Plan, audit_folder  # noqa: E402
from storage.ledger.folder import LedgerFolder  # noqa: E402
from storage.ledger.guard import FileGuard  # noqa: E402
from storage.ledger.proof import Proof, verify_receipt  # noqa: E402
from storage.ledger.sequencer import Sequencer  # noqa: E402
from storage.records import Actor, CustodyEvent  # noqa: E402

ORIGIN, PASSPHRASE = "example.org/bench", b"bench"
CLIENTS = 16
BATCH = 1024  # events of one transaction, and of one checkpoint
LENGTH = 10.0  # seconds of a measured appending
START = datetime(2026, 1, 1, tzinfo=UTC)
ACTOR = Actor("station", "st-01")


def event(number: int) -> CustodyEvent:
    """As intake records one: about 420 bytes as an entry, eight to each recording."""
    digest = f"{number:064x}"
    payload = {"name": f"LH{number % 97:05d}_{number:08d}.mp4", "size": 1 << 30, "sha256": digest, "root": digest}
    return CustodyEvent(
        id=f"01k{number:023d}",
        event="original.received",
        time=START + timedelta(seconds=number),
        actor=ACTOR,
        subject=f"recording:01k{number // 8:023d}",
        payload=payload,
    )


class Desk:
    """A ledger with its database and keys in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.catalogue = Catalogue(f"sqlite:///{folder / 'liuhen.db'}")
        self.catalogue.migrate()
        self.key = keys.LogKey(keys.KeyFolder(folder, ORIGIN, PASSPHRASE).first())
        guard = FileGuard(folder / "last-checkpoint")
        self.folder = LedgerFolder(folder / "ledger")
        self.sequencer = Sequencer(self.catalogue, self.folder.root, self.key, guard)

    def record(self, first: int, count: int) -> None:
        with self.catalogue.write() as session:
            for number in range(first, first + count):
                custody.record(session, event(number))

    def append(self, first: int, count: int) -> None:
        """Record events in one transaction and publish them."""
        self.record(first, count)
        self.sequencer.publish_pending()

    def close(self) -> None:
        self.sequencer.stop()
        self.catalogue.close()


def size_of(folder: Path) -> int:
    """How many entries the published log has."""
    signed = LedgerFolder(folder / "ledger").checkpoint()
    return checkpoint.parse(note.parse(signed).text).size if signed else 0


def singles(folder: Path, _: int) -> dict[str, float]:
    """16 threads, each: record one event in its own transaction, wait until it is published."""
    desk = Desk(folder / "singles")
    desk.sequencer.start()
    first, end = size_of(folder / "singles"), time.perf_counter() + LENGTH
    waits: list[list[float]] = [[] for _ in range(CLIENTS)]

    def client(who: int) -> None:
        while (begun := time.perf_counter()) < end:
            number = first + who + CLIENTS * len(waits[who])
            desk.record(number, 1)
            desk.sequencer.notify()
            desk.sequencer.wait(event(number).id, 60)
            waits[who].append(time.perf_counter() - begun)

    spent = timed(lambda: in_threads(client))
    desk.close()
    every = sorted(wait for each in waits for wait in each)
    return {"rate": len(every) / spent, "median": every[len(every) // 2], "p99": every[len(every) * 99 // 100]}


def in_threads(client: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=client, args=(who,)) for who in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def batches(folder: Path, _: int) -> dict[str, float]:
    """One thread: record 1,024 events in one transaction, publish."""
    desk = Desk(folder / "batches")
    number, recording, publishing = size_of(folder / "batches"), 0.0, 0.0
    first, begun = number, time.perf_counter()
    while time.perf_counter() - begun < LENGTH:
        recording += timed(desk.record, number, BATCH)
        publishing += timed(desk.sequencer.publish_pending)
        number += BATCH
    spent = time.perf_counter() - begun
    desk.close()
    done = number - first
    return {"rate": done / spent, "record": done / recording, "publish": done / publishing}


def grow(folder: Path, size: int) -> dict[str, float]:
    """Append in batches up to `size` entries."""
    desk = Desk(folder)
    number = first = size_of(folder)
    begun = time.perf_counter()
    while number < size:
        step = min(BATCH, size - number)
        desk.append(number, step)
        number += step
    spent = time.perf_counter() - begun
    desk.close()
    return {"rate": (number - first) / spent, "memory": peak()}


def appends(folder: Path, _: int) -> dict[str, float]:
    """What one append costs, alone and in a batch, in a log as large as it is, and this process's peak memory."""
    desk = Desk(folder)
    number = first = size_of(folder)
    one = [timed(desk.append, number + step, 1) for step in range(40)]
    number += 40
    many = [timed(desk.append, number + step * BATCH, BATCH) for step in range(5)]
    memory = peak()
    desk.close()
    return {
        "size": first,
        "single_ms": statistics.median(one) * 1000,
        "batch_us": statistics.median(many) / BATCH * 1e6,
        "memory": memory,
    }


def proofs(folder: Path, entries: int) -> dict[str, float]:
    """Inclusion proofs at random places, and their verification. First with a cold page cache and nothing in memory."""
    log = LedgerFolder(folder / "ledger")
    drop_cache(folder / "ledger")
    vkey = str(keys.load(folder / "ledger.pem", ORIGIN, PASSPHRASE).verifier)
    signed = log.read("checkpoint")
    head = checkpoint.verify(signed, note.parse_vkey(vkey))
    chooser, tree = random.Random(1), tiles.TileTree(log.read)
    places = [chooser.randrange(head.size) for _ in range(entries // 10)]
    cold, warm = places[: len(places) // 10], places[len(places) // 10 :]
    read = tree.reader(head.size)

    def make(chosen: list[int]) -> None:
        for each in chosen:
            merkle.inclusion_proof(each, head.size, read)

    first, cold_spent, warm_spent = timed(make, cold[:1]), timed(make, cold[1:]), timed(make, warm)
    memory = peak()
    some = [(each, tree.leaf(each, head.size), merkle.inclusion_proof(each, head.size, read)) for each in warm[:20_000]]

    def verify_all() -> None:
        for index, leaf, path in some:
            merkle.verify_inclusion(index, head.size, leaf, path, head.root)

    verified = timed(verify_all)
    receipts = [receipt(log, index, head.size, path, signed) for index, _, path in some[:2000]]
    checked = timed(lambda: [verify_receipt(each, vkey) for each in receipts])
    return {
        "first_ms": first * 1000,
        "cold": len(cold[1:]) / cold_spent,
        "warm": len(warm) / warm_spent,
        "verifications": len(some) / verified,
        "receipts": len(receipts) / checked,
        "memory": memory,
    }


def receipt(log: LedgerFolder, index: int, size: int, path: list[bytes], signed: bytes) -> bytes:
    bundle = tiles.covering(tiles.ENTRIES, index, size)
    body = tiles.decode_bundle(tiles.read_tile(bundle, log.read), bundle)[index % tiles.WIDTH]
    return Proof(index, tuple(path), signed, body).encode()


def audit(folder: Path, _: int) -> dict[str, float]:
    """The whole log verified from its files, on all processors."""
    log = LedgerFolder(folder / "ledger")
    vkey = str(keys.load(folder / "ledger.pem", ORIGIN, PASSPHRASE).verifier)
    drop_cache(folder / "ledger")
    found: list[verify.Audited] = []
    spent = timed(lambda: found.append(verify.finish(audit_folder(log, vkey, Plan()))))
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    size = found[0].checkpoint.size
    return {"seconds": spent, "size": size, "speed": size / spent, "memory": peak(), "each_child": children}


def digest(folder: Path, mib: int) -> dict[str, float]:
    """Whole-file SHA-256 and 1 MiB chunk root in one read of one file in the page cache; GB/s, median of five."""
    from ingest.digest import hash_file

    file = folder / "large"
    file.write_bytes(b"")
    block = random.Random(2).randbytes(1 << 20)
    with file.open("ab") as handle:
        for number in range(mib):
            handle.write(number.to_bytes(8, "big") + block[8:])
    hash_file(file).finish()  # into the page cache
    ours = statistics.median(timed(lambda: hash_file(file).finish()) for _ in range(5))
    return {"rate": file.stat().st_size / ours / 1e9}


def timed(work: Callable[..., object], *given: object) -> float:
    """Seconds."""
    begun = time.perf_counter()
    work(*given)
    return time.perf_counter() - begun


def drop_cache(folder: Path) -> None:
    """Let the kernel drop its copies of the files, as after a start of the machine."""
    os.sync()
    for path in files_in(folder):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def files_in(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def peak() -> float:
    """MiB of resident memory at its highest."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


PARTS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    each.__name__: each for each in (singles, batches, grow, appends, proofs, audit, digest)
}


def main() -> None:
    part, folder, number = sys.argv[1:]
    print(json.dumps(PARTS[part](Path(folder), int(number))))


if __name__ == "__main__":
    main()
