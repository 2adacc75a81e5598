"""What a lying, slow or greedy client gets: headers that are bombs, bodies of another length than said, many at once,
one that drips. And what each of four other servers got wrong, by its name."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ingest import station
from tests.support.docking import BODY, PlainStation, b64, sha256, stored
from tests.support.server import Launcher, Server, enrol


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with Launcher() as started:
        yield started


@pytest.fixture(scope="module")
def server(launcher: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with launcher.server(tmp_path_factory.mktemp("data"), station_bodies=2) as running:
        yield running


@pytest.fixture(scope="module")
def key_file(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrol(server.data, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def st01(http: httpx.Client, key_file: Path) -> PlainStation:
    return PlainStation(http, station.load(key_file))


def begun(st01: PlainStation, size: int = 100_000, path: str = "a") -> tuple[bytes, str]:
    """Docked, and an upload made: its bytes and its address."""
    data = os.urandom(size)
    st01.dock({path: data})
    return data, st01.begin(path, size)


def raw(server: Server, method: str, url: str, *lines: str) -> socket.socket:
    """A connection on which the head of a request was sent, as it stands."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=30)
    head = [f"{method} {url} HTTP/1.1", f"Host: {host}", *lines]
    connection.sendall("\r\n".join(head).encode() + b"\r\n\r\n")
    return connection


def patching(server: Server, st01: PlainStation, url: str, *lines: str) -> socket.socket:
    ours = [f"{name}: {value}" for name, value in st01.headers(Content_Type=BODY, Upload_Offset="0").items()]
    return raw(server, "PATCH", url, *ours, *lines)


def wait_for_turn(server: Server, url: str) -> None:
    """Until a request that was sent has its turn: its spool file is there, opened by nobody before."""
    for _ in range(1000):
        if (server.data / "spool" / "uploads" / url.rsplit("/", 1)[1]).exists():
            return
        time.sleep(0.02)
    raise AssertionError("the request never had its turn")


def status(connection: socket.socket) -> int:
    answer = connection.recv(10_000)
    return int(answer.split(b" ", 2)[1]) if answer else 0


def create_with(st01: PlainStation, metadata: str, **more: str) -> httpx.Response:
    return st01.http.post("/api/uploads", headers=st01.headers(Upload_Length="100", Upload_Metadata=metadata, **more))


# --- headers ------------------------------------------------------------------------------------------------------


def test_metadata_names_each_key_once(st01: PlainStation) -> None:
    st01.dock({"a": b"x" * 100})
    for metadata in (
        f"path {b64('a')},path {b64('b')}",
        f",path {b64('a')}",
        f"path  {b64('a')}",
    ):
        answer = create_with(st01, metadata)
        assert answer.status_code == 400, metadata
        assert answer.json()["error"]["code"] == "bad-metadata"
    assert create_with(st01, f"path {b64('a')},note,more YQ==").status_code == 201


def test_a_metadata_bomb_is_refused(st01: PlainStation) -> None:
    st01.dock({"a": b"x" * 100})
    assert create_with(st01, f"path {b64('a')},more {b64('x' * 9000)}").status_code == 400
    many = ",".join(f"k{number} eA==" for number in range(2000))
    assert create_with(st01, many).status_code == 400


def test_headers_that_no_client_sends_are_refused(st01: PlainStation) -> None:
    st01.dock({"a": b"x" * 100})
    answer = create_with(st01, f"path {b64('a')}", X_Bomb="x" * 40_000)
    assert answer.status_code == 431
    assert answer.json()["error"]["code"] == "headers-too-large"


def test_line_breaks_in_a_path_write_no_header(st01: PlainStation) -> None:
    st01.dock({"a": b"x" * 100})
    answer = create_with(st01, f"path {b64('a' + chr(13) + chr(10) + 'X-Evil: 1')}")
    assert answer.status_code == 422
    assert "X-Evil" not in answer.headers
    assert create_with(st01, f"path {b64('a' + chr(0))}").status_code == 422


def test_a_header_of_ours_stands_there_once(st01: PlainStation) -> None:
    data, url = begun(st01)
    headers = [*st01.headers(Content_Type=BODY, Upload_Offset="0").items(), ("Upload-Offset", "5")]
    assert st01.http.patch(url, content=data, headers=headers).status_code == 400
    assert st01.offset(url) == 0


def test_a_length_that_is_told_later_is_not_taken(st01: PlainStation) -> None:
    st01.dock({"a": b"x" * 100})
    headers = st01.headers(Upload_Defer_Length="1", Upload_Metadata=f"path {b64('a')}")
    assert st01.http.post("/api/uploads", headers=headers).status_code == 400


