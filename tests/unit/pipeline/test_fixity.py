"""Fixity: every way in which a stored file stops being what the ledger says, and back again."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pipeline.fixity.pace import Pace
from pipeline.fixity.sweep import SUBJECT, Sweep
from pipeline.intake import Spooled, chunks_key, original_key
from pipeline.originals import Arrival
from storage.blobs.local import LocalBlobStore
from storage.catalogue import custody
from storage.catalogue import fixity as rows
from storage.catalogue.tables import Derivative, Entry, Export, Fixity, Job, Original
from storage.clock import new_id
from storage.errors import IntegrityError
from storage.ledger.merkle import CHUNK_SIZE, ChunkHasher
from storage.records import Actor, CustodyEvent, Digest, JobKind, RequestKind
from tests.support.web import Bureau, bureau, derive

CONTENT = random.Random(4).randbytes(3 * CHUNK_SIZE + 777)
SHA = hashlib.sha256(CONTENT).hexdigest()


class Stopped(BaseException):
    """The power goes."""


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Bureau]:
    replica = tmp_path / "replica"
    replica.mkdir()
    with bureau(tmp_path / "data", replica=str(replica)) as made:
        store_original(made, CONTENT)
        yield made


def store_original(office: Bureau, content: bytes, name: str = "A.MP4") -> None:
    spool = office.services.settings.spool / new_id()
    spool.write_bytes(content)
    hasher = ChunkHasher()
    hasher.update(content)
    root = hasher.finish().hex()
    digest = Digest(hashlib.sha256(content).hexdigest(), root, len(content))
    office.services.intake.keep([Spooled(spool, digest, bytes(hasher.leaves))])
    with office.services.catalogue.write() as session:
        office.services.intake.register(session, [(Arrival(name, "LH1", Actor("station", "ST-01")), digest)])
    spool.unlink()
    office.publish()


def sweep(office: Bureau) -> Sweep:
    handler: Any = office.services.runner._handlers[JobKind.FIXITY]
    return handler.__self__  # type: ignore[no-any-return]


def run(office: Bureau) -> Job:
    """The next run of the schedule; its events are published."""
    job_id = office.services.schedule.hasten(JobKind.FIXITY)
    assert office.services.runner.run(job_id)
    office.publish()
    with office.services.catalogue.read() as session:
        return session.get_one(Job, job_id)


def blob(office: Bureau, key: str = "", tier: str = "five_years") -> Path:
    return office.services.settings.data / "blobs" / tier / (key or original_key(SHA))


def row(office: Bureau, key: str = "") -> Fixity:
    with office.services.catalogue.read() as session:
        return session.get_one(Fixity, ("five_years", key or original_key(SHA)))


def events(office: Bureau) -> list[tuple[str, dict[str, Any]]]:
    with office.services.catalogue.read() as session:
        recording = session.get_one(Original, SHA).recording_id
    return [(e, p) for e, _, p in office.events(f"recording:{recording}") if e.startswith("fixity.")]


def overwrite(path: Path, content: bytes) -> None:
    """As somebody with the rights of the service could."""
    path.chmod(0o644)
    path.write_bytes(content)


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def copy_to_replica(office: Bureau, tmp_path: Path, content: bytes = CONTENT) -> None:
    target = tmp_path / "replica" / "five_years" / original_key(SHA)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    source = blob(office)
    target.with_name(f"{target.name}.lock").write_bytes(source.with_name(f"{source.name}.lock").read_bytes())


def test_what_is_in_order_is_checked_and_a_summary_written_once_a_day(office: Bureau) -> None:
    assert run(office).state == "done"
    assert (row(office).state, row(office, chunks_key(SHA)).state) == ("sound", "sound")
    assert row(office).checked == office.clock.now
    run(office)
    ((event, _, payload),) = office.events(SUBJECT)
    assert event == "fixity.passed"
    assert (payload["files"], payload["bad"]) == (2, 0)
    office.clock.forward(days=1)
    run(office)
    assert len(office.events(SUBJECT)) == 2


def test_a_file_is_read_again_only_when_it_is_due(office: Bureau) -> None:
    run(office)
    first = row(office).checked
    office.clock.forward(days=29)
    run(office)
    assert row(office).checked == first
    office.clock.forward(days=2)
    run(office)
    assert row(office).checked == office.clock.now


@pytest.mark.parametrize("chunk", [0, 2, 3])
def test_a_flipped_bit_is_found_in_its_chunk(office: Bureau, chunk: int) -> None:
    overwrite(blob(office), flipped(CONTENT, chunk * CHUNK_SIZE + 5))
    run(office)
    ((event, payload),) = events(office)
    assert event == "fixity.failed"
    assert (payload["state"], payload["chunks"]) == ("damaged", [[chunk, chunk]])
    assert payload["expected"]["sha256"] == SHA
    assert payload["found"]["size"] == len(CONTENT)
    assert rows.BAD and row(office).state == "damaged"


@pytest.mark.parametrize(
    ("content", "chunks"),
    [(CONTENT[:-1], [[3, 3]]), (CONTENT[: 2 * CHUNK_SIZE], None), (b"", None), (CONTENT + b"x", [[3, 3]])],
    ids=["cut", "cut at a chunk", "emptied", "longer"],
)
def test_another_length_is_found(office: Bureau, content: bytes, chunks: object) -> None:
    overwrite(blob(office), content)
    run(office)
    ((_, payload),) = events(office)
    assert payload["found"]["size"] == len(content)
    assert payload.get("chunks") == chunks


def test_a_missing_file_is_found(office: Bureau) -> None:
    blob(office).unlink()
    run(office)
    ((_, payload),) = events(office)
    assert payload["state"] == "missing"


def test_a_replaced_file_is_found_though_store_and_database_agree(office: Bureau) -> None:
    """Bytes, lock file and row all say the same; the ledger's entry does not."""
    other = random.Random(5).randbytes(len(CONTENT))
    overwrite(blob(office), other)
    lock = blob(office).with_name(f"{SHA}.lock")
    lock.write_bytes(lock.read_bytes().replace(SHA.encode(), hashlib.sha256(other).hexdigest().encode()))
    hasher = ChunkHasher()
    hasher.update(other)
    with office.services.catalogue.write() as session:
        session.get_one(Original, SHA).root = hasher.finish().hex()
    run(office)
    states = {payload["state"] for _, payload in events(office)}
    assert states == {"altered"}
    assert "ledger entry says" in events(office)[0][1]["en"]


