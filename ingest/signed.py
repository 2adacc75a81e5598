"""Messages that a station signs: each kind under a domain of its own, so that none passes for another. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, NoReturn, TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import BaseModel, ValidationError

from storage.errors import Refused

Message = TypeVar("Message", bound=BaseModel)

MANIFEST = b"liuhen docking manifest v1\n"
STATE = b"liuhen station state v1\n"
WIPE = b"liuhen card wipe v1\n"
_STATION = re.compile(rb'"station"\s*:\s*("(?:[^"\\]|\\.){1,1200}")')  # a string never holds a bare quotation mark


def sign(domain: bytes, content: bytes, key: Ed25519PrivateKey) -> str:
    """The value of the `Liuhen-Signature` header."""
    return base64.b64encode(key.sign(domain + content)).decode("ascii")


def signed_by(domain: bytes, content: bytes, signature: str, public_key: str) -> bool:
    """Whether `signature` (base64) over the message is by `public_key` (base64 of the 32 raw bytes)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), domain + content)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def station_in(content: bytes) -> str:
    """The station that a message names, without reading the message: so that who signed it is known before.

    What `read` makes of it is the same, or refused. Raises Refused when it names none.
    """
    found = _STATION.search(content)
    try:
        return str(json.loads(found[1])) if found else _no_station()
    except ValueError:
        return _no_station()


def _no_station() -> NoReturn:
    raise Refused(
        "格式不正确（没有采集站名称），未接收；请升级采集站程序。",
        "the message is malformed (it names no station) and was not taken: update the station's program",
    )


def read(model: type[Message], content: bytes) -> Message:
    """Read a message strictly: UTF-8, no field twice, none unknown. Raises ValueError naming the first thing wrong."""
    try:
        return model.model_validate(json.loads(content.decode("utf-8"), object_pairs_hook=_unique))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}"[:300]) from error
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except ValueError as error:
        raise ValueError(str(error)[:300]) from error


def encode(fields: dict[str, Any]) -> bytes:
    """A message's bytes, to be signed and sent as they are."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice in one object")
    return fields
