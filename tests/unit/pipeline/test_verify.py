"""A whole data directory: sound, it verifies; changed behind the service's back, the wrong thing is named."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import Settings
from pipeline.verify import DataCheck, DataPlace
from storage.blobs.local import LocalBlobStore
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Export, Recording
from storage.errors import LiuhenError, NotFound, Refused
from storage.ledger import checkpoint, merkle, tiles
from storage.records import Actor, RetentionClass
from tests.support.exported import Bureau, export, exported, fill, open_bureau
from tests.support.ledger import log

__all__ = ["exported"]

Made = tuple[Bureau, Export, Path]
ENTRIES = 16


@pytest.fixture
def data(exported: Made, tmp_path: Path) -> Path:
    """A copy of the bureau's data directory to break."""
    return Path(shutil.copytree(exported[0].settings.data, tmp_path / "data"))


def check(
    data: Path, exported: Made, *, subject: str | None = None, since: bool = True, **given: Any
) -> tuple[list[str], DataCheck]:
    """What is wrong, in English, everything of it."""
    settings = Settings(data=data)
    catalogue = Catalogue(settings.database)
    tiers = {tier.value: LocalBlobStore(data / "blobs" / tier.value) for tier in RetentionClass}
    guarded = (settings.keys / "last-checkpoint").read_bytes() if since else None
    made = DataCheck(DataPlace(catalogue, tiers, settings.ledger, exported[0].key.vkey, guarded, **given))
    try:
        found = [wrong.en for wrong in made.wrongs(subject)]
    finally:
        catalogue.close()
    return found, made


def change(data: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(data / "liuhen.db")) as connection, connection:
        done = connection.execute(statement, values)
    assert done.rowcount


def stored(data: Path, kind: str) -> Path:
    return next(path for path in sorted(data.glob(f"blobs/*/{kind}/*/*")) if path.suffix != ".lock")


def flip(path: Path, at: int) -> None:
    path.chmod(0o644)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.unlink()  # the copy may share its bytes with the image's work folder
    path.write_bytes(content)


def test_a_sound_directory_verifies(data: Path, exported: Made) -> None:
    found, made = check(data, exported)
    assert found == []
    assert made.counts.entries == ENTRIES
    assert made.counts.pending == 0
    assert made.counts.files == 5


def test_progress_covers_entries_and_bytes(data: Path, exported: Made) -> None:
    told: list[tuple[str, int, int]] = []
    settings = Settings(data=data)
    catalogue = Catalogue(settings.database)
    tiers = {tier.value: LocalBlobStore(data / "blobs" / tier.value) for tier in RetentionClass}
    made = DataCheck(
        DataPlace(catalogue, tiers, settings.ledger, exported[0].key.vkey), lambda *step: told.append(step)
    )
    assert list(made.wrongs()) == []
    catalogue.close()
    assert ("ledger", ENTRIES, ENTRIES) in told
    assert max(done for stage, done, _ in told if stage == "files") == {t for s, _, t in told if s == "files"}.pop()


@pytest.mark.parametrize("at", [0, 5, 1 << 20, (1 << 20) + 4096])
def test_a_flipped_byte_of_an_original_is_located(data: Path, exported: Made, at: int) -> None:
    path = stored(data, "originals")
    flip(path, at)
    found, _ = check(data, exported)
    assert len(found) == 1
    assert path.name in found[0]
    first = at >> 20 << 20
    assert f"bytes {first}–" in found[0]


def test_a_truncated_original_is_located(data: Path, exported: Made) -> None:
    path = stored(data, "originals")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-1])
    found, _ = check(data, exported)
    assert len(found) == 1
    assert "bytes 1048576–" in found[0]


@pytest.mark.parametrize("kind", ["derivatives", "exports"])
def test_a_flipped_byte_of_another_file_is_named(data: Path, exported: Made, kind: str) -> None:
    path = stored(data, kind)
    flip(path, 3)
    found, _ = check(data, exported)
    assert len(found) == 1
    assert path.name in found[0]


def test_a_damaged_chunk_list_is_named(data: Path, exported: Made) -> None:
    path = stored(data, "chunks")
    flip(path, 3)
    found, _ = check(data, exported)
    assert len(found) == 1
    assert "chunk list" in found[0]
    assert path.name in found[0]


@pytest.mark.parametrize("kind", ["originals", "derivatives", "exports", "chunks"])
def test_a_missing_file_is_named(data: Path, exported: Made, kind: str) -> None:
    path = stored(data, kind)
    path.unlink()
    found, _ = check(data, exported)
    assert len(found) == 1
    assert path.name in found[0]


