"""The sequencer on every database that the catalogue runs on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalogue.tables import Entry
from storage.errors import IntegrityError
from storage.ledger import proof
from tests.support.ledger import VKEY, Desk, bodies


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.services)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path, "" if request.param == "sqlite" else request.getfixturevalue("postgres_url"))
    yield opened
    opened.close()


def test_events_become_a_log_that_verifies(desk: Desk) -> None:
    for first in range(0, 300, 100):
        desk.record(first, 100)
        sequencer = desk.sequencer()
        sequencer.publish_pending()
        sequencer.stop()
    assert desk.entries() == bodies(300)
    assert proof.verify_receipt(desk.sequencer().receipt("event-299"), VKEY).index == 299


def test_the_same_event_is_logged_once(desk: Desk) -> None:
    desk.record(0, 3)
    desk.record(0, 5)
    assert desk.sequencer().publish_pending() == 5


def test_the_folder_is_made_again_from_the_rows(desk: Desk) -> None:
    desk.record(0, 300)
    desk.sequencer().publish_pending()
    desk.close()
    shutil.rmtree(desk.folder.root)
    desk.sequencer().publish_pending()
    assert desk.entries() == bodies(300)


def test_a_changed_row_is_not_chained_to(desk: Desk) -> None:
    desk.record(0, 3)
    sequencer = desk.sequencer()
    sequencer.publish_pending()
    with desk.catalogue.write() as session:
        session.query(Entry).filter(Entry.index == 1).update({"leaf": bytes(32)})
    desk.record(4)
    sequencer.stop()
    with pytest.raises(IntegrityError, match="entry 1 in the database"):
        desk.sequencer().publish_pending()
