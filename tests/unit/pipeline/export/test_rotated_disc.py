"""A disc of a log whose key was rotated: whoever has any of its keys can believe it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline.export.verifier.verify import Wrong, verify
from storage.ledger import checkpoint, note, rotation
from storage.ledger.guard import FileGuard
from storage.ledger.keys import LogKey
from storage.ledger.sequencer import Sequencer
from storage.records import Actor
from tests.support.exported import Bureau, export, extract, fill, image, open_bureau
from tests.unit.pipeline.export.test_disc import flip, relist, run_short, run_verifier


def rotate(bureau: Bureau) -> str:
    """Hand over to a new key; its public line."""
    old = bureau.key.signer
    new = note.Ed25519Signer(old.name, Ed25519PrivateKey.generate())
    settings = bureau.settings
    key = LogKey(old, {str(new.verifier): new}.get)
    guard = FileGuard(settings.keys / "last-checkpoint")
    bureau.sequencer.stop()
    bureau.sequencer = Sequencer(bureau.catalogue, settings.ledger, key, guard)
    said = {"from": str(old.verifier), "to": str(new.verifier), "note": rotation.sign(old, new)}
    bureau.record(rotation.EVENT, said, Actor("user", "admin"), rotation.SUBJECT)
    bureau.record(
        "station.enrolled", {}, Actor("user", "admin"), "station:ST-02"
    )  # the first that the new key signs alone
    bureau.publish()
    return str(new.verifier)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """(the disc's files, the first key, the key that signed the disc's checkpoint)"""
    root = tmp_path_factory.mktemp("rotated")
    bureau = open_bureau(root / "data")
    fill(bureau, tmp_path_factory.mktemp("card"))
    new = rotate(bureau)
    disc = extract(image(bureau, export(bureau)), root / "tree")
    bureau.close()
    return disc, bureau.key.vkey, new


@pytest.fixture
def disc(made: tuple[Path, str, str], tmp_path: Path) -> Path:
    return Path(shutil.copytree(made[0], tmp_path / "disc"))


def says(disc: Path, key: str | None) -> None:
    verify(disc, key, say=lambda zh, en: None)


def test_either_key_is_believed_and_the_other_is_named(made: tuple[Path, str, str]) -> None:
    tree, old, new = made
    for key in (old, new):
        code, said = run_verifier(tree, "--key", key)
        assert code == 0, said
        assert f"by rotation: {old}" in said
    says(tree, None)


def test_a_key_of_another_log_is_not(made: tuple[Path, str, str]) -> None:
    other = note.Ed25519Signer("example.org/liuhen", Ed25519PrivateKey.generate())
    code, said = run_verifier(made[0], "--key", str(other.verifier))
    assert code == 1
    assert "not the one given" in said


def test_the_short_verifier_wants_the_newer_key_and_says_so(made: tuple[Path, str, str]) -> None:
    tree, old, new = made
    assert run_short(tree, new)[0] == 0
    code, said = run_short(tree, old)
    assert code == 1
    assert "verify.py can follow" in said


@pytest.mark.parametrize("at", range(0, 1500, 71))
def test_any_changed_byte_of_the_rotations_is_found_and_the_library_agrees(disc: Path, at: int) -> None:
    vkey = (disc / "ledger/log.vkey").read_text().strip()
    path = disc / "ledger/rotations"
    rotation.learn(vkey, path.read_bytes())
    flip(path, at)
    relist(disc)
    with pytest.raises(Exception):  # noqa: B017 - of the library, whichever it is
        rotation.learn(vkey, path.read_bytes())
    with pytest.raises(Wrong):
        says(disc, vkey)


def test_without_the_rotations_only_the_signing_key_is_believed(disc: Path, made: tuple[Path, str, str]) -> None:
    (disc / "ledger/rotations").unlink()
    relist(disc)
    says(disc, made[2])
    with pytest.raises(Wrong, match="not the one given"):
        says(disc, made[1])


def test_a_checkpoint_by_a_key_that_had_handed_over_is_refused(disc: Path, made: tuple[Path, str, str]) -> None:
    """Who stole the old key signs the disc's own tree with it, and puts the old key beside it."""
    (disc / "ledger/log.vkey").write_text(f"{made[1]}\n")
    relist(disc)
    with pytest.raises(Wrong, match="not valid"):
        says(disc, made[1])
    assert checkpoint.parse(note.parse((disc / "ledger/checkpoint").read_bytes()).text).size > 0