def test_an_entry_changed_in_the_database_is_an_alarm(office: Bureau) -> None:
    with office.services.catalogue.write() as session:
        entry = session.scalars(select(Entry).where(Entry.event == "original.received")).one()
        assert entry.body is not None
        entry.body = entry.body.replace(SHA.encode(), b"0" * 64)
    run(office)
    assert row(office).state == "altered"


def test_a_row_that_is_gone_is_an_alarm(office: Bureau) -> None:
    run(office)
    with office.services.catalogue.write() as session:
        session.delete(session.get_one(Original, SHA))
        rows.ask(session, office.clock.now, all_files=True)
    run(office)
    assert row(office).state == "altered"


def test_the_same_state_is_told_once(office: Bureau) -> None:
    overwrite(blob(office), flipped(CONTENT, 5))
    for _ in range(3):
        run(office)
        office.clock.forward(days=2)
    assert [event for event, _ in events(office)] == ["fixity.failed"]
    overwrite(blob(office), flipped(CONTENT, 2 * CHUNK_SIZE))
    run(office)
    assert [event for event, _ in events(office)] == ["fixity.failed"] * 2


def test_a_damaged_chunk_list_is_made_again_from_the_sound_original(office: Bureau) -> None:
    path = blob(office, chunks_key(SHA))
    good = path.read_bytes()
    overwrite(path, flipped(good, 3))
    run(office)
    assert [event for event, _ in events(office)] == ["fixity.failed", "fixity.repaired"]
    assert events(office)[1][1]["source"] == "original"
    assert path.read_bytes() == good


def test_a_chunk_list_is_not_made_from_a_damaged_original(office: Bureau) -> None:
    overwrite(blob(office, chunks_key(SHA)), b"x" * 32)
    overwrite(blob(office), flipped(CONTENT, 1))
    run(office)
    assert "fixity.repaired" not in [event for event, _ in events(office)]
    assert row(office, chunks_key(SHA)).state == "damaged"


