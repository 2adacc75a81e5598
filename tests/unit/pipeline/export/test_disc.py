"""The disc as a stranger gets it: read without a mount, verified by its own program in a bare Python."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from pipeline.export.package import VERIFIERS
from pipeline.export.recheck import recheck
from pipeline.export.verifier.verify import Wrong, verify
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry, Export
from storage.errors import IntegrityError
from storage.ledger import note
from storage.ledger.entry import parse_draft
from tests.support.exported import Bureau, exported, extract

__all__ = ["exported"]

Made = tuple[Bureau, Export, Path]


@pytest.fixture(scope="module")
def tree(exported: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return extract(exported[2], tmp_path_factory.mktemp("disc") / "tree")


@pytest.fixture
def disc(tree: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    return Path(shutil.copytree(tree, tmp_path / "disc"))


def run_verifier(disc: Path, *arguments: str, encoding: str = "utf-8") -> tuple[int, str]:
    """The disc's own program, in a Python that sees nothing but its standard library."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-X", "utf8=0", str(disc / "verify.py"), *arguments],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8" if encoding == "utf-8" else "C", "PYTHONCOERCECLOCALE": "0"},
        cwd="/",
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(encoding) + done.stderr.decode(encoding)


def run_short(disc: Path, key: str) -> tuple[int, str]:
    """The disc's short program, likewise."""
    if not shutil.which("openssl", path="/usr/bin:/bin"):
        pytest.fail("openssl is missing") if os.environ.get("CI") else pytest.skip("openssl is not installed")
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(disc / "verify_short.py"), key],
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        check=False,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def relist(disc: Path) -> None:
    """What a careful forger does next: write the lists anew, so that they agree with what is there."""

    def lines(names: list[Path]) -> str:
        found = [(path.relative_to(disc).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in names]
        return "".join(f"{digest}  {name}\n" for name, digest in sorted(found))

    files = [path for path in disc.rglob("*") if path.is_file()]
    payload = [path for path in files if path.is_relative_to(disc / "data")]
    (disc / "manifest-sha256.txt").write_text(lines(payload))
    tags = [path for path in files if path not in payload and path.name != "tagmanifest-sha256.txt"]
    (disc / "tagmanifest-sha256.txt").write_text(lines(tags))


def flip(path: Path, at: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def first(disc: Path, pattern: str) -> Path:
    return sorted(disc.glob(pattern))[0]


def test_the_disc_verifies_itself_in_a_bare_python(tree: Path) -> None:
    code, said = run_verifier(tree)
    assert code == 0, said
    assert "通过" in said
    assert "PASSED" in said
    assert all(f"[{step}/8]" in said for step in range(1, 9))


def test_the_short_verifier_agrees(tree: Path, exported: Made) -> None:
    code, said = run_short(tree, exported[0].key.vkey)
    assert code == 0, said
    assert "通过" in said
    assert "PASSED" in said


def test_the_short_verifier_can_be_read_in_one_sitting() -> None:
    source = (VERIFIERS / "verify_short.py").read_text()
    assert len(source.splitlines()) <= 150
    assert max(len(line) for line in source.splitlines()) <= 120


def test_a_console_without_chinese_gets_english(tree: Path) -> None:
    code, said = run_verifier(tree, encoding="ascii")
    assert code == 0
    assert "PASSED" in said


def test_nothing_is_written_to_the_disc(tree: Path) -> None:
    before = sorted(tree.rglob("*"))
    run_verifier(tree)
    assert sorted(tree.rglob("*")) == before


def test_an_independent_key_is_compared(tree: Path, exported: Made) -> None:
    vkey = exported[0].key.vkey
    fingerprint = hashlib.sha256(exported[0].key.verifier.key).hexdigest()
    groups = ":".join(fingerprint[at : at + 4] for at in range(0, 64, 4))
    assert run_verifier(tree, "--key", vkey)[0] == 0
    assert run_verifier(tree, "--key", groups)[0] == 0
    other = str(note.Ed25519Signer("example.org/liuhen", Ed25519PrivateKey.generate()).verifier)
    code, said = run_verifier(tree, "--key", other)
    assert code == 1
    assert "log.vkey" in said


def test_originals_are_the_stored_bytes(tree: Path, exported: Made) -> None:
    bureau = exported[0]
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (tree / "data" / "originals").iterdir()}
    stored = {path.name for path in (bureau.settings.data / "blobs/five_years/originals").rglob("*") if path.is_file()}
    assert found == {name for name in stored if not name.endswith(".lock")}


def test_names_on_the_disc_are_safe(tree: Path) -> None:
    for path in (tree / "data").rglob("*"):
        assert not set(path.name) & set('<>:"/\\|?*%\u202e ')


def test_another_reader_sees_the_same_files(tree: Path, exported: Made, tmp_path: Path) -> None:
    if not shutil.which("7z"):
        pytest.fail("7z is missing") if os.environ.get("CI") else pytest.skip("7z is not installed")
    out = tmp_path / "seven"
    subprocess.run(["7z", "x", f"-o{out}", str(exported[2])], check=True, capture_output=True)
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()} == names


