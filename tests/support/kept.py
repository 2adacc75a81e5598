"""What must hold after every fault of the intake, checked in one place:

every receipt ever given verifies and its bytes are there; nothing is stored twice; nothing half-written is visible;
every file that was lost in flight has been sent again and has its receipt.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from sqlalchemy import select

from ingest import station
from ingest.agent import Agent
from ingest.client import ServerClient
from ingest.journal import Journal
from ingest.results import Outcome
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry, Job, Original, Upload
from storage.clock import now
from storage.errors import LiuhenError
from storage.ledger.proof import verify_receipt


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def make_card(folder: Path, serial: str, sizes: Collection[int]) -> dict[str, bytes]:
    """A card of one camera with files of these sizes; what is on it: digest → content."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = [os.urandom(size) for size in sizes]
    for number, content in enumerate(contents, 1):
        (folder / f"{serial}_{number:04}.MP4").write_bytes(content)
    return {digest(content): content for content in contents}


def dock(url: str, key: Path, state: Path, card: Path, *, patience: float = 30.0) -> Outcome:
    """A card, docked once by the station agent with the key file `key`. Raises LiuhenError."""
    return dock_by(ServerClient(url, patience=patience), key, state, card)


def dock_by(client: ServerClient, key: Path, state: Path, card: Path) -> Outcome:
    loaded = station.load(key)
    try:
        agent = Agent(client, loaded, Journal(state, loaded.station), now)
        return agent.dock(card, None, lambda *_: None, lambda _: None)
    finally:
        client.close()


def try_to_dock(url: str, key: Path, state: Path, card: Path, *, patience: float = 0.1) -> bool:
    """Whether the card is safe to wipe after this one docking, whatever happened."""
    try:
        return dock(url, key, state, card, patience=patience).safe
    except LiuhenError:
        return False


def receipts(*states: Path) -> dict[str, bytes]:
    """Every receipt that stations with these journals hold, by digest. The same bytes have the same receipt."""
    found: dict[str, bytes] = {}
    for state in states:
        for path in state.glob("*/receipts/*.tlog-proof"):
            assert found.setdefault(path.stem, path.read_bytes()) == path.read_bytes(), "two receipts for one file"
    return found


def check_kept(
    data: Path,
    contents: Mapping[str, bytes],
    given: Mapping[str, bytes],
    log: str,
    *,
    database: str | None = None,
    abandoned: bool = False,
) -> None:
    """Check it all. `contents`: digest → bytes of every file that was to come; `given`: every receipt ever given;
    `log`: the key pinned on the stations; `abandoned`: uploads may have been begun and never gone on with.
    """
    check_receipts(data, contents, given, log)
    assert set(given) == set(contents), "a file has no receipt"
    check_blobs(data, set(contents))
    catalogue = Catalogue(database or Settings(data=data).database)
    with catalogue.read() as session:
        originals = session.scalars(select(Original)).all()
        events = session.scalars(select(Entry.draft).where(Entry.event == "original.received")).all()
        states = {row.id: row.state for row in session.scalars(select(Upload))}
        jobs = Counter(session.scalars(select(Job.key).where(Job.kind == "analyse", Job.key.like("analyse:%"))))
        unpublished = session.scalars(select(Entry.event_id).where(Entry.index.is_(None))).all()
    catalogue.close()
    assert sorted(row.sha256 for row in originals) == sorted(contents)
    assert {row.sha256: row.receipt for row in originals} == dict(given), "the receipt kept is not the one given"
    logged = Counter(json.loads(draft)["payload"]["sha256"] for draft in events)
    assert logged == Counter(contents.keys()), "the ledger says of a file twice that it was received, or never"
    assert {f"analyse:{sha256}" for sha256 in contents} <= set(jobs)
    assert set(states.values()) <= ({"complete", "open"} if abandoned else {"complete"}), states
    spooled = {path.name for path in (data / "spool" / "uploads").iterdir()}
    assert spooled <= {upload for upload, state in states.items() if state == "open"}, f"left in the spool: {spooled}"
    assert not unpublished


def check_receipts(data: Path, contents: Mapping[str, bytes], given: Mapping[str, bytes], log: str) -> None:
    """Every receipt verifies with the pinned key, and its bytes are there."""
    for sha256, receipt in given.items():
        said = verify_receipt(receipt, log).entry.event
        assert (said.event, said.payload["sha256"]) == ("original.received", sha256)
        stored = data / "blobs" / "five_years" / "originals" / sha256[:2] / sha256
        assert stored.read_bytes() == contents[sha256]


def check_blobs(data: Path, expected: set[str]) -> None:
    """The store has these originals and their chunk lists, once, whole, and nothing else.

    Names that begin with a dot are on their way to a name and never read (`durable.sweep` removes what was killed).
    """
    store = data / "blobs" / "five_years"
    kept = [
        path
        for path in store.rglob("*")
        if path.is_file()
        and path.suffix != ".lock"
        and not any(part[0] == "." for part in path.relative_to(store).parts)
    ]
    originals = [path for path in kept if path.parts[-3] == "originals"]
    assert {path.name for path in originals} == expected
    for path in originals:
        with path.open("rb") as file:
            assert hashlib.file_digest(file, "sha256").hexdigest() == path.name
    strange = [path for path in kept if path not in originals and path.name not in expected]
    assert strange == [], "half-written or strange"
    assert sorted(path.name for path in kept if path not in originals) == sorted(expected)