def test_a_removed_lock_is_named(data: Path, exported: Made) -> None:
    path = stored(data, "originals")
    path.with_name(f"{path.name}.lock").unlink()
    found, _ = check(data, exported)
    assert len(found) == 1
    assert path.name in found[0]


EDITS: dict[str, tuple[str, str]] = {
    "size": ("UPDATE originals SET size = size + 1 WHERE sequence = 1", "size of the original"),
    "root": ("UPDATE originals SET root = replace(root, 'a', 'b') WHERE sequence = 1", "root of the original"),
    "name": ("UPDATE originals SET name = 'other.mp4' WHERE sequence = 1", "name of the original"),
    "tier": ("UPDATE originals SET tier = 'long_term' WHERE sequence = 1", "tier of the original"),
    "original gone": ("DELETE FROM originals WHERE sequence = 2", "is missing from the database"),
    "verdict": ("UPDATE recordings SET verdict = 'continuous'", "verdict of the recording"),
    "report": ("UPDATE recordings SET report = replace(report, 'GAP-PTS', 'OTHER')", "report of the recording"),
    "retention": ("UPDATE recordings SET retention = 'long_term'", "retention class of the recording"),
    "case": ("UPDATE recordings SET case_id = NULL", "case of the recording"),
    "derivative": ("UPDATE derivatives SET size = 1", "size of the derivative"),
    "derivative gone": ("DELETE FROM derivatives", "the derivative"),
    "purpose": ("UPDATE requests SET purpose = '看看而已'", "purpose of the request"),
    "approver": ("UPDATE requests SET decided_by = requester_id", "actor of the decision"),
    "decision": ("UPDATE requests SET state = 'rejected'", "approval of the decision"),
    "decision gone": ("UPDATE requests SET state = 'pending'", "is missing from the database"),
    "grant": ("UPDATE grants SET expires = '2099-01-01 00:00:00.000000'", "expiry of the grant"),
    "excuse": ("UPDATE excuses SET text = '设备没电'", "text of the explanation"),
    "excuse decision": ("UPDATE excuses SET accepted = 0", "acceptance of the decision"),
    "role": ("UPDATE users SET roles = '[\"admin\"]' WHERE login = 'officer'", "roles of the user"),
    "case flags": ("UPDATE cases SET flags = '[\"other\"]'", "grounds of the case"),
    "export": ("UPDATE exports SET size = 1", "size of the export"),
    "manifest": ("UPDATE dockings SET manifest = x'7b7d'", "manifest's digest of the docking"),
    "manifest's signature": ("UPDATE dockings SET signature = ''", "the signature of docking d1"),
    "station's key": ("UPDATE stations SET public_key = ''", "the signature of docking d1"),
    "entry": ("UPDATE entries SET body = x'7b7d' WHERE log_index = 3", "ledger entry 3"),
    "entry's leaf": ("UPDATE entries SET leaf = x'00' WHERE log_index = 3", "ledger entry 3"),
    "entry's subject": ("UPDATE entries SET subject = 'recording:x' WHERE log_index = 3", "ledger entry 3"),
    "entry gone": ("DELETE FROM entries WHERE log_index = 3", "ledger entry 3: the database lacks"),
    "last entry gone": ("DELETE FROM entries WHERE log_index = 15", "ledger entry 15: the database lacks"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_row_is_named(data: Path, exported: Made, edit: str) -> None:
    statement, named = EDITS[edit]
    change(data, statement)
    found, _ = check(data, exported)
    assert found
    assert any(named in each for each in found), found


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE recordings SET report = '{'",
        "UPDATE recordings SET received = 'yesterday'",
        "UPDATE requests SET salt = 'zz'",
        "UPDATE originals SET size = 'many'",
        "UPDATE originals SET tier = 'attic'",
        "UPDATE users SET roles = NULL WHERE login = 'nobody' OR 1",
    ],
)
def test_garbage_in_the_database_is_a_finding_never_a_crash(data: Path, exported: Made, statement: str) -> None:
    with closing(sqlite3.connect(data / "liuhen.db")) as connection, connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        try:
            connection.execute(statement)
        except sqlite3.IntegrityError:  # the schema itself forbids it
            return
    assert check(data, exported)[0]


def test_a_damaged_database_file_is_a_finding(data: Path, exported: Made) -> None:
    path = data / "liuhen.db"
    content = bytearray(path.read_bytes())
    for at in range(3 * 4096, len(content), 4096):
        content[at : at + 64] = b"\xa5" * 64
    path.write_bytes(content)
    with contextlib.suppress(LiuhenError):  # too damaged to be opened at all: an error, not a finding
        assert check(data, exported)[0]