def test_the_making_is_logged_with_the_image(exported: Made) -> None:
    bureau, row, iso = exported
    catalogue = Catalogue(bureau.settings.database)
    with catalogue.read() as session:
        entry = session.scalars(select(Entry).where(Entry.event == "export.made")).one()
    catalogue.close()
    event = parse_draft(entry.draft)
    assert event.subject == f"recording:{bureau.recording}"
    assert event.payload["request"] == bureau.request
    assert event.payload["sha256"] == row.sha256 == hashlib.sha256(iso.read_bytes()).hexdigest()
    assert event.payload["size"] == row.size == iso.stat().st_size
    assert entry.index is not None


def test_the_image_is_locked_like_the_recording(exported: Made) -> None:
    bureau, row, _ = exported
    stat = bureau.tiers[row.tier].stat(f"exports/{row.sha256[:2]}/{row.sha256}")
    assert stat is not None
    assert stat.retain_until is not None
    assert stat.retain_until.year == 2031


# Somebody changes the disc and does not touch the lists ------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "data/originals/*",
        "data/access/*",
        "data/report.json",
        "ledger/checkpoint",
        "ledger/log.vkey",
        "ledger/proofs/0003*",
        "chunks/*",
        "explanation.json",
        "制作说明.pdf",
        "INDEX.html",
        "manifest-sha256.txt",
    ],
)
def test_a_flipped_byte_is_named(disc: Path, pattern: str) -> None:
    path = first(disc, pattern)
    flip(path, 3)
    code, said = run_verifier(disc)
    assert code == 1
    assert path.name in said


def test_a_flipped_byte_of_an_original_is_located(disc: Path) -> None:
    path = first(disc, "data/originals/*")
    flip(path, (1 << 20) + 5)
    code, said = run_verifier(disc)
    assert code == 1
    assert "1048576–2097151" in said
    assert "bytes 1048576 to 2097151" in said


@pytest.mark.parametrize("pattern", ["data/originals/*", "data/access/*", "ledger/proofs/0001*", "制作说明.pdf"])
def test_a_deleted_file_is_named(disc: Path, pattern: str) -> None:
    path = first(disc, pattern)
    path.unlink()
    code, said = run_verifier(disc)
    assert code == 1
    assert path.name in said


@pytest.mark.parametrize("name", ["data/originals/003_more.mp4", "autorun.inf", "ledger/proofs/0099.tlog-proof"])
def test_an_added_file_is_named(disc: Path, name: str) -> None:
    (disc / name).write_bytes(b"more")
    code, said = run_verifier(disc)
    assert code == 1
    assert name in said


def test_a_link_is_refused(disc: Path) -> None:
    path = first(disc, "data/access/*")
    path.unlink()
    path.symlink_to("/etc/passwd")
    code, said = run_verifier(disc)
    assert code == 1
    assert path.name in said


# Somebody changes the disc and writes the lists anew ---------------------------------------------------------------


def forge_original(disc: Path) -> str:
    flip(first(disc, "data/originals/*"), 9)
    return first(disc, "data/originals/*").name


def forge_original_and_chunks(disc: Path) -> str:
    path = first(disc, "data/originals/*")
    content = path.read_bytes()[:-1]
    path.write_bytes(content)
    pieces = [content[at : at + (1 << 20)] for at in range(0, len(content), 1 << 20)]
    leaves = b"".join(hashlib.sha256(b"\0" + piece).digest() for piece in pieces)
    (disc / "chunks" / hashlib.sha256(content).hexdigest()).write_bytes(leaves)
    return path.name


def forge_access_copy(disc: Path) -> str:
    flip(first(disc, "data/access/*"))
    return first(disc, "data/access/*").name


