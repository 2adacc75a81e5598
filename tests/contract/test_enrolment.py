"""Enrolling with a one-time code and replacing keys, over HTTP with a real server: what works, what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import update

from ingest import enrolling, invitation, key_messages, station
from ingest.client import ServerClient
from ingest.enrolment import Enrolment, Invitation
from ingest.invitation import Voucher
from ingest.key_messages import Signed
from pipeline.bootstrap import log_vkey
from pipeline.settings import Settings
from storage.catalogue import custody, stations
from storage.catalogue.catalogue import Catalogue
from storage.catalogue.tables import Docking, EnrolmentCode, Station
from storage.clock import now
from storage.errors import IntegrityError, Refused, Transient
from storage.ledger import note
from storage.records import Actor
from tests.support.docking import PlainStation, manifest_of
from tests.support.server import Server, run_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with run_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def client(server: Server) -> Iterator[ServerClient]:
    made = ServerClient(server.url, patience=0)
    yield made
    made.close()


@contextmanager
def catalogue_of(server: Server) -> Iterator[Catalogue]:
    catalogue = Catalogue(Settings(data=server.data).database)
    yield catalogue
    catalogue.close()


def invite(server: Server, name: str) -> Invitation:
    with catalogue_of(server) as catalogue:
        log = log_vkey(Settings(data=server.data), catalogue)
        return Enrolment(catalogue, now).invite(name, "一楼大厅", log, by=Actor("user", "admin"))


def events(server: Server, name: str) -> list[tuple[str, str, dict[str, object]]]:
    with catalogue_of(server) as catalogue, catalogue.read() as session:
        drafts = [json.loads(entry.draft) for entry in custody.chain(session, f"station:{name}")]
    return [(one["event"], one["actor"]["id"], one["payload"]) for one in drafts]


def request_of(code: str, key: Ed25519PrivateKey) -> Signed:
    return key_messages.enrol(invitation.key_of(invitation.read(code)), key)


def post(http: httpx.Client, message: Signed) -> httpx.Response:
    headers = {"Liuhen-Signature": message.first, "Liuhen-Code-Signature": message.second}
    return http.post("/api/enrolments", content=message.body, headers=headers)


def post_key(http: httpx.Client, message: Signed) -> httpx.Response:
    headers = {"Liuhen-Signature": message.first, "Liuhen-New-Signature": message.second}
    return http.post("/api/stations/keys", content=message.body, headers=headers)


def refusal(answer: httpx.Response) -> tuple[int, str]:
    said = answer.json()["error"]
    assert said["zh"]
    assert said["en"]
    return answer.status_code, said["code"]


def dock(http: httpx.Client, key: station.StationKey) -> httpx.Response:
    body = json.dumps(manifest_of(key.station, {"a": b"1"})).encode()
    return PlainStation(http, key).post_manifest(body)


def test_a_station_enrols_itself_and_docks(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path
) -> None:
    made = invite(server, "ST-01")
    enrolled = enrolling.enrol(client, made.code.lower(), tmp_path / "keys" / "ST-01.json")
    assert (enrolled.key.station, enrolled.place, enrolled.key.log) == ("ST-01", "一楼大厅", made.log)
    path = tmp_path / "keys" / "ST-01.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert not [each.name for each in path.parent.iterdir() if "pending" in each.name]
    assert dock(http, station.load(path)).status_code == 201
    told = events(server, "ST-01")
    assert [(event, who) for event, who, _ in told] == [("station.invited", "admin"), ("station.enrolled", "ST-01")]
    public = invitation.public_of(enrolled.key.key)
    assert told[1][2] == {"public_key": public, "place": "一楼大厅", "invited_by": "admin"}
    with catalogue_of(server) as catalogue, catalogue.read() as session:
        assert [each.public_key for each in stations.keys(session, "ST-01")] == [public]


def test_the_code_is_nowhere_on_the_server(server: Server) -> None:
    code = invitation.read(invite(server, "ST-02").code)
    for path in server.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert code.encode() not in content, path
            assert code[:4].encode() + b"-" + code[4:8].encode() not in content, path


def test_a_lost_answer_is_asked_for_again(server: Server, client: ServerClient, tmp_path: Path) -> None:
    """As after a crash between the request and the key file: the key lies pending, the server has it already."""
    code, out = invite(server, "ST-03").code, tmp_path / "ST-03.json"
    first = enrolling.enrol(client, code, out).key
    pem = json.loads(out.read_bytes())["private_key"]
    out.unlink()
    pending = {"schema": enrolling.PENDING, "private_key": pem}
    (tmp_path / "ST-03.json.pending").write_text(json.dumps(pending))
    again = enrolling.enrol(client, code, out).key
    assert invitation.public_of(again.key) == invitation.public_of(first.key)
    assert [event for event, _, _ in events(server, "ST-03")] == ["station.invited", "station.enrolled"]


def test_a_lost_answer_and_a_new_code_end_in_the_same_key(server: Server, http: httpx.Client) -> None:
    key = Ed25519PrivateKey.generate()
    assert post(http, request_of(invite(server, "ST-04").code, key)).status_code == 201
    again = post(http, request_of(invite(server, "ST-04").code, key))
    assert again.status_code == 201
    assert sum(event == "station.enrolled" for event, _, _ in events(server, "ST-04")) == 1


def test_the_key_is_durable_before_the_server_hears_of_it(server: Server, tmp_path: Path) -> None:
    code, out = invite(server, "ST-05").code, tmp_path / "ST-05.json"
    nobody = ServerClient("http://127.0.0.1:9", patience=0)
    with pytest.raises(Transient):
        enrolling.enrol(nobody, code, out)
    pending = json.loads((tmp_path / "ST-05.json.pending").read_bytes())["private_key"]
    assert not out.exists()
    client = ServerClient(server.url, patience=0)
    assert station.as_pem(enrolling.enrol(client, code, out).key.key) == pending
    for each in (nobody, client):
        each.close()


def test_a_key_file_is_never_overwritten(server: Server, client: ServerClient, tmp_path: Path) -> None:
    out = tmp_path / "ST-06.json"
    out.write_text("old")
    with pytest.raises(Refused, match="exists"):
        enrolling.enrol(client, invite(server, "ST-06").code, out)
    assert out.read_text() == "old"


def test_a_code_is_good_once(server: Server, http: httpx.Client) -> None:
    code = invite(server, "ST-07").code
    assert post(http, request_of(code, Ed25519PrivateKey.generate())).status_code == 201
    assert refusal(post(http, request_of(code, Ed25519PrivateKey.generate()))) == (409, "used-code")


def test_of_many_at_once_one_gets_the_code(server: Server, http: httpx.Client) -> None:
    code = invite(server, "ST-20").code
    asked = [request_of(code, Ed25519PrivateKey.generate()) for _ in range(6)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda each: post(http, each), asked))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert [event for event, _, _ in events(server, "ST-20")] == ["station.invited", "station.enrolled"]


def test_codes_run_out(server: Server, http: httpx.Client) -> None:
    code = invite(server, "ST-08").code
    with catalogue_of(server) as catalogue, catalogue.write() as session:
        session.execute(update(EnrolmentCode).where(EnrolmentCode.station_id == "ST-08").values(expires=now()))
    assert refusal(post(http, request_of(code, Ed25519PrivateKey.generate()))) == (410, "expired-code")


def test_a_new_code_ends_the_one_before(server: Server, http: httpx.Client) -> None:
    first, second = invite(server, "ST-09").code, invite(server, "ST-09").code
    assert refusal(post(http, request_of(first, Ed25519PrivateKey.generate()))) == (410, "expired-code")
    assert post(http, request_of(second, Ed25519PrivateKey.generate())).status_code == 201


def test_malformed_and_wrongly_signed_requests_are_refused(server: Server, http: httpx.Client) -> None:
    key, code = Ed25519PrivateKey.generate(), invite(server, "ST-10").code
    good = request_of(code, key)
    assert refusal(post(http, replace(good, first=good.second))) == (403, "wrong-signature")
    assert refusal(post(http, replace(good, second=good.first))) == (403, "wrong-signature")
    other = Ed25519PrivateKey.generate()
    swapped = good.body.replace(invitation.public_of(key).encode(), invitation.public_of(other).encode())
    assert refusal(post(http, replace(good, body=swapped))) == (403, "wrong-signature")
    fields = json.loads(good.body)
    for bad in (b"", b"[]", b"\xff", json.dumps(fields | {"more": 1}).encode(), b"x" * 5000):
        assert refusal(post(http, replace(good, body=bad)))[0] in (400, 413)
    short = json.dumps(fields | {"public_key": "AAAA"}).encode()
    assert refusal(post(http, replace(good, body=short))) == (400, "refused")
    assert [event for event, _, _ in events(server, "ST-10")] == ["station.invited"]


def test_a_server_that_does_not_know_the_code_is_noticed(tmp_path: Path) -> None:
    """Somebody in between, who answers with a ledger key of their own."""
    code, mine = invitation.make(), Ed25519PrivateKey.generate()
    log = "liuhen.local/log+d2b3f4c1+AVvkVv0r0Vv0r0Vv0r0Vv0r0Vv0r0Vv0r0Vv0r0Vv0rw"
    forged = invitation.vouch(mine, "ST-01", log)
    with pytest.raises(IntegrityError, match="pose"):
        enrolling.enrol(Posing(forged), code, tmp_path / "ST-01.json")
    assert not (tmp_path / "ST-01.json").exists()


def test_what_nobody_vouches_for_does_not_reach_the_terminal(tmp_path: Path) -> None:
    code = invitation.make()
    key = note.Ed25519Verifier("liuhen.local/log", Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    voucher = invitation.vouch(invitation.key_of(invitation.read(code)), "ST-01", str(key))
    enrolled = enrolling.enrol(Posing(voucher, "\x1b]0;owned\x07"), code, tmp_path / "ST-01.json")
    assert (enrolled.key.station, enrolled.place) == ("ST-01", "")


class Posing(ServerClient):
    def __init__(self, voucher: Voucher, place: str = "") -> None:
        self._said = {"station": voucher.station, "place": place, "log": voucher.log, "proof": voucher.proof}

    def send(self, *_: object, **__: object) -> httpx.Response:
        return httpx.Response(201, json=self._said)


def test_a_lost_key_is_replaced_by_a_new_code(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path
) -> None:
    lost = enrolling.enrol(client, invite(server, "ST-11").code, tmp_path / "a.json").key
    thief = PlainStation(http, lost)
    thief.dock({"a": b"1"})
    code = invite(server, "ST-11").code
    assert dock(http, lost).status_code == 201  # until the code is used
    found = enrolling.enrol(client, code, tmp_path / "b.json").key
    assert refusal(dock(http, lost)) == (403, "replaced-key")
    assert refusal(thief.create("a", 1)) == (401, "unknown-token")
    assert dock(http, found).status_code == 201
    told = events(server, "ST-11")[-1]
    assert (told[0], told[2]["replaces"]) == ("station.enrolled", invitation.public_of(lost.key))
    back = request_of(invite(server, "ST-11").code, lost.key)
    assert refusal(post(http, back)) == (409, "known-key")


def test_a_manifest_of_a_lost_key_gives_no_token_any_more(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path
) -> None:
    """Who has the lost station's disk has its signed manifests too; a routine change of keys in between is no cover."""
    lost = enrolling.enrol(client, invite(server, "ST-14").code, tmp_path / "a.json").key
    manifest = json.dumps(manifest_of("ST-14", {"a": b"1"})).encode()
    assert PlainStation(http, lost).post_manifest(manifest).status_code == 201
    enrolling.enrol(client, invite(server, "ST-14").code, tmp_path / "b.json")
    assert refusal(PlainStation(http, lost).post_manifest(manifest)) == (403, "replaced-key")
    enrolling.renew(client, tmp_path / "b.json")
    assert refusal(PlainStation(http, lost).post_manifest(manifest)) == (403, "replaced-key")


