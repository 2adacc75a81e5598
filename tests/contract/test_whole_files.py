"""`POST /api/files`: one request, its receipts; and every way in which it goes wrong leaves nothing behind."""

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
from ingest.files import MAX_FILES, MAX_SIZE
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
    assert answer.headers["Liuhen-Receipt"] == f"/api/receipts/{sha256(data)}"
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


def raw(st01: PlainStation, server: Server, named: str, length: int) -> socket.socket:
    """A connection on which the head of a request has been sent."""
    place = urlsplit(server.url)
    lines = [
        "POST /api/files HTTP/1.1",
        f"Host: {place.netloc}",
        f"Authorization: Bearer {st01.token}",
        named,
        f"Content-Length: {length}",
    ]
    connection = socket.create_connection((place.hostname, place.port), timeout=30)
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    return connection


def test_a_large_file_is_to_be_uploaded_resumably(st01: PlainStation, server: Server) -> None:
    st01.dock({"A.MP4": b""})
    with raw(st01, server, f"Upload-Metadata: path {b64('A.MP4')}", MAX_SIZE + 1) as connection:
        assert b" 413 " in connection.recv(1000).split(b"\r\n")[0]


def test_nobody_sends_without_a_token(st01: PlainStation) -> None:
    st01.dock({"A.JPG": b"1"})
    st01.token = "wrong"
    assert post(st01, "A.JPG", b"1").status_code == 401


def test_a_sender_that_leaves_in_the_middle_leaves_nothing(st01: PlainStation, server: Server) -> None:
    data = os.urandom(SIZE)
    st01.dock({"A.JPG": data})
    with raw(st01, server, f"Upload-Metadata: path {b64('A.JPG')}", SIZE) as connection:
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


def several(st01: PlainStation, files: dict[str, bytes], **more: str) -> httpx.Response:
    """Listed by the digest that is the name, with the bytes that come."""
    headers = st01.headers(Liuhen_Files=" ".join(files), **more)
    return st01.http.post("/api/files", content=b"".join(files.values()), headers=headers)


def test_several_in_one_request_each_get_their_receipt(st01: PlainStation, server: Server) -> None:
    """Also one of no bytes, and one that has two names on the card."""
    data = [os.urandom(size) for size in (3, 0, SIZE, 100_000)]
    st01.dock({f"{number}.JPG": content for number, content in enumerate(data)} | {"again": data[0]})
    answer = several(st01, {sha256(content): content for content in data})
    assert answer.status_code == 200, answer.text
    told = answer.json()["files"]
    assert [each["sha256"] for each in told] == [sha256(content) for content in data]
    for each, content in zip(told, data, strict=True):
        said = verify_receipt(each["receipt"].encode(), st01.key.log).entry.event.payload
        assert (said["sha256"], said["size"]) == (sha256(content), len(content))
        assert stored(server.data, content) == content
    assert left(server) == []
    assert several(st01, {sha256(content): content for content in data}).json()["files"] == told


def test_of_several_only_the_wrong_one_is_set_apart(st01: PlainStation, server: Server) -> None:
    data = [os.urandom(1000) for _ in range(3)]
    docked = st01.dock({f"{number}.JPG": content for number, content in enumerate(data)})
    other = os.urandom(1000)
    first, wrong, last = several(
        st01, {sha256(data[0]): data[0], sha256(data[1]): other, sha256(data[2]): data[2]}
    ).json()["files"]
    for each, content in ((first, data[0]), (last, data[2])):
        verify_receipt(each["receipt"].encode(), st01.key.log)
        assert stored(server.data, content) == content
    assert wrong["error"]["code"] == "digest-mismatch" and "1.JPG" in wrong["error"]["zh"]
    told = st01.http.get(f"/api/rejections?docking={docked['docking']}", headers=st01.headers()).json()
    (row,) = told["rejections"]
    assert (row["path"], row["received"]) == ("1.JPG", sha256(other))
    assert (server.data / "spool" / "rejected" / row["id"]).read_bytes() == other
    assert left(server) == []


def test_several_that_can_not_be_taken_are_refused_as_one(st01: PlainStation, server: Server) -> None:
    data, more = os.urandom(1000), os.urandom(1000)
    st01.dock({"A.JPG": data})
    digest = sha256(data)
    assert code(several(st01, {digest: data, sha256(more): more})) == "not-listed"
    assert code(several(st01, {digest: data + b"1"})) == "wrong-length"
    for names in ("", digest.upper(), f"{digest} {digest}", f"{digest},{sha256(more)}", "A.JPG"):
        answer = st01.http.post("/api/files", content=data, headers=st01.headers(Liuhen_Files=names))
        assert (answer.status_code, code(answer)) == (400, "bad-header"), names
    many = " ".join(sha256(bytes([number])) for number in range(MAX_FILES + 1))
    answer = st01.http.post("/api/files", content=b"1", headers=st01.headers(Liuhen_Files=many))
    assert (answer.status_code, code(answer)) == (400, "bad-header")
    assert left(server) == []
    assert several(st01, {digest: data}).status_code == 200


def test_several_whose_sender_leaves_leave_nothing(st01: PlainStation, server: Server) -> None:
    data = [os.urandom(SIZE), os.urandom(SIZE)]
    st01.dock({f"{number}.JPG": content for number, content in enumerate(data)})
    names = " ".join(map(sha256, data))
    with raw(st01, server, f"Liuhen-Files: {names}", 2 * SIZE) as connection:
        connection.sendall(data[0] + data[1][:1_000_000])
    while not left(server):
        pass  # it has begun
    while left(server):
        pass
    assert st01.http.get(f"/api/receipts/{sha256(data[0])}", headers=st01.headers()).status_code == 404


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