def forge_report(disc: Path) -> str:
    path = disc / "data/report.json"
    path.write_text(path.read_text().replace("interrupted", "continuous"))
    return "data/report.json"


def forge_proof_hash(disc: Path) -> str:
    path = disc / "ledger/proofs/0002.tlog-proof"
    lines = path.read_text().split("\n")
    lines[3] = base64.b64encode(bytes(32)).decode()
    path.write_text("\n".join(lines))
    return path.name


def forge_entry(disc: Path) -> str:
    path = disc / "ledger/proofs/0003.tlog-proof"
    lines = path.read_text().split("\n")
    body = base64.b64decode(lines[1].removeprefix("extra ")).replace(b"interrupted", b"continuous")
    lines[1] = f"extra {base64.b64encode(body).decode()}"
    path.write_text("\n".join(lines))
    return path.name


def forge_checkpoint(disc: Path) -> str:
    path = disc / "ledger/checkpoint"
    lines = path.read_text().split("\n")
    lines[1] = str(int(lines[1]) + 1)
    path.write_text("\n".join(lines))
    return "ledger/checkpoint"


def swap_key(disc: Path) -> str:
    other = note.Ed25519Signer("example.org/liuhen", Ed25519PrivateKey.generate()).verifier
    (disc / "ledger/log.vkey").write_text(f"{other}\n")
    return "ledger/checkpoint"


def drop_entry(disc: Path) -> str:
    (disc / "ledger/proofs/0004.tlog-proof").unlink()
    return "0005.tlog-proof"


def drop_first_entry(disc: Path) -> str:
    (disc / "ledger/proofs/0001.tlog-proof").unlink()
    return "0002.tlog-proof"


def cut_the_chain(disc: Path) -> str:
    """Everything from the second analysis on would be gone, and nobody the wiser, but for the approval."""
    for path in sorted((disc / "ledger/proofs").iterdir())[3:]:
        path.unlink()
    return "bag-info.txt"


def other_request(disc: Path) -> str:
    path = disc / "bag-info.txt"
    path.write_text(path.read_text().replace("request:", "request:x"))
    return "bag-info.txt"


def swap_entries(disc: Path) -> str:
    one, two = disc / "ledger/proofs/0001.tlog-proof", disc / "ledger/proofs/0002.tlog-proof"
    first_content = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first_content)
    return "0001.tlog-proof"


def drop_original(disc: Path) -> str:
    path = first(disc, "data/originals/*")
    path.unlink()
    return "_0001.mp4"


def drop_chunk_list(disc: Path) -> str:
    path = first(disc, "chunks/*")
    path.unlink()
    return path.name


def drop_report(disc: Path) -> str:
    (disc / "data/report.json").unlink()
    return "data/report.json"


def add_program(disc: Path) -> str:
    (disc / "player.exe").write_bytes(b"MZ")
    return "player.exe"


def other_recording(disc: Path) -> str:
    path = disc / "bag-info.txt"
    path.write_text(path.read_text().replace("recording:", "recording:x"))
    return "bag-info.txt"


def nicer_explanation(disc: Path) -> str:
    path = disc / "explanation.json"
    said = json.loads(path.read_text())
    said["verdict"] = "continuous"
    path.write_text(json.dumps(said))
    return "explanation.json"


def other_pdf(disc: Path) -> str:
    (disc / "EXPLANATION.pdf").write_bytes(b"%PDF-1.4")
    return "EXPLANATION.pdf"


FORGERIES: list[Callable[[Path], str]] = [
    forge_original,
    forge_original_and_chunks,
    forge_access_copy,
    forge_report,
    forge_proof_hash,
    forge_entry,
    forge_checkpoint,
    swap_key,
    drop_entry,
    drop_first_entry,
    cut_the_chain,
    other_request,
    swap_entries,
    drop_original,
    drop_chunk_list,
    drop_report,
    add_program,
    other_recording,
    nicer_explanation,
    other_pdf,
]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_a_forger_who_rewrites_the_lists_is_found(disc: Path, forge: Callable[[Path], str]) -> None:
    named = forge(disc)
    relist(disc)
    code, said = run_verifier(disc)
    assert code == 1, said
    assert "FAILED" in said
    assert named in said.split("FAILED")[1], said


LEFT_TO_VERIFY = [swap_key, drop_chunk_list, add_program, nicer_explanation, other_pdf]
"""What the short verifier leaves to the other: it does not read these files, or has no list of names."""


