"""Uploads without HTTP: what a restart finds, what expires, what stays."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import manifest as manifests
from ingest import rejections
from ingest.answers import HttpError
from ingest.callers import Caller
from ingest.dockings import Dockings
from ingest.enrolment import Enrolment
from ingest.server import make_uploads
from ingest.station import load
from ingest.uploads import COMPLETE, OPEN, REJECTED, Uploads
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage import durable
from storage.catalogue import custody
from storage.catalogue.tables import Upload
from storage.clock import now
from storage.ledger.proof import verify_receipt
from tests.support.docking import manifest_of, sha256, spooled, stored

DATA = b"recording" * 1000


class MovingClock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


@pytest.fixture
def clock() -> MovingClock:
    return MovingClock()


@pytest.fixture
def services(tmp_path: Path, clock: MovingClock) -> Iterator[Services]:
    made = wire(Settings(data=tmp_path / "data", upload_ttl_hours=1, min_free=0), clock)
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def uploads(services: Services) -> Uploads:
    return make_uploads(services)


@pytest.fixture
def caller(services: Services, tmp_path: Path) -> Caller:
    Enrolment(services.catalogue, now).add("ST-01", "", tmp_path / "key.json", services.log_key.vkey)
    key: Ed25519PrivateKey = load(tmp_path / "key.json").key
    content = manifests.encode(manifest_of("ST-01", {"a": DATA, "b": DATA}))
    dockings = Dockings(services.catalogue, services.sequencer, now)
    docked = dockings.receive(content, manifests.sign(content, key))
    return dockings.authorise(docked.token)


def written(uploads: Uploads, caller: Caller, content: bytes, *, committed: int) -> Upload:
    """An upload as a crash leaves it: `content` in the spool, `committed` bytes of it in the database."""
    upload = uploads.create(caller, "a", len(DATA))
    with uploads.lock(upload) as file:
        file.write(content, 0)
        file.flush()
    uploads.commit(upload, committed)
    return upload


def test_a_whole_upload_is_finished_at_the_next_start(services: Services, uploads: Uploads, caller: Caller) -> None:
    upload = written(uploads, caller, DATA, committed=len(DATA))
    uploads.recover()
    assert uploads.find(caller, upload.id).state == COMPLETE
    receipt = services.intake.receipt(sha256(DATA))
    assert verify_receipt(receipt, services.log_key.vkey).entry.event.payload["sha256"] == sha256(DATA)
    assert stored(services.settings.data, DATA) == DATA
    assert spooled(services.settings.data) == []


def test_bytes_that_were_never_committed_do_not_count(services: Services, uploads: Uploads, caller: Caller) -> None:
    upload = written(uploads, caller, DATA[:100] + b"\xff" * 100, committed=100)
    uploads.recover()
    hasher = uploads.rebuild(uploads.find(caller, upload.id))
    assert hasher.size == 100
    with uploads.lock(upload) as file:
        file.write(DATA[100:], 100)
        file.flush()
        hasher.update(DATA[100:])
        uploads.commit(upload, len(DATA))
        uploads.finish(upload, file, hasher)
    assert stored(services.settings.data, DATA) == DATA


def test_a_whole_upload_of_other_bytes_is_set_apart_at_the_start(
    services: Services, uploads: Uploads, caller: Caller
) -> None:
    upload = written(uploads, caller, b"\xff" * len(DATA), committed=len(DATA))
    uploads.recover()
    assert uploads.find(caller, upload.id).state == REJECTED
    assert services.intake.find(sha256(DATA)) is None
    assert (services.settings.spool / "rejected" / upload.id).read_bytes() == b"\xff" * len(DATA)


def test_a_spool_that_lost_committed_bytes_is_noticed(uploads: Uploads, caller: Caller) -> None:
    upload = written(uploads, caller, DATA[:50], committed=100)
    with uploads.lock(upload), pytest.raises(HttpError):
        uploads.rebuild(upload)
    assert uploads.find(caller, upload.id).state == REJECTED


def test_an_untouched_upload_expires_and_its_bytes_go(
    services: Services, uploads: Uploads, caller: Caller, clock: MovingClock
) -> None:
    old = written(uploads, caller, DATA[:100], committed=100)
    clock.ahead = timedelta(minutes=40)
    young = uploads.create(caller, "b", len(DATA))
    clock.ahead = timedelta(minutes=70)
    with pytest.raises(HttpError) as refused:
        uploads.find(caller, old.id)
    assert refused.value.status == 410
    assert uploads.expire() == 1
    assert uploads.find(caller, young.id).state == OPEN
    assert spooled(services.settings.data) == []


def test_an_upload_in_use_does_not_expire(uploads: Uploads, caller: Caller, clock: MovingClock) -> None:
    upload = written(uploads, caller, DATA[:100], committed=100)
    clock.ahead = timedelta(hours=2)
    with uploads.lock(upload):
        assert uploads.expire() == 0
    assert uploads.expire() == 1


def test_a_rejected_upload_stays_until_somebody_has_looked(
    services: Services, uploads: Uploads, caller: Caller, clock: MovingClock
) -> None:
    upload = written(uploads, caller, b"\xff" * len(DATA), committed=len(DATA))
    uploads.recover()
    clock.ahead = timedelta(days=400)
    uploads.expire()
    assert (services.settings.spool / "rejected" / upload.id).exists()


def rejected_events(services: Services) -> list[dict[str, Any]]:
    with services.catalogue.read() as session:
        chain = custody.chain(session, "device:LH00012")
    return [json.loads(entry.draft) for entry in chain if entry.event == "upload.rejected"]


def test_a_rejection_is_a_row_and_one_custody_event(services: Services, uploads: Uploads, caller: Caller) -> None:
    upload = written(uploads, caller, b"\xff" * len(DATA), committed=len(DATA))
    uploads.recover()
    with services.catalogue.read() as session:
        (row,), total = rejections.of_station(session, caller.station)
    assert (row.id, row.code, row.size, total) == (upload.id, "digest-mismatch", len(DATA), 1)
    assert (row.expected, row.received) == (sha256(DATA), sha256(b"\xff" * len(DATA)))
    assert (services.settings.data / row.place).read_bytes() == b"\xff" * len(DATA)
    (event,) = rejected_events(services)
    assert event["actor"] == {"kind": "station", "id": "ST-01"}
    assert event["payload"]["docking"] == caller.docking
    assert event["payload"]["code"] == "digest-mismatch"


def test_a_rejection_that_a_crash_broke_off_is_told_once(services: Services, uploads: Uploads, caller: Caller) -> None:
    """The bytes were set apart and the note written; then the power went, before the row."""
    upload = written(uploads, caller, b"\xff" * len(DATA), committed=len(DATA))
    apart = services.settings.spool / "rejected" / upload.id
    durable.adopt(services.settings.spool / "uploads" / upload.id, apart)
    uploads.recover()
    uploads.recover()
    assert uploads.find(caller, upload.id).state == REJECTED
    assert len(rejected_events(services)) == 1
    assert json.loads(apart.with_name(f"{upload.id}.json").read_bytes())["code"] == "digest-mismatch"
    assert spooled(services.settings.data) == []


def test_a_rejection_outlives_the_upload_that_the_station_terminates(
    services: Services, uploads: Uploads, caller: Caller
) -> None:
    upload = written(uploads, caller, b"\xff" * len(DATA), committed=len(DATA))
    uploads.recover()
    uploads.terminate(uploads.find(caller, upload.id))
    with services.catalogue.read() as session:
        assert [row.id for row in rejections.of_station(session, caller.station)[0]] == [upload.id]
    assert (services.settings.spool / "rejected" / upload.id).exists()


def test_stations_hear_of_their_own_rejections_only(services: Services, uploads: Uploads, caller: Caller) -> None:
    written(uploads, caller, b"\xff" * len(DATA), committed=len(DATA))
    uploads.recover()
    with services.catalogue.read() as session:
        assert rejections.of_station(session, "ST-02") == ([], 0)
        assert rejections.of_station(session, caller.station, "another docking") == ([], 0)
        assert rejections.of_station(session, caller.station, caller.docking)[1] == 1


def test_a_second_lock_is_refused_at_once(uploads: Uploads, caller: Caller) -> None:
    upload = uploads.create(caller, "a", len(DATA))
    with uploads.lock(upload), pytest.raises(HttpError) as refused:
        uploads.lock(upload)
    assert refused.value.status == 423


def test_leftovers_in_the_spool_are_removed_and_others_files_are_not(
    services: Services, uploads: Uploads, caller: Caller
) -> None:
    upload = written(uploads, caller, DATA[:100], committed=100)
    place = services.settings.spool / "uploads"
    (place / "01unknown").write_bytes(b"x")
    (place / f"{upload.id}.leaves").write_bytes(b"x")
    (services.settings.spool / "transcode.tmp").write_bytes(b"x")
    uploads.recover()
    assert spooled(services.settings.data) == [upload.id, f"{upload.id}.leaves"]
    assert (services.settings.spool / "transcode.tmp").exists()


def test_one_that_was_begun_and_made_anew_goes_after_an_hour(
    services: Services, uploads: Uploads, caller: Caller, clock: MovingClock
) -> None:
    """Its creation's answer was lost, so the station began again and finished that."""
    uploads.limits = dataclasses.replace(uploads.limits, ttl=timedelta(hours=72))
    left = written(uploads, caller, DATA[:100], committed=100)
    whole = written(uploads, caller, DATA, committed=len(DATA))
    with uploads.lock(whole) as file:
        uploads.finish(whole, file, uploads.rebuild(whole))
    clock.ahead = timedelta(minutes=50)
    assert uploads.expire() == 0 and spooled(services.settings.data) == [left.id]
    clock.ahead = timedelta(minutes=70)
    assert uploads.expire() == 1 and spooled(services.settings.data) == []
