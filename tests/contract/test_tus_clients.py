"""Real tus clients, written by others, against our server."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import Any

import httpx
from tusclient.client import TusClient

from ingest import station
from tests.support.docking import PlainStation, stored
from tests.support.server import ROOT, enrol, run_server
from tests.support.services import absent, program


def test_tuspy_uploads_in_chunks_with_checksums_and_resumes(tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    stream = io.BytesIO(data)
    with run_server(tmp_path / "data") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        st01 = PlainStation(http, station.load(enrol(server.data, tmp_path)))
        st01.dock({"DCIM/录像.MP4": data})
        client = TusClient(f"{server.url}/api/uploads", headers={"Authorization": f"Bearer {st01.token}"})
        given: dict[str, Any] = {"chunk_size": 1_000_000, "metadata": {"path": "DCIM/录像.MP4"}}
        given["metadata_encoding"] = "utf-8"
        first = client.uploader(file_stream=stream, **given)
        first.upload_chunk()  # type: ignore[no-untyped-call]
        assert first.offset == 1_000_000
        again = client.uploader(file_stream=stream, url=first.url, upload_checksum=True, **given)
        assert again.offset == 1_000_000
        again.upload()
        st01.receipt(data)
        assert stored(server.data, data) == data


def test_tus_js_client_stops_and_goes_on(tmp_path: Path) -> None:
    if not (ROOT / "node_modules" / "tus-js-client").exists():
        absent("tus-js-client (npm)")
    data = os.urandom(3_500_000)
    (tmp_path / "file").write_bytes(data)
    with run_server(tmp_path / "data") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        st01 = PlainStation(http, station.load(enrol(server.data, tmp_path)))
        st01.dock({"DCIM/录像.MP4": data})
        script = ROOT / "tests" / "support" / "tus_upload.mjs"
        endpoint = f"{server.url}/api/uploads"
        subprocess.run(
            [program("node"), script, endpoint, st01.token, tmp_path / "file", "DCIM/录像.MP4"], check=True, timeout=60
        )
        st01.receipt(data)
        assert stored(server.data, data) == data
