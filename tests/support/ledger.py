"""Small logs in memory, made with the pure parts only, and a desk with a real database and folder."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from storage import durable
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.ledger import checkpoint, entry, merkle, note, proof, tiles
from storage.ledger.auditing import verify
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.folder import LedgerFolder
from storage.ledger.guard import CheckpointGuard, FileGuard
from storage.ledger.keys import LogKey
from storage.ledger.sequencer import Sequencer
from storage.records import Actor, CustodyEvent

SIGNER = note.Ed25519Signer("example.org/liuhen", Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VKEY = str(SIGNER.verifier)
START = datetime(2026, 11, 20, 1, 2, 3, 4000, tzinfo=UTC)


def event(
    number: int = 0, subject: str = "recording:r1", payload: Mapping[str, Any] | None = None, name: str = "test.made"
) -> CustodyEvent:
    return CustodyEvent(
        id=f"event-{number}",
        event=name,
        time=START + timedelta(seconds=number),
        actor=Actor("service", "test"),
        subject=subject,
        payload=payload if payload is not None else {"n": number, "说明": "测试"},
    )


def bodies(count: int, subjects: int = 3, first: int = 0) -> list[bytes]:
    """The exact bytes of `count` entries whose chains are right."""
    made, last = [], dict[str, bytes]()
    for number in range(first, first + count):
        subject = f"recording:r{number % subjects}"
        body = entry.encode(event(number, subject), last.get(subject))
        last[subject] = merkle.leaf_hash(body)
        made.append(body)
    return made


def log(entries: Sequence[bytes], signer: note.Signer = SIGNER, steps: Sequence[int] = ()) -> dict[str, bytes]:
    """The files of a log of `entries`, grown to each size of `steps` and then to the end."""
    files: dict[str, bytes] = {}
    old = 0
    for size in [*steps, len(entries)]:
        piece = entries[old:size]
        grown = [*tiles.grow_bundles(old, piece, reading(files))]
        grown += tiles.grow_tiles(old, [merkle.leaf_hash(body) for body in piece], reading(files))
        files |= {tile.path: content for tile, content in grown}
        old = size
    root = merkle.root([merkle.leaf_hash(body) for body in entries])
    files["checkpoint"] = checkpoint.sign(Checkpoint(signer.name, len(entries), root), signer)
    return files


def reading(files: Mapping[str, bytes]) -> tiles.Reader:
    def read(path: str) -> bytes:
        try:
            return files[path]
        except KeyError:
            raise FileNotFoundError(path) from None

    return read


def receipt(files: Mapping[str, bytes], index: int, body: bytes) -> bytes:
    """The receipt of entry `index` of a log."""
    size = checkpoint.verify(files["checkpoint"], SIGNER.verifier).size
    path = merkle.inclusion_proof(index, size, tiles.TileTree(reading(files)).reader(size))
    return proof.Proof(index, tuple(path), files["checkpoint"], body).encode()


@cache
def migrated() -> bytes:
    """An SQLite file with the present schema and no rows."""
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(f"sqlite:///{folder}/catalogue.db")
        catalogue.migrate()
        catalogue.close()
        return Path(folder, "catalogue.db").read_bytes()


def fresh_database(data: Path) -> None:
    """Put such a file into a new data directory, where the migrations then find nothing left to do."""
    file = data / "liuhen.db"
    durable.make_directory(data.absolute())
    if not file.exists():
        file.write_bytes(migrated())


class Desk:
    """A data directory with a database, a ledger and a guard, as the service has them."""

    def __init__(self, root: Path, url: str = "") -> None:
        self.root = root
        if not url and not (root / "catalogue.db").exists():
            (root / "catalogue.db").write_bytes(migrated())
        self.catalogue = Catalogue(url or f"sqlite:///{root / 'catalogue.db'}")
        if url:
            self.catalogue.migrate()
        self.key = LogKey(SIGNER)
        self.folder = LedgerFolder(root / "ledger")
        self.guard: CheckpointGuard = FileGuard(root / "keys" / "last-checkpoint")
        self._opened: list[Sequencer] = []

    def sequencer(self) -> Sequencer:
        made = Sequencer(self.catalogue, self.folder.root, self.key, self.guard)
        self._opened.append(made)
        return made

    def record(self, first: int, count: int = 1, subjects: int = 3) -> None:
        """Put the events `first` up to `first + count` into the outbox."""
        with self.catalogue.write() as session:
            for number in range(first, first + count):
                custody.record(session, event(number, f"recording:r{number % subjects}"))

    def audit(self) -> verify.Audited:
        return verify.check(self.folder.read, VKEY, names=self.folder.names())

    def entries(self) -> list[bytes]:
        """The published entries."""
        found: list[bytes] = []
        for tile in tiles.written(0, self.audit().checkpoint.size):
            if tile.level == tiles.ENTRIES:
                found += tiles.decode_bundle(self.folder.read(tile.path), tile)
        return found

    def close(self) -> None:
        for each in self._opened:
            each.stop()
        self.catalogue.close()