def test_a_revoked_station_comes_back_by_a_new_code_only(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path
) -> None:
    code = invite(server, "ST-12").code
    key = enrolling.enrol(client, code, tmp_path / "a.json").key
    unused = invite(server, "ST-12").code
    with catalogue_of(server) as catalogue:
        Enrolment(catalogue, now).revoke("ST-12")
    assert refusal(post(http, request_of(code, key.key))) == (409, "used-code")
    assert refusal(post(http, request_of(unused, Ed25519PrivateKey.generate()))) == (410, "expired-code")
    assert refusal(dock(http, key)) == (403, "revoked-station")
    new = enrolling.enrol(client, invite(server, "ST-12").code, tmp_path / "b.json").key
    assert dock(http, new).status_code == 201


def test_a_key_is_replaced_and_the_old_one_is_refused(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path
) -> None:
    path = tmp_path / "ST-13.json"
    old = enrolling.enrol(client, invite(server, "ST-13").code, path).key
    manifest = json.dumps(manifest_of("ST-13", {"a": b"1"})).encode()
    first = PlainStation(http, old).post_manifest(manifest)
    new = enrolling.renew(client, path)
    assert station.load(path).following is None
    assert invitation.public_of(new.key) != invitation.public_of(old.key)
    assert refusal(dock(http, old)) == (403, "replaced-key")
    again = PlainStation(http, old).post_manifest(manifest)
    assert (again.status_code, again.json()["docking"]) == (201, first.json()["docking"])
    assert dock(http, station.load(path)).status_code == 201
    event, who, payload = events(server, "ST-13")[-1]
    assert (event, who) == ("station.key-rotated", "ST-13")
    given = Signed(str(payload["request"]).encode(), str(payload["signed_by_old"]), str(payload["signed_by_new"]))
    keys = (invitation.public_of(old.key), invitation.public_of(new.key))
    assert key_messages.signed_by(key_messages.ROTATE, given, *keys)
    with catalogue_of(server) as catalogue, catalogue.read() as session:
        docking = session.get_one(Docking, first.json()["docking"])
        assert stations.key_at(session, "ST-13", docking.received) == keys[0]
        assert stations.key_at(session, "ST-13", now()) == keys[1]


