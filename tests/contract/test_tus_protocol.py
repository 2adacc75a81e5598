"""Our upload server against the text of tus 1.0, and against what broke other servers: corruption by over-long bodies,
by checksums nobody checks, by cuts, by two writers."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ingest import station
from tests.support.docking import BODY, PlainStation, b64, sha256, spooled, stored
from tests.support.server import Server, enrol, run_server

DATA = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(scope="module")
def key_file(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrol(server.data, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def st01(server: Server, key_file: Path) -> Iterator[PlainStation]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http:
        yield PlainStation(http, station.load(key_file))


def fresh(size: int = 100_000) -> bytes:
    return os.urandom(size)


def test_options_tells_what_the_server_can_do(st01: PlainStation) -> None:
    answer = st01.http.options("/api/uploads")
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "creation",
        "creation-with-upload",
        "termination",
        "checksum",
        "expiration",
    }
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha256,sha1"
    assert int(answer.headers["Tus-Max-Size"]) > 0


def test_another_version_is_refused(st01: PlainStation) -> None:
    answer = st01.http.post("/api/uploads", headers={"Tus-Resumable": "0.2.2", "Upload-Length": "1"})
    assert answer.status_code == 412
    assert answer.headers["Tus-Version"] == "1.0.0"


def test_a_file_in_three_pieces_becomes_an_original_with_a_receipt(st01: PlainStation, server: Server) -> None:
    data = fresh(2_500_000)
    st01.dock({"DCIM/录像_0001.MP4": data})
    url = st01.begin("DCIM/录像_0001.MP4", len(data))
    assert st01.patch(url, 0, data[:1_000_000]).headers["Upload-Offset"] == "1000000"
    assert st01.offset(url) == 1_000_000
    assert st01.patch(url, 1_000_000, data[1_000_000:1_000_001]).status_code == 204
    last = st01.patch(url, 1_000_001, data[1_000_001:])
    assert last.status_code == 204
    assert last.headers["Upload-Offset"] == str(len(data))
    assert last.headers["Liuhen-Receipt"] == f"/api/receipts/{sha256(data)}"
    assert st01.receipt(data).entry.event.payload["name"] == "DCIM/录像_0001.MP4"
    assert stored(server.data, data) == data
    assert url.rsplit("/", 1)[1] not in spooled(server.data)


def test_head_answers_after_completion(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    st01.patch(url, 0, data)
    answer = st01.head(url)
    assert answer.status_code == 200
    assert answer.headers["Upload-Offset"] == answer.headers["Upload-Length"] == str(len(data))
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Liuhen-Receipt"] == f"/api/receipts/{sha256(data)}"
    again = st01.patch(url, len(data), b"")
    assert again.status_code == 204
    assert again.headers["Liuhen-Receipt"] == f"/api/receipts/{sha256(data)}"


def test_creation_with_upload_takes_the_body(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    headers = st01.headers(Upload_Length=str(len(data)), Upload_Metadata=f"path {b64('a')}", Content_Type=BODY)
    answer = st01.http.post("/api/uploads", headers=headers, content=data)
    assert answer.status_code == 201
    assert answer.headers["Upload-Offset"] == str(len(data))
    st01.receipt(data)


def test_an_empty_file_is_complete_when_it_is_created(st01: PlainStation) -> None:
    st01.dock({"empty.MP4": b""})
    answer = st01.create("empty.MP4", 0)
    assert answer.status_code == 201
    assert answer.headers["Liuhen-Receipt"] == f"/api/receipts/{sha256(b'')}"
    st01.receipt(b"")


def test_a_wrong_offset_is_a_conflict_and_says_the_right_one(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    st01.patch(url, 0, data[:1000])
    for wrong in (0, 999, 1001, len(data)):
        answer = st01.patch(url, wrong, data[1000:])
        assert answer.status_code == 409
        assert answer.headers["Upload-Offset"] == "1000"
    assert st01.patch(url, 1000, data[1000:]).status_code == 204
    st01.receipt(data)


def test_an_announced_over_long_body_is_refused_before_it_is_written(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    assert st01.patch(url, 0, data + b"x").status_code == 413
    assert st01.offset(url) == 0
    assert st01.patch(url, 0, data).status_code == 204
    st01.receipt(data)


def test_an_over_long_body_without_a_length_leaves_no_trace_in_the_file(st01: PlainStation, server: Server) -> None:
    data = fresh(5_000_000)
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    assert st01.patch(url, 0, iter([b"\xff" * 3_000_000, b"\xff" * 3_000_000])).status_code == 413
    assert st01.offset(url) == 0
    assert st01.patch(url, 0, data).status_code == 204
    assert stored(server.data, data) == data


def test_a_wrong_checksum_is_460_and_commits_nothing(st01: PlainStation, server: Server) -> None:
    data = fresh(5_000_000)
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    good = b64(hashlib.sha256(data[:4_000_000]).digest())
    bad = b"\x00" + data[1:4_000_000]
    assert st01.patch(url, 0, bad, Upload_Checksum=f"sha256 {good}").status_code == 460
    assert st01.offset(url) == 0
    assert st01.patch(url, 0, data[:4_000_000], Upload_Checksum=f"sha256 {good}").status_code == 204
    assert st01.patch(url, 4_000_000, data[4_000_000:]).status_code == 204
    assert stored(server.data, data) == data


def test_an_unknown_checksum_is_400(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    for value in ("md5 AAAA", "sha256 AAAA", "sha256 %%%%", "sha256"):
        assert st01.patch(url, 0, data, Upload_Checksum=value).status_code == 400
    assert st01.offset(url) == 0


def _open_patch(server: Server, st01: PlainStation, url: str, offset: int, length: int) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    raw = socket.create_connection((host, int(port)), timeout=10)
    lines = [
        f"PATCH {url} HTTP/1.1",
        f"Host: {host}",
        f"Content-Type: {BODY}",
        f"Content-Length: {length}",
        f"Upload-Offset: {offset}",
        *(f"{name}: {value}" for name, value in st01.headers().items()),
    ]
    raw.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
    return raw


def _until(condition: object, what: str) -> None:
    assert callable(condition)
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(what)


def _on_disk(server: Server, url: str) -> int:
    path = server.data / "spool" / "uploads" / url.rsplit("/", 1)[1]
    return path.stat().st_size if path.exists() else 0


def test_a_cut_cable_keeps_what_arrived(st01: PlainStation, server: Server) -> None:
    data = fresh(6_000_000)
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    raw = _open_patch(server, st01, url, 0, len(data))
    raw.sendall(data[:5_000_000])
    raw.close()
    _until(lambda: st01.offset(url) > 0, "what arrived was not kept")
    offset = st01.offset(url)
    assert st01.patch(url, offset, data[offset:]).status_code == 204
    assert stored(server.data, data) == data
    st01.receipt(data)


def test_a_second_writer_is_told_at_once_that_the_upload_is_locked(st01: PlainStation, server: Server) -> None:
    data = fresh(5_000_000)
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    raw = _open_patch(server, st01, url, 0, len(data))
    raw.sendall(data[:3_000_000])
    _until(lambda: _on_disk(server, url) > 0, "nothing was written")
    locked = st01.patch(url, 0, b"\xff" * 1000)
    assert locked.status_code == 423
    assert "zh" in locked.json()["error"]
    assert st01.http.delete(url, headers=st01.headers()).status_code == 423
    assert st01.head(url).status_code == 200
    raw.sendall(data[3_000_000:])
    assert b"204" in raw.recv(1000)
    raw.close()
    assert stored(server.data, data) == data


def test_a_checked_piece_that_is_cut_off_is_not_kept(st01: PlainStation, server: Server) -> None:
    data = fresh(3_000_000)
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    host, port = server.url.removeprefix("http://").split(":")
    raw = socket.create_connection((host, int(port)), timeout=10)
    checksum = b64(hashlib.sha256(data).digest())
    headers = st01.headers(
        Host=host,
        Content_Type=BODY,
        Content_Length=str(len(data)),
        Upload_Offset="0",
        Upload_Checksum=f"sha256 {checksum}",
    )
    raw.sendall(f"PATCH {url} HTTP/1.1\r\n".encode())
    raw.sendall("".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n")
    raw.sendall(b"\xff" * 2_500_000)
    _until(lambda: _on_disk(server, url) > 0, "nothing was written")
    raw.close()
    _until(lambda: st01.patch(url, 0, b"").status_code == 204, "the lock was not given back")
    assert st01.offset(url) == 0
    assert st01.patch(url, 0, data).status_code == 204
    assert stored(server.data, data) == data


def test_termination_forgets_the_upload_and_its_bytes(st01: PlainStation, server: Server) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    st01.patch(url, 0, data[:5000])
    assert st01.http.delete(url, headers=st01.headers()).status_code == 204
    assert st01.head(url).status_code == 404
    assert st01.patch(url, 5000, data[5000:]).status_code == 404
    assert url.rsplit("/", 1)[1] not in spooled(server.data)


def test_an_upload_says_when_it_expires(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    answer = st01.create("a", len(data))
    assert answer.headers["Upload-Expires"].endswith("GMT")


def test_bytes_other_than_listed_are_set_apart_and_never_accepted(st01: PlainStation, server: Server) -> None:
    data = fresh()
    other = b"\xff" + data[1:]
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    answer = st01.patch(url, 0, other)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "digest-mismatch"
    name = url.rsplit("/", 1)[1]
    assert (server.data / "spool" / "rejected" / name).read_bytes() == other
    assert sha256(other) in (server.data / "spool" / "rejected" / f"{name}.json").read_text()
    assert st01.head(url).status_code == 422
    assert st01.http.get(f"/api/receipts/{sha256(data)}", headers=st01.headers()).status_code == 404
    st01.patch(st01.begin("a", len(data)), 0, data)
    st01.receipt(data)


def test_only_listed_files_of_the_listed_length_are_taken(st01: PlainStation) -> None:
    st01.dock({"a": DATA})
    assert st01.create("b", len(DATA)).status_code == 422
    assert st01.create("a", len(DATA) - 1).status_code == 422
    assert st01.create("../a", len(DATA)).status_code == 422
    assert st01.create("a", 1 << 45).status_code == 413


def test_malformed_headers_are_400(st01: PlainStation) -> None:
    st01.dock({"a": DATA})
    for length in ("-1", "1.0", "", "1_0", "9" * 19):
        headers = st01.headers(Upload_Length=length, Upload_Metadata=f"path {b64('a')}")
        assert st01.http.post("/api/uploads", headers=headers).status_code == 400
    for metadata in ("path !!!", f"path {b64(bytes([0xFF]))}", "path"):
        headers = st01.headers(Upload_Length=str(len(DATA)), Upload_Metadata=metadata)
        assert st01.http.post("/api/uploads", headers=headers).status_code in (400, 422)
    url = st01.begin("a", len(DATA))
    assert st01.patch(url, 0, DATA, Upload_Offset="x").status_code == 400
    assert st01.patch(url, 0, DATA, Content_Type="application/octet-stream").status_code == 415
    assert st01.http.get(url, headers=st01.headers()).status_code == 405


def test_without_a_valid_token_nothing_is_said(st01: PlainStation) -> None:
    st01.dock({"a": DATA})
    url = st01.begin("a", len(DATA))
    st01.token = "guessed"
    assert st01.head(url).status_code == 401
    assert st01.patch(url, 0, DATA).status_code == 401
    assert st01.create("a", len(DATA)).status_code == 401
    assert st01.http.get(f"/api/receipts/{sha256(DATA)}", headers=st01.headers()).status_code == 401


def test_another_stations_upload_does_not_exist(
    st01: PlainStation, server: Server, tmp_path: Path, key_file: Path
) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    other = PlainStation(st01.http, station.load(enrol(server.data, tmp_path, "ST-02")))
    other.dock({"b": fresh()})
    assert other.head(url).status_code == 404
    assert other.patch(url, 0, data).status_code == 404
    assert other.http.delete(url, headers=other.headers()).status_code == 404
    st01.patch(url, 0, data)
    assert other.http.get(f"/api/receipts/{sha256(data)}", headers=other.headers()).status_code == 404


def test_a_patch_by_post_with_an_override_is_a_patch(st01: PlainStation) -> None:
    data = fresh()
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    headers = st01.headers(X_HTTP_Method_Override="PATCH", Content_Type=BODY, Upload_Offset="0")
    assert st01.http.post(url, content=data, headers=headers).status_code == 204
    st01.receipt(data)


def test_the_same_bytes_twice_have_one_copy_and_one_receipt(st01: PlainStation) -> None:
    data = fresh()
    receipts = []
    for name in ("a", "b"):
        st01.dock({name: data})
        st01.patch(st01.begin(name, len(data)), 0, data)
        receipts.append(st01.http.get(f"/api/receipts/{sha256(data)}", headers=st01.headers()).content)
    assert receipts[0] == receipts[1]
