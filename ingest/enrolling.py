"""The station's side of its keys: enrolling with a one-time code, and replacing the key.

A new key is durable on the station's disk before the server hears of it, and an old one stays until the server has
proven that it took the new one: whatever breaks in between, the same command again ends in the same place.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ingest import invitation, key_messages, station
from ingest.client import ServerClient
from ingest.invitation import Voucher
from ingest.key_messages import Signed
from ingest.station import StationKey
from storage import durable
from storage.errors import IntegrityError, Refused
from storage.ledger import note, proof, rotation

PENDING = "liuhen.station-pending/1"


@dataclass(frozen=True, slots=True)
class Enrolled:
    key: StationKey
    place: str


def enrol(client: ServerClient, code: str, out: Path) -> Enrolled:
    """Make a key, have it enrolled, write the key file `out`. Safe to run again after any failure.

    Raises Refused (the code; `out` exists), Transient (no answer), IntegrityError (the answer is not by whoever made
    the code: somebody stands between).
    """
    typed = invitation.read(code)
    with _only_one(out):
        if out.exists():
            if (done := _done(out)) is not None:
                return done
            raise Refused(f"密钥文件“{out}”已存在，不会覆盖。", f"the key file “{out}” exists and is not overwritten")
        code_key, key = invitation.key_of(typed), _pending(out)
        said = _post(client, "/api/enrolments", key_messages.enrol(code_key, key), "Liuhen-Code-Signature")
        voucher, place = _read(said)
        if not voucher.holds(code_key):
            raise _between()
        made = StationKey(voucher.station, key, voucher.log)
        made.save(out)
        durable.remove(_pending_file(out))
        return Enrolled(made, place)


def renew(client: ServerClient, path: Path) -> StationKey:
    """Replace the station's key by a new one, signed by both. Safe to run again after any failure.

    Raises Refused, Transient, IntegrityError.
    """
    with _only_one(path):
        held = station.load(path)
        if held.following is None:
            held = replace(held, following=Ed25519PrivateKey.generate())
            held.replace(path)
        return _finish(client, path, held)


def current(client: ServerClient, path: Path) -> StationKey:
    """The station's key, after a replacement that was begun and broke off has been brought to its end."""
    if (held := station.load(path)).following is None:
        return held
    with _only_one(path):
        held = station.load(path)
        return held if held.following is None else _finish(client, path, held)


def present(server: str, path: Path, ca: Path | None = None) -> StationKey:
    """As `current`, asking the server at this address only where there is something to bring to its end."""
    if (held := station.load(path)).following is None:
        return held
    client = ServerClient(server, patience=0, ca=ca)
    try:
        return current(client, path)
    finally:
        client.close()


def _finish(client: ServerClient, path: Path, held: StationKey) -> StationKey:
    assert held.following is not None  # noqa: S101 - what it is called for
    asked = key_messages.rotate(held.station, held.key, held.following)
    receipt = _post(client, "/api/stations/keys", asked, "Liuhen-New-Signature")
    _check(client, receipt, held, asked)
    made = StationKey(held.station, held.following, held.log)
    made.replace(path)
    return made


def _check(client: ServerClient, receipt: bytes, held: StationKey, asked: Signed) -> None:
    """The ledger says that the server took the new key: nobody else could make the station drop the old one."""
    try:
        entry = proof.verify_receipt(receipt, rotation.learn(held.log, b"")).entry
    except IntegrityError:  # perhaps the ledger has a later key
        entry = proof.verify_receipt(receipt, rotation.learn(held.log, client.rotations())).entry
    event = entry.event
    said = (event.event, event.subject, event.payload.get("request"))
    if said != ("station.key-rotated", f"station:{held.station}", asked.body.decode()):
        raise IntegrityError(
            "服务器的回执不是本次更换密钥的；两个密钥都已保留，请报告管理员。",
            "the server's receipt is not of this change of key: both keys were kept; tell the administrator",
        )


def _post(client: ServerClient, address: str, message: Signed, second: str) -> bytes:
    headers = {"Liuhen-Signature": message.first, second: message.second, "Content-Type": "application/json"}
    return client.send("POST", address, headers, message.body).content


def _read(answer: bytes) -> tuple[Voucher, str]:
    try:
        said = json.loads(answer)
        voucher = Voucher(str(said["station"]), str(said["log"]), str(said["proof"]))
        note.parse_vkey(voucher.log)
        place = str(said["place"])  # nobody vouches for it, and it goes to a terminal
        return voucher, place if place.isprintable() else ""
    except (ValueError, TypeError, KeyError, IntegrityError) as error:
        raise _between() from error


def _done(out: Path) -> Enrolled | None:
    """What an attempt before this one had come to, when it broke off right before its end."""
    path = _pending_file(out)
    if not path.exists() or station.as_pem((held := station.load(out)).key) != station.as_pem(_pending(out)):
        return None
    durable.remove(path)
    return Enrolled(held, "")


def _pending(out: Path) -> Ed25519PrivateKey:
    """The key of an attempt before this one, or a new one, durable before anybody hears of it."""
    path = _pending_file(out)
    if path.exists():
        try:
            fields = json.loads(path.read_bytes())
            if fields["schema"] == PENDING:
                return station.from_pem(fields["private_key"])
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(
                f"未完成的密钥文件“{path}”已损坏，请删除后重试。",
                f"the unfinished key file “{path}” is damaged: remove it and try again",
            ) from error
    key = Ed25519PrivateKey.generate()
    fields = {"schema": PENDING, "private_key": station.as_pem(key)}
    durable.write(path, json.dumps(fields, indent=1).encode() + b"\n", mode=0o600)
    return key


def _pending_file(out: Path) -> Path:
    return out.with_name(f"{out.name}.pending")


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Two commands at once would each make a key, and one would be lost."""
    durable.make_directory(path.parent.absolute())
    with path.with_name(f".{path.name}.lock").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _between() -> IntegrityError:
    return IntegrityError(
        "服务器的答复不是由生成登记码的服务器作出的，密钥文件未生成：网络中可能有人冒充服务器，请立即报告管理员。",
        "the answer is not by the server that made the code, and no key file was written: somebody on the network may "
        "pose as the server; tell the administrator at once",
    )
