"""Go's own code (`sumdb/note` and `sumdb/tlog`, as its checksum database uses them) reads a log of ours."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.ledger import checkpoint, merkle, proof, tiles
from tests.support.ledger import SIGNER, VKEY, Desk

pytestmark = [pytest.mark.slow, pytest.mark.shared("go")]

ROOT = Path(__file__).parents[2]
SIZE = 66_000  # over 2**16: there is a tile of level 2
STEPS = (1, 300, 40_000, SIZE)
INDEXES = (0, 1, 255, 256, 39_999, 65_535, 65_536, SIZE - 1)


@pytest.fixture(scope="module")
def go() -> Path:
    """The folder of a Go toolchain, with the sources of its commands; `scripts/setup test` puts one into .tools."""
    for found in sorted(ROOT.glob(".tools/go/lib/python3*/site-packages/go")):
        if (found / "src/cmd/vendor/golang.org/x/mod/sumdb").is_dir():
            return found
    words = "there is no Go in .tools/go: run scripts/setup test"
    raise pytest.fail.Exception(words) if os.environ.get("CI") else pytest.skip.Exception(words)


@pytest.fixture(scope="module")
def readlog(go: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program `tests/support/go/readlog.go`, built without a network from Go's own copy of the two packages."""
    module = tmp_path_factory.mktemp("readlog")
    for package in ("note", "tlog"):
        shutil.copytree(go / "src/cmd/vendor/golang.org/x/mod/sumdb" / package, module / package)
    shutil.copy(ROOT / "tests/support/go/readlog.go", module / "main.go")
    (module / "go.mod").write_text("module readlog\n\ngo 1.24\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(module),
        "GOROOT": str(go),
        "GOPATH": str(module / "path"),
        "GOCACHE": str(module / "cache"),
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    built = subprocess.run(
        [go / "bin/go", "build", "-o", "readlog", "."], cwd=module, env=environment, capture_output=True, check=False
    )
    assert built.returncode == 0, built.stderr.decode()
    return module / "readlog"


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, dict[int, bytes]]]:
    """A log by the sequencer, and its checkpoint at each of the sizes it had."""
    desk, kept, size = Desk(tmp_path_factory.mktemp("log")), dict[int, bytes](), 0
    sequencer = desk.sequencer()
    for step in STEPS:
        desk.record(size, step - size)
        sequencer.publish_pending()
        kept[step], size = sequencer.checkpoint(), step
    yield desk, kept
    desk.close()


def encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def records(desk: Desk, signed: bytes) -> list[dict[str, Any]]:
    """Receipts of ours in the words of the Go program."""
    head, found = checkpoint.verify(signed, SIGNER.verifier), []
    sequencer = desk.sequencer()
    for index in INDEXES:
        receipt = proof.parse(sequencer.receipt(f"event-{index}"))
        assert receipt.index == index
        words = {"index": index, "size": head.size, "root": encode(head.root), "entry": encode(receipt.extra or b"")}
        found.append({**words, "proof": [encode(each) for each in receipt.hashes]})
    return found


def trees(desk: Desk, kept: dict[int, bytes]) -> list[dict[str, Any]]:
    """Consistency proofs of ours between all sizes that were signed, likewise."""
    heads = [checkpoint.verify(signed, SIGNER.verifier) for signed in kept.values()]
    found = []
    for new in heads:
        read = tiles.TileTree(desk.folder.read).reader(new.size)
        for old in heads:
            if old.size < new.size:
                path = [encode(each) for each in merkle.consistency_proof(old.size, new.size, read)]
                words = {"old": old.size, "new": new.size, "old_root": encode(old.root), "new_root": encode(new.root)}
                found.append({**words, "proof": path})
    return found


def ask(readlog: Path, folder: Path, questions: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([readlog, folder], input=json.dumps(questions), capture_output=True, text=True, check=False)


def decoded(answer: dict[str, Any], name: str = "proof") -> list[bytes]:
    return [base64.b64decode(each) for each in answer[name]]


def test_go_reads_the_log_and_agrees_on_every_proof(readlog: Path, grown: tuple[Desk, dict[int, bytes]]) -> None:
    desk, kept = grown
    asked = {"key": VKEY, "records": records(desk, kept[SIZE]), "trees": trees(desk, kept)}
    done = ask(readlog, desk.folder.root, asked)
    assert done.returncode == 0, done.stderr
    said, head = json.loads(done.stdout), checkpoint.verify(kept[SIZE], SIGNER.verifier)
    assert (said["origin"], said["size"], said["root"], said["entries"]) == (SIGNER.name, SIZE, encode(head.root), SIZE)
    assert (len(said["records"]), len(said["trees"])) == (len(INDEXES), 6)
    for each in said["records"]:
        leaf = merkle.leaf_hash(base64.b64decode(each["entry"]))
        merkle.verify_inclusion(each["index"], SIZE, leaf, decoded(each), head.root)
    for each in said["trees"]:
        roots = (base64.b64decode(each["old_root"]), base64.b64decode(each["new_root"]))
        merkle.verify_consistency(each["old"], each["new"], *roots, decoded(each))


@pytest.mark.parametrize("name", ["checkpoint", "tile/entries/000", "tile/0/007", "tile/1/000", "tile/2/000.p/1"])
def test_go_refuses_a_log_of_which_one_bit_is_another(
    readlog: Path, grown: tuple[Desk, dict[int, bytes]], tmp_path: Path, name: str
) -> None:
    folder = Path(shutil.copytree(grown[0].folder.root, tmp_path / "log"))
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    done = ask(readlog, folder, {"key": VKEY})
    assert done.returncode == 1
    assert "readlog: " in done.stderr
