"""`liuhen verify` and `liuhen export` as they are typed."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import typer
from sqlalchemy import select
from typer.testing import CliRunner, Result

from api.commands.export import export
from api.commands.verify import verify
from pipeline.export.disc import export_key
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry, Export, Grant
from storage.clock import now
from storage.errors import IntegrityError, LiuhenError, NotFound, Refused
from tests.support.exported import Bureau, exported, extract

__all__ = ["exported"]

Made = tuple[Bureau, Export, Path]


@pytest.fixture
def data(exported: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported[0].settings.data, tmp_path / "data"))


def run(*arguments: object) -> Result:
    cli = typer.Typer()
    cli.command("verify")(verify)
    cli.command("export")(export)
    return CliRunner().invoke(cli, [str(each) for each in arguments])


def refused(*arguments: object) -> LiuhenError:
    """The error of ours that the command line would print, exit code 2."""
    error = run(*arguments).exception
    assert isinstance(error, LiuhenError)
    return error


def receipt(data: Path, folder: Path) -> tuple[Path, Path]:
    """(receipt, the file it is about)."""
    bureau_file = next(path for path in sorted(data.glob("blobs/*/originals/*/*")) if path.suffix != ".lock")
    proofs = sorted((extract(next(iter(_images(data))), folder / "tree") / "ledger/proofs").iterdir())
    wanted = bureau_file.name
    for proof in proofs:
        if wanted.encode() in base64.b64decode(proof.read_text().split("\n")[1].removeprefix("extra ")):
            return proof, bureau_file
    raise AssertionError(wanted)


def _images(data: Path) -> list[Path]:
    return [path for path in data.glob("blobs/*/exports/*/*") if path.suffix != ".lock"]


def test_a_data_directory(data: Path) -> None:
    done = run("verify", data)
    assert done.exit_code == 0, done.output
    assert "核验通过" in done.output


def test_a_wrong_data_directory_names_the_first_thing(data: Path) -> None:
    path = next(path for path in sorted(data.glob("blobs/*/originals/*/*")) if path.suffix != ".lock")
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.unlink()
    path.write_bytes(content)
    done = run("verify", data)
    assert done.exit_code == 1
    assert path.name in done.output
    assert "bytes 0–1048575" in done.output


def test_all_lists_everything(data: Path) -> None:
    for path in _images(data) + sorted(data.glob("blobs/*/chunks/*/*")):
        if path.suffix != ".lock":
            path.unlink()
    assert len(json.loads(run("verify", data, "--json").stdout)["wrong"]) == 1
    assert len(json.loads(run("verify", data, "--all", "--json").stdout)["wrong"]) == 3


def test_an_independent_key_is_believed_more_than_the_directorys(data: Path, exported: Made) -> None:
    key = exported[0].key.vkey
    assert run("verify", data, "--key", key).exit_code == 0
    other = f"{key[:-4]}AAA="
    assert run("verify", data, "--key", other).exit_code == 1


def test_a_recording_by_its_number(data: Path, exported: Made) -> None:
    done = run("verify", exported[0].recording.upper(), "--data", data, "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["kind"] == "recording"


def test_verifying_changes_nothing(data: Path) -> None:
    def state() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in data.rglob("*") if path.is_file() and "liuhen.db" not in path.name}

    before = state()
    run("verify", data)
    assert state() == before


def test_no_passphrase_is_made_up(data: Path) -> None:
    (data / "keys/passphrase").unlink()
    assert isinstance(refused("verify", data), Refused)
    assert not (data / "keys/passphrase").exists()


def test_a_receipt_alone_and_with_its_file(data: Path, exported: Made, tmp_path: Path) -> None:
    proof, file = receipt(data, tmp_path)
    key = exported[0].key.vkey
    assert run("verify", proof, "--key", key).exit_code == 0
    done = run("verify", proof, file, "--key", key)
    assert done.exit_code == 0, done.output
    assert "original.received" in done.output


def test_a_receipt_of_another_file(data: Path, exported: Made, tmp_path: Path) -> None:
    proof, file = receipt(data, tmp_path)
    other = tmp_path / "other"
    other.write_bytes(file.read_bytes()[:-1])
    done = run("verify", proof, other, "--key", exported[0].key.vkey)
    assert done.exit_code == 1
    assert "sha256" in done.output


def test_a_forged_receipt(data: Path, exported: Made, tmp_path: Path) -> None:
    proof, _ = receipt(data, tmp_path)
    lines = proof.read_text().split("\n")
    body = base64.b64decode(lines[1].removeprefix("extra "))
    lines[1] = f"extra {base64.b64encode(body.replace(b'LH00012', b'LH00013')).decode()}"
    proof.write_text("\n".join(lines))
    done = run("verify", proof, "--key", exported[0].key.vkey)
    assert done.exit_code == 1


def test_a_receipt_needs_a_key(data: Path, tmp_path: Path) -> None:
    proof, _ = receipt(data, tmp_path)
    assert isinstance(refused("verify", proof, "--data", tmp_path / "nothing"), Refused)


def test_a_key_file_of_a_station(data: Path, exported: Made, tmp_path: Path) -> None:
    proof, _ = receipt(data, tmp_path)
    key = tmp_path / "ST-01.json"
    key.write_text(json.dumps({"schema": "liuhen.station/1", "log": exported[0].key.vkey}))
    assert run("verify", proof, "--key", key).exit_code == 0


def test_an_image_and_its_files(exported: Made, tmp_path: Path) -> None:
    assert run("verify", exported[2]).exit_code == 0
    tree = extract(exported[2], tmp_path / "tree")
    assert run("verify", tree, "--key", exported[0].key.vkey).exit_code == 0
    (tree / "data/report.json").write_text("{}")
    done = run("verify", tree, "--json")
    assert done.exit_code == 1
    assert "data/report.json" in json.loads(done.stdout)["wrong"][0]["en"]


def test_the_discs_own_program_is_not_run(exported: Made, tmp_path: Path) -> None:
    tree = extract(exported[2], tmp_path / "tree")
    (tree / "verify.py").write_text("raise SystemExit(0)")
    assert run("verify", tree).exit_code == 1


@pytest.mark.parametrize("content", [b"", b"hello", bytes(40_000)])
def test_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "thing"
    path.write_bytes(content)
    assert isinstance(refused("verify", path), Refused)


def test_nothing_there(tmp_path: Path) -> None:
    assert isinstance(refused("verify", tmp_path / "no"), NotFound)
    assert isinstance(refused("verify", tmp_path), Refused)


def test_a_truncated_image_is_refused(exported: Made, tmp_path: Path) -> None:
    path = tmp_path / "disc.iso"
    path.write_bytes(exported[2].read_bytes()[:100_000])
    result = run("verify", path)
    assert isinstance(result.exception, LiuhenError) or result.exit_code == 1


# liuhen export -------------------------------------------------------------------------------------------------------


def allow(data: Path, hours: int) -> None:
    """Move the grant's end, which the test's own clock set long ago."""
    catalogue = Catalogue(Settings(data=data).database)
    with catalogue.write() as session:
        session.scalars(select(Grant)).one().expires = now() + timedelta(hours=hours)
    catalogue.close()


def downloads(data: Path) -> int:
    catalogue = Catalogue(Settings(data=data).database)
    with catalogue.read() as session:
        found = len(session.scalars(select(Entry).where(Entry.event == "export.downloaded")).all())
    catalogue.close()
    return found


def test_an_export_is_copied_out_and_logged(data: Path, exported: Made, tmp_path: Path) -> None:
    allow(data, 1)
    out = tmp_path / "court.iso"
    done = run("export", exported[0].request, "--data", data, "--out", out)
    assert done.exit_code == 0, done.exception
    assert hashlib.sha256(out.read_bytes()).hexdigest() == exported[1].sha256
    assert exported[1].sha256 in done.output
    assert downloads(data) == 1


def test_an_expired_grant_gives_nothing(data: Path, exported: Made, tmp_path: Path) -> None:
    allow(data, -1)
    error = refused("export", exported[0].request, "--data", data, "--out", tmp_path / "court.iso")
    assert isinstance(error, Refused)
    assert not (tmp_path / "court.iso").exists()
    assert downloads(data) == 0


def test_an_unknown_request_gives_nothing(data: Path, tmp_path: Path) -> None:
    assert isinstance(refused("export", "nothing", "--data", data, "--out", tmp_path / "court.iso"), NotFound)


def test_an_existing_file_is_not_overwritten(data: Path, exported: Made, tmp_path: Path) -> None:
    allow(data, 1)
    out = tmp_path / "court.iso"
    out.write_bytes(b"mine")
    assert isinstance(refused("export", exported[0].request, "--data", data, "--out", out), Refused)
    assert out.read_bytes() == b"mine"
    assert downloads(data) == 0


def test_a_damaged_image_is_not_handed_over(data: Path, exported: Made, tmp_path: Path) -> None:
    allow(data, 1)
    row = exported[1]
    path = data / "blobs" / row.tier / export_key(row.sha256)
    content = bytearray(path.read_bytes())
    content[50_000] ^= 1
    path.unlink()
    path.write_bytes(content)
    error = refused("export", exported[0].request, "--data", data, "--out", tmp_path / "court.iso")
    assert isinstance(error, IntegrityError)
    assert list(tmp_path.glob("*.iso*")) == []
