"""What is removed from the spool of whole files at a start, and what is not."""

from __future__ import annotations

from pathlib import Path

from ingest.files import Batch
from ingest.server import make_files, make_uploads
from pipeline.bootstrap import wire
from pipeline.settings import Settings


def test_leftovers_go_and_what_is_being_written_stays_with_its_hashes(tmp_path: Path) -> None:
    services = wire(Settings(data=tmp_path / "data", min_free=0))
    folder = services.settings.spool / "files"
    files = make_files(services, make_uploads(services))
    (folder / "left").mkdir()
    for name in ("left/part", "left/part.leaves", "stray"):
        (folder / name).write_bytes(b"bytes")
    live = Batch([], folder / "live", sm3=False)
    (folder / "live" / "part.leaves").write_bytes(b"bytes")
    files.remove_leftovers()
    assert [path.name for path in folder.iterdir()] == ["live"]
    assert (folder / "live" / "part.leaves").exists()
    live.close()
    live.close()
    files.remove_leftovers()
    assert list(folder.iterdir()) == []
    services.catalogue.close()