def test_a_damaged_file_is_repaired_from_the_other_tier(office: Bureau) -> None:
    source = office.services.settings.spool / "good"
    source.write_bytes(CONTENT)
    office.services.tiers["long_term"].put(original_key(SHA), source, sha256=SHA, retain_until=None)
    overwrite(blob(office), flipped(CONTENT, 5))
    before = office.services.tiers["five_years"].stat(original_key(SHA))
    run(office)
    assert blob(office).read_bytes() == CONTENT
    failed, (event, payload) = events(office)
    assert (failed[0], event, payload["source"]) == (
        "fixity.failed", "fixity.repaired", f"long_term/{original_key(SHA)}",
    )  # fmt: skip
    kept = office.services.settings.data / "blobs" / "five_years" / payload["kept"]
    assert kept.read_bytes() == flipped(CONTENT, 5)
    after = office.services.tiers["five_years"].stat(original_key(SHA))
    assert before and after and before.retain_until == after.retain_until
    assert row(office).state == "sound"


@pytest.mark.parametrize("how", ["missing", "no lock", "flipped"])
def test_a_damaged_file_is_repaired_from_the_replica(office: Bureau, tmp_path: Path, how: str) -> None:
    copy_to_replica(office, tmp_path)
    if how == "missing":
        blob(office).unlink()
    elif how == "no lock":
        blob(office).with_name(f"{SHA}.lock").unlink()
    else:
        overwrite(blob(office), flipped(CONTENT, 0))
    run(office)
    assert blob(office).read_bytes() == CONTENT
    assert [event for event, _ in events(office)] == ["fixity.failed", "fixity.repaired"]


def test_a_copy_that_is_damaged_too_is_no_good_copy(office: Bureau, tmp_path: Path) -> None:
    copy_to_replica(office, tmp_path, flipped(CONTENT, 9))
    overwrite(blob(office), flipped(CONTENT, 5))
    run(office)
    assert blob(office).read_bytes() == flipped(CONTENT, 5)
    assert row(office).state == "damaged"
    assert list(office.services.settings.spool.glob("fixity-*")) == []