@pytest.mark.parametrize("arrived", [False, True], ids=["before the server heard", "after the server answered"])
def test_a_replacement_that_broke_off_is_brought_to_its_end(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path, arrived: bool
) -> None:
    name = f"ST-14-{arrived}"
    path = tmp_path / "key.json"
    held = enrolling.enrol(client, invite(server, name).code, path).key
    held = replace(held, following=Ed25519PrivateKey.generate())
    held.replace(path)
    assert held.following is not None
    if arrived:
        assert post_key(http, key_messages.rotate(name, held.key, held.following)).status_code == 200
    now_held = enrolling.present(server.url, path)
    assert invitation.public_of(now_held.key) == invitation.public_of(held.following)
    assert dock(http, station.load(path)).status_code == 201
    assert sum(event == "station.key-rotated" for event, _, _ in events(server, name)) == 1


def test_a_replacement_needs_both_signatures_and_the_present_key(
    server: Server, client: ServerClient, http: httpx.Client, tmp_path: Path
) -> None:
    key = enrolling.enrol(client, invite(server, "ST-15").code, tmp_path / "a.json").key.key
    stranger, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    good = key_messages.rotate("ST-15", key, new)
    assert refusal(post_key(http, replace(good, first=good.second))) == (403, "wrong-signature")
    assert refusal(post_key(http, replace(good, second=good.first))) == (403, "wrong-signature")
    assert refusal(post_key(http, key_messages.rotate("ST-15", stranger, new))) == (403, "replaced-key")
    assert refusal(post_key(http, key_messages.rotate("ST-99", key, new))) == (403, "unknown-station")
    assert refusal(post_key(http, replace(good, body=b"{}"))) == (400, "refused")
    assert refusal(post_key(http, key_messages.rotate("ST-15", key, key))) == (409, "known-key")
    with catalogue_of(server) as catalogue, catalogue.read() as session:
        assert session.get_one(Station, "ST-15").public_key == invitation.public_of(key)


