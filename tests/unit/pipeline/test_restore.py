"""An old backup of the database is restored while the ledger's folder is whole: nothing that was signed is lost."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest.digest import hash_file
from pipeline.bootstrap import Services, open_restore, open_tiers, wire
from pipeline.intake import Spooled, original_key
from pipeline.originals import Arrival
from pipeline.restore import EVENT, Restored
from pipeline.settings import Settings
from pipeline.verify import DataCheck, DataPlace
from storage.catalogue import custody
from storage.catalogue.tables import Job, Original, Recording
from storage.errors import Busy, IntegrityError, Refused
from storage.ledger import outbox
from storage.ledger.merkle import leaf_hash
from storage.ledger.proof import verify_receipt
from storage.records import Actor, JobKind
from tests.support.ledger import event

ADMIN = Actor("user", "admin")


class Bureau:
    """A data directory, opened for a moment at a time as a service that is started and stopped."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(data=root / "data", min_free=0)
        self.root = root
        self.vkey = ""
        self.made = 0

    def take_in(self, *names: str, events: int = 0) -> dict[str, bytes]:
        """Take files in, make some more events, work off the analyses; the receipts by name."""
        services = self.start()
        receipts = {name: self._accept(services, name) for name in names}
        with services.catalogue.write() as session:
            for number in range(events):
                custody.record(session, event(self.made + number, "case:c1"))
        self.made += events
        self.work(services)
        services.sequencer.publish_pending()
        services.stop()
        return receipts

    def start(self) -> Services:
        services = wire(self.settings)
        self.vkey = services.log_key.vkey
        try:
            services.sequencer.start()
        except BaseException:
            services.stop()
            raise
        return services

    def work(self, services: Services) -> None:
        with services.catalogue.read() as session:
            waiting = session.scalars(select(Job.id).where(Job.kind == JobKind.ANALYSE, Job.state == "queued")).all()
        for job in waiting:
            services.runner.run(job)

    def back_up(self) -> None:
        live, copy = (sqlite3.connect(file) for file in (self.settings.data / "liuhen.db", self.root / "backup.db"))
        with closing(live), closing(copy):
            live.backup(copy)

    def put_back(self) -> None:
        for file in self.settings.data.glob("liuhen.db*"):
            file.unlink()
        shutil.copy(self.root / "backup.db", self.settings.data / "liuhen.db")

    def restore(self) -> Restored:
        with open_restore(self.settings) as use_case:
            return use_case.run(self.vkey, ADMIN, lambda *_: None)

    def wrongs(self) -> list[str]:
        services = wire(self.settings)
        place = DataPlace(services.catalogue, open_tiers(self.settings), self.settings.ledger, self.vkey)
        found = [each.en for each in DataCheck(place).wrongs()]
        services.stop()
        return found

    def _accept(self, services: Services, name: str) -> bytes:
        file = self.settings.spool / name
        file.write_bytes(name.encode() * 1000)
        digest, leaves = hash_file(file).finish()
        receipt = services.intake.accept(
            Arrival(f"DCIM/{name}", "LH00012", Actor("station", "ST-01")), Spooled(file, digest, leaves)
        )
        file.unlink(missing_ok=True)
        return receipt


@pytest.fixture
def bureau(tmp_path: Path) -> Bureau:
    """Backed up after one file; a second one came afterwards, then the backup was put back."""
    made = Bureau(tmp_path)
    made.take_in("LH00012_20261118093000_0001.mp4", events=5)
    made.back_up()
    return made


SECOND = "LH00012_20261118120000_0001.mp4"


def test_the_service_refuses_and_after_the_restore_it_goes_on(bureau: Bureau) -> None:
    receipt = bureau.take_in(SECOND, events=300)[SECOND]
    bureau.put_back()
    with pytest.raises(IntegrityError, match="old backup was restored"):
        bureau.start()
    done = bureau.restore()
    assert (done.has - done.had > 300, done.originals, done.missing) == (True, 1, ())
    later = bureau.take_in("LH00012_20261118130000_0001.mp4")
    assert verify_receipt(receipt, bureau.vkey).checkpoint.size <= done.has
    assert verify_receipt(next(iter(later.values())), bureau.vkey).index > done.has
    assert bureau.wrongs() == []