@pytest.mark.parametrize(
    "forge", [each for each in FORGERIES if each not in LEFT_TO_VERIFY], ids=lambda forge: forge.__name__
)
def test_the_short_verifier_finds_the_same_forgeries(disc: Path, exported: Made, forge: Callable[[Path], str]) -> None:
    forge(disc)
    relist(disc)
    code, said = run_short(disc, exported[0].key.vkey)
    assert code == 1, said
    assert "不通过" in said
    assert "FAILED" in said


def test_the_short_verifier_wants_the_key_that_signed(tree: Path) -> None:
    other = str(note.Ed25519Signer("example.org/liuhen", Ed25519PrivateKey.generate()).verifier)
    code, said = run_short(tree, other)
    assert code == 1
    assert "not signed by this key" in said


def test_the_short_verifier_says_that_it_needs_openssl(tree: Path, exported: Made) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(tree / "verify_short.py"), exported[0].key.vkey],
        env={"PATH": "/nothing"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"openssl" in done.stderr


def test_a_folder_that_is_no_disc_is_refused(tmp_path: Path, tree: Path) -> None:
    code, said = run_verifier(tree, str(tmp_path))
    assert code == 1
    assert "bagit.txt" in said


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path, tree: Path) -> None:
    assert run_verifier(tree, str(tmp_path / "nothing"))[0] == 2


@pytest.mark.parametrize("seed", range(8))
def test_any_single_bit_anywhere_is_found(disc: Path, seed: int) -> None:
    chance = random.Random(seed)
    files = sorted(path for path in disc.rglob("*") if path.is_file())
    for path in chance.sample(files, 12):
        content = path.read_bytes()
        flip(path, chance.randrange(len(content)))
        with pytest.raises(Wrong):
            verify(disc, say=lambda zh, en: None)
        path.write_bytes(content)
    verify(disc, say=lambda zh, en: None)


IN_THE_LEDGER = [forge_proof_hash, forge_entry, forge_checkpoint, swap_key, drop_entry, drop_first_entry, swap_entries]


@pytest.mark.parametrize("forge", IN_THE_LEDGER, ids=lambda forge: forge.__name__)
def test_the_library_finds_what_is_wrong_in_the_ledgers_files(
    disc: Path, tree: Path, forge: Callable[[Path], str]
) -> None:
    assert recheck(tree) > 5
    forge(disc)
    with pytest.raises(IntegrityError):
        recheck(disc)


def test_another_spelling_of_the_same_proof_is_refused_by_all_three(disc: Path, exported: Made) -> None:
    """Base64 with other unused bits decodes to the same bytes: still, one receipt has one form."""
    path = first(disc, "ledger/proofs/*")
    lines = path.read_text().split("\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    last = lines[3][-2]
    lines[3] = f"{lines[3][:-2]}{alphabet[alphabet.index(last) ^ 1]}="
    path.write_text("\n".join(lines))
    relist(disc)
    assert not full_says(disc, exported[0].key.vkey)
    assert not short_says(disc, exported[0].key.vkey)
    with pytest.raises(IntegrityError, match="canonical"):
        recheck(disc)


def short_says(disc: Path, key: str) -> bool:
    """Does the short verifier find the disc sound?"""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(disc / "verify_short.py"), key], check=False, capture_output=True
    )
    return done.returncode == 0


@pytest.mark.parametrize("relisted", [False, True], ids=["lists as they were", "lists written anew"])
def test_both_verifiers_agree_on_any_changed_byte(disc: Path, exported: Made, relisted: bool) -> None:
    """Of every file that the short one reads for what it says."""
    key, chance = exported[0].key.vkey, random.Random(7)
    read = ("data/**/*", "ledger/checkpoint", "ledger/proofs/*", "bag-info.txt")
    files = sorted({path for pattern in read for path in disc.glob(pattern) if path.is_file()})
    for path in chance.sample(files, len(files)):
        content, at = path.read_bytes(), 0
        changed = bytearray(content)
        at = chance.randrange(len(content))
        changed[at] ^= 1 << chance.randrange(8)
        path.write_bytes(changed)
        if relisted:
            relist(disc)
        assert short_says(disc, key) == full_says(disc, key), (path, at)
        path.write_bytes(content)
    relist(disc)
    assert short_says(disc, key)
    assert full_says(disc, key)


def full_says(disc: Path, key: str) -> bool:
    try:
        verify(disc, key, say=lambda zh, en: None)
    except Wrong:
        return False
    return True
