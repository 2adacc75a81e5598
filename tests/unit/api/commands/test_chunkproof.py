"""A part of an original proved to somebody who has nothing but the public key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli import make_cli
from storage.ledger.merkle import CHUNK_SIZE
from tests.support.taking import take_in
from tests.support.web import Bureau, bureau

CONTENT = bytes(range(256)) * 4096 * 3 + b"the rest"


@pytest.fixture
def office(tmp_path: Path):  # type: ignore[no-untyped-def]
    with bureau(tmp_path / "data") as made:
        yield made


def liuhen(*words: object) -> Result:
    return CliRunner().invoke(make_cli(), [str(word) for word in words])


def prove(office: Bureau, tmp_path: Path, span: str) -> tuple[Path, Path]:
    file = tmp_path / "20261118_093024_0001.MP4"
    file.write_bytes(CONTENT)
    sha256 = take_in(office, file)
    office.publish()
    out = tmp_path / "out"
    done = liuhen("log", "prove-bytes", sha256, "--bytes", span, "--out", out, "--data", office.services.settings.data)
    assert done.exit_code == 0, done.output
    (proof,), (piece,) = out.glob("*.chunk-proof"), out.glob("*.bytes")
    return proof, piece


@pytest.mark.parametrize(
    ("span", "first", "last"),
    [
        ("0-0", 0, CHUNK_SIZE - 1),
        (f"{CHUNK_SIZE}-{2 * CHUNK_SIZE}", CHUNK_SIZE, 3 * CHUNK_SIZE - 1),
        (f"{len(CONTENT) - 1}-{len(CONTENT) - 1}", 3 * CHUNK_SIZE, len(CONTENT) - 1),
    ],
)
def test_a_part_is_proved_offline(office: Bureau, tmp_path: Path, span: str, first: int, last: int) -> None:
    proof, piece = prove(office, tmp_path, span)
    assert piece.read_bytes() == CONTENT[first : last + 1]
    done = liuhen("verify", proof, piece, "--key", office.services.log_key.vkey, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert (said["first"], said["last"], said["size"]) == (first, last, len(CONTENT))


def test_a_changed_piece_is_refused(office: Bureau, tmp_path: Path) -> None:
    proof, piece = prove(office, tmp_path, "5-9")
    content = bytearray(piece.read_bytes())
    content[77] ^= 1
    piece.write_bytes(content)
    done = liuhen("verify", proof, piece, "--key", office.services.log_key.vkey)
    assert done.exit_code == 1


def test_a_proof_with_another_receipt_is_refused(office: Bureau, tmp_path: Path) -> None:
    proof, piece = prove(office, tmp_path, "5-9")
    other = tmp_path / "OTHER.MP4"
    other.write_bytes(CONTENT + b"x")
    sha256 = take_in(office, other)
    office.publish()
    receipt = office.services.intake.receipt(sha256)
    proof.write_bytes(proof.read_bytes().partition(b"\n\n")[0] + b"\n\n" + receipt)
    assert liuhen("verify", proof, piece, "--key", office.services.log_key.vkey).exit_code == 1


def test_bytes_that_are_not_there_are_refused(office: Bureau, tmp_path: Path) -> None:
    file = tmp_path / "A.MP4"
    file.write_bytes(b"content")
    sha256 = take_in(office, file)
    office.publish()
    given = ("log", "prove-bytes", sha256, "--out", tmp_path, "--data", office.services.settings.data, "--bytes")
    for span in ("0-7", "5-3", "a-b", "7-7"):
        assert liuhen(*given, span).exit_code != 0
