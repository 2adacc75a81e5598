"""Witnesses with fixed keys, policies over them, logs that grow or fork, and a real witness process on loopback."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from pipeline.bootstrap import passphrase
from pipeline.settings import Settings
from storage.clock import now
from storage.ledger import checkpoint, merkle, note, tiles
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.witnesses import cosignature, witness_desk, witness_keys
from storage.ledger.witnesses.witnessing import Request
from tests.support.ledger import SIGNER, VKEY, bodies, log, reading

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
PASSPHRASE = b"only a test"
ROOT = Path(__file__).parents[2]


def classic(number: int) -> cosignature.Ed25519Signer:
    key = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    return cosignature.Ed25519Signer(f"witness.example/w{number}", key, lambda: NOW)


def quantum(number: int) -> cosignature.MlDsa44Signer:
    key = MLDSA44PrivateKey.from_seed_bytes(bytes([number]) * 32)
    return cosignature.MlDsa44Signer(f"witness.example/w{number}", key, lambda: NOW)


@dataclass(frozen=True)
class History:
    """A log of `entries`, at any of its sizes; `fork` gives one that is another from some entry on."""

    entries: tuple[bytes, ...]
    signer: note.Signer = SIGNER

    @classmethod
    def of(cls, size: int) -> History:
        return cls(tuple(bodies(size)))

    def fork(self, at: int) -> History:
        return History((*self.entries[:at], *(b"another " + each for each in self.entries[at:])), self.signer)

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(self.signer.name, size, merkle.root([merkle.leaf_hash(each) for each in self.entries[:size]]))

    def signed(self, size: int, *more: note.Signer) -> bytes:
        return note.sign(self.head(size).text(), self.signer, *more)

    def proof(self, old: int, new: int) -> tuple[bytes, ...]:
        if not 0 < old < new:
            return ()
        files = log(self.entries[:new])
        return tuple(merkle.consistency_proof(old, new, tiles.TileTree(reading(files)).reader(new)))

    def request(self, old: int, new: int) -> bytes:
        return Request(old, self.proof(old, new), self.signed(new)).encode()


def desk(folder: Path, *signers: cosignature.Signer) -> witness_desk.WitnessDesk:
    """A witness in this process that follows the test log."""
    made = witness_desk.WitnessDesk(folder, "witness.example", signers or (classic(1),), lambda: NOW)
    made.trust(VKEY)
    return made


def policy_text(witnesses: Sequence[tuple[str, str, str]], quorum: str, log: str | None = VKEY) -> bytes:
    """A policy over (name, vkey, url) with one group `g` of all witnesses; `quorum` is its threshold."""
    lines = [f"log {log}" if log else "", *(f"witness {name} {vkey} {url}".rstrip() for name, vkey, url in witnesses)]
    members = " ".join(name for name, _, _ in witnesses)
    return "\n".join([*lines, f"group g {quorum} {members}", "quorum g", ""]).encode()


def size_of(signed: bytes) -> int:
    return checkpoint.parse(note.parse(signed).text).size


def trusting(folder: Path, vkey: str) -> None:
    """Have the witness in `folder`, running or not, follow one more log."""
    witness_desk.load(folder, passphrase(Settings(data=folder)), now).trust(vkey)


@dataclass
class WitnessProcess:
    """A witness in a process of its own."""

    folder: Path
    url: str
    vkeys: list[str]
    process: subprocess.Popen[str]

    def kill(self) -> None:
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def liuhen(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api.cli", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@contextlib.contextmanager
def run_witness(
    folder: Path, *, name: str = "witness.example/w1", port: int = 0, only: str = "both"
) -> Iterator[WitnessProcess]:
    """`liuhen witness run` on loopback, made and told to follow the test log at the first time."""
    kinds = witness_keys.KINDS if only == "both" else (only,)
    secret = passphrase(Settings(data=folder))
    if not (folder / "witness.json").exists():
        witness_desk.init(folder, name, kinds, secret, now).trust(VKEY)
    vkeys = witness_desk.load(folder, secret, now).vkeys
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "witness", "run", str(folder), "--port", str(port)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    try:
        for line in process.stderr:
            if "http://" in line:
                yield WitnessProcess(folder, line.split()[-1].rstrip("/"), vkeys, process)
                break
        else:
            raise RuntimeError("the witness did not start")
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(20)
        process.stderr.close()
