"""A data directory beside what witnesses cosigned of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.settings import Settings
from pipeline.verify import DataCheck, DataPlace
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Export
from storage.ledger import checkpoint, merkle, note, tiles
from storage.ledger.checkpoint import Checkpoint
from storage.ledger.folder import LedgerFolder
from tests.support.exported import Bureau, exported
from tests.support.witnesses import classic

__all__ = ["exported"]

Made = tuple[Bureau, Export, Path]


@pytest.mark.parametrize(
    ("grown", "another", "what"),
    [(-2, False, ""), (0, False, ""), (-2, True, "history was forked"), (0, True, "forked"), (1, True, "cut short")],
)
def test_the_ledger_must_begin_with_what_was_witnessed(
    exported: Made, tmp_path: Path, grown: int, another: bool, what: str
) -> None:
    """`another`: a tree that is not the ledger's, yet signed by its key."""
    bureau = exported[0]
    ledger = Path(shutil.copytree(bureau.settings.ledger, tmp_path / "ledger"))
    folder = LedgerFolder(ledger)
    now = checkpoint.parse(note.parse(folder.read("checkpoint")).text).size
    size, read = now + grown, tiles.TileTree(folder.read).reader(now)
    root = merkle.EMPTY_ROOT if another else merkle.range_root(0, size, read)
    head = Checkpoint(bureau.key.origin, size, root)
    folder.write("witnessed", note.sign(head.text(), bureau.key.signer, classic(1)))
    catalogue = Catalogue(Settings(data=bureau.settings.data).database)
    try:
        made = DataCheck(DataPlace(catalogue, {}, ledger, bureau.key.vkey))
        first = next(made.wrongs(), None)
    finally:
        catalogue.close()
    said = first.en if first else ""
    assert what in said if what else not said.startswith("ledger:")
