"""The docking manifest: what a station says is on a card, signed. Shared by the station agent and the server. Pure.

The format is `liuhen.docking/1` (docs/docking.md). The bytes are signed as sent and kept as received; nobody writes
the JSON again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from storage.errors import Refused

SCHEMA = "liuhen.docking/1"
DOMAIN = b"liuhen docking manifest v1\n"  # signed before the bytes, so that no other message passes for a manifest
MAX_BYTES = 16 << 20
MAX_FILES = 50_000
MAX_PATH = 1024  # characters
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def check_path(path: str) -> str:
    """A path on the card as it may be kept: relative, `/` between the parts, nothing that climbs or hides.

    Raises ValueError that says what is wrong.
    """
    if not 0 < len(path) <= MAX_PATH:
        raise ValueError(f"a path has 1 to {MAX_PATH} characters")
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in path):
        raise ValueError("a path holds no control characters")
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")):
        raise ValueError("a path is relative and has no empty part, '.' or '..'")
    return path


def parse_time(text: str) -> datetime:
    """RFC 3339 in UTC, ending in Z. Raises ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("a time looks like 2026-11-20T01:02:03.004Z")
    return datetime.fromisoformat(text).astimezone(UTC)


def _check_time(text: str) -> str:
    parse_time(text)
    return text


def _check_name(text: str) -> str:
    if any(unicodedata.category(each) in ("Cc", "Cs") for each in text):
        raise ValueError("a name holds no control characters")
    return text


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[str, Field(max_length=32), AfterValidator(_check_time)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_check_name)]
CardPath = Annotated[str, AfterValidator(check_path)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class DeviceLine(_Part):
    serial: Name
    model: Annotated[str, Field(max_length=100), AfterValidator(_check_name)] = ""


class FileLine(_Part):
    """One file on the card. `size` in bytes, `modified` as the card's directory says."""

    path: CardPath
    size: Annotated[int, Field(ge=0, le=1 << 50)]
    modified: Time
    sha256: Hash
    root: Hash


class UnreadableLine(_Part):
    """A file that is on the card and could not be read, and why: listed, so that nobody can say it was never there."""

    path: CardPath
    why: Annotated[str, Field(max_length=200), AfterValidator(_check_name)]


class Manifest(_Part):
    schema_: Annotated[Literal["liuhen.docking/1"], Field(alias="schema")]
    station: Name
    device: DeviceLine
    time: Time
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    files: Annotated[list[FileLine], Field(max_length=MAX_FILES)]
    unreadable: Annotated[list[UnreadableLine], Field(max_length=MAX_FILES)] = []


def parse(content: bytes) -> Manifest:
    """Read a manifest strictly. Raises Refused that names the first thing wrong."""
    try:
        manifest = Manifest.model_validate(json.loads(content.decode("utf-8"), object_pairs_hook=_unique))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _malformed(f"{where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise _malformed(str(error)) from error
    paths = Counter(line.path for line in manifest.files)
    if paths and (twice := paths.most_common(1)[0])[1] > 1:
        raise _malformed(f"files: {twice[0]} is listed twice")
    return manifest


def encode(fields: Mapping[str, Any]) -> bytes:
    """The manifest's bytes, to be signed and sent as they are."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sign(content: bytes, key: Ed25519PrivateKey) -> str:
    """The value of the `Liuhen-Signature` header."""
    return base64.b64encode(key.sign(DOMAIN + content)).decode("ascii")


def signed_by(content: bytes, signature: str, public_key: str) -> bool:
    """Whether `signature` (base64) over the manifest is by `public_key` (base64 of the 32 raw bytes)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), DOMAIN + content)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice in one object")
    return fields


def _malformed(what: str) -> Refused:
    what = what[:300]
    return Refused(
        f"采集清单格式不正确（{what}），未登记；请升级采集站程序后重试。",
        f"the docking manifest is malformed ({what}) and was not registered: update the station's program",
    )
