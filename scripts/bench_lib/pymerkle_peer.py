"""What `scripts/bench ledger` asks of pymerkle, in pymerkle's own environment. Prints one JSON object.

    python pymerkle_peer.py FOLDER ENTRIES

Needs nothing of ours: pymerkle (GPL) is no dependency of Liuhen and is never loaded into the same process.
"""

from __future__ import annotations

import hashlib
import json
import random
import sqlite3
import sys
import threading
import time
from pathlib import Path

from pymerkle import SqliteTree, verify_inclusion  # type: ignore[import-not-found, unused-ignore]

BODY = 420  # bytes, about the size of one of our entries
CLIENTS = 16
PATIENCE = 10.0  # seconds for each measurement


def append_one_at_a_time(folder: Path) -> float:
    """Entries a second from 16 threads on one tree, each append durable when it returns."""
    tree = SqliteTree(str(folder / "single.db"))
    done = [0] * CLIENTS
    end = time.perf_counter() + PATIENCE / 2

    def client(number: int) -> None:
        while time.perf_counter() < end:
            tree.append_entry(random.randbytes(BODY))
            done[number] += 1

    begun = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = sum(done) / (time.perf_counter() - begun)
    tree.close()
    return rate


def append_batches(folder: Path) -> float:
    tree = SqliteTree(str(folder / "batch.db"))
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < PATIENCE / 2:
        tree.append_entries(random.randbytes(BODY) for _ in range(1024))
        count += 1024
    rate = count / (time.perf_counter() - begun)
    tree.close()
    return rate


def fill(file: Path, entries: int) -> None:
    """Its table, filled in one transaction: appending that many one by one is not what is measured here."""
    SqliteTree(str(file)).close()
    with sqlite3.connect(file) as connection:
        rows = ((body, hashlib.sha256(b"\x00" + body).digest()) for body in map(_body, range(entries)))
        connection.executemany("INSERT INTO leaf(entry, hash) VALUES (?, ?)", rows)
    connection.close()


def _body(number: int) -> bytes:
    return number.to_bytes(8, "big") * (BODY // 8)


def prove(folder: Path, entries: int) -> dict[str, float]:
    file = folder / "full.db"
    fill(file, entries)
    tree = SqliteTree(str(file))
    begun = time.perf_counter()
    root = tree.get_root()
    whole = time.perf_counter() - begun
    proofs, begun = [], time.perf_counter()
    while time.perf_counter() - begun < PATIENCE:
        index = random.randint(1, entries)
        proofs.append((tree.get_leaf(index), tree.prove_inclusion(index)))
    proving = len(proofs) / (time.perf_counter() - begun)
    begun, verified = time.perf_counter(), 0
    while time.perf_counter() - begun < PATIENCE / 5:
        for leaf, proof in proofs:
            verify_inclusion(leaf, root, proof)
        verified += len(proofs)
    return {"root": whole, "proofs": proving, "verifications": verified / (time.perf_counter() - begun)}


def main() -> None:
    folder, entries = Path(sys.argv[1]), int(sys.argv[2])
    found = {"single": append_one_at_a_time(folder), "batch": append_batches(folder), **prove(folder, entries)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
