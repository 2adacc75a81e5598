"""Real tus clients, written by others, against our server."""

from __future__ import annotations

import io
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tusclient.client import TusClient

from ingest import station
from tests.support.docking import PlainStation, sha256, stored
from tests.support.server import ROOT, Launcher, Server, enrol
from tests.support.services import absent, program


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


def test_tuspy_uploads_in_chunks_with_checksums_and_resumes(launcher: Launcher, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    stream = io.BytesIO(data)
    with launcher.server(tmp_path / "data") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
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


def test_tus_js_client_stops_and_goes_on(launcher: Launcher, tmp_path: Path) -> None:
    if not (ROOT / "node_modules" / "tus-js-client").exists():
        absent("tus-js-client (npm)")
    data = os.urandom(3_500_000)
    (tmp_path / "file").write_bytes(data)
    with launcher.server(tmp_path / "data") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        st01 = PlainStation(http, station.load(enrol(server.data, tmp_path)))
        st01.dock({"DCIM/录像.MP4": data})
        script = ROOT / "tests" / "support" / "tus_upload.mjs"
        endpoint = f"{server.url}/api/uploads"
        subprocess.run(
            [program("node"), script, endpoint, st01.token, tmp_path / "file", "DCIM/录像.MP4"], check=True, timeout=60
        )
        st01.receipt(data)
        assert stored(server.data, data) == data


def test_tuspy_goes_on_after_the_server_was_killed(launcher: Launcher, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    with launcher.server(tmp_path / "data") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        st01 = PlainStation(http, station.load(enrol(server.data, tmp_path)))
        st01.dock({"𝄞/录像 ②.MP4": data})
        client = TusClient(f"{server.url}/api/uploads", headers={"Authorization": f"Bearer {st01.token}"})
        given: dict[str, Any] = {"chunk_size": 1_000_000, "metadata_encoding": "utf-8", "upload_checksum": True}
        first = client.uploader(file_stream=io.BytesIO(data), metadata={"path": "𝄞/录像 ②.MP4"}, **given)
        first.upload_chunk()  # type: ignore[no-untyped-call]
        server.kill()
        with launcher.server(tmp_path / "data", port=urlsplit(server.url).port):
            again = client.uploader(file_stream=io.BytesIO(data), url=first.url, **given)
            assert again.offset == 1_000_000
            again.upload()
            assert st01.receipt(data).entry.event.payload["name"] == "𝄞/录像 ②.MP4"
            assert stored(server.data, data) == data


def test_tus_js_client_survives_a_killed_server_and_a_damaged_piece(launcher: Launcher, tmp_path: Path) -> None:
    if not (ROOT / "node_modules" / "tus-js-client").exists():
        absent("tus-js-client (npm)")
    data = os.urandom(3_500_000)
    (tmp_path / "file").write_bytes(data)
    with launcher.server(tmp_path / "data") as server, httpx.Client(base_url=server.url, trust_env=False) as http:
        st01 = PlainStation(http, station.load(enrol(server.data, tmp_path)))
        st01.dock({"𝄞/录像 ②.MP4": data})
        with surviving(server, st01, tmp_path / "file", "𝄞/录像 ②.MP4") as client:
            assert client.stdin and client.stdout
            assert client.stdout.readline() == "ready\n"
            server.kill()
            print("go", file=client.stdin, flush=True)
            assert client.stdout.readline() == "retry 0\n"
            with launcher.server(tmp_path / "data", port=urlsplit(server.url).port):
                said, _ = client.communicate(timeout=60)
                assert "retry 460\n" in said
                assert said.endswith(f"/api/receipts/{sha256(data)}\n")
                assert client.returncode == 0
                st01.receipt(data)
                assert stored(server.data, data) == data


def surviving(server: Server, st01: PlainStation, file: Path, path: str) -> subprocess.Popen[str]:
    script = str(ROOT / "tests" / "support" / "tus_survive.mjs")
    command = [program("node"), script, f"{server.url}/api/uploads", st01.token, str(file), path]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
