"""What is removed from the spool of whole files at a start, and what is not."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from ingest.answers import HttpError
from ingest.files import Batch
from ingest.server import make_files, make_uploads
from pipeline.bootstrap import wire
from pipeline.settings import Settings
from storage.catalogue.tables import DockedFile


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


def listed(*sizes: int) -> list[DockedFile]:
    return [DockedFile(path=str(number), size=size) for number, size in enumerate(sizes)]


@pytest.mark.parametrize("pieces", [[b"abcdefg"], [b"a", b"bcde", b"f", b"", b"g"]])
def test_bytes_go_to_their_files_however_they_are_cut(tmp_path: Path, pieces: list[bytes]) -> None:
    batch = Batch(listed(0, 3, 0, 4, 0), tmp_path / "batch", sm3=True)
    for piece in pieces:
        batch.write(piece)
    found = batch.finish()
    assert [part.path.read_bytes() for part, _, _ in found] == [b"", b"abc", b"", b"defg", b""]
    assert [digest.sha256 for _, digest, _ in found] == [
        hashlib.sha256(content).hexdigest() for content in (b"", b"abc", b"", b"defg", b"")
    ]
    assert all(digest.sm3 for _, digest, _ in found)
    batch.close()
    assert not (tmp_path / "batch").exists()


def test_a_body_that_is_too_short_or_too_long_is_refused(tmp_path: Path) -> None:
    for content, code in ((b"ab", "cut-short"), (b"abcd", "cut-short"), (b"abcdefgh", "over-long")):
        batch = Batch(listed(3, 4), tmp_path / "batch", sm3=False)
        with pytest.raises(HttpError) as refused:
            batch.write(content)
            batch.finish()
        assert refused.value.code == code
        batch.close()