def test_a_false_receipt_leaves_both_keys(server: Server, client: ServerClient, tmp_path: Path) -> None:
    """Whoever stands between can't make the station drop the key that the server knows."""
    a, b = tmp_path / "a.json", tmp_path / "b.json"
    enrolling.enrol(client, invite(server, "ST-16").code, a)
    enrolling.enrol(client, invite(server, "ST-17").code, b)
    held = replace(station.load(a), following=Ed25519PrivateKey.generate())
    assert held.following is not None
    other = client.send("POST", "/api/stations/keys", *_parts(key_messages.rotate("ST-16", held.key, held.following)))
    with pytest.raises(IntegrityError, match="both keys were kept"):
        enrolling.renew(Replaying(other.content), b)
    assert station.load(b).following is not None
    assert enrolling.current(client, b).station == "ST-17"


def _parts(message: Signed) -> tuple[dict[str, str], bytes]:
    return {"Liuhen-Signature": message.first, "Liuhen-New-Signature": message.second}, message.body


class Replaying(ServerClient):
    """Answers with something that the server once said to another."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    def send(self, *_: object, **__: object) -> httpx.Response:
        return httpx.Response(200, content=self._said)


def test_guessing_is_braked(server: Server, http: httpx.Client) -> None:
    """Last in this file: the address is braked afterwards."""
    seen = set()
    for _ in range(40):
        answer = post(http, request_of(invitation.make(), Ed25519PrivateKey.generate()))
        seen.add(refusal(answer))
        if answer.status_code == 429:
            assert int(answer.headers["Retry-After"]) > 0
            break
    assert seen == {(404, "unknown-code"), (429, "too-many")}
    good = post(http, request_of(invite(server, "ST-18").code, Ed25519PrivateKey.generate()))
    assert refusal(good) == (429, "too-many")
