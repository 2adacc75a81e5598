"""`POST /api/files`: one request, one receipt; and every way in which it goes wrong leaves nothing behind."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ingest import station
from ingest.files import MAX_SIZE
from storage.ledger.proof import verify_receipt
from tests.support.docking import PlainStation, b64, sha256, stored
from tests.support.server import Server, enrol, enrol_all, run_server

SIZE = 2_300_000  # two pieces and a rest


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


def post(st01: PlainStation, path: str, content: bytes, **more: str) -> httpx.Response:
    headers = st01.headers(Upload_Metadata=f"path {b64(path)}", **more)
    return st01.http.post("/api/files", content=content, headers=headers)


def left(server: Server) -> list[str]:
    return [path.name for path in (server.data / "spool" / "files").iterdir()]


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.mark.parametrize("size", [0, 1, 100_000, SIZE])
def test_the_answer_is_the_receipt(st01: PlainStation, server: Server, size: int) -> None:
    data = os.urandom(size)
    st01.dock({"DCIM/现场 照片.JPG": data})
    answer = post(st01, "DCIM/现场 照片.JPG", data)
    assert answer.status_code == 201, answer.text
    said = verify_receipt(answer.content, st01.key.log).entry.event
    assert (said.payload["sha256"], said.payload["name"]) == (sha256(data), "DCIM/现场 照片.JPG")
    assert said.actor.id == st01.key.station
    assert stored(server.data, data) == data
    assert left(server) == []
    st01.receipt(data)


def test_the_same_file_again_gets_the_same_receipt(st01: PlainStation) -> None:
    data = os.urandom(SIZE)
    st01.dock({"A.JPG": data, "B.JPG": data})
    answers = [post(st01, name, data) for name in ("A.JPG", "A.JPG", "B.JPG")]
    assert len({answer.content for answer in answers}) == 1


def test_many_at_once_each_get_their_own_receipt(st01: PlainStation) -> None:
    files = {f"IMG_{number:04d}.JPG": os.urandom(50_000) for number in range(40)}
    st01.dock(files)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: post(st01, name, files[name]), files))
    said = [verify_receipt(answer.content, st01.key.log).entry.event.payload for answer in answers]
    assert {each["name"]: each["sha256"] for each in said} == {name: sha256(data) for name, data in files.items()}
    assert len({answer.content for answer in answers}) == 40


def test_other_bytes_than_listed_are_set_apart(st01: PlainStation, server: Server) -> None:
    data, other = os.urandom(1000), os.urandom(1000)
    docked = st01.dock({"A.JPG": data})
    answer = post(st01, "A.JPG", other)
    assert (answer.status_code, code(answer)) == (422, "digest-mismatch")
    told = st01.http.get(f"/api/rejections?docking={docked['docking']}", headers=st01.headers()).json()
    (row,) = told["rejections"]
    assert (row["path"], row["received"], row["expected"]) == ("A.JPG", sha256(other), sha256(data))
    apart = server.data / "spool" / "rejected" / row["id"]
    assert apart.read_bytes() == other
    assert json.loads(apart.with_name(f"{row['id']}.json").read_text())["door"] == "file"
    assert left(server) == []
    assert post(st01, "A.JPG", data).status_code == 201


def test_what_no_manifest_lists_is_not_taken(st01: PlainStation, server: Server) -> None:
    st01.dock({"A.JPG": b"12345"})
    assert code(post(st01, "B.JPG", b"12345")) == "not-listed"
    assert code(post(st01, "A.JPG", b"1234")) == "wrong-length"
    assert code(post(st01, "../A.JPG", b"12345")) == "not-listed"
    assert left(server) == []


def raw(st01: PlainStation, server: Server, path: str, length: int) -> socket.socket:
    """A connection on which the head of a request has been sent."""
    place = urlsplit(server.url)
    lines = [
        "POST /api/files HTTP/1.1",
        f"Host: {place.netloc}",
        f"Authorization: Bearer {st01.token}",
        f"Upload-Metadata: path {b64(path)}",
        f"Content-Length: {length}",
    ]
    connection = socket.create_connection((place.hostname, place.port), timeout=30)
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def test_a_large_file_is_to_be_uploaded_resumably(st01: PlainStation, server: Server) -> None:
    st01.dock({"A.MP4": b""})
    with raw(st01, server, "A.MP4", MAX_SIZE + 1) as connection:
        assert b" 413 " in connection.recv(1000).split(b"\r\n")[0]


def test_nobody_sends_without_a_token(st01: PlainStation) -> None:
    st01.dock({"A.JPG": b"1"})
    st01.token = "wrong"
    assert post(st01, "A.JPG", b"1").status_code == 401


def test_a_sender_that_leaves_in_the_middle_leaves_nothing(st01: PlainStation, server: Server) -> None:
    data = os.urandom(SIZE)
    st01.dock({"A.JPG": data})
    with raw(st01, server, "A.JPG", SIZE) as connection:
        connection.sendall(data[:2_000_000])
    answer = post(st01, "A.JPG", data)
    assert answer.status_code == 201, answer.text
    while left(server):
        pass  # the broken request's file goes as soon as the server notices


def test_a_body_without_a_length_is_refused(st01: PlainStation, server: Server) -> None:
    st01.dock({"A.JPG": b"12345"})
    headers = st01.headers(Upload_Metadata=f"path {b64('A.JPG')}")
    answer = st01.http.post("/api/files", content=iter([b"12345"]), headers=headers)
    assert (answer.status_code, code(answer)) == (400, "bad-header")
    assert left(server) == []


def test_sixty_four_large_ones_at_once_fit_into_memory(server: Server, tmp_path: Path) -> None:
    """Of 8 MiB each, from stations that keep to their turns."""
    names = [f"CROWD-{number}" for number in range(4)]
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as http:
        crowd = [PlainStation(http, station.load(each)) for each in enrol_all(server.data, tmp_path, names)]
        data = [os.urandom(MAX_SIZE // 16) * 8 for _ in crowd]
        wanted = []
        for each, content in zip(crowd, data, strict=True):
            each.dock(dict.fromkeys((str(number) for number in range(16)), content))
            wanted += [(each, str(number), content) for number in range(16)]

        def send(one: tuple[PlainStation, str, bytes]) -> int:
            headers = one[0].headers(Upload_Metadata=f"path {b64(one[1])}")
            return httpx.post(
                f"{server.url}/api/files", content=one[2], headers=headers, timeout=120, trust_env=False
            ).status_code

        with ThreadPoolExecutor(64) as pool:
            assert set(pool.map(send, wanted)) == {201}
    status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    assert peak < 200 << 10  # KiB