def test_a_full_disk_puts_the_repair_off(office: Bureau, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_to_replica(office, tmp_path)
    overwrite(blob(office), flipped(CONTENT, 5))
    store: Any = office.services.tiers["five_years"]
    store._min_free = 1 << 60
    assert run(office).state == "done"
    assert row(office).state == "damaged"
    assert blob(office).read_bytes() == flipped(CONTENT, 5)
    store._min_free = 0
    office.clock.forward(days=2)
    run(office)
    assert blob(office).read_bytes() == CONTENT


def test_a_derivative_that_no_entry_tells_of_is_an_alarm(office: Bureau) -> None:
    derive(office, SHA, "access", b"an access copy", "video/mp4")
    run(office)
    with office.services.catalogue.read() as session:
        made = session.scalars(select(Derivative)).one()
    key = f"derivatives/{made.sha256[:2]}/{made.sha256}"
    assert row(office, key).state == "altered"  # nothing in the ledger says that it was made


def test_the_check_of_a_large_file_goes_on_where_it_was(office: Bureau, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.fixity.sweep.SAVED", CHUNK_SIZE)
    read: list[int] = []

    def counted(count: int) -> None:
        read.append(count)
        if sum(read) == 2 * CHUNK_SIZE + CHUNK_SIZE and not stopped:
            stopped.append(True)
            raise Stopped

    stopped: list[bool] = []
    with office.services.catalogue.write() as session:  # the list of chunks first, so that only the original is left
        rows.add(session, [row for batch in rows.missing(session) for row in batch], office.clock.now)
        session.get_one(Fixity, ("five_years", chunks_key(SHA))).due = office.clock.now.replace(year=2030)
    means = replace(sweep(office)._means, pace=lambda: counting(counted))
    overwrite(blob(office), flipped(CONTENT, 7))
    with pytest.raises(Stopped):
        Sweep(means).run(Job(), lambda _: None)
    assert row(office).resume["chunks"] == 2
    read.clear()
    Sweep(means).run(Job(), lambda _: None)
    assert sum(read) == len(CONTENT) - 2 * CHUNK_SIZE
    assert row(office).state == "damaged"
    assert row(office).detail["chunks"] == [[0, 0]]  # found before the power went


class counting(Pace):
    def __init__(self, tell: Any) -> None:
        self._tell = tell

    def spend(self, count: int) -> None:
        self._tell(count)


def test_a_run_that_is_over_leaves_a_large_file_half_read(office: Bureau) -> None:
    ticks = iter(range(0, 10_000, 200))
    means = replace(sweep(office)._means, monotonic=lambda: float(next(ticks)))
    Sweep(means).run(Job(), lambda _: None)
    assert 0 < row(office).resume.get("chunks", 0) < 3 or row(office).checked is None
    for _ in range(10):
        ticks = iter(range(0, 10_000, 200))
        Sweep(means).run(Job(), lambda _: None)
    assert row(office).state == "sound"


def test_a_store_that_is_down_ends_the_run_and_raises_no_alarm(office: Bureau) -> None:
    folder = office.services.settings.data / "blobs" / "five_years"
    run(office)
    office.clock.forward(days=40)
    folder.rename(folder.with_name("gone"))
    job = run(office)
    folder.with_name("gone").rename(folder)
    assert events(office) == []
    assert job.state == "queued"  # to be tried again


def test_a_disk_that_is_not_mounted_raises_no_alarm_and_gets_no_files(office: Bureau, tmp_path: Path) -> None:
    """Only its empty mount point is there."""
    copy_to_replica(office, tmp_path)
    folder = office.services.settings.data / "blobs" / "five_years"
    folder.rename(folder.with_name("gone"))
    (folder / ".guards").mkdir(parents=True)
    job = run(office)
    assert "check that its disk is mounted" in job.error
    assert events(office) == []
    assert not blob(office).exists()


def record(office: Bureau, event: str, **payload: object) -> None:
    with office.services.catalogue.write() as session:
        recording = session.get_one(Original, SHA).recording_id
        actor = Actor("service", "test")
        made = CustodyEvent(new_id(), event, office.clock.now, actor, f"recording:{recording}", payload)
        custody.record(session, made)
    office.publish()


@pytest.mark.parametrize("content", [b"an access copy", b""], ids=["whole", "flipped"])
def test_a_derivative_is_held_against_its_entry(office: Bureau, content: bytes) -> None:
    sha256 = hashlib.sha256(b"an access copy").hexdigest()
    derive(office, SHA, "access", b"an access copy", "video/mp4")
    named = {"original": SHA, "kind": "access", "retention": "five_years"}
    record(office, "derivative.made", **named, sha256=sha256, size=14)
    key = f"derivatives/{sha256[:2]}/{sha256}"
    overwrite(blob(office, key), content)
    run(office)
    assert row(office, key).state == ("sound" if content else "damaged")


@pytest.mark.parametrize("good", [True, False])
def test_an_export_is_held_against_its_entry(office: Bureau, good: bool) -> None:
    sha256 = hashlib.sha256(b"a disc").hexdigest()
    source = office.services.settings.spool / "disc"
    source.write_bytes(b"a disc")
    key = f"exports/{sha256[:2]}/{sha256}"
    office.services.tiers["five_years"].put(key, source, sha256=sha256, retain_until=None)
    with office.services.catalogue.read() as session:
        recording = session.get_one(Original, SHA).recording_id
    request = office.services.access.request(office.users["officer"], recording, RequestKind.EXPORT, "案件审核")
    with office.services.catalogue.write() as session:
        session.add(
            Export(
                id=new_id(), request_id=request, recording_id=recording, sha256=sha256, size=6, tier="five_years",
                made=office.clock.now,
            )
        )  # fmt: skip
    record(office, "export.made", request=request, sha256=sha256, size=6 if good else 7)
    run(office)
    assert row(office, key).state == ("sound" if good else "altered")


def test_reading_keeps_to_the_rate() -> None:
    slept: list[float] = []
    moment = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        moment[0] += seconds

    pace = Pace(1_000_000, monotonic=lambda: moment[0], sleep=sleep)
    for _ in range(10):
        pace.spend(500_000)
    assert sum(slept) == pytest.approx(5.0)
    moment[0] += 60
    pace.spend(1_000_000)
    assert sum(slept) == pytest.approx(6.0)  # a pause is not made up for


def test_a_ledger_that_is_damaged_itself_is_not_told_file_by_file(office: Bureau) -> None:
    for number in range(8):
        store_original(office, f"{number}".encode(), f"B{number}.MP4")
    for tile in (office.services.settings.ledger / "tile" / "0").rglob("*"):
        if tile.is_file():
            tile.write_bytes(os.urandom(tile.stat().st_size))
    office.services.sequencer._tree = type(office.services.sequencer._tree)(office.services.sequencer._folder.read)
    job = office.services.schedule.hasten(JobKind.FIXITY)
    office.services.runner.run(job)
    with office.services.catalogue.read() as session:
        assert session.get_one(Job, job).state == "failed"
        assert rows.alarms(session) == 5


@pytest.mark.services
def test_an_object_replaced_in_a_bucket_is_found_and_repaired(tmp_path: Path, s3_url: str) -> None:
    """By somebody with the credentials: the lock keeps the old version, but the new one is what is read."""
    from storage.blobs.s3 import S3BlobStore
    from storage.records import RetentionClass

    replica = tmp_path / "replica"
    replica.mkdir()
    with bureau(tmp_path / "data", blobs=s3_url, replica=str(replica)) as office:
        store_original(office, CONTENT)
        store = office.services.tiers[RetentionClass.FIVE_YEARS]
        assert isinstance(store, S3BlobStore)
        name = store._named(original_key(SHA))
        store._client.put_object(**name, Body=flipped(CONTENT, 5), Metadata={"sha256": SHA})
        run(office)
        assert [payload["state"] for _, payload in events(office)] == ["damaged"]
        good = tmp_path / "good"
        good.write_bytes(CONTENT)
        LocalBlobStore(replica / "five_years").put(original_key(SHA), good, sha256=SHA, retain_until=None)
        office.clock.forward(days=2)
        run(office)
        assert b"".join(store.open(original_key(SHA))) == CONTENT
        assert events(office)[-1][1]["kept"].startswith("version ")


def test_an_error_of_the_ledger_is_an_error_of_integrity(office: Bureau) -> None:
    expectations = sweep(office)._means.expectations
    blob = Fixity(tier="five_years", key=original_key(SHA), kind="original", ref=SHA, size=1, state="")
    wanted = expectations.of(blob)
    assert wanted is not None and (wanted.sha256, wanted.size) == (SHA, len(CONTENT))
    with office.services.catalogue.write() as session:
        entry = session.scalars(select(Entry).where(Entry.event == "original.received")).one()
        entry.leaf = b"\0" * 32
    with pytest.raises(IntegrityError):
        expectations.of(blob)


def test_a_look_names_no_chunks_where_the_list_is_lost(office: Bureau) -> None:
    overwrite(blob(office), flipped(CONTENT, 5))
    blob(office, chunks_key(SHA)).unlink()
    run(office)
    ((_, payload),) = [each for each in events(office) if each[1]["kind"] == "original"]
    assert payload["state"] == "damaged" and "chunks" not in payload


def test_a_copy_that_was_moved_away_is_no_longer_asked_for(office: Bureau) -> None:
    run(office)
    source = office.services.settings.spool / "good"
    for key, path in ((original_key(SHA), blob(office)), (chunks_key(SHA), blob(office, chunks_key(SHA)))):
        source.write_bytes(path.read_bytes())
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        office.services.tiers["long_term"].put(key, source, sha256=digest, retain_until=None)
        source.unlink()
    with office.services.catalogue.write() as session:
        session.get_one(Original, SHA).tier = "long_term"
    run(office)
    with office.services.catalogue.read() as session:
        kept = session.scalars(select(Fixity)).all()
    assert {(each.tier, each.state) for each in kept} == {("long_term", "sound")}
    assert len(kept) == 2