def test_a_grant_without_approval_is_named(data: Path, exported: Made) -> None:
    bureau = exported[0]
    change(
        data,
        "INSERT INTO requests (id, kind, recording_id, requester_id, purpose, salt, state, made, reason) "
        "VALUES ('r9', 'view', ?, ?, '看看', ?, 'approved', '2026-11-20 01:02:03.000000', '')",
        bureau.recording,
        bureau.users["officer"],
        "00" * 32,
    )
    change(
        data,
        "INSERT INTO grants (id, request_id, user_id, recording_id, kind, expires) "
        "VALUES ('g9', 'r9', ?, ?, 'view', '2099-01-01 00:00:00.000000')",
        bureau.users["officer"],
        bureau.recording,
    )
    found, _ = check(data, exported)
    assert "the grant of request r9 in the database has no entry in the ledger" in found


def test_an_erased_purpose_is_passed_over(data: Path, exported: Made) -> None:
    change(data, "UPDATE requests SET purpose = '', reason = '', salt = ''")
    assert check(data, exported)[0] == []


def test_a_rewritten_ledger_entry_is_named(data: Path, exported: Made) -> None:
    path = data / f"ledger/tile/entries/000.p/{ENTRIES}"
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"verdict":"interrupted"', b'"verdict":"uninterrupt"', 1))
    assert path.read_bytes() != content
    found, _ = check(data, exported)
    assert len(found) == 1
    assert "entry" in found[0]
    assert "altered" in found[0]


def test_a_ledger_cut_back_is_named(data: Path, exported: Made) -> None:
    key = exported[0].key
    later = checkpoint.sign(checkpoint.Checkpoint(key.origin, ENTRIES + 1, bytes(32)), key.signer)
    (data / "keys/last-checkpoint").write_bytes(later)
    found, _ = check(data, exported)
    assert len(found) == 1
    assert "cut short" in found[0]


def test_a_changed_checkpoint_is_named(data: Path, exported: Made) -> None:
    path = data / "ledger/checkpoint"
    path.write_text(path.read_text().replace(f"\n{ENTRIES}\n", f"\n{ENTRIES + 1}\n"))
    found, _ = check(data, exported)
    assert len(found) == 1
    assert found[0].startswith("ledger:")


def test_events_that_wait_are_counted_not_blamed(data: Path, exported: Made) -> None:
    draft = json.dumps(
        {
            "id": "e9",
            "event": "view.opened",
            "time": "2026-11-20T01:02:03.000Z",
            "actor": {"kind": "user", "id": "officer"},
            "subject": f"recording:{exported[0].recording}",
            "payload": {},
        },
        separators=(",", ":"),
    )
    columns = "event_id, subject, event, time, draft"
    change(data, f"INSERT INTO entries ({columns}) VALUES ('e9', 'x', 'view.opened', '2026-11-20', ?)", draft.encode())
    found, made = check(data, exported)
    assert found == []
    assert made.counts.pending == 1


def test_one_recording_leaves_others_aside(data: Path, exported: Made) -> None:
    flip(stored(data, "originals"), 1)
    assert check(data, exported, subject="user:officer")[0] == []
    assert len(check(data, exported, subject=f"recording:{exported[0].recording}")[0]) == 1


def test_a_chain_is_counted_from_the_folder(data: Path, exported: Made) -> None:
    recording = f"recording:{exported[0].recording}"
    chain = check(data, exported, subject=recording)[1].chain
    bodies = [each for each in entries(data) if json.loads(each)["subject"] == recording]
    assert chain is not None
    assert (chain.length, chain.waiting) == (len(bodies), 0)
    assert chain.head == merkle.leaf_hash(bodies[-1]).hex()
    assert chain.first is not None
    assert chain.first[1] == json.loads(bodies[0])["event"]


def entries(data: Path) -> list[bytes]:
    bundle = tiles.covering(tiles.ENTRIES, 0, ENTRIES)
    return tiles.decode_bundle((data / "ledger" / bundle.path).read_bytes(), bundle)


def test_a_chain_that_does_not_exist_is_no_sound_chain(data: Path, exported: Made) -> None:
    with pytest.raises(NotFound, match="no entry of recording:another"):
        check(data, exported, subject="recording:another")