def test_only_a_post_may_mean_another_method(st01: PlainStation) -> None:
    _, url = begun(st01)
    assert st01.http.get(url, headers=st01.headers(X_HTTP_Method_Override="DELETE")).status_code == 405
    assert st01.head(url).status_code == 200
    assert st01.http.post(url, headers=st01.headers(X_HTTP_Method_Override="DELETE")).status_code == 204


@pytest.mark.parametrize("path", ["DCIM/录像 (1)，二.MP4", "𝄞🎥/é́.mov", "a" * 1024, "录" * 1024])
def test_any_name_of_a_card_comes_through(st01: PlainStation, path: str) -> None:
    data, url = begun(st01, 1000, path)
    assert st01.head(url).headers["Upload-Metadata"] == f"path {b64(path)}"
    st01.patch(url, 0, data)
    assert st01.receipt(data).entry.event.payload["name"] == path


# --- bodies of another length than said -----------------------------------------------------------------------------


def test_bytes_behind_the_told_length_are_no_part_of_the_file(st01: PlainStation, server: Server) -> None:
    data, url = begun(st01)
    connection = patching(server, st01, url, "Content-Length: 1000")
    connection.sendall(data[:1000] + b"\xff" * 5000)
    assert status(connection) in (204, 400)  # the rest is read as a next request, and is none
    connection.close()
    while st01.patch(url, 0, b"").status_code == 423:
        pass
    offset = st01.offset(url)
    assert offset in (0, 1000)
    assert st01.patch(url, offset, data[offset:]).status_code == 204
    assert stored(server.data, data) == data


def test_two_lengths_or_a_length_and_chunks_are_refused(st01: PlainStation, server: Server) -> None:
    _, url = begun(st01)
    for lines in (
        ("Content-Length: 10", "Content-Length: 20"),
        ("Content-Length: 10", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: 1e3",),
        ("Content-Length: 99999999999999999999999",),
    ):
        connection = patching(server, st01, url, *lines)
        assert status(connection) == 400, lines
        connection.close()
    assert st01.offset(url) == 0


def test_a_body_shorter_than_told_is_kept_as_far_as_it_came(st01: PlainStation, server: Server) -> None:
    data, url = begun(st01)
    connection = patching(server, st01, url, f"Content-Length: {len(data)}")
    connection.sendall(data[:70_000])
    wait_for_turn(server, url)
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(10_000):
        pass
    connection.close()
    while st01.patch(url, 0, b"").status_code == 423:
        pass
    offset = st01.offset(url)
    assert 0 < offset <= 70_000
    assert st01.patch(url, offset, data[offset:]).status_code == 204
    assert stored(server.data, data) == data


def test_the_same_piece_twice_counts_once(st01: PlainStation, server: Server) -> None:
    data, url = begun(st01)
    assert st01.patch(url, 0, data[:50_000]).status_code == 204
    assert st01.patch(url, 0, data[:50_000]).status_code == 409
    assert st01.patch(url, 80_000, data[80_000:]).status_code == 409
    assert st01.patch(url, 50_000, data[50_000:]).status_code == 204
    assert stored(server.data, data) == data


def test_of_many_writers_at_one_offset_one_wins(st01: PlainStation, server: Server, key_file: Path) -> None:
    data, url = begun(st01, 3_000_000)
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: st01.patch(url, 0, data).status_code, range(6)))
    assert answers.count(204) == 1
    assert set(answers) <= {204, 409, 423, 503}  # 503: no more than two at once of a station
    assert stored(server.data, data) == data


# --- checksums ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_a_right_checksum_lets_the_piece_count(st01: PlainStation, algorithm: str) -> None:
    data, url = begun(st01)
    good = b64(hashlib.new(algorithm, data, usedforsecurity=False).digest())
    assert st01.patch(url, 0, data, Upload_Checksum=f"{algorithm} {good}").status_code == 204
    st01.receipt(data)


def test_a_wrong_checksum_on_the_last_piece_leaves_no_original(st01: PlainStation) -> None:
    data, url = begun(st01)
    st01.patch(url, 0, data[:50_000])
    wrong = b64(hashlib.sha256(b"other").digest())
    assert st01.patch(url, 50_000, data[50_000:], Upload_Checksum=f"sha256 {wrong}").status_code == 460
    assert st01.http.get(f"/api/receipts/{sha256(data)}", headers=st01.headers()).status_code == 404
    assert st01.patch(url, 50_000, data[50_000:]).status_code == 204
    st01.receipt(data)


# --- many and slow ones ---------------------------------------------------------------------------------------------


