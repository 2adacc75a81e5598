"""kill -9 before and after every step of the intake. Afterwards, after one more docking of the same card:

every receipt ever given verifies and is still the one that is given; the bytes are there; nothing is there twice;
nothing half-done is left in the spool.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from ingest import station
from ingest.agent import Agent, Outcome
from ingest.client import ServerClient
from ingest.journal import Journal
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry, Job, Original, Upload
from storage.clock import now
from storage.errors import LiuhenError
from storage.ledger.proof import verify_receipt
from tests.support.docking import sha256, spooled, stored
from tests.support.server import Launcher, enrol

pytestmark = pytest.mark.shared

SIZE = 9_000_000  # over the size that goes along with its creation, and no whole number of pieces

STEPS = [
    *(f"{when}:{step}:1" for step in ("spool-write", "fdatasync", "offset-commit") for when in ("before", "after")),
    "before:spool-write:3",
    "before:hash:4",
    *(f"{when}:blob-put:1" for when in ("before", "after")),
    *(f"{when}:blob-names:{count}" for count in (1, 2) for when in ("before", "after")),
    *(
        f"{when}:{step}:1"
        for step in ("register", "tiles", "guard", "publish", "receipt", "accept")
        for when in ("before", "after")
    ),
    *(f"{when}:{step}:1" for step in ("mark", "spool-remove", "finish") for when in ("before", "after")),
]


@dataclass(frozen=True)
class Card:
    root: Path
    contents: dict[str, bytes]


WHOLE = [
    *(
        f"{when}:{step}:1"
        for step in ("part-write", "blob-put", "register", "tiles", "publish", "receipt", "accept", "part-close")
        for when in ("before", "after")
    ),
    "before:blob-names:1",
    "before:blob-names:2",
    "after:blob-names:2",
]
"""Steps of small files that come in one request."""


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return make_card(tmp_path, {"LH00012_0001.MP4": os.urandom(SIZE)})


def make_card(tmp_path: Path, contents: dict[str, bytes]) -> Card:
    (tmp_path / "card").mkdir()
    for name, data in contents.items():
        (tmp_path / "card" / name).write_bytes(data)
    return Card(tmp_path / "card", contents)


def dock(url: str, key: Path, state: Path, card: Card, patience: float = 60.0) -> Outcome:
    client = ServerClient(url, patience=patience)
    loaded = station.load(key)
    try:
        agent = Agent(client, loaded, Journal(state, loaded.station), now)
        return agent.dock(card.root, None, lambda *_: None, lambda _: None)
    finally:
        client.close()


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_intake_ends_whole(launcher: Launcher, tmp_path: Path, card: Card, step: str) -> None:
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    with launcher.server(data, break_at=step) as server:
        try:
            interrupted = not dock(server.url, key, tmp_path / "state", card, patience=0.1).safe
        except LiuhenError:
            interrupted = True
        assert server.wait() == -9, "the step was never reached"
    assert interrupted or step == "after:finish:1"
    with launcher.server(data) as server:
        assert dock(server.url, key, tmp_path / "state", card).safe
        before = receipts(tmp_path / "state")
        assert dock(server.url, key, tmp_path / "again", card).safe
        assert receipts(tmp_path / "again") == before, "a receipt given once changed"
    check_kept(data, card, key, before)


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("step", WHOLE)
def test_a_killed_intake_of_whole_files_ends_whole(launcher: Launcher, tmp_path: Path, step: str, files: int) -> None:
    data = tmp_path / "data"
    key = enrol(data, tmp_path)
    card = make_card(tmp_path, {f"LH00012_000{number}.JPG": os.urandom(1_500_000 // files) for number in range(files)})
    with launcher.server(data, break_at=step) as server:
        try:
            interrupted = not dock(server.url, key, tmp_path / "state", card, patience=0.1).safe
        except LiuhenError:
            interrupted = True
        assert server.wait() == -9, "the step was never reached"
    assert interrupted
    with launcher.server(data) as server:
        assert dock(server.url, key, tmp_path / "state", card).safe
        while list((data / "spool" / "files").iterdir()):
            pass  # removed in the background, beside what comes in
        before = receipts(tmp_path / "state")
        assert dock(server.url, key, tmp_path / "again", card).safe
        assert receipts(tmp_path / "again") == before, "a receipt given once changed"
    check_kept(data, card, key, before, uploads=set())


def receipts(state: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in state.glob("*/receipts/*.tlog-proof")}


def check_kept(
    data: Path, card: Card, key: Path, given: dict[str, bytes], uploads: Collection[str] = frozenset({"complete"})
) -> None:
    log = station.load(key).log
    for content in card.contents.values():
        event = verify_receipt(given[sha256(content)], log).entry.event
        assert event.payload["sha256"] == sha256(content)
        assert stored(data, content) == content
    assert spooled(data) == []
    catalogue = Catalogue(Settings(data=data).database)
    with catalogue.read() as session:
        originals = session.scalars(select(Original)).all()
        events = session.scalars(select(Entry.draft).where(Entry.event == "original.received")).all()
        states = set(session.scalars(select(Upload.state)))
        jobs = session.scalars(select(Job).where(Job.kind == "analyse")).all()
    catalogue.close()
    assert {row.sha256 for row in originals} == {sha256(content) for content in card.contents.values()}
    assert sorted(json.loads(draft)["payload"]["sha256"] for draft in events) == sorted(r.sha256 for r in originals)
    assert states == uploads
    assert len(jobs) == len(originals)