def test_an_original_gets_its_rows_again_and_is_checked_anew(bureau: Bureau) -> None:
    receipt = bureau.take_in(SECOND)[SECOND]
    said = verify_receipt(receipt, bureau.vkey).entry.event
    bureau.put_back()
    bureau.restore()
    services = bureau.start()
    with services.catalogue.read() as session:
        original = session.get_one(Original, said.payload["sha256"])
        recording = session.get_one(Recording, original.recording_id)
    assert (original.event_id, original.name, f"recording:{recording.id}") == (
        said.id,
        said.payload["name"],
        said.subject,
    )
    assert recording.verdict is None
    bureau.work(services)
    with services.catalogue.read() as session:
        assert session.get_one(Recording, recording.id).verdict is not None
    again = verify_receipt(services.intake.receipt(original.sha256), bureau.vkey)
    assert again.entry.event == said
    services.stop()


def test_the_restore_is_an_entry(bureau: Bureau) -> None:
    bureau.take_in(SECOND)
    bureau.put_back()
    done = bureau.restore()
    services = bureau.start()
    [row] = outbox.from_index(services.catalogue, done.has, 1)
    services.stop()
    assert f'"event":"{EVENT}"'.encode() in row.body
    assert f'"from":{done.had},"to":{done.has},"originals":1'.encode() in row.body


def test_events_that_waited_in_the_backup_are_logged_once(bureau: Bureau) -> None:
    with closing(sqlite3.connect(bureau.root / "backup.db")) as backup:
        backup.execute(
            "INSERT INTO entries (event_id, subject, event, time, draft) SELECT 'waiting', subject, event, time, "
            "replace(draft, event_id, 'waiting') FROM entries WHERE subject = 'case:c1' LIMIT 1"
        )
        backup.execute("UPDATE entries SET draft = CAST(draft AS BLOB)")
        backup.commit()
    bureau.put_back()
    bureau.take_in(SECOND)
    first = bureau.settings.ledger.joinpath("checkpoint").read_bytes()
    bureau.put_back()
    bureau.restore()
    bureau.take_in()
    assert bureau.wrongs() == []
    assert first != bureau.settings.ledger.joinpath("checkpoint").read_bytes()


def test_what_was_cut_off_half_way_is_done_when_it_is_run_again(
    bureau: Bureau, monkeypatch: pytest.MonkeyPatch
) -> None:
    bureau.take_in(SECOND)
    bureau.put_back()
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.restore.Restore._originals", lambda self: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            bureau.restore()
    assert bureau.restore().originals == 1


def test_a_blob_that_is_nowhere_is_named(bureau: Bureau) -> None:
    receipt = bureau.take_in(SECOND)[SECOND]
    sha256 = verify_receipt(receipt, bureau.vkey).entry.event.payload["sha256"]
    bureau.put_back()
    blob = bureau.settings.data / "blobs" / "five_years" / original_key(sha256)
    blob.unlink()
    assert bureau.restore().missing == (sha256,)


def test_it_is_refused_where_nothing_is_lacking(bureau: Bureau) -> None:
    with pytest.raises(Refused, match="lacks no entry"):
        bureau.restore()


def test_it_is_refused_while_a_service_publishes(bureau: Bureau) -> None:
    services = bureau.start()
    with pytest.raises(Busy):
        bureau.restore()
    services.stop()


def test_a_database_with_another_history_is_refused(bureau: Bureau) -> None:
    bureau.take_in(SECOND)
    bureau.put_back()
    with closing(sqlite3.connect(bureau.settings.data / "liuhen.db")) as database:
        for index, body in database.execute("SELECT log_index, body FROM entries WHERE log_index = 2").fetchall():
            changed = body.replace(b"test.made", b"test.fake")
            leaf = leaf_hash(changed)
            database.execute("UPDATE entries SET body = ?, leaf = ? WHERE log_index = ?", (changed, leaf, index))
        database.commit()
    with pytest.raises(IntegrityError, match="changed or forked"):
        bureau.restore()


@pytest.mark.parametrize("damage", ["entry", "checkpoint", "older"])
def test_a_folder_that_does_not_verify_is_not_believed(bureau: Bureau, damage: str) -> None:
    shutil.copytree(bureau.settings.ledger, bureau.root / "older")
    bureau.take_in(SECOND)
    bureau.put_back()
    ledger = bureau.settings.ledger
    if damage == "entry":
        bundle = max((ledger / "tile" / "entries").rglob("*"), key=lambda file: file.stat().st_mtime * file.is_file())
        bundle.write_bytes(bundle.read_bytes().replace(b"ST-01", b"ST-02"))
    elif damage == "checkpoint":
        (ledger / "checkpoint").write_bytes((ledger / "checkpoint").read_bytes().replace(b"\n", b"0\n", 2))
    else:
        shutil.rmtree(ledger)
        shutil.copytree(bureau.root / "older", ledger)
    with pytest.raises(IntegrityError):
        bureau.restore()
