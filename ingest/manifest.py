"""The docking manifest: what a station says is on a card, signed. Shared by the station agent and the server. Pure.

The format is `liuhen.docking/1` (docs/docking-protocol.md). The bytes are signed as sent and kept as received; nobody
writes the JSON again.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ingest import signed
from storage.errors import Refused

SCHEMA = "liuhen.docking/1"
MAX_BYTES = 16 << 20
MAX_FILES = 50_000
MAX_PATH = 1024  # characters
YEARS = range(1000, 9000)  # in which every zone has a local time, also some days on
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
    moment = datetime.fromisoformat(text).astimezone(UTC)
    if moment.year not in YEARS:
        raise ValueError(f"a year lies from {YEARS.start} to {YEARS.stop - 1}")
    return moment


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


Seconds = Annotated[float, Field(ge=-1e10, le=1e10, allow_inf_nan=False)]


class Part(BaseModel):
    """An object of a message: no field of an unknown name, none of another type."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class DeviceLine(Part):
    """`named_by`: what told the serial. `quarantine`: nothing did; the serial is made from the card (UNKNOWN-…)."""

    serial: Name
    model: Annotated[str, Field(max_length=100), AfterValidator(_check_name)] = ""
    named_by: Literal["", "operator", "settings", "note", "names", "metadata", "label"] = ""
    quarantine: bool = False


class ClockLine(Part):
    """The station's clock by its kernel (adjtimex): held for synchronised or not, its estimated error in seconds, and
    by how many seconds it was set while the agent ran. None: not known.
    """

    synchronised: bool | None = None
    error: Seconds | None = None
    jumped: Seconds = 0.0


class CameraClock(Part):
    """How far the camera's clock is ahead of the station's, in seconds. `bound` "at-least": it may be further ahead."""

    offset: Seconds
    bound: Literal["exact", "at-least"]
    source: Literal["device.json", "newest-file"]


class FileLine(Part):
    """One file on the card. `size` in bytes, `modified` as the card's directory says.

    `not_uploaded`: why it is listed only; empty for all that is to be brought over.
    """

    path: CardPath
    size: Annotated[int, Field(ge=0, le=1 << 50)]
    modified: Time
    sha256: Hash
    root: Hash
    not_uploaded: Annotated[str, Field(max_length=200), AfterValidator(_check_name)] = ""


class UnreadableLine(Part):
    """A file that is on the card and could not be read, and why: listed, so that nobody can say it was never there."""

    path: CardPath
    why: Annotated[str, Field(max_length=200), AfterValidator(_check_name)]


class Manifest(Part):
    schema_: Annotated[Literal["liuhen.docking/1"], Field(alias="schema")]
    station: Name
    device: DeviceLine
    time: Time
    nonce: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    files: Annotated[list[FileLine], Field(max_length=MAX_FILES)]
    unreadable: Annotated[list[UnreadableLine], Field(max_length=MAX_FILES)] = []
    clock: ClockLine | None = None
    camera_clock: CameraClock | None = None


def parse(content: bytes) -> Manifest:
    """Read a manifest strictly. Raises Refused that names the first thing wrong."""
    try:
        manifest = signed.read(Manifest, content)
    except ValueError as error:
        raise _malformed(str(error)) from error
    paths = Counter(line.path for line in manifest.files)
    if paths and (twice := paths.most_common(1)[0])[1] > 1:
        raise _malformed(f"files: {twice[0]} is listed twice")
    return manifest


def encode(fields: Mapping[str, Any]) -> bytes:
    """The manifest's bytes, to be signed and sent as they are."""
    return signed.encode(dict(fields))


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sign(content: bytes, key: Ed25519PrivateKey) -> str:
    """The value of the `Liuhen-Signature` header."""
    return signed.sign(signed.MANIFEST, content, key)


def signed_by(content: bytes, signature: str, public_key: str) -> bool:
    """Whether `signature` (base64) over the manifest is by `public_key` (base64 of the 32 raw bytes)."""
    return signed.signed_by(signed.MANIFEST, content, signature, public_key)


def _malformed(what: str) -> Refused:
    what = what[:300]
    return Refused(
        f"采集清单格式不正确（{what}），未登记；请升级采集站程序后重试。",
        f"the docking manifest is malformed ({what}) and was not registered: update the station's program",
    )
