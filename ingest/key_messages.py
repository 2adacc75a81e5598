"""What stations say about their keys: "enrol me" and "replace my key" (docs/docking-protocol.md, section 2). Pure.

Each is signed by two keys, so that both are known to be its sender's. Shared by the station and the server.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, Field

from ingest import signed
from ingest.invitation import public_of
from ingest.manifest import Name, Part
from storage.errors import Refused

MAX_BYTES = 4096
ENROL = b"liuhen enrolment v1\n"
ROTATE = b"liuhen station key v1\n"


def _check_key(text: str) -> str:
    raw = base64.b64decode(text, validate=True)  # raises ValueError
    if len(raw) != 32 or base64.b64encode(raw).decode("ascii") != text:
        raise ValueError("a public key is the base64 of 32 bytes")
    return text


Key = Annotated[str, Field(max_length=44), AfterValidator(_check_key)]


class Enrol(Part):
    """`code`: the public key in the one-time code; `public_key`: the station's own, made by itself."""

    schema_: Annotated[Literal["liuhen.enrolment/1"], Field(alias="schema")]
    code: Key
    public_key: Key


class Rotate(Part):
    """`replaces`: the station's present key; `public_key`: the new one."""

    schema_: Annotated[Literal["liuhen.station-key/1"], Field(alias="schema")]
    station: Name
    replaces: Key
    public_key: Key


@dataclass(frozen=True, slots=True)
class Signed:
    """A message as it goes over the wire: the exact bytes and two signatures (base64)."""

    body: bytes
    first: str
    second: str


T = TypeVar("T", Enrol, Rotate)


def enrol(code: Ed25519PrivateKey, key: Ed25519PrivateKey) -> Signed:
    """First signature by the station's key, second by the code's."""
    fields = {"schema": "liuhen.enrolment/1", "code": public_of(code), "public_key": public_of(key)}
    return _signed(ENROL, fields, key, code)


def rotate(station: str, old: Ed25519PrivateKey, new: Ed25519PrivateKey) -> Signed:
    """First signature by the old key, second by the new one."""
    keys = {"replaces": public_of(old), "public_key": public_of(new)}
    return _signed(ROTATE, {"schema": "liuhen.station-key/1", "station": station, **keys}, old, new)


def parse(kind: type[T], body: bytes) -> T:
    """Read a message strictly. Raises Refused that names the first thing wrong."""
    try:
        return signed.read(kind, body)
    except ValueError as error:
        raise Refused(
            f"登记信息格式不正确（{error}），未作任何更改；请升级采集站程序后重试。",
            f"the message is malformed ({error}) and nothing was changed: update the station's program",
        ) from error


def signed_by(domain: bytes, given: Signed, first: str, second: str) -> bool:
    """Whether the two public keys signed it, in this order."""
    pairs = ((given.first, first), (given.second, second))
    return all(signed.signed_by(domain, given.body, signature, key) for signature, key in pairs)


def _signed(domain: bytes, fields: dict[str, str], first: Ed25519PrivateKey, second: Ed25519PrivateKey) -> Signed:
    body = signed.encode(fields)
    return Signed(body, signed.sign(domain, body, first), signed.sign(domain, body, second))
