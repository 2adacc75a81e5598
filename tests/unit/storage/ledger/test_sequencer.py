from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from storage.catalogue import custody
from storage.errors import IntegrityError, NotFound, Refused, Transient
from storage.ledger import entry, note, proof, tiles
from storage.ledger.folder import LedgerFolder
from storage.ledger.keys import LogKey
from tests.support.ledger import SIGNER, VKEY, Desk, bodies, event


def test_events_are_published_in_the_order_they_were_recorded(desk: Desk) -> None:
    desk.record(0, 300)
    assert desk.sequencer().publish_pending() == 300
    assert desk.entries() == bodies(300)


def test_nothing_to_publish_is_published_once(desk: Desk) -> None:
    desk.record(0)
    sequencer = desk.sequencer()
    assert [sequencer.publish_pending(), sequencer.publish_pending()] == [1, 0]


def test_the_first_start_signs_the_empty_log(desk: Desk) -> None:
    desk.sequencer().publish_pending()
    assert desk.audit().checkpoint.size == 0


def test_batches_and_restarts_make_the_log_that_one_batch_makes(desk: Desk) -> None:
    for first in range(0, 600, 60):
        desk.record(first, 60)
        sequencer = desk.sequencer()
        sequencer.publish_pending()
        sequencer.stop()
    assert desk.entries() == bodies(600)


def test_partial_files_go_once_the_full_ones_are_published(desk: Desk) -> None:
    sequencer = desk.sequencer()
    for first in range(0, 300, 50):
        desk.record(first, 50)
        sequencer.publish_pending()
    assert desk.audit().unchecked == ()
    sequencer.stop()
    assert [name for name in desk.folder.names() if ".p/" in name] == [
        "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/001.p/44"
    ]  # fmt: skip


def test_a_receipt_verifies_with_the_public_key_alone(desk: Desk) -> None:
    desk.record(0, 300)
    sequencer = desk.sequencer()
    sequencer.publish_pending()
    for number in (0, 255, 256, 299):
        verified = proof.verify_receipt(sequencer.receipt(f"event-{number}"), VKEY)
        assert (verified.index, verified.entry.event.id) == (number, f"event-{number}")


def test_a_receipt_is_only_given_for_what_is_published(desk: Desk) -> None:
    sequencer = desk.sequencer()
    with pytest.raises(NotFound):
        sequencer.receipt("event-0")
    sequencer.publish_pending()
    desk.record(0)
    with pytest.raises(Transient, match="not in the ledger yet"):
        sequencer.receipt("event-0")
    with pytest.raises(Transient, match="not in the ledger yet"):
        sequencer.wait("event-0", timeout=0)
    with pytest.raises(NotFound, match="no event"):
        sequencer.wait("never", timeout=10)


