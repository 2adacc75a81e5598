"""A server whose clock jumps, back and ahead, all the time: receipts, order and deadlines of uploads are unaffected."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import select

from ingest import station
from ingest.enrolment import Enrolment
from pipeline.bootstrap import wire
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Entry
from storage.clock import now
from storage.ledger.proof import verify_receipt
from tests.support.inside import serving
from tests.support.kept import check_kept, dock, make_card, receipts


class Jumping:
    """Goes wrong in both directions by hours, at each question another way."""

    def __init__(self) -> None:
        self._hours = itertools.cycle([0, -20, 3, -1, 11, -7])
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            return now() + timedelta(hours=next(self._hours))


@contextmanager
def jumping(data: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """A server with such a clock: its address, and a station's key."""
    services = wire(Settings(data=data, min_free=0), Jumping())
    services.start(threads=0)
    Enrolment(services.catalogue, services.clock).add("ST-01", "", folder / "key.json", services.log_key.vkey)
    try:
        with serving(services) as url:
            yield url, folder / "key.json"
    finally:
        services.stop()


def test_receipts_and_order_do_not_depend_on_the_servers_clock(tmp_path: Path) -> None:
    data = tmp_path / "data"
    contents = make_card(tmp_path / "card", "LH00012", [9_000_000, 300_000, 1, 2, 3])
    with jumping(data, tmp_path) as (url, key):
        assert dock(url, key, tmp_path / "state", tmp_path / "card").safe
        first = receipts(tmp_path / "state")
        contents |= make_card(tmp_path / "later", "LH00012", [4])
        assert dock(url, key, tmp_path / "state", tmp_path / "later").safe
        assert dock(url, key, tmp_path / "again", tmp_path / "card").safe
    given, log = receipts(tmp_path / "state"), station.load(key).log
    assert {sha256: given[sha256] for sha256 in first} == first == receipts(tmp_path / "again")
    newest = max(verify_receipt(receipt, log).index for receipt in first.values())
    (last,) = given.keys() - first.keys()
    assert verify_receipt(given[last], log).index > newest, "the order is the ledger's, not the clock's"
    check_kept(data, contents, given, log)
    check_sequence(data)


def check_sequence(data: Path) -> None:
    """The ledger has no hole and no entry twice, though its times go back and forth."""
    catalogue = Catalogue(Settings(data=data).database)
    with catalogue.read() as session:
        rows = session.execute(select(Entry.index, Entry.draft).order_by(Entry.index)).all()
    catalogue.close()
    assert [row[0] for row in rows] == list(range(len(rows)))
    times = [json.loads(row[1])["time"] for row in rows]
    assert times != sorted(times), "the clock did jump"
