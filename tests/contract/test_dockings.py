"""Docking manifests over HTTP: who may dock, and what is said of what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from ingest import station
from ingest.enrolment import Enrolment
from pipeline.settings import Settings
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Device, DockedFile, Docking, Entry
from storage.clock import now
from tests.support.docking import PlainStation, manifest_of
from tests.support.server import Server, enrol, run_server

HEADERS = {"Liuhen-Signature": "bm9ib2R5"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data"), max_upload=1 << 20) as running:
        yield running


@pytest.fixture(scope="module")
def key_file(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return enrol(server.data, tmp_path_factory.mktemp("keys"))


@pytest.fixture
def st01(server: Server, key_file: Path) -> Iterator[PlainStation]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as http:
        yield PlainStation(http, station.load(key_file))


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code, after making sure that both languages say something."""
    said = answer.json()["error"]
    assert said["zh"]
    assert said["en"]
    return answer.status_code, said["code"]


def content(st01: PlainStation, **changes: object) -> bytes:
    return json.dumps(manifest_of(st01.key.station, {"a": b"1"}, **changes)).encode()


def test_a_manifest_is_kept_as_signed_with_its_device_and_event(st01: PlainStation, server: Server) -> None:
    body = content(st01, device={"serial": "LH77777", "model": "X"})
    docked = st01.post_manifest(body).json()
    assert [(each["path"], each["state"]) for each in docked["files"]] == [("a", "wanted")]
    catalogue = Catalogue(Settings(data=server.data).database)
    with catalogue.read() as session:
        docking = session.get_one(Docking, docked["docking"])
        assert docking.manifest == body
        assert session.get_one(Device, "LH77777").model == "X"
        assert session.get_one(DockedFile, (docking.id, "a")).size == 1
        entry = session.scalars(select(Entry).where(Entry.subject == "device:LH77777")).one()
    catalogue.close()
    payload = json.loads(entry.draft)["payload"]
    assert payload["manifest_sha256"] == docking.manifest_sha256
    assert payload["new_device"] is True
    assert abs(payload["clock_offset"]) < 60


def test_the_same_manifest_again_is_the_same_docking_with_a_new_token(st01: PlainStation, server: Server) -> None:
    body = content(st01)
    first, second = (st01.post_manifest(body).json() for _ in range(2))
    assert first["docking"] == second["docking"]
    assert first["token"] != second["token"]
    catalogue = Catalogue(Settings(data=server.data).database)
    with catalogue.read() as session:
        drafts = session.scalars(select(Entry.draft).where(Entry.event == "docking.received")).all()
        assert sum(first["docking"].encode() in draft for draft in drafts) == 1
    catalogue.close()
    st01.token = first["token"]
    assert st01.create("a", 1).status_code == 401
    st01.token = second["token"]
    assert st01.create("a", 1).status_code == 201


def test_an_unfinished_upload_is_offered_to_the_next_docking(st01: PlainStation) -> None:
    data = b"x" * 1000
    st01.dock({"clip": data})
    url = st01.begin("clip", len(data))
    st01.patch(url, 0, data[:300])
    offered = st01.dock({"clip": data})["files"][0]
    assert (offered["upload"], offered["offset"]) == (url, 300)
    assert st01.patch(url, 300, data[300:]).status_code == 204
    assert st01.dock({"clip": data})["files"][0]["state"] == "kept"


def test_an_unknown_station_is_refused(st01: PlainStation) -> None:
    assert refusal(st01.post_manifest(content(st01, station="ST-99"))) == (403, "unknown-station")


def test_a_wrong_key_or_a_changed_manifest_is_refused(st01: PlainStation) -> None:
    body = content(st01)
    other = PlainStation(st01.http, station.StationKey("ST-01", Ed25519PrivateKey.generate(), st01.key.log))
    assert refusal(other.post_manifest(body)) == (403, "wrong-key")
    for signature in ("", "AAAA", "%%%", "你".encode().decode("latin-1")):
        headers = {b"Liuhen-Signature": signature.encode("latin-1")}
        answer = st01.http.post("/api/dockings", content=body, headers=headers)
        assert refusal(answer) == (403, "wrong-key")


def test_a_revoked_station_is_refused_at_once(st01: PlainStation, server: Server, tmp_path: Path) -> None:
    other = PlainStation(st01.http, station.load(enrol(server.data, tmp_path, "ST-03")))
    other.dock({"a": b"1"})
    catalogue = Catalogue(Settings(data=server.data).database)
    Enrolment(catalogue, now).revoke("ST-03")
    catalogue.close()
    assert refusal(other.create("a", 1)) == (401, "unknown-token")
    assert refusal(other.post_manifest(content(other))) == (403, "revoked-station")


def line(**changes: object) -> dict[str, object]:
    return {"path": "a", "size": 1, "modified": "2026-01-01T00:00:00Z", "sha256": "0" * 64, "root": "0" * 64, **changes}


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": "liuhen.docking/2"},
        {"nonce": "short"},
        {"time": "2026-01-01 00:00"},
        {"time": "2026-13-01T00:00:00Z"},
        {"device": {"serial": ""}},
        {"device": {"serial": "a\nb"}},
        {"extra": 1},
        {"files": [line(size=-1)]},
        {"files": [line(size="1")]},
        {"files": [line(size=1.5)]},
        {"files": [line(sha256="0" * 63)]},
        {"files": [line(sha256="G" * 64)]},
        {"files": [line(path="/etc/passwd")]},
        {"files": [line(path="a/../../b")]},
        {"files": [line(path="./a")]},
        {"files": [line(path="a//b")]},
        {"files": [line(path="a\x00b")]},
        {"files": [line(path="a\u0085b")]},
        {"files": [line(path="a" * 1025)]},
        {"files": [line(path="")]},
        {"files": [line(), line()]},
        {"files": None},
    ],
)
def test_a_malformed_manifest_is_refused(st01: PlainStation, changes: dict[str, object]) -> None:
    assert refusal(st01.post_manifest(content(st01, **changes))) == (400, "refused")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000])
def test_what_is_no_manifest_at_all_is_refused(st01: PlainStation, body: bytes) -> None:
    assert refusal(st01.post_manifest(body)) == (400, "refused")


def test_an_endless_manifest_is_refused(st01: PlainStation) -> None:
    assert refusal(st01.post_manifest(b" " * (17 << 20))) == (413, "manifest-too-large")


def test_a_too_large_file_is_refused_before_anything_is_written(st01: PlainStation) -> None:
    data = b"x" * ((1 << 20) + 1)
    st01.dock({"big": data})
    assert refusal(st01.create("big", len(data))) == (413, "too-large")


def test_large_messages_of_strangers_are_not_held_in_memory(server: Server) -> None:
    def send(_: int) -> int:
        answer = httpx.post(f"{server.url}/api/wipes", content=large, headers=HEADERS, timeout=60, trust_env=False)
        return answer.status_code

    large = b'{"station": "ST-01", "wiped": [' + b"[]," * 5_000_000
    before = peak(server)
    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(send, range(12))) == {403}
    assert peak(server) - before < 100 << 10  # one of 16 MiB twice, not twelve; unread
    assert list((server.data / "spool").glob("tmp*")) == []


def peak(server: Server) -> int:
    """The most memory that it ever had, in KiB."""
    status = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