def test_there_is_no_checkpoint_before_the_first_start(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.sequencer().checkpoint()


def test_waiters_are_told_when_their_event_is_published(desk: Desk) -> None:
    sequencer = desk.sequencer()
    sequencer.start()
    places: dict[str, int] = {}

    def client(first: int) -> None:
        for number in range(first, first + 10):
            desk.record(number)
            sequencer.notify()
            places[f"event-{number}"] = sequencer.wait(f"event-{number}", timeout=60).index

    threads = [threading.Thread(target=client, args=(first,)) for first in range(0, 80, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sequencer.stop()
    assert sorted(places.values()) == list(range(80))
    assert [entry.parse(body).event.id for body in desk.entries()] == sorted(places, key=lambda each: places[each])


def test_events_recorded_by_others_are_found_without_being_told(desk: Desk) -> None:
    sequencer = desk.sequencer()
    sequencer.start()
    desk.record(0)
    assert desk.sequencer().wait("event-0", timeout=60).index == 0


def test_stopping_publishes_what_waits_and_frees_the_lock(desk: Desk) -> None:
    first = desk.sequencer()
    first.start()
    desk.record(0)
    first.stop()
    assert desk.audit().checkpoint.size == 1
    desk.sequencer().publish_pending()


def test_a_second_writer_is_refused(desk: Desk) -> None:
    desk.sequencer().publish_pending()
    with pytest.raises(Refused, match="one writer"):
        desk.sequencer().start()


def test_a_second_writer_in_another_process_is_refused(desk: Desk) -> None:
    desk.sequencer().publish_pending()
    program = (
        "import sys, pathlib; from storage.errors import Refused; from tests.support.ledger import Desk\n"
        "try: Desk(pathlib.Path(sys.argv[1])).sequencer().publish_pending()\n"
        "except Refused as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", program, desk.root], capture_output=True, text=True, check=True)
    assert "one writer" in found.stdout


def test_a_second_writer_on_standby_waits_and_takes_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.ledger.sequencer.STANDBY", 0.05)
    first, second = desk.sequencer(), desk.sequencer()
    first.start()
    second.start(standby=True)
    desk.record(0)
    assert second.wait("event-0", timeout=60).index == 0
    first.stop()
    desk.record(1)
    assert second.wait("event-1", timeout=60).index == 1
    second.stop()
    assert desk.audit().checkpoint.size == 2


def run(desk: Desk, first: int, count: int) -> None:
    desk.record(first, count)
    sequencer = desk.sequencer()
    sequencer.publish_pending()
    sequencer.stop()


def files(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def restored(desk: Desk, backup: Callable[[], None]) -> None:
    """Run 20 entries, copy the database and what `backup` copies, run 20 more, then put the copied database back."""
    run(desk, 0, 20)
    desk.catalogue.engine.dispose()
    shutil.copy(desk.root / "catalogue.db", desk.root / "backup.db")
    backup()
    run(desk, 20, 20)
    desk.catalogue.engine.dispose()
    for file in desk.root.glob("catalogue.db-*"):
        file.unlink()
    shutil.copy(desk.root / "backup.db", desk.root / "catalogue.db")


def test_a_restored_older_database_is_refused_and_nothing_is_written(desk: Desk) -> None:
    restored(desk, lambda: None)
    desk.record(40, 5)
    before = files(desk.folder.root)
    with pytest.raises(IntegrityError, match="has 20 ledger entries, but a checkpoint of 40") as caught:
        desk.sequencer().start()
    assert "恢复了旧备份" in caught.value.zh
    assert files(desk.folder.root) == before


def test_a_restored_database_and_ledger_folder_are_refused_by_the_guard(desk: Desk) -> None:
    def backup() -> None:
        shutil.copytree(desk.folder.root, desk.root / "backup")

    restored(desk, backup)
    shutil.rmtree(desk.folder.root)
    shutil.copytree(desk.root / "backup", desk.folder.root)
    with pytest.raises(IntegrityError, match="has 20 ledger entries, but a checkpoint of 40"):
        desk.sequencer().start()


def test_a_fork_grown_past_the_signed_size_is_refused_by_the_guard(desk: Desk) -> None:
    run(desk, 0, 20)
    (desk.root / "fork").mkdir()
    fork = Desk(desk.root / "fork")
    run(fork, 100, 30)
    fork.close()
    desk.catalogue.engine.dispose()
    for file in desk.root.glob("catalogue.db-*"):
        file.unlink()
    shutil.copy(fork.root / "catalogue.db", desk.root / "catalogue.db")
    before = desk.guard.load()
    with pytest.raises(IntegrityError, match="entry 19 in the database"):
        desk.sequencer().start()
    shutil.rmtree(desk.folder.root)
    with pytest.raises(IntegrityError, match="changed or forked"):
        desk.sequencer().start()
    assert desk.guard.load() == before


def test_a_lost_ledger_folder_is_made_again_from_the_database(desk: Desk) -> None:
    for first in range(0, 700, 100):
        run(desk, first, 100)
    signed = desk.folder.checkpoint()
    shutil.rmtree(desk.folder.root)
    desk.sequencer().start()
    assert desk.folder.checkpoint() == signed
    assert desk.entries() == bodies(700)


def test_a_lost_guard_stops_the_signer(desk: Desk) -> None:
    run(desk, 0, 5)
    (desk.root / "keys" / "last-checkpoint").unlink()
    with pytest.raises(Refused, match="a fork can't be ruled out"):
        desk.sequencer().start()


def test_an_older_guard_is_caught_up(desk: Desk) -> None:
    run(desk, 0, 5)
    older = desk.guard.load()
    run(desk, 5, 5)
    (desk.root / "keys" / "last-checkpoint").write_bytes(older or b"")
    run(desk, 10, 5)
    assert desk.audit().checkpoint.size == 15


def edit(desk: Desk, statement: str) -> None:
    with desk.catalogue.write() as session:
        session.execute(text(statement))


def test_a_changed_database_row_is_never_chained_to(desk: Desk) -> None:
    run(desk, 0, 20)
    edit(desk, "UPDATE entries SET leaf = zeroblob(32) WHERE log_index = 2")
    desk.record(20)
    sequencer = desk.sequencer()
    assert sequencer.publish_pending() == 1  # event 20 follows event 17
    edit(desk, "UPDATE entries SET leaf = zeroblob(32) WHERE log_index = 18")
    desk.record(21)
    with pytest.raises(IntegrityError, match="entry 18 in the database"):
        sequencer.publish_pending()


def test_a_changed_body_gives_no_receipt(desk: Desk) -> None:
    run(desk, 0, 20)
    edit(desk, "UPDATE entries SET body = replace(body, 'test', 'best') WHERE log_index = 3")
    with pytest.raises(IntegrityError, match="entry 3"):
        desk.sequencer().receipt("event-3")


def test_a_changed_draft_is_not_logged(desk: Desk) -> None:
    desk.record(0)
    edit(desk, "UPDATE entries SET subject = 'recording:other'")
    with pytest.raises(IntegrityError, match="event event-0"):
        desk.sequencer().publish_pending()


def test_another_key_is_refused_before_anything_is_written(desk: Desk) -> None:
    run(desk, 0, 5)
    desk.key = LogKey(note.Ed25519Signer(SIGNER.name, Ed25519PrivateKey.generate()))
    with pytest.raises(IntegrityError, match="no trusted key"):
        desk.sequencer().start()


def test_waiters_are_told_why_publishing_stopped(desk: Desk) -> None:
    sequencer = desk.sequencer()
    sequencer.start()
    edit(
        desk,
        "INSERT INTO entries (event_id, subject, event, time, draft) VALUES ('bad', 's', 'e', '2026-11-20', x'00')",
    )
    with pytest.raises(IntegrityError, match="not JSON"):
        sequencer.wait("bad", timeout=60)


def test_only_the_right_edge_of_the_log_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.record(0, 1100, subjects=1)
    desk.sequencer().publish_pending()
    for each in desk._opened:
        each.stop()
    read: list[str] = []
    inner = desk.folder.read

    def noted(_: LedgerFolder, path: str) -> bytes:
        read.append(path)
        return inner(path)

    monkeypatch.setattr(LedgerFolder, "read", noted)
    desk.record(1100, 1, subjects=1)
    desk.sequencer().publish_pending()
    found = {tile for path in read if (tile := tiles.parse_path(path))}
    assert {tile.index for tile in found if tile.level <= 0} == {4}


def test_an_event_too_large_for_an_entry_never_reaches_the_outbox(desk: Desk) -> None:
    with pytest.raises(Refused, match="too large"), desk.catalogue.write() as session:
        custody.record(session, event(payload={"x": "a" * 70_000}))
    assert desk.sequencer().publish_pending() == 0
