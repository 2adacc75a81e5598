"""kill -9 at each step of setting a rejected file apart: afterwards it is there once, told once, and nothing of it is
left in the spool."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingest import station
from pipeline.settings import Settings
from storage.catalogue import custody
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Original, Rejection, Upload
from tests.support.docking import PlainStation, b64, sha256, spooled
from tests.support.server import Launcher, enrol

pytestmark = pytest.mark.shared

STEPS = ["before:set-apart:1", "after:set-apart:1", "after:reject:1", "after:mark:1"]


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.mark.parametrize("step", STEPS)
def test_a_rejection_that_was_broken_off_ends_whole(launcher: Launcher, tmp_path: Path, step: str) -> None:
    data, other = os.urandom(100_000), os.urandom(100_000)
    key = station.load(enrol(tmp_path / "data", tmp_path))
    with launcher.server(tmp_path / "data", break_at=step) as server:
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http:
            st01 = PlainStation(http, key)
            st01.dock({"a": data})
            url = st01.begin("a", len(data))
            with pytest.raises(httpx.TransportError):
                st01.patch(url, 0, other)
        assert server.wait() == -9, "the step was never reached"
    with (
        launcher.server(tmp_path / "data") as server,
        httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http,
    ):
        st01.http = http
        while st01.http.get("/api/rejections", headers=st01.headers()).json()["total"] == 0:
            time.sleep(0.05)  # what was whole at the start is finished in the background
        assert st01.head(url).status_code == 422
        while spooled(tmp_path / "data"):
            time.sleep(0.05)
        docked = st01.dock({"a": data})
        assert docked["files"][0]["state"] == "wanted"
    check_told_once(tmp_path / "data", url.rsplit("/", 1)[1], data, other)


@pytest.mark.parametrize("step", ["before:set-apart-bytes:1", "after:set-apart:1", "before:reject:1"])
def test_of_a_whole_file_too(launcher: Launcher, tmp_path: Path, step: str) -> None:
    """No row says that it was under way: the note beside the bytes does."""
    data, other = os.urandom(100_000), os.urandom(100_000)
    key = station.load(enrol(tmp_path / "data", tmp_path))
    with launcher.server(tmp_path / "data", break_at=step) as server:
        with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http:
            st01 = PlainStation(http, key)
            st01.dock({"a": data})
            with pytest.raises(httpx.TransportError):
                http.post("/api/files", content=other, headers=st01.headers(Upload_Metadata=f"path {b64('a')}"))
        assert server.wait() == -9, "the step was never reached"
    for _ in range(2):  # what was told is not told again
        with (
            launcher.server(tmp_path / "data") as server,
            httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http,
        ):
            while http.get("/api/rejections", headers=st01.headers()).json()["total"] == 0:
                time.sleep(0.05)
            while os.listdir(tmp_path / "data" / "spool" / "files"):
                time.sleep(0.05)
    apart = tmp_path / "data" / "spool" / "rejected"
    (name,) = (path.name for path in apart.iterdir() if not path.suffix)
    check_told_once(tmp_path / "data", name, data, other)


def check_told_once(data: Path, upload: str, listed: bytes, came: bytes) -> None:
    apart = data / "spool" / "rejected"
    assert sorted(path.name for path in apart.iterdir()) == [upload, f"{upload}.json"]
    assert (apart / upload).read_bytes() == came
    assert json.loads((apart / f"{upload}.json").read_bytes())["received"] == sha256(came)
    catalogue = Catalogue(Settings(data=data).database)
    with catalogue.read() as session:
        (row,) = session.query(Rejection)
        events = [entry for entry in custody.chain(session, "device:LH00012") if entry.event == "upload.rejected"]
        assert all(row.state == "rejected" for row in session.query(Upload))
        assert session.query(Original).count() == 0
    catalogue.close()
    assert (row.id, row.expected, row.received) == (upload, sha256(listed), sha256(came))
    assert [json.loads(entry.draft)["payload"]["rejection"] for entry in events] == [upload]