def test_a_chain_broken_in_the_folder_is_named_whatever_the_database_says(data: Path, exported: Made) -> None:
    """The folder's entries and hashes are made anew, and signed, with one entry's `prev` wrong; the rows follow."""
    key, bodies = exported[0].key, entries(data)
    last = max(index for index, body in enumerate(bodies) if b'"prev":null' not in body)
    bodies[last] = re.sub(rb'"prev":"[0-9a-f]{8}', b'"prev":"00000000', bodies[last])
    for path, content in log(bodies, key.signer).items():
        (data / "ledger" / path).write_bytes(content)
    change(data, "UPDATE entries SET body = ?, leaf = ? WHERE log_index = ?", bodies[last],
           merkle.leaf_hash(bodies[last]), last)  # fmt: skip
    found, _ = check(data, exported, since=False)
    assert len(found) == 1
    assert "the custody chain is broken" in found[0]
    assert "broke its own rules, under its own signature" in found[0]


def test_an_auditors_own_checkpoint_convicts_a_fork(data: Path, exported: Made) -> None:
    key = exported[0].key
    kept = log(entries(data)[:-1][::-1], key.signer)["checkpoint"]
    found, _ = check(data, exported, kept=kept)
    assert len(found) == 1
    assert "history was forked" in found[0]
    assert check(data, exported, kept=log(entries(data)[:5], key.signer)["checkpoint"])[0] == []


def test_an_interrupted_verification_does_not_read_sound_files_again(
    data: Path, exported: Made, tmp_path: Path
) -> None:
    state = tmp_path / "state"
    path = stored(data, "exports")  # read last
    sound = path.read_bytes()
    flip(path, 3)
    settings = Settings(data=data)
    catalogue = Catalogue(settings.database)
    tiers = {tier.value: LocalBlobStore(data / "blobs" / tier.value) for tier in RetentionClass}
    place = DataPlace(catalogue, tiers, settings.ledger, exported[0].key.vkey, state=state)
    first = DataCheck(place).wrongs()
    assert path.name in next(first).en
    first.close()
    path.write_bytes(sound)
    with state.open("a") as handle:
        handle.write(f"five_years/{path.name} cut off by a cras")
    second = DataCheck(place)
    assert list(second.wrongs()) == []
    catalogue.close()
    assert (second.counts.files, second.counts.resumed) == (1, 4)
    assert not state.exists()


def test_the_state_of_another_ledger_is_refused(data: Path, exported: Made, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("liuhen.verify-state/1 another+key\n")
    with pytest.raises(Refused, match="no verification state of this ledger"):
        check(data, exported, state=tmp_path / "state")


def test_stopping_at_the_first_reads_no_further(data: Path, exported: Made) -> None:
    change(data, "UPDATE recordings SET verdict = 'continuous'")
    settings = Settings(data=data)
    catalogue = Catalogue(settings.database)
    tiers = {tier.value: LocalBlobStore(data / "blobs" / tier.value) for tier in RetentionClass}
    made = DataCheck(DataPlace(catalogue, tiers, settings.ledger, exported[0].key.vkey))
    assert "verdict" in next(made.wrongs()).en
    catalogue.close()
    assert made.counts.bytes == 0


@pytest.mark.services
def test_a_bureau_on_postgresql_verifies(postgres_url: str, tmp_path: Path) -> None:
    bureau = open_bureau(tmp_path / "data", postgres_url)
    try:
        fill(bureau, tmp_path)
        export(bureau)
        place = DataPlace(bureau.catalogue, bureau.tiers, bureau.settings.ledger, bureau.key.vkey)
        assert list(DataCheck(place).wrongs()) == []
        with bureau.catalogue.write() as session:
            session.get_one(Recording, bureau.recording).verdict = "continuous"
        assert ["verdict" in wrong.en for wrong in DataCheck(place).wrongs()] == [True]
    finally:
        bureau.close()


def test_a_service_at_work_is_no_contradiction(tmp_path: Path) -> None:
    """Events are recorded and published while we verify; none of it is blamed."""
    bureau = open_bureau(tmp_path / "data")
    fill(bureau, tmp_path)
    stop = threading.Event()
    actor = Actor("user", "requester")

    def work() -> None:
        while not stop.is_set():
            bureau.record("view.opened", {"grant": "g", "request": "r", "original": "o"}, actor)
            bureau.sequencer.notify()

    bureau.sequencer.start()
    worker = threading.Thread(target=work)
    worker.start()
    guard = bureau.settings.keys / "last-checkpoint"
    try:
        for _ in range(15):
            place = DataPlace(
                bureau.catalogue, bureau.tiers, bureau.settings.ledger, bureau.key.vkey, guard.read_bytes()
            )
            assert list(DataCheck(place).wrongs()) == []
    finally:
        stop.set()
        worker.join()
        bureau.close()
