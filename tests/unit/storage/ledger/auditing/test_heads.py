"""Rotations and checkpoint are read as they belong together, though the key is handed over between two reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.catalogue import custody
from storage.ledger import rotation
from storage.ledger.auditing import heads, verify
from storage.ledger.auditing.fault import Fault
from tests.support.ledger import SIGNER, VKEY, Desk, event
from tests.support.ledger_writer import keys, open_desk

Files = dict[str, bytes]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = open_desk(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def turned(desk: Desk) -> tuple[Files, Files]:
    """A log's files before a rotation of its key, and with it."""
    sequencer, new = desk.sequencer(), next(iter(keys().values()))
    desk.record(0, 5)
    sequencer.publish_pending()
    before = {name: desk.folder.read(name) for name in desk.folder.names()}
    words = {"from": VKEY, "to": str(new.verifier), "note": rotation.sign(SIGNER, new)}
    with desk.catalogue.write() as session:
        custody.record(session, event(100, rotation.SUBJECT, words, rotation.EVENT))
    sequencer.publish_pending()
    return before, {name: desk.folder.read(name) for name in desk.folder.names()}


class Turning:
    """A log that changes from `before` to `after` at its `at`th read; its file of rotations, one read earlier."""

    def __init__(self, before: Files, after: Files, at: int) -> None:
        self._before, self._after, self._left = before, after, at

    def __call__(self, name: str) -> bytes:
        self._left -= 1
        files = self._after if self._left < (1 if name == rotation.FILE else 0) else self._before
        if name not in files:
            raise FileNotFoundError(name)
        return files[name]


@pytest.mark.parametrize("at", range(8))
def test_an_audit_beside_a_rotation_accuses_nobody(turned: tuple[Files, Files], at: int) -> None:
    before, after = turned
    read = Turning(before, after, at)
    found = heads.moment(read, VKEY)
    assert (found.head.size, len(found.keys.keys)) in ((5, 1), (6, 2))
    assert verify.check(Turning(before, after, at), VKEY).checkpoint.size in (5, 6)


def test_rotations_that_stay_ahead_of_the_checkpoint_are_named(turned: tuple[Files, Files]) -> None:
    before, after = turned

    def read(name: str) -> bytes:
        return (after if name == rotation.FILE else before)[name]

    with pytest.raises(Fault) as caught:
        verify.check(read, VKEY)
    assert "cut short" in str(caught.value)
