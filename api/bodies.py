"""The JSON interface's bodies, as its OpenAPI describes them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.fields import PLAIN
from storage.records import RequestKind, RequestState


class Words(BaseModel):
    zh: str
    en: str


class Failure(BaseModel):
    """Every error: one sentence in each language, what was wrong and what to do."""

    error: Words


class Credentials(BaseModel):
    login: Annotated[str, Field(max_length=64), PLAIN]
    password: Annotated[str, Field(max_length=1024)]


class Session(BaseModel):
    """`csrf` goes into the header X-CSRF-Token of every changing request."""

    login: str
    name: str
    roles: list[str]
    must_change: bool
    csrf: str
    expires: datetime


class RecordingLine(BaseModel):
    """`duration` in seconds, `size` in bytes, times in UTC. `verdict` null: not analysed yet."""

    id: str
    device: str
    officer: str
    station: str | None
    case: str
    kind: str
    started: datetime | None
    duration: float | None
    verdict: str | None
    retention: str
    keep_until: datetime | None
    held: bool
    received: datetime
    segments: int
    size: int


class DerivativeBody(BaseModel):
    kind: str
    sha256: str
    size: int
    media_type: str
    retention: str
    tier: str
    proof: dict[str, Any]
    made: datetime


class OriginalBody(BaseModel):
    """`root`: RFC 6962 root over 1 MiB chunks."""

    sha256: str
    root: str
    size: int
    name: str
    sequence: int | None
    tier: str
    received: datetime
    derivatives: list[DerivativeBody]


class CustodyBody(BaseModel):
    """`index` null: recorded, not published yet."""

    index: int | None
    event: str
    time: datetime
    actor: dict[str, str]
    payload: dict[str, Any]


class RecordingBody(RecordingLine):
    report: dict[str, Any] | None
    originals: list[OriginalBody]
    custody: list[CustodyBody]


class RecordingPage(BaseModel):
    total: int
    recordings: list[RecordingLine]


class GrantBody(BaseModel):
    id: str
    expires: datetime


class RequestBody(BaseModel):
    """`export`: the disc image's size in bytes once it is made; download it at /exports/{id}."""

    id: str
    kind: RequestKind
    recording: str
    requester: str
    purpose: str
    state: RequestState
    made: datetime
    decided: datetime | None
    decided_by: str | None
    reason: str
    grant: GrantBody | None
    export: int | None


class RequestPage(BaseModel):
    total: int
    requests: list[RequestBody]


class NewRequest(BaseModel):
    recording: str = Field(pattern=r"^[0-9a-z]{1,40}$")
    kind: RequestKind
    purpose: Annotated[str, Field(min_length=4, max_length=2000), PLAIN]


class Decision(BaseModel):
    """A rejection needs a reason."""

    approve: bool
    reason: Annotated[str, Field(max_length=2000), PLAIN] = ""


class GapBody(BaseModel):
    start: datetime
    end: datetime
    zh: str
    en: str


class SpanBody(BaseModel):
    """`what`: the recordings it stands for, joined by 、."""

    start: datetime
    end: datetime
    what: str


class DeviceSpan(BaseModel):
    start: datetime
    end: datetime
    recording: str


class DeviceBody(BaseModel):
    """`dates_read_as`: utc, or local where the device writes its local time."""

    device: str
    dates_read_as: str
    spans: list[DeviceSpan]


class CoverageBody(BaseModel):
    """`covered_fraction`: of the activity without its accepted breaks. `undated`: recordings that were left out."""

    start: datetime
    end: datetime
    covered_fraction: float
    gaps: list[GapBody]
    covered: list[SpanBody]
    excused: list[SpanBody]
    devices: list[DeviceBody]
    undated: list[str]


class MissingFile(BaseModel):
    """A file on a docking manifest that was never received, by its first listing (`docking`, `listed`). `due`: until
    when it may come (UP-24H); `special`: three working days, with a recorded reason; `estimated`: holidays on the way
    are not announced yet.
    """

    path: str
    device: str
    station: str
    docking: str
    size: int
    sha256: str
    modified: datetime
    listed: datetime
    due: datetime
    overdue: bool
    special: bool
    estimated: bool


class MissingPage(BaseModel):
    total: int
    files: list[MissingFile]
