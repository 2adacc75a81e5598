"""Uploads on PostgreSQL, where writers run side by side: the quota holds, and a rejection is told as on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ingest import manifest as manifests
from ingest import rejections, station
from ingest.answers import HttpError
from ingest.callers import Caller
from ingest.dockings import Dockings
from ingest.enrolment import Enrolment
from ingest.server import make_uploads
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage.clock import now
from tests.support.docking import manifest_of

DATA = b"recording" * 1000


@pytest.fixture
def services(postgres_url: str, tmp_path: Path) -> Iterator[Services]:
    settings = Settings(data=tmp_path / "data", database_url=postgres_url, min_free=0, station_unfinished=1 << 20)
    made = wire(settings)
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def caller(services: Services, tmp_path: Path) -> Caller:
    Enrolment(services.catalogue, now).add("ST-01", "", tmp_path / "key.json", services.log_key.vkey)
    content = manifests.encode(manifest_of("ST-01", {"a": DATA, "b": DATA}))
    dockings = Dockings(services.catalogue, services.sequencer, now)
    return dockings.authorise(
        dockings.receive(content, manifests.sign(content, station.load(tmp_path / "key.json").key)).token
    )


def test_of_creations_at_once_no_more_are_made_than_the_quota_allows(services: Services, caller: Caller) -> None:
    uploads = make_uploads(services)

    def create(name: str) -> str:
        try:
            return uploads.create(caller, name, len(DATA)).state
        except HttpError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(create, "ab" * 8))
    assert sorted(set(answers)) == ["open", "quota"]
    assert answers.count("open") == 1


def test_a_name_that_the_database_can_not_take_is_not_listed(services: Services, caller: Caller) -> None:
    with pytest.raises(HttpError) as refused:
        make_uploads(services).create(caller, "a\0", len(DATA))
    assert refused.value.code == "not-listed"


def test_a_rejection_is_told(services: Services, caller: Caller) -> None:
    uploads = make_uploads(services)
    upload = uploads.create(caller, "a", len(DATA))
    with uploads.lock(upload) as file:
        file.write(b"\xff" * len(DATA), 0)
        file.flush()
        uploads.commit(upload, len(DATA))
        with pytest.raises(HttpError):
            uploads.finish(upload, file, uploads.rebuild(upload))
    with services.catalogue.read() as session:
        rows, total = rejections.of_station(session, "ST-01", caller.docking)
    assert ([row.id for row in rows], total) == ([upload.id], 1)