def test_one_station_does_not_crowd_the_others_out(st01: PlainStation, server: Server, tmp_path: Path) -> None:
    files = {name: os.urandom(50_000) for name in "abc"}
    st01.dock(files)
    urls = [st01.begin(name, 50_000) for name in "abc"]
    held = [patching(server, st01, url, "Content-Length: 50000") for url in urls[:2]]
    for url in urls[:2]:
        wait_for_turn(server, url)
    refused = st01.patch(urls[2], 0, files["c"])
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "busy"
    assert int(refused.headers["Retry-After"]) > 0
    assert st01.head(urls[2]).status_code == 200
    st02 = PlainStation(st01.http, station.load(enrol(server.data, tmp_path, "ST-02")))
    other, url = begun(st02)
    assert st02.patch(url, 0, other).status_code == 204
    for connection, name in zip(held, "ab", strict=True):
        connection.sendall(files[name])
        assert status(connection) == 204
        connection.close()
    assert st01.patch(urls[2], 0, files["c"]).status_code == 204


def test_a_client_that_drips_is_given_up_and_what_came_is_kept(launcher: Launcher, tmp_path: Path) -> None:
    with (
        launcher.server(tmp_path / "data", slow_seconds=0.5, slow_rate=100_000) as server,
        httpx.Client(base_url=server.url, trust_env=False) as http,
    ):
        st01 = PlainStation(http, station.load(enrol(server.data, tmp_path)))
        data, url = begun(st01)
        connection = patching(server, st01, url, f"Content-Length: {len(data)}")
        connection.settimeout(0.02)
        sent, answer = 0, b""
        while not answer:
            assert sent < len(data), "the dripping client was served to the end"
            connection.sendall(data[sent : sent + 50])
            sent += 50
            try:
                answer = connection.recv(10_000)
            except TimeoutError:
                continue
        assert b" 408 " in answer
        connection.close()
        offset = st01.offset(url)
        assert 0 < offset <= sent
        assert st01.patch(url, offset, data[offset:]).status_code == 204
        assert stored(server.data, data) == data


# --- what was rejected ----------------------------------------------------------------------------------------------


def test_a_station_hears_what_of_its_own_was_rejected(st01: PlainStation, server: Server, tmp_path: Path) -> None:
    data, url = begun(st01)
    assert st01.patch(url, 0, b"\xff" + data[1:]).status_code == 422
    docking = st01.dock({"a": data})["docking"]
    (row, *_) = st01.http.get("/api/rejections", headers=st01.headers()).json()["rejections"]
    assert (row["id"], row["code"], row["path"]) == (url.rsplit("/", 1)[1], "digest-mismatch", "a")
    assert (row["expected"], row["received"]) == (sha256(data), sha256(b"\xff" + data[1:]))
    assert row["zh"] and row["en"] and row["time"].endswith("Z")
    assert st01.http.get(f"/api/rejections?docking={docking}", headers=st01.headers()).json()["total"] == 0
    st03 = PlainStation(st01.http, station.load(enrol(server.data, tmp_path, "ST-03")))
    st03.dock({"a": data})
    assert st03.http.get("/api/rejections", headers=st03.headers()).json() == {"total": 0, "rejections": []}
    assert st03.http.get(f"/api/rejections?docking={row['docking']}", headers=st03.headers()).json()["total"] == 0
    assert st01.http.get("/api/rejections").status_code == 401


# --- what broke in other servers (each name says which) --------------------------------------------------------------


def peak(server: Server) -> int:
    """Bytes of memory the server has had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{server.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_resumable_upload_buffered_the_whole_body(st01: PlainStation, server: Server) -> None:
    piece = os.urandom(1 << 20)
    data = piece * 192
    st01.dock({"a": data})
    url = st01.begin("a", len(data))
    before = peak(server)
    assert st01.patch(url, 0, (piece for _ in range(192))).status_code == 204
    assert peak(server) - before < len(data) // 2
    st01.receipt(data)


def test_tuspyserver_froze_when_a_second_patch_met_a_locked_upload(st01: PlainStation, server: Server) -> None:
    data, url = begun(st01)
    connection = patching(server, st01, url, f"Content-Length: {len(data)}")
    wait_for_turn(server, url)
    assert st01.head(url).status_code == 200
    for _ in range(3):
        assert st01.patch(url, 0, data).status_code == 423
        assert st01.http.options("/api/uploads").status_code == 204
    connection.sendall(data)
    assert status(connection) == 204
    connection.close()
    st01.receipt(data)


def test_tussi_forgot_an_upload_once_it_was_complete(st01: PlainStation) -> None:
    data, url = begun(st01, 1000, "录像.MP4")
    assert st01.patch(url, 0, data).status_code == 204
    answer = st01.head(url)
    assert answer.headers["Upload-Offset"] == answer.headers["Upload-Length"] == "1000"
    assert answer.headers["Upload-Metadata"] == f"path {b64('录像.MP4')}"
