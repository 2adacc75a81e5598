"""A station that pinned one key meets later ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.journal import Journal
from ingest.trust import LogTrust
from storage.errors import IntegrityError
from storage.ledger import rotation
from tests.support.ledger import VKEY, Desk
from tests.support.rotations import NEXT, STRANGER, THIRD, key_of, rotate


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    opened.key = key_of()
    opened.record(0, 3)
    yield opened
    opened.close()


def station(log: Desk, answer: bytes | None = None, name: str = "ST-01") -> LogTrust:
    def ask() -> bytes:
        file = log.folder.root / rotation.FILE
        return answer if answer is not None else file.read_bytes() if file.exists() else b""

    return LogTrust(VKEY, Journal(log.root / "journal", name), ask)


def published(log: Desk) -> bytes:
    """A receipt by the present key."""
    writer = log.sequencer()
    writer.publish_pending()
    receipt = writer.receipt("event-0")
    writer.stop()
    return receipt


def never() -> bytes:
    raise AssertionError("the server was asked")


def test_without_a_rotation_nobody_is_asked(log: Desk) -> None:
    receipt = published(log)
    assert LogTrust(VKEY, Journal(log.root / "journal", "ST-01"), never).verify(receipt).index == 0


def test_a_later_key_is_learned_and_remembered(log: Desk) -> None:
    rotate(log)
    log.record(3, 3)
    receipt = published(log)
    assert station(log).verify(receipt).index == 0
    assert LogTrust(VKEY, Journal(log.root / "journal", "ST-01"), never).verify(receipt).index == 0


def test_two_rotations_are_followed(log: Desk) -> None:
    seen = station(log)
    rotate(log)
    log.record(3, 3)
    seen.verify(published(log))
    rotate(log, NEXT, THIRD)
    log.record(6, 3)
    assert seen.verify(published(log)).checkpoint.size == 11


def test_a_receipt_of_a_stranger_stays_refused(log: Desk) -> None:
    rotate(log)
    log.record(3, 3)
    receipt = published(log)
    with pytest.raises(IntegrityError, match="no trusted key"):
        station(log, b"").verify(receipt)
    with pytest.raises(IntegrityError):
        station(log, b"<html>").verify(receipt)


def test_a_successor_that_the_pinned_key_did_not_name_is_refused(log: Desk, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other")
    other.key = key_of(first=STRANGER)
    other.record(0, 3)
    rotate(other, STRANGER, NEXT)
    other.record(3, 3)
    receipt = published(other)
    with pytest.raises(IntegrityError, match="none of the keys"):
        station(log, other.folder.read(rotation.FILE)).verify(receipt)
    other.close()


def test_two_successors_of_one_key_are_noticed(log: Desk, tmp_path: Path) -> None:
    """Whoever stole the pinned key can name his own successor: the station has met the true one before."""
    (tmp_path / "other").mkdir()
    other = Desk(tmp_path / "other")
    other.key = key_of()
    other.record(0, 3)
    rotate(other, new=THIRD)
    other.record(3, 3)
    forged = published(other)
    rotate(log)
    log.record(3, 3)
    station(log).verify(published(log))
    with pytest.raises(IntegrityError, match="other keys of the ledger"):
        station(log, other.folder.read(rotation.FILE)).verify(forged)
    other.close()
