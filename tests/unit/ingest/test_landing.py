"""A body on its way: what is durable before it is whole."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from starlette.types import Message

from ingest.body import Interrupted, Pace
from ingest.callers import Person
from ingest.digest import FileHasher
from ingest.landing import Checksum, Landing
from ingest.server import make_uploads
from ingest.uploads import Unlisted, Uploads
from pipeline.accounts import Accounts
from pipeline.bootstrap import Services, wire
from pipeline.settings import Settings
from storage.catalogue.tables import Upload
from storage.clock import now
from storage.records import Actor, Role


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = wire(Settings(data=tmp_path / "data", min_free=0))
    made.start(threads=0)
    yield made
    made.stop()


@pytest.fixture
def upload(services: Services) -> Upload:
    accounts = Accounts(services.catalogue, now)
    accounts.create("one", "one", [Role.OFFICER], by=Actor("service", "test"))
    user = accounts.find("one")
    assert user is not None
    return make_uploads(services).create_unlisted(Person(user.id), Unlisted("a", "LH00012"), 1000)


def land(uploads: Uploads, upload: Upload, *, pieces: int, checksum: Checksum | None = None) -> list[int]:
    """What was committed when each piece of 100 bytes was asked for; then the sender goes away."""
    seen: list[int] = []

    async def receive() -> Message:
        await asyncio.sleep(0.05)  # for what was written meanwhile to become durable
        seen.append(upload.offset)
        if len(seen) > pieces:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": b"x" * 100, "more_body": True}

    async def run() -> None:
        with ThreadPoolExecutor(2) as pool, uploads.lock(upload) as file:
            landing = Landing(uploads, upload, file, FileHasher(), pool=pool, pace=Pace(), checksum=checksum)
            landing.commit_seconds = 0.0
            await landing.receive(receive)

    with pytest.raises(Interrupted):
        asyncio.run(run())
    return seen


def test_on_a_slow_line_what_came_is_committed_on_the_way(services: Services, upload: Upload) -> None:
    uploads = make_uploads(services)
    seen = land(uploads, upload, pieces=8)
    assert seen == sorted(seen)
    assert 0 < seen[-1] <= 800
    assert upload.offset == 800


def test_with_a_checksum_nothing_is_committed_on_the_way(services: Services, upload: Upload) -> None:
    seen = land(make_uploads(services), upload, pieces=4, checksum=Checksum("sha256", bytes(32)))
    assert set(seen) == {0}
    assert upload.offset == 0
